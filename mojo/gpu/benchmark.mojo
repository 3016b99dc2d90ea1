"""Checks an accelerator's outputs against the processor's and times both, on the network of the 8-puzzle,
81-512-256-(4, 1), and on populations of 1,024 members with perturbations of rank 1.

    mojo build -I mojo/src -I mojo/gpu [--target-accelerator sm_90] -o benchmark mojo/gpu/benchmark.mojo && ./benchmark

Prints one line per batch: rows, then rows per second on one thread of the processor, on the accelerator, and on the
accelerator as a population. Times of the accelerator include all copies. Fails if outputs differ by more than 1e-3.
"""

from max.gpu.host import DeviceContext
from std.time import perf_counter_ns

from twisterl.algorithms.es.perturbation import PerturbationKey, PerturbationLayout
from twisterl.env.puzzle import Puzzle, PuzzleParams
from twisterl.io.args import fail
from twisterl.policy.evaluator import Evaluation
from twisterl.policy.forward import Executor
from twisterl.policy.network import Activation, MlpSizes, Network
from twisterl.rng import Purpose, Rng, StreamKey
from twisterl_gpu.forward import DeviceExecutor

comptime CELLS = 9
comptime PAIRS = 512
"""Pairs of members."""
comptime KEY = PerturbationKey(0, 0)
comptime SIGMA = Float32(0.02)
comptime NANOSECONDS = 300_000_000
"""The time of each measurement."""


def main():
    try:
        run_program()
    except error:
        fail(error)


def run_program() raises:
    """Runs the program."""
    if DeviceContext.number_of_devices() == 0:
        raise Error("accelerator: expected one of the kind that this program was built for, found none")
    var context = DeviceContext()
    print("rows, processor, ", context.name(), ", population", sep="")
    var sizes = MlpSizes(512, [256], List[Int](), List[Int](), Activation.RELU)
    var network = Network(CELLS * CELLS, 4, sizes)
    var executor = Executor(network, network.initial_parameters(0))
    var device = DeviceExecutor(context, executor)
    for rows in [1024, 8192, 65_536]:
        var ones = boards(rows)
        device.perturb(PerturbationLayout(network, 1), KEY, PAIRS, rows // (2 * PAIRS), SIGMA, 1)
        check(executor, device, ones, rows)
        check_population(executor, device, ones, rows)
        var slots = row_slots(rows)
        var out = Evaluation()
        var rates = List[Int]()
        for mode in range(3):
            var count = 0
            var start = perf_counter_ns()
            while perf_counter_ns() - start < NANOSECONDS:
                if mode == 0:
                    executor.evaluate(ones, rows, out)
                elif mode == 1:
                    device.evaluate(ones, rows, out)
                else:
                    device.evaluate_slots(ones, slots, out)
                count += rows
            rates.append(Int(Float64(count) * 1e9 / Float64(perf_counter_ns() - start)))
        print(rows, rates[0], rates[1], rates[2], sep=", ")


def boards(rows: Int) raises -> List[UInt16]:
    """Returns observations of random boards, `[rows, CELLS]`."""
    var env = Puzzle[3, 3](PuzzleParams(difficulty=1))
    var rng = Rng(StreamKey(1, Purpose.START))
    var ones = List[UInt16](length=rows * CELLS, fill=0)
    for row in range(rows):
        env.reset_uniform(rng)
        env.observe(Span(ones)[row * CELLS : (row + 1) * CELLS])
    return ones^


def row_slots(rows: Int) -> List[Int]:
    """Returns the slots from 0 to `rows` - 1."""
    var slots = List[Int](capacity=rows)
    for row in range(rows):
        slots.append(row)
    return slots^


def check(executor: Executor, mut device: DeviceExecutor, ones: List[UInt16], rows: Int) raises:
    """Raises unless the policy's outputs agree on both devices."""
    var expected = Evaluation()
    executor.evaluate(ones, rows, expected)
    var found = Evaluation()
    device.evaluate(ones, rows, found)
    for i in range(len(expected.logits)):
        agree(found.logits[i], expected.logits[i])
    for i in range(rows):
        agree(found.values[i], expected.values[i])


def check_population(executor: Executor, mut device: DeviceExecutor, ones: List[UInt16], rows: Int) raises:
    """Raises unless the outputs of some members agree with those of their own weights on the processor."""
    var found = Evaluation()
    device.evaluate_slots(ones, row_slots(rows), found)
    var own = executor.copy()
    var expected = Evaluation()
    for row in range(0, rows, rows // 16 + 1):
        var member = row // device.per_member
        var noise = List[Float32]()
        device.layout.draw(KEY, UInt64(member // 2), noise)
        var weights = executor.parameters()
        device.layout.add(noise, -SIGMA if member % 2 == 1 else SIGMA, weights)
        own.load(weights)
        own.evaluate(Span(ones)[row * CELLS : (row + 1) * CELLS], 1, expected)
        for action in range(4):
            agree(found.logits[row * 4 + action], expected.logits[action])


def agree(found: Float32, expected: Float32) raises:
    """Raises unless two outputs agree up to rounding."""
    if not abs(found - expected) <= 1e-3 * max(Float32(1), abs(expected)):
        raise Error("output: expected ", expected, " as on the processor, found ", found)
