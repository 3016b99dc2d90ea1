"""Start states of training episodes."""

from ..env.environment import Environment
from ..rng import Purpose, Rng, StreamKey

comptime REDRAWS = 64
"""Draws of a start before one that is already solved is accepted."""


struct Starts[E: Environment](Copyable):
    """The shares of each kind of start. The rest starts from scrambles of `difficulty`."""

    var difficulty: Int
    """The current difficulty."""
    var uniform: Float64
    """The share of uniformly random states."""
    var mixed: Float64
    """The share of scrambles whose difficulty is drawn uniformly from 1 to the current one."""
    var remembered: Float64
    """The share of starts from `memory`; 0 counts while it is empty."""
    var memory: List[Self.E]
    """Environments in the states that episodes may start from."""

    def __init__(out self, difficulty: Int, uniform: Float64 = 0, mixed: Float64 = 0):
        """Creates starts without a memory."""
        self.difficulty = difficulty
        self.uniform = uniform
        self.mixed = mixed
        self.remembered = 0
        self.memory = List[Self.E]()

    def begin_unsolved(self, mut env: Self.E, key: StreamKey) -> Int:
        """Begins an episode of `env` that is not solved, if one of `REDRAWS` draws is not.

        The draws use the streams of `key` from its index on. Returns the difficulty of the scramble; -1 for another
        start.
        """
        var difficulty = -1
        for redraw in range(REDRAWS):
            difficulty = self.begin(env, key, key.index + UInt64(redraw))
            if not env.solved():
                break
        return difficulty

    def begin(self, mut env: Self.E, key: StreamKey, index: UInt64) -> Int:
        """Begins an episode of `env` from the streams of `key` at `index`.

        Returns the difficulty of the scramble; -1 for another start.
        """
        var choice = Rng(key.derive(Purpose.CHOICE, index))
        var rng = Rng(key.derive(Purpose.START, index))
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
