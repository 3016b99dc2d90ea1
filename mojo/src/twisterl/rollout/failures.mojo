"""States on which the greedy policy failed, as starts for training."""

from ..env.environment import Environment
from ..policy.forward import Executor
from ..rng import Purpose, Rng, StreamKey
from ..search.solve import Play, play


@fieldwise_init
struct FailuresConfig(ImplicitlyCopyable, Movable):
    """The parameters of probing for failures."""

    var memory: Int
    """Failures remembered; new ones replace the oldest."""
    var probe_states: Int
    """Uniformly random states on which the greedy policy is tried at each probe."""
    var probe_every: Int
    """Iterations between probes."""


struct Failures[E: Environment](Copyable):
    """The last states on which the greedy policy failed, as a ring buffer."""

    var config: FailuresConfig
    var states: List[Self.E]
    """Environments in the remembered states, at most `config.memory`."""
    var next: Int
    """The position that the next failure replaces once the buffer is full."""
    var solved: Float64
    """The share of random states that the greedy policy solved in the last probe; 0 before the first.

    The shares of starts from random and remembered states are scaled by it: a policy that solves none of them would
    learn nothing there.
    """

    def __init__(out self, config: FailuresConfig):
        """Creates an empty buffer."""
        self.config = config
        self.states = List[Self.E]()
        self.next = 0
        self.solved = 0

    def probe(mut self, env: Self.E, executor: Executor, difficulty: Int, key: StreamKey, threads: Int) raises:
        """Plays greedily from uniformly random states and remembers those that were not solved.

        `key` gives the seed and the iteration.
        """
        var options = Play(greedy=True, threads=threads)
        options.key = key.derive(Purpose.PROBE, 0)
        var starts = List[Self.E](capacity=self.config.probe_states)
        for i in range(self.config.probe_states):
            var rng = Rng(options.key.at(UInt64(1) << 63 | UInt64(i)))
            starts.append(env.copy())
            starts[i].set_difficulty(difficulty)
            starts[i].reset_uniform(rng)
        var solutions = play(starts, executor, options)
        var solved = 0
        for i in range(len(starts)):
            if solutions[i].solved:
                solved += 1
            elif len(self.states) < self.config.memory:
                self.states.append(starts[i].copy())
            else:
                self.states[self.next] = starts[i].copy()
                self.next = (self.next + 1) % self.config.memory
        self.solved = Float64(solved) / Float64(max(self.config.probe_states, 1))
