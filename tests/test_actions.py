"""Actions that are more than one choice, from Python."""

import gymnasium
import numpy as np
import pytest
import twisterl
import twisterl.gym
from gymnasium.utils.env_checker import check_env

SMALL = {
    "policy": {"embedding_size": 16, "common_layers": [16], "activation": "tanh"},
    "algorithm_cls": "PPO",
    "algorithm": {
        "collecting": {"num_envs": 64, "rollout_length": 8},
        "training": {"num_epochs": 4, "minibatch_size": 128, "clip_ratio": 0.2, "normalize_advantage": True},
        "learning": {"diff_metric": "greedy"},
        "optimizer": {"lr": 0.01, "lr_final": 0.0},
        "evals": {"greedy": {"num_episodes": 100, "every": 1000}},
        "logging": {"tensorboard": False},
    },
}
SPACES = gymnasium.spaces
# The spaces of one choice beside Discrete, and the least number that the choice has in them.
ONE_CHOICE = [
    (SPACES.MultiDiscrete([3]), 0),
    (SPACES.MultiDiscrete([3], start=[2]), 2),
    (SPACES.Tuple([SPACES.Discrete(3)]), 0),
    (SPACES.Tuple([SPACES.MultiDiscrete([[3]])]), 0),
    (SPACES.Dict(a=SPACES.Discrete(3)), 0),
    (SPACES.Dict(a=SPACES.Discrete(3, start=5)), 5),
    (SPACES.MultiBinary(1), 0),
]
PENDULUM = {**SMALL, "env_cls": "Pendulum-v1"}


@pytest.fixture(scope="module")
def pendulum(tmp_path_factory):
    config = {**PENDULUM, "policy": {**SMALL["policy"], "normalize_observations": True}}
    path = tmp_path_factory.mktemp("runs") / "pendulum"
    return twisterl.train(config, path, num_steps=3, seed=0, quiet=True).policy


def test_a_python_environment_with_every_kind_of_action_is_learned(tmp_path):
    config = {**SMALL, "env_cls": "envs_in_python.Match"}
    run = twisterl.train(config, tmp_path / "run", num_steps=60, seed=0, quiet=True)
    policy = run.policy
    # Without a look at the number the best return is -2.5: three wrong one time in two, and twice 1/2 of 1/2 off.
    assert policy.evaluate(num_episodes=500, search="greedy", seed=1)["mean_reward"] > -0.5
    assert repr(policy).startswith("<Policy for envs_in_python.Match: 1 -> 2 numbers + 2 bits + 2 actions")
    arm, bits, side = policy.act([0.8]).values()
    assert arm == pytest.approx(np.full((1, 2), 0.4), abs=0.15)
    assert bits.tolist() == [1, 0]
    assert side == 6  # of 5 and 6
    # A mask leaves the choice that it leaves: of the bits the first may not be set, and the side is 5.
    _, bits, side = policy.act([0.8], mask=[True, False, True, True, True, False]).values()
    assert (bits.tolist(), side) == ([0, 0], 5)
    with pytest.raises(twisterl.ObservationError, match="6 booleans"):
        policy.act([0.8], mask=[False, False, True, True, True, True])


def one_choice(space, least):
    """An environment that shows the last action, and rewards the one that follows it in a circle."""
    choices = 2 if isinstance(space, SPACES.MultiBinary) else 3

    class OneChoice(gymnasium.Env):
        observation_space = SPACES.Box(0, 1, (choices,), np.float32)
        action_space = space

        def _seen(self):
            return np.eye(choices, dtype=np.float32)[self.last]

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            self.last, self.steps = int(self.np_random.integers(choices)), 0
            return self._seen(), {}

        def step(self, action):
            assert action in space
            inner = action["a"] if isinstance(action, dict) else action
            before, self.last = self.last, int(np.ravel(inner)[0]) - least
            self.steps += 1
            right = self.last == (before + 1) % choices
            return self._seen(), float(right), self.steps == 5, False, {"is_success": right}

    return OneChoice


@pytest.mark.parametrize(("space", "least"), ONE_CHOICE, ids=str)
def test_spaces_of_one_choice_are_played_copied_and_learned(space, least, tmp_path):
    kind = one_choice(space, least)
    is_bit = isinstance(space, SPACES.MultiBinary)
    env = twisterl.make(kind, seed=1)
    env.reset()
    steps = [1, 0, 1] if is_bit else [1, 2, 0]
    for number in steps:
        env.step([number] if is_bit else number)
        assert np.argmax(env.observe()) == number
    # Copies, and another environment that plays the history again.
    other = twisterl.make(kind, seed=2)
    other.set_state(env.get_state())
    for twin in (env.clone(), other):
        assert np.argmax(twin.observe()) == steps[-1]
        assert twin.step([1] if is_bit else 1)[1:] == (False, False)
        assert np.argmax(twin.observe()) == 1
    assert np.argmax(env.observe()) == steps[-1]

    twisterl.register("OneChoice", kind)
    config = {**SMALL, "env_cls": "OneChoice"}
    whole = twisterl.train(config, tmp_path / "whole", num_steps=30, seed=0, quiet=True)
    figures = [whole.policy.evaluate(num_episodes=20, search=search, seed=1) for search in ("greedy", "best-of=4")]
    if not is_bit:
        figures += [whole.policy.evaluate(num_episodes=20, search=search, seed=1) for search in ("mcts=8", "beam=4")]
    assert [round(each["mean_reward"], 2) for each in figures] == [5] * len(figures)
    stop = lambda metrics: metrics["iteration"] < 2  # noqa: E731
    parts = twisterl.train(config, tmp_path / "parts", num_steps=30, seed=0, callback=stop, quiet=True)
    assert len(parts.iterations()) == 3
    weights = [run.resume(quiet=True).last_policy.weights() for run in (whole, parts)]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])


def test_a_policy_of_numbers_acts_within_their_bounds(pendulum):
    assert pendulum.action_components == [(0, [-2.0], [2.0], [1])]
    row = [0.5, 0.8, 1.0]
    parameters, value = pendulum.predict(row)
    # The mean, and the logarithm of the deviation.
    assert parameters.shape == (2,)
    rows, values = pendulum.predict_batch([row] * 700)
    assert rows.shape == (700, 2)
    assert (rows[699].tolist(), values[699]) == (parameters.tolist(), value)
    mean = np.clip(2 * parameters[0], -2, 2)
    assert pendulum.act(row) == pytest.approx([mean])
    drawn = np.array([pendulum.act(row, deterministic=False, seed=seed) for seed in range(2000)])
    assert drawn.shape == (2000, 1)
    assert np.abs(drawn).max() == 2
    free = drawn[np.abs(drawn) < 2]
    expected = np.exp(parameters[1]) * 2
    # Of a normal variable cut at -2 and 2 at least the middle is as wide as it was.
    inner = np.abs(free - mean) < 0.5
    assert inner.sum() / 2000 == pytest.approx(0.5 * 2 / expected / np.sqrt(2 * np.pi), rel=0.15)
    with pytest.raises(twisterl.ObservationError):
        pendulum.act([0.5, 0.8])


def test_a_policy_of_numbers_plays_and_is_saved_with_its_scaling(pendulum, tmp_path):
    solution = pendulum.solve([3.0, 0.0], search="greedy")
    assert len(solution) == 200
    env = pendulum.make_env()
    env.set_state([3.0, 0.0])
    rewards = []
    for action in solution:
        assert action == pytest.approx(pendulum.act(env.observe()))
        rewards.append(env.step(action)[0])
    assert sum(rewards) == pytest.approx(solution.reward, rel=1e-5)
    pendulum.save(tmp_path / "policy.safetensors")
    again = twisterl.load_policy(tmp_path / "policy.safetensors")
    assert again.predict([0.1, 0.2, 0.3])[0].tolist() == pendulum.predict([0.1, 0.2, 0.3])[0].tolist()
    with pytest.raises(twisterl.TwisteRLError, match="one discrete component"):
        pendulum.solve([3.0, 0.0], search="mcts=8")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_native_environments_of_numbers_are_gymnasium_s():
    env = twisterl.gym.make("Pendulum-v1")
    assert env.action_space == gymnasium.spaces.Box(-2, 2, (1,), np.float32)
    check_env(env, skip_render_check=True)
    batch = twisterl.gym.make_vec("MountainCarContinuous-v0", 3)
    batch.reset(seed=0)
    seen, rewards, *_ = batch.step(np.array([[0.5], [-1.0], [1.0]], np.float32))
    assert seen.shape == (3, 2)
    assert rewards == pytest.approx([-0.025, -0.1, -0.1])


def test_searching_algorithms_refuse_what_is_not_one_choice(tmp_path):
    with pytest.raises(twisterl.ConfigError, match="algorithm_cls: expected PPO, since AZ needs one discrete"):
        twisterl.train({"env_cls": "Pendulum-v1", "algorithm_cls": "AZ"}, tmp_path / "run", num_steps=1, quiet=True)
