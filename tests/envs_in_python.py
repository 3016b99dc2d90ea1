"""Environments as users would write them in Python, good and bad."""

import random
import time
from typing import ClassVar

import gymnasium
import numpy as np


class Walk:
    """A line of `size` places with the goal at 0, in the words of the published package."""

    def __init__(self, size=8):
        self.size = size
        self.difficulty = 1
        self.place = self.steps = 0

    def num_actions(self):
        return 2

    def obs_shape(self):
        return [self.size]

    def reset(self):
        self.place = random.randint(1, min(self.difficulty, self.size - 1))
        self.steps = 0

    def set_state(self, state):
        self.place = state[0]
        self.steps = 0

    def step(self, action):
        self.place = max(0, min(self.size - 1, self.place + (1 if action else -1)))
        self.steps += 1

    def observe(self):
        return [self.place]

    def masks(self):
        return [True, self.place < self.size - 1]

    def reward(self):
        return 1.0 if self.place == 0 else -0.05

    def is_final(self):
        return self.place == 0 or self.steps >= 2 * self.size

    def success(self):
        return self.place == 0


class OldWalk:
    """The same with the other words of the published package: next, value, reset(difficulty), copy."""

    def __init__(self, size=8):
        self.walk = Walk(size)

    def copy(self):
        twin = OldWalk(self.walk.size)
        twin.walk.__dict__.update(self.walk.__dict__)
        return twin

    def reset(self, difficulty):
        self.walk.difficulty = difficulty
        self.walk.reset()

    def next(self, action):
        self.walk.step(action)

    def value(self):
        return self.walk.reward()

    def __getattr__(self, name):
        if name in ("num_actions", "obs_shape", "observe", "masks", "is_final", "success", "set_state"):
            return getattr(self.walk, name)
        raise AttributeError(name)


class SlowWalk(OldWalk):
    """The same with steps that take `cost` seconds of the processor."""

    def __init__(self, size=8, cost=50e-6):
        super().__init__(size)
        self.cost = cost

    def copy(self):
        twin = SlowWalk(self.walk.size, self.cost)
        twin.walk.__dict__.update(self.walk.__dict__)
        return twin

    def next(self, action):
        end = time.perf_counter() + self.cost
        while time.perf_counter() < end:
            pass
        super().next(action)


class Seeded(Walk):
    """Takes its randomness from the seed that it is given, and can tell its state."""

    seeds: ClassVar[list[int]] = []

    def reset(self, seed=None):
        Seeded.seeds.append(seed)
        self.place = random.Random(seed).randint(1, min(self.difficulty, self.size - 1))
        self.steps = 0

    def get_state(self):
        return [self.place]


class Failing(Walk):
    """Raises after some steps."""

    def step(self, action):
        super().step(action)
        if self.steps == 5:
            raise ZeroDivisionError("the fifth step")


def bad(method, value):
    """A class whose `method` returns `value`, or what `value` makes of the environment."""

    def broken(self, *_):
        return value(self) if callable(value) else value

    return type("Bad", (Walk,), {method: broken})


ReturnsText = bad("reward", "a lot")
ReturnsNan = bad("reward", float("nan"))
NoReward = bad("reward", None)
WrongIndex = bad("observe", [99])
NegativeIndex = bad("observe", [-1])
NoList = bad("observe", 5)
ShortMask = bad("masks", [True])
NothingAllowed = bad("masks", [False, False])
BigMask = bad("masks", [True] * 9)
NoShape = bad("obs_shape", "wide")
EmptyShape = bad("obs_shape", [])
ZeroShape = bad("obs_shape", [0])
NegativeShape = bad("obs_shape", [-3])
NoActions = bad("num_actions", 0)
HugeActions = bad("num_actions", 2**40)
BadTwists = bad("twists", ([[0, 0, 0]], [[0, 1]]))
FailsToReset = bad("reset", lambda self: 1 / 0)
FailsToObserve = bad("observe", lambda self: {}["nothing"])


class NoMethods:
    """Has nothing that an environment needs."""


class NeedsMore(Walk):
    """Cannot be made of the parameters in a config."""

    def __init__(self, file):
        super().__init__()
        self.file = open(file)  # noqa: PTH123, SIM115


class Match(gymnasium.Env):
    """One move an episode: answer a number with everything that an action can be made of. The best return is 0."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Dict(
        {
            "arm": gymnasium.spaces.Box(-1, 1, (1, 2)),
            "bits": gymnasium.spaces.MultiBinary(2),
            "side": gymnasium.spaces.Discrete(2, start=5),
        }
    )

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.number = float(self.np_random.uniform(-1, 1))
        return np.array([self.number], np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        right = int(self.number > 0)
        wrong = (action["side"] != 5 + right) + (action["bits"] != [right, 1 - right]).sum()
        off = np.abs(action["arm"] - self.number / 2).sum()
        return np.array([self.number], np.float32), float(-wrong - off), True, False, {}


class OnceEach(gymnasium.Env):
    """Each of three actions may be taken once, as `action_masks` says; solved when all are taken."""

    observation_space = gymnasium.spaces.MultiBinary(3)
    action_space = gymnasium.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.taken = np.zeros(3, np.int8)
        return self.taken.copy(), {}

    def action_masks(self):
        return list(self.taken == 0) if not self.taken.all() else [True] * 3

    def step(self, action):
        assert not self.taken[action], "a masked action"
        self.taken[action] = 1
        solved = bool(self.taken.all())
        return self.taken.copy(), 1.0 if solved else 0.0, solved, False, {"is_success": solved}
