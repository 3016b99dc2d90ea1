"""Where training episodes start."""

from .env import Environment
from .forward import Executor
from .rng import Purpose, Rng
from .solve import Play, play

comptime REDRAWS = 64
"""How often a start that is already solved is drawn again."""


struct Starts[E: Environment](Copyable):
    """Shares of each kind of start, the rest being scrambles of `difficulty`."""

    var difficulty: Int
    """The current difficulty."""
    var uniform: Float64
    """Share of states drawn uniformly."""
    var mixed: Float64
    """Share of scrambles of a difficulty drawn uniformly from 1 to the current one."""
    var remembered: Float64
    """Share of `memory`, while there is any."""
    var memory: List[Self.E]
    """Environments that stand where an episode may start."""

    def __init__(out self, difficulty: Int, uniform: Float64 = 0, mixed: Float64 = 0):
        """Without a memory."""
        self.difficulty = difficulty
        self.uniform = uniform
        self.mixed = mixed
        self.remembered = 0
        self.memory = List[Self.E]()

    def begin(self, mut env: Self.E, mut choice: Rng, mut rng: Rng) -> Int:
        """Begins an episode of `env`: `choice` decides on its kind, and `rng` makes it. Returns the difficulty of its
        scramble; -1 of any other start.
        """
        var dice = choice.uniform64()
        if dice < self.remembered and len(self.memory) > 0:
            env = self.memory[choice.below(len(self.memory))].copy()
            env.set_difficulty(self.difficulty)
            env.limit_budget()
            return -1
        dice -= self.remembered
        if dice >= 0 and dice < self.uniform:
            env.set_difficulty(self.difficulty)
            env.reset_uniform(rng)
            return -1
        dice -= self.uniform
        var difficulty = self.difficulty
        if dice >= 0 and dice < self.mixed:
            difficulty = 1 + choice.below(max(self.difficulty, 1))
        env.set_difficulty(difficulty)
        env.reset(rng)
        return difficulty


@fieldwise_init
struct FailuresConfig(ImplicitlyCopyable, Movable):
    """What is tried, and what is remembered."""

    var memory: Int
    """Failures remembered; new ones replace the oldest."""
    var probe_states: Int
    """Uniformly random states on which the greedy policy is tried at each probe."""
    var probe_every: Int
    """Probe in every this many iterations."""


struct Failures[E: Environment](Copyable):
    """States on which the greedy policy failed lately, as starts for training: a ring."""

    var config: FailuresConfig
    var states: List[Self.E]
    var next: Int
    var solved: Float64
    """The share of random states that was solved greedily by the last probe; 0 before the first. Starts from random and
    remembered states are scaled by it: while the policy solves none, they would be a waste.
    """

    def __init__(out self, config: FailuresConfig):
        self.config = config
        self.states = List[Self.E]()
        self.next = 0
        self.solved = 0

    def probe(mut self, env: Self.E, executor: Executor, difficulty: Int, mut how: Play) raises:
        """Plays uniformly random states greedily and remembers those that were not solved."""
        how.purpose = Purpose.PROBE
        var starts = List[Self.E](capacity=self.config.probe_states)
        for i in range(self.config.probe_states):
            var rng = Rng(how.seed, Purpose.PROBE, how.iteration, UInt64(1) << 63 | UInt64(i))
            starts.append(env.copy())
            starts[i].set_difficulty(difficulty)
            starts[i].reset_uniform(rng)
        var outcomes = play(starts, executor, how)
        var solved = 0
        for i in range(len(starts)):
            if outcomes[i].solved:
                solved += 1
            elif len(self.states) < self.config.memory:
                self.states.append(starts[i].copy())
            else:
                self.states[self.next] = starts[i].copy()
                self.next = (self.next + 1) % self.config.memory
        self.solved = Float64(solved) / Float64(max(self.config.probe_states, 1))
