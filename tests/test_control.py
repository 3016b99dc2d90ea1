"""The native control problems against Gymnasium's, step by step from equal states."""

import os

import gymnasium
import numpy as np
import pytest
import twisterl

EPISODES = int(os.environ.get("PARITY_EPISODES", "30"))


@pytest.mark.parametrize(
    "name", ["CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"]
)
def test_steps_are_those_of_gymnasium(name):
    theirs, ours = gymnasium.make(name), twisterl.make(name)
    random = np.random.default_rng(0)
    theirs.action_space.seed(0)
    for episode in range(EPISODES):
        seen, _ = theirs.reset(seed=episode)
        # Gymnasium's reset of the pendulum keeps double precision; all of them step in it.
        ours.set_state([float(number) for number in theirs.unwrapped.state])
        assert ours.observe() == pytest.approx(seen, abs=1e-5)
        bias = random.integers(2)
        while True:
            action = theirs.action_space.sample()
            if name == "MountainCarContinuous-v0" and bias:
                # Pushes along with the motion, which reaches the goal.
                action = np.array([np.sign(theirs.unwrapped.state[1]) or 1.0], np.float32)
            seen, reward, terminated, truncated, _ = theirs.step(action)
            assert ours.step(action) == (
                pytest.approx(float(reward), abs=1e-5),
                terminated,
                truncated and not terminated,
            )
            assert ours.observe() == pytest.approx(seen, abs=1e-5)
            if terminated or truncated:
                break
