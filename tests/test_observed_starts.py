"""Problems that begin at an observation of their environment."""

import gymnasium
import numpy as np
import pytest
import twisterl
from envs_of_spaces import algorithm_of
from gymnasium import spaces


class Wheels(gymnasium.Env):
    """Two digits have to be turned to the goal. Subclasses can begin at an observation."""

    observation_space = spaces.Dict({"digits": spaces.MultiDiscrete([4, 4]), "goal": spaces.Discrete(4, start=1)})
    action_space = spaces.Discrete(4)

    def _seen(self):
        return {"digits": self.digits.copy(), "goal": self.goal}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.digits, self.goal = self.np_random.integers(0, 4, 2), 1
        return self._seen(), {}

    def step(self, action):
        self.digits[action // 2] = (self.digits[action // 2] + (1 if action % 2 else -1)) % 4
        solved = bool((self.digits == self.goal - 1).all())
        return self._seen(), -1.0, solved, False, {"is_success": solved}


class ByMethod(Wheels):
    def set_state(self, seen):
        self.digits, self.goal = seen["digits"].copy(), seen["goal"]


class ByOption(Wheels):
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if options and "state" in options:
            self.digits, self.goal = options["state"]["digits"].copy(), options["state"]["goal"]
        return self._seen(), {}


class Elsewhere(Wheels):
    def set_state(self, seen):
        return self._seen()


START = {"digits": np.array([1, 2]), "goal": 4}
BATCH = {"digits": np.array([[1, 2], [0, 2]]), "goal": np.array([4, 1])}


@pytest.mark.parametrize("kind", [ByMethod, ByOption])
def test_problems_begin_at_an_observation(kind):
    policy = algorithm_of(kind).policy
    # From 1, 2 to 3, 3, and from 0, 2 to 0, 0: three moves and two.
    assert len(policy.solve(START, search="beam=64", max_steps=6)) == 3
    for states in (BATCH, [{"digits": [1, 2], "goal": 4}, {"digits": [0, 2], "goal": 1}]):
        found = policy.solve_batch(states, search="beam=64", max_steps=6)
        assert [(solution.success, len(solution)) for solution in found] == [(True, 3), (True, 2)]
    assert len(found[0].states) == 4
    figures = policy.evaluate([{"state": START, "optimal": 3}], search="beam=64", max_steps=6)
    assert figures["optimal_fraction"] == 1
    assert len(policy.solve([1, 2, 4], search="beam=64", max_steps=6)) == 3  # the numbers of the observation


@pytest.mark.parametrize(
    ("kind", "state", "message"),
    [
        (Wheels, START, "state: expected an environment that begins at an observation"),
        (Elsewhere, START, r"state: expected an episode that begins at \[1.0, 2.0, 4.0\], found one at"),
        (ByMethod, {"digits": [1, 2]}, "state: expected a dict with the keys 'digits', 'goal', found a dict with"),
        (ByMethod, {"digits": [1], "goal": 4}, r"state\['digits'\]: expected 2 numbers, found \[1\]"),
        (ByMethod, {"digits": [1, 2], "goal": "4"}, r"state\['goal'\]: expected 1 numbers, found '4'"),
        (ByMethod, [1, 2], "state: expected an observation of 3 numbers, found"),
    ],
)
def test_what_is_no_beginning_is_refused(kind, state, message):
    policy = algorithm_of(kind).policy
    with pytest.raises(twisterl.StateError, match=message):
        policy.solve(state, search="greedy", max_steps=3)
