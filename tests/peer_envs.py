"""Environments with the methods of the PyPI package `twisterl`, and a config for them."""

import random

from twisterl.defaults import PPO_CONFIG
from twisterl.nn import BasicPolicy


class Swaps:
    """A row of numbers is sorted by swaps of neighbours.

    It has the methods of a Rust environment of the PyPI package: no `get_state` and no `success`, and `reset` takes
    nothing. Its randomness is its own.
    """

    def __init__(self, size=4, difficulty=1):
        self.size, self.difficulty = size, difficulty
        self.random = random.Random(0)
        self.row, self.left, self.trace = list(range(size)), 1, []

    def num_actions(self):
        return self.size - 1

    def obs_shape(self):
        return [self.size, self.size]

    def set_state(self, state):
        self.row, self.left, self.trace = [int(number) for number in state], 12, []

    def reset(self):
        self.row = list(range(self.size))
        for _ in range(self.difficulty):
            self.step(self.random.randrange(self.size - 1))
        self.left, self.trace = 3 * self.difficulty, []

    def step(self, action):
        self.row[action], self.row[action + 1] = self.row[action + 1], self.row[action]
        self.left = max(self.left - 1, 0)
        self.trace.append(action)

    def masks(self):
        return [action != 0 or self.row[0] != 3 for action in range(self.size - 1)]

    def is_final(self):
        return self.left == 0 or self.row == sorted(self.row)

    def reward(self):
        return 1.0 if self.row == sorted(self.row) else -0.5 if self.left == 0 else -0.05

    def observe(self):
        return [place * self.size + number for place, number in enumerate(self.row)]

    def twists(self):
        """The identity, and the same row read from the other end with the numbers reversed."""
        size, cells = self.size, range(self.size * self.size)
        actions = list(range(size - 1))
        return [list(cells), list(reversed(cells))], [actions, actions[::-1]]


class Recorder(Swaps):
    """The same with a solution of its own, in another notation."""

    def solution(self):
        return [f"swap {action}" for action in self.trace]


class Locked(Swaps):
    """The same, but it cannot be copied."""

    def __deepcopy__(self, memo):
        raise TypeError("cannot be copied")


class Sealed(Locked):
    """The same, and nobody can seed its resets. It draws until something is to be done."""

    def __init__(self, **params):
        super().__init__(**params)
        self.random = random.SystemRandom()

    def reset(self):
        super().reset()
        while self.is_final():
            super().reset()


class Anything(Swaps):
    """An environment whose `reset` takes something."""

    def reset(self, anything):
        self.difficulty = anything
        super().reset()


CONFIG = {
    "collecting": {"num_cores": 2, "num_episodes": 64, "lambda": 0.995, "gamma": 0.995},
    "training": {**PPO_CONFIG["training"], "num_epochs": 2},
    "learning": {"diff_threshold": 0.85, "diff_max": 1, "diff_metric": "ppo_1"},
    "optimizer": {"lr": 3e-3},
    "evals": {"ppo_1": {"num_episodes": 20, "deterministic": False}},
}


def described(env, kind=BasicPolicy, **more):
    obs_perms, act_perms = env.twists()
    options = {"obs_perms": obs_perms, "act_perms": act_perms, "common_layers": [16], **more}
    return kind(env.obs_shape(), env.num_actions(), 16, **options)
