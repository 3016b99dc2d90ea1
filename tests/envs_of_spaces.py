"""Environments whose observations are a dict, several digits, or an image, each as short as a user would write it."""

import gymnasium
import numpy as np
from gymnasium import spaces

LENGTH = 6
# Collects two episodes of LENGTH steps of one environment.
CONFIG = {
    "policy": {"embedding_size": 8, "common_layers": []},
    "algorithm_cls": "PPO",
    "algorithm": {
        "collecting": {"num_envs": 1, "rollout_length": 2 * LENGTH, "num_cores": 1},
        "training": {"num_epochs": 1, "minibatch_size": LENGTH},
        "learning": {"diff_metric": "rollout"},
        "evals": {},
        "logging": {"checkpoint_freq": 0},
    },
}


def algorithm_of(kind):
    """An algorithm with a fresh policy for a class, which is registered as `Shown`."""
    import twisterl  # here, since `benchmark.py by_name` imports this file where our package is not installed

    twisterl.register("Shown", kind)
    return twisterl.rl.PPO({**CONFIG, "env_cls": "Shown"})


class Lamp(gymnasium.Env):
    """A lamp shows the side to go to, and the walker has six steps to be there. Each is an entry of a dict."""

    observation_space = spaces.Dict(
        {"walker": spaces.Dict({"x": spaces.Box(-3, 3, (), np.float32)}), "lamp": spaces.Discrete(2, start=1)}
    )
    action_space = spaces.Discrete(2)

    def _seen(self):
        return {"walker": {"x": np.array(self.x, np.float32)}, "lamp": np.int64(self.lamp)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.steps, self.lamp = 0, 0, int(self.np_random.integers(1, 3))
        return self._seen(), {}

    def step(self, action):
        self.x, self.steps = self.x + (1 if action else -1), self.steps + 1
        done = abs(self.x) == 3
        return self._seen(), float(done and (self.x > 0) == (self.lamp == 2)), done, self.steps == 6, {}


class Corners(gymnasium.Env):
    """A light shows the corner of a square to go to. Other packages read such a dict, too: there is none inside it."""

    observation_space = spaces.Dict({"walker": spaces.Box(-3, 3, (2,), np.float32), "light": spaces.Discrete(4)})
    action_space = spaces.Discrete(4)

    def _seen(self):
        return {"walker": self.at.astype(np.float32), "light": np.int64(self.light)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.light, self.steps = self.np_random.integers(-3, 4, 2), int(self.np_random.integers(4)), 0
        return self._seen(), {}

    def step(self, action):
        self.at = np.clip(self.at + [(0, 1), (0, -1), (1, 0), (-1, 0)][action], -3, 3)
        self.steps += 1
        solved = tuple(self.at) == [(3, 3), (3, -3), (-3, 3), (-3, -3)][self.light]
        return self._seen(), float(solved) - 0.05, solved, self.steps == 30, {}


class Dials(gymnasium.Env):
    """Three dials of four digits. An action turns one of them up or down; all of them have to be at 0."""

    observation_space = spaces.MultiDiscrete([4, 4, 4])
    action_space = spaces.MultiDiscrete([3, 2])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.digits, self.steps = self.np_random.integers(0, 4, 3), 0
        return self.digits.copy(), {}

    def step(self, action):
        dial, up = action
        self.digits[dial] = (self.digits[dial] + (1 if up else -1)) % 4
        self.steps += 1
        solved = not self.digits.any()
        return self.digits.copy(), float(solved) - 0.1, solved, self.steps == 12, {"is_success": solved}


class Chase(gymnasium.Env):
    """A red dot on an image of 8 x 8 pixels is moved by one pixel an action, until it is on the green dot."""

    observation_space = spaces.Box(0, 255, (8, 8, 3), np.uint8)
    action_space = spaces.Discrete(4)

    def _seen(self):
        image = np.zeros((8, 8, 3), np.uint8)
        image[(*self.goal, 1)] = image[(*self.dot, 0)] = 255
        return image

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.dot, self.goal, self.steps = *self.np_random.integers(0, 8, (2, 2)), 0
        return self._seen(), {}

    def step(self, action):
        self.dot = np.clip(self.dot + [(0, 1), (0, -1), (1, 0), (-1, 0)][action], 0, 7)
        self.steps += 1
        solved = (self.dot == self.goal).all()
        return self._seen(), float(solved) - 0.05, bool(solved), self.steps == 30, {"is_success": bool(solved)}
