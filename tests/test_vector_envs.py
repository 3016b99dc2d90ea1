"""Vector environments of Gymnasium: in every autoreset mode the same as their sub-environments one by one."""

import gymnasium
import numpy as np
import pytest
import twisterl
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers.vector import TransformReward
from tiny_runs import timeless
from twisterl.errors import EnvError, UsageError

NETWORK = {"embedding_size": 8, "common_layers": [8]}
CONFIG = {
    "policy": NETWORK,
    "algorithm_cls": "PPO",
    "algorithm": {
        "collecting": {"num_envs": 10, "rollout_length": 24, "gamma": 0.9},
        "evals": {"greedy": {"num_episodes": 5}},
        "learning": {"diff_metric": "rollout"},
    },
    "num_iterations": 3,
    "seed": 4,
}


class Drift(gymnasium.Env):
    """A number that drifts from a start that the seed decides.

    Long episodes are truncated, where the value of the last state counts.
    """

    observation_space = gymnasium.spaces.Box(-100, 100, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(3)

    def _seen(self):
        return np.array([self.place, self.time], np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.time = float(self.np_random.integers(-3, 4)), 0
        return self._seen(), {"action_mask": np.array([1, 1, self.place < 3], np.int8)}

    def step(self, action):
        self.place += int(action) - 1
        self.time += 1
        over = abs(self.place) >= 6
        info = {"action_mask": np.array([1, 1, self.place < 3], np.int8), "is_success": over}
        return self._seen(), -abs(self.place), over, self.time >= 7 and not over, info


class Batch(VectorEnv):
    """The same as one vector environment that is no collection of single ones, in any mode."""

    single_observation_space, single_action_space = Drift.observation_space, Drift.action_space

    def __init__(self, num_envs, mode):
        self.inner = SyncVectorEnv([Drift] * num_envs, autoreset_mode=mode)
        self.num_envs, self.metadata = num_envs, self.inner.metadata
        self.observation_space, self.action_space = self.inner.observation_space, self.inner.action_space

    def reset(self, *, seed=None, options=None):
        return self.inner.reset(seed=seed, options=options)

    def step(self, actions):
        return self.inner.step(actions)


def trained(folder, env, **collecting):
    sets = {f"algorithm.collecting.{key}": value for key, value in collecting.items()}
    return timeless(twisterl.train(CONFIG, folder, env=env, set=sets, quiet=True).path)


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory):
    found = trained(tmp_path_factory.mktemp("single") / "run", Drift)
    # Some episodes end at a boundary, the others are truncated.
    assert 6 < found[0]["rollout"]["length"] < 7
    return found


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize(
    "made",
    [
        lambda mode: SyncVectorEnv([Drift] * 4, autoreset_mode=mode),
        lambda mode: AsyncVectorEnv([Drift] * 2, autoreset_mode=mode),
        lambda mode: lambda: SyncVectorEnv([Drift] * 4, autoreset_mode=mode),
        lambda mode: lambda num_envs: Batch(num_envs, mode),
        lambda mode: lambda num_envs=16: TransformReward(Batch(num_envs, mode), lambda reward: reward),
    ],
    ids=["sync", "async", "factory", "batch", "wrapped"],
)
def test_vector_environments_train_as_their_sub_environments_do(tmp_path, mode, made, one_by_one):
    assert trained(tmp_path / "run", made(mode)) == one_by_one


def test_they_step_in_workers(tmp_path, one_by_one):
    assert trained(tmp_path / "run", lambda num_envs: Batch(num_envs, AutoresetMode.SAME_STEP), workers=2) == one_by_one


@pytest.mark.parametrize("mode", ["vector_entry_point", "sync"])
def test_what_make_vec_makes_trains(tmp_path, mode):
    made = gymnasium.make_vec("CartPole-v1", num_envs=3, vectorization_mode=mode)
    steps = [row["env_steps"] for row in trained(tmp_path / "object", made)]
    assert steps[0] == 240
    by_name = {**CONFIG, "env_cls": "gymnasium.make_vec", "env": {"id": "CartPole-v1", "vectorization_mode": mode}}
    assert [row["env_steps"] for row in timeless(twisterl.train(by_name, tmp_path / "name", quiet=True).path)] == steps


class Silent(Batch):
    """One that does not tell its mode."""

    def __init__(self, num_envs=2):
        super().__init__(num_envs, AutoresetMode.DISABLED)
        self.metadata = {}


class Forgetful(Batch):
    """One that forgets the last observation."""

    def __init__(self, num_envs=2):
        super().__init__(num_envs, AutoresetMode.SAME_STEP)

    def step(self, actions):
        *outcome, info = super().step(actions)
        return *outcome, {key: value for key, value in info.items() if key != "final_obs"}


@pytest.mark.parametrize(
    ("env", "error", "message"),
    [
        (Silent, EnvError, r"expected one of gymnasium.vector.AutoresetMode in metadata\['autoreset_mode'\], found"),
        (Forgetful, EnvError, r"expected the last observation in info\['final_obs'\], as autoreset mode SAME_STEP req"),
        (lambda: Batch(3, AutoresetMode.DISABLED), EnvError, r"vector environment Batch of 3 \(give a function with"),
        (lambda num_envs: Batch(2, AutoresetMode.DISABLED), EnvError, "expected a vector environment of one, since"),
        (Batch(3, AutoresetMode.DISABLED), UsageError, r"env: .*vector environment Batch of 3 \(give a function"),
    ],
)
def test_those_that_cannot_be_used_exactly_are_refused_with_advice(tmp_path, env, error, message):
    with pytest.raises(error, match=message):
        trained(tmp_path / "run", env)
