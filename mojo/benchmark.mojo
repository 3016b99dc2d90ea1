"""Times the operations of the 8-puzzle at difficulty 5 and prints nanoseconds per operation as one JSON object.

scripts/benchmark.py mojo compares them with those of crates/twisterl-core/examples/bench_puzzle.rs and of the peer's
crate.

    mojo run -I mojo/src mojo/benchmark.mojo [ITERATIONS]
"""

from std.benchmark import keep
from std.time import perf_counter_ns

from twisterl.env.puzzle import Puzzle, PuzzleParams
from twisterl.io.args import Args, fail
from twisterl.rng import Purpose, Rng, StreamKey

comptime E = Puzzle[3, 3]
comptime REPEATS = 9
"""Repeats of each measurement."""
comptime USAGE = "usage: benchmark.mojo [ITERATIONS]"


struct Bench:
    """The environment and the buffers that the operations use."""

    var params: PuzzleParams
    var env: E
    var rng: Rng
    var actions: List[Int]
    """Random actions, the same in all drivers."""
    var at: Int
    """The position of the next action."""
    var ones: Array[UInt16, E.ONES]
    var mask: Array[Bool, E.ACTIONS]

    def __init__(out self) raises:
        self.params = PuzzleParams(difficulty=5)
        self.env = E(self.params)
        self.rng = Rng(StreamKey(0, Purpose.START))
        self.actions = List[Int](capacity=4096)
        self.at = 0
        self.ones = Array[UInt16, E.ONES](fill=0)
        self.mask = Array[Bool, E.ACTIONS](fill=False)
        var state = UInt32(1)
        for _ in range(4096):
            state = state * 1664525 + 1013904223
            self.actions.append(Int(state >> 30))
        self.env.reset(self.rng)

    @always_inline
    def action(mut self) -> Int:
        """Returns the next random action."""
        self.at += 1
        return self.actions.unsafe_get((self.at - 1) % 4096)

    @always_inline
    def observe(mut self):
        """Writes observation and mask."""
        self.env.observe(Span(self.ones))
        self.env.action_mask(Span(self.mask))
        keep(self.ones.unsafe_ptr())
        keep(self.mask.unsafe_ptr())

    @always_inline
    def run[operation: StaticString](mut self) raises:
        """Runs one operation."""
        keep(Pointer(to=self.env))  # the compiler must assume that it is read and written
        comptime if operation == "create":
            var env = E(self.params)
            keep(Pointer(to=env))
        elif operation == "reset":
            self.env.reset(self.rng)
        elif operation == "step":
            keep(self.env.step(self.action()).reward)
        elif operation == "observe":
            self.env.observe(Span(self.ones))
            keep(self.ones.unsafe_ptr())
        elif operation == "masks":
            self.env.action_mask(Span(self.mask))
            keep(self.mask.unsafe_ptr())
        elif operation == "clone":
            var env = self.env.copy()
            keep(Pointer(to=env))
        elif operation == "is_final":
            keep(self.env.solved())
        elif operation == "combined_step":
            var step = self.env.step(self.action())
            self.observe()
            keep(step.reward)
            keep(step.done())
        else:
            self.env.reset(self.rng)
            var done = self.env.solved()
            while not done:
                self.observe()
                var step = self.env.step(self.action())
                keep(step.reward)
                done = step.done()


def time[operation: StaticString](mut bench: Bench, iterations: Int) raises:
    """Prints the median time of an operation over `REPEATS` repeats, in nanoseconds."""
    var times = List[Float64]()
    for _ in range(REPEATS):
        var start = perf_counter_ns()
        for _ in range(iterations):
            bench.run[operation]()
        times.append(Float64(perf_counter_ns() - start) / Float64(iterations))
    sort(times)
    comptime separator = "{" if operation == "create" else ","
    print(separator, '"', operation, '":', times[REPEATS // 2], sep="", end="")


def main():
    try:
        var args = Args(List[String](), USAGE)
        if len(args.positional) > 1:
            raise Error(USAGE)
        var iterations = 100_000
        if len(args.positional) == 1:
            iterations = max(1, Int(args.positional[0]))
        var bench = Bench()
        time["create"](bench, iterations)
        time["reset"](bench, iterations)
        time["step"](bench, iterations)
        time["observe"](bench, iterations)
        time["masks"](bench, iterations)
        time["clone"](bench, iterations)
        time["is_final"](bench, iterations)
        time["combined_step"](bench, iterations)
        time["episode"](bench, iterations)
        print("}")
    except error:
        fail(error)
