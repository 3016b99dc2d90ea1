"""Policies take observations as their environments give them, and act as these take it, wherever they are."""

import json
import pickle
import subprocess
import sys

import envs_of_spaces
import gymnasium
import hostile_files
import numpy as np
import pytest
import twisterl
from envs_of_spaces import CONFIG, LENGTH, algorithm_of
from gymnasium import spaces

IMAGE = spaces.Box(0, 255, (8, 8, 3), np.uint8)
NESTED = spaces.Dict(
    {
        "arm": spaces.Dict({"angles": spaces.Box(-1, 1, (2, 2), np.float32), "grip": spaces.Discrete(3, start=-1)}),
        "goal": spaces.Tuple([spaces.MultiBinary(2), spaces.MultiDiscrete([2, 3], start=[0, 4])]),
        "camera": spaces.Box(0, 255, (2, 2, 1), np.uint8),
    }
)
MASKED = {"observation": spaces.MultiDiscrete([3, 4]), "action_mask": spaces.MultiBinary(3)}
SPACES = {
    "discrete": spaces.Discrete(4),
    "discrete from 7 on": spaces.Discrete(4, start=7),
    "discrete from -2 on": spaces.Discrete(3, start=-2),
    "digits": spaces.MultiDiscrete([3, 2, 4]),
    "digits from 1 on": spaces.MultiDiscrete([3, 2], start=[1, 1]),
    "rows of digits": spaces.MultiDiscrete([[2, 3], [4, 2]]),
    "bits": spaces.MultiBinary(5),
    "two bits": spaces.MultiBinary(2),
    "rows of bits": spaces.MultiBinary((2, 3)),
    "floats": spaces.Box(-1, 1, (3,), np.float32),
    "doubles": spaces.Box(-1, 1, (2, 2), np.float64),
    "one float": spaces.Box(-1, 1, (), np.float32),
    "integers": spaces.Box(-5, 5, (3,), np.int64),
    "image": IMAGE,
    "tuple": spaces.Tuple([spaces.Discrete(3), spaces.Box(-1, 1, (2,), np.float32)]),
    "dict": spaces.Dict({"b": spaces.Box(-1, 1, (2,), np.float32), "a": spaces.Discrete(3)}),
    "dict of one": spaces.Dict({"a": spaces.Discrete(3)}),
    "nested": NESTED,
    "text": spaces.Text(4, charset="abc"),
    "masked": spaces.Dict(MASKED),
    "masked among others": spaces.Dict({**MASKED, "extra": spaces.Box(-1, 1, (1,), np.float32)}),
}


def samples(space):
    """Observations, of which an episode consists."""
    space.seed(1)
    drawn = [space.sample() for _ in range(LENGTH)]
    for i, seen in enumerate(drawn):
        if isinstance(seen, dict) and "action_mask" in seen:
            seen["action_mask"] = np.array([True, i % 2 == 0, i % 3 == 0], np.int8)
    return drawn


def env_of(space, action_space=None):
    """An environment that gives the samples of a space one after the other."""
    drawn = samples(space)

    class Shown(gymnasium.Env):
        observation_space = space

        def __init__(self):
            self.action_space = action_space or spaces.Discrete(3)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            self.t = 0
            return drawn[0], {}

        def step(self, action):
            assert self.action_space.contains(action), action
            self.t += 1
            return drawn[self.t % LENGTH], 0.1 * self.t, self.t == LENGTH, False, {}

    return Shown


@pytest.fixture(params=SPACES)
def space(request):
    return SPACES[request.param]


def predictions(policy, observations):
    found = [policy.predict(seen) for seen in observations]
    return np.array([probabilities for probabilities, _ in found]), np.array([value for _, value in found])


def test_a_policy_sees_what_training_sees(space):
    algorithm = algorithm_of(env_of(space))
    collected = algorithm.collect()[0]
    seen = samples(space)
    probabilities, values = predictions(algorithm.policy, [seen[i % LENGTH] for i in range(2 * LENGTH)])
    assert np.unique(values.round(7)).size > 1
    assert values == pytest.approx(np.ravel(collected.values), abs=1e-6)
    if isinstance(space, spaces.Dict) and "action_mask" in space.spaces:
        allowed = np.array([given["action_mask"] for given in seen], bool)
        assert ((probabilities[:LENGTH] > 0) == allowed).all()


def test_batches_give_what_their_rows_give(space):
    policy, seen = algorithm_of(env_of(space)).policy, samples(space)
    probabilities, values = predictions(policy, seen)
    actions = [policy.act(given) for given in seen]
    if isinstance(space, spaces.Text):
        batches = [seen]
    else:
        room = gymnasium.vector.utils.create_empty_array(space, LENGTH)
        batches = [seen, gymnasium.vector.utils.concatenate(space, seen, room)]
    for batch in batches:
        rows, row_values = policy.predict_batch(batch)
        assert rows == pytest.approx(probabilities, abs=1e-6)
        assert row_values == pytest.approx(values, abs=1e-6)
        assert policy.act_batch(batch).tolist() == actions


ALONE = """
import json, pickle, sys
sys.modules["gymnasium"] = None  # which is not needed
import numpy as np
import twisterl
path, seen = pickle.loads(sys.stdin.buffer.read())
before = set(sys.modules)
policy = twisterl.load_policy(path)
found = [policy.predict(given) for given in seen]
acted = [int(policy.act(given)) for given in seen]
assert policy.act_batch(seen).tolist() == acted
imported = {name.partition(".")[0] for name in set(sys.modules) - before}
assert not imported - sys.stdlib_module_names - {"twisterl", "numpy"}, imported
print(json.dumps([[list(map(float, p)) for p, _ in found], [v for _, v in found], acted]))
"""


def alone(path, seen):
    """Return the predictions of a new interpreter, in which neither the environment nor Gymnasium can be imported."""
    given = pickle.dumps((str(path), seen))
    done = subprocess.run([sys.executable, "-c", ALONE], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["discrete from 7 on", "digits from 1 on", "two bits", "image", "nested", "masked"])
def test_policies_read_observations_where_their_environment_is_not(name, tmp_path):
    seen = samples(SPACES[name])
    twisterl.register("Shown", env_of(SPACES[name]))
    run = twisterl.train({**CONFIG, "env_cls": "Shown"}, tmp_path / "run", num_steps=1, quiet=True)
    policy = run.last_policy
    probabilities, values = predictions(policy, seen)
    policy.save(tmp_path / "saved.safetensors")
    convert = [sys.executable, "-m", "twisterl", "convert", "saved.safetensors", "converted.safetensors"]
    subprocess.run(convert, cwd=tmp_path, check=True, capture_output=True)
    for path in (tmp_path / "run" / "checkpoint_last", tmp_path / "converted.safetensors"):
        rows, row_values, acted = alone(path, seen)
        assert np.array(rows) == pytest.approx(probabilities, abs=1e-6)
        assert row_values == pytest.approx(values, abs=1e-6)
        assert acted == [policy.act(given) for given in seen]
    again = pickle.loads(pickle.dumps(policy))
    assert predictions(again, seen)[1].tolist() == values.tolist()


ARM = spaces.Box(np.array([-1, 0], np.float32), np.array([1, 9], np.float32))
ACTIONS = {
    "discrete": spaces.Discrete(3),
    "discrete from 5 on": spaces.Discrete(3, start=5),
    "discrete from 1 on": spaces.Discrete(3, start=1),
    "digits": spaces.MultiDiscrete([3, 2]),
    "rows of digits": spaces.MultiDiscrete([[3, 2], [2, 2]], start=[[1, 0], [0, 7]]),
    "one digit": spaces.MultiDiscrete([3], start=[2]),
    "bits": spaces.MultiBinary(3),
    "rows of bits": spaces.MultiBinary((2, 2)),
    "floats": ARM,
    "doubles": spaces.Box(-2, 2, (2, 1), np.float64),
    "integers": spaces.Box(-3, 3, (2,), np.int64),
    "one float": spaces.Box(-1, 1, (), np.float32),
    "tuple": spaces.Tuple([spaces.Discrete(2, start=3), ARM]),
    "dict": spaces.Dict({"side": spaces.Discrete(2), "arm": ARM, "keys": spaces.MultiBinary(2)}),
    "dict of one": spaces.Dict({"side": spaces.Discrete(3, start=5)}),
    "nested": spaces.Dict({"both": spaces.Tuple([spaces.MultiDiscrete([2, 2]), ARM]), "side": spaces.Discrete(2)}),
}


def is_same(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) is type(other) and np.array_equal(one, other)


@pytest.mark.parametrize("name", ACTIONS)
def test_actions_are_those_that_the_environment_takes(name, tmp_path):
    space, seen = ACTIONS[name], samples(SPACES["dict"])
    kind = env_of(SPACES["dict"], space)
    policy = algorithm_of(kind).policy
    policy.save(tmp_path / "policy.safetensors")
    twisterl._internal.environments._registered.pop("Shown")
    bare = twisterl.load_policy(tmp_path / "policy.safetensors")
    for seed, given in enumerate(seen):
        action = policy.act(given, deterministic=False, seed=seed)
        assert space.contains(action)
        assert isinstance(action, int) == isinstance(space, spaces.Discrete)
        assert is_same(action, bare.act(given, deterministic=False, seed=seed))
    for deterministic in (True, False):
        acted = policy.act_batch(seen, deterministic=deterministic, seed=3)
        rows = list(gymnasium.vector.utils.iterate(gymnasium.vector.utils.batch_space(space, LENGTH), acted))
        assert len(rows) == LENGTH
        assert all(space.contains(int(row) if isinstance(space, spaces.Discrete) else row) for row in rows)
    # An environment object takes them, too, and so does every way back to it.
    env = twisterl.make(kind)
    env.reset()
    assert env.step(policy.act(seen[0]))[0] == pytest.approx(0.1)
    solution = twisterl.load_policy(tmp_path / "policy.safetensors", env=kind).solve_scramble(search="sample")
    assert len(solution) == LENGTH
    assert all(map(space.contains, solution))
    assert len(solution.states) == LENGTH + 1
    assert len(solution.frames()) == LENGTH + 1


WRONG = [
    ("discrete from 7 on", 6, "observation: expected a whole number from 7 to 10, found 6"),
    ("discrete from 7 on", [7, 8], "observation: expected a whole number from 7 to 10, found [7, 8]"),
    ("digits", [0, 2, 0], "observation: expected whole numbers from 0 to 2, 0 to 1, 0 to 3, found [0, 2, 0]"),
    ("digits", [0, 1], "observation: expected numbers of shape (3,), found [0, 1]"),
    ("digits", [0, 0.5, 1], "observation: expected whole numbers"),
    ("bits", np.array([1, 0]), "observation: expected"),
    ("image", np.zeros((3, 8, 8), np.uint8), "observation: expected 192 values of shape [8, 8, 3]"),
    ("tuple", (1,), "observation: expected a tuple of 2 parts, found (1,)"),
    ("tuple", (3, [0, 0]), "observation[0]: expected a whole number from 0 to 2, found 3"),
    ("dict", {"a": 1}, "observation: expected a dict with the keys 'a', 'b', found a dict with the keys 'a'"),
    ("dict", [1, 0, 0], "observation: expected a dict with the keys 'a', 'b', found [1, 0, 0]"),
    ("text", "abd", "observation: expected a text of at most 4 of the characters 'abc', found 'abd'"),
    ("masked", {"observation": [0, 0]}, "keys 'observation', 'action_mask', found a dict with the keys 'observation'"),
    (
        "masked",
        {"observation": [0, 4], "action_mask": [1, 1, 1]},
        "observation['observation']: expected whole numbers from 0 to 2, 0 to 3, found [0, 4]",
    ),
    ("masked", {"observation": [0, 0], "action_mask": [1, 1]}, "observation['action_mask']: expected 3 booleans"),
]


@pytest.mark.parametrize(("name", "seen", "message"), WRONG, ids=[f"{name} {seen!r:.30}" for name, seen, _ in WRONG])
def test_what_is_no_observation_is_refused(name, seen, message, tmp_path):
    policy = algorithm_of(env_of(SPACES[name])).policy
    policy.save(tmp_path / "policy.safetensors")
    twisterl._internal.environments._registered.pop("Shown")
    for taker in (policy, twisterl.load_policy(tmp_path / "policy.safetensors")):
        with pytest.raises(twisterl.ObservationError) as error:
            taker.predict(seen)
        assert message in str(error.value)
        with pytest.raises(twisterl.ObservationError):
            taker.act_batch([seen])


def test_faults_of_batches_name_the_row_and_the_part():
    policy = algorithm_of(env_of(SPACES["dict"])).policy
    good = {"a": 1, "b": [0.0, 1.0]}
    for batch, message in [
        ([good, {"a": 7, "b": [0.0, 1.0]}], "observations[1]['a']: expected a whole number from 0 to 2, found 7"),
        ({"a": [0, 1], "b": np.zeros((3, 2))}, "observations['b']: expected 2 rows, as observations['a'] has, found 3"),
        ({"a": [0, 1]}, "observations: expected a dict of stacked arrays with the keys 'a', 'b'"),
        ({"a": 0, "b": [[0.0, 1.0]]}, "observations['a']: expected an array with one row for each observation"),
    ]:
        with pytest.raises(twisterl.ObservationError) as error:
            policy.predict_batch(batch)
        assert message in str(error.value)


@pytest.mark.parametrize(
    ("name", "batch"),
    [
        ("dict", {"a": np.array([0, 1]), "b": np.zeros((2, 2), np.float32)}),
        ("tuple", (np.array([0, 1, 2]), np.zeros((3, 2)))),
        ("discrete", np.array([0, 1])),
        ("digits", np.zeros((2, 3), int)),
    ],
)
def test_a_batch_in_the_place_of_an_observation_is_refused_with_advice(name, batch):
    policy = algorithm_of(env_of(SPACES[name])).policy
    with pytest.raises(twisterl.ObservationError, match="for a batch of observations, use act_batch or predict_batch"):
        policy.act(batch)
    assert len(policy.act_batch(batch)) in (2, 3)


@pytest.mark.parametrize("name", ["Puzzle", "Pendulum-v1", "Journey"])
def test_native_vector_environments_take_the_actions_of_a_batch(name):
    policy = twisterl.rl.PPO({**CONFIG, "env_cls": name}).policy
    envs = twisterl.gym.make_vec(name, 3)
    seen, info = envs.reset(seed=1)
    actions = policy.act_batch(seen, info["action_mask"], deterministic=False, seed=5)
    assert envs.action_space.contains(actions)
    envs.step(actions)


def test_files_of_older_versions_take_what_they_did(tmp_path):
    kind, path = env_of(SPACES["digits"]), tmp_path / "policy.safetensors"
    policy = algorithm_of(kind).policy
    expected, value = policy.predict([2, 1, 0])
    policy.save(path)
    hostile_files.describe(path, path, lambda described: described.pop("spaces"))  # as older versions wrote it
    twisterl._internal.environments._registered.pop("Shown")
    bare = twisterl.load_policy(path)
    assert bare.spaces_json is None
    # Bit indices, or the bits: the digits are one-hot encoded, of 3, 2 and 4.
    for seen in ([2, 4, 5], np.eye(9)[[2, 4, 5]].sum(0)):
        assert bare.predict(seen)[0] == pytest.approx(expected, abs=1e-6)
    with_env = twisterl.load_policy(path, env=kind)
    assert with_env.predict([2, 1, 0])[1] == pytest.approx(value, abs=1e-6)
    # Saved again, the file says what the environment declared.
    with_env.save(path)
    assert twisterl.load_policy(path).predict([2, 1, 0])[1] == pytest.approx(value, abs=1e-6)


def test_an_environment_of_other_spaces_is_refused(tmp_path):
    one, other = (spaces.Dict({key: spaces.Discrete(3), "z": spaces.Discrete(2)}) for key in ("left", "right"))
    policy = algorithm_of(env_of(one)).policy
    policy.save(tmp_path / "policy.safetensors")
    twisterl.load_policy(tmp_path / "policy.safetensors", env=env_of(one))
    with pytest.raises(twisterl.CheckpointError, match=r"right.*left"):
        twisterl.load_policy(tmp_path / "policy.safetensors", env=env_of(other))


def test_a_policy_takes_what_environment_objects_observe(space):
    kind = env_of(space)
    policy = algorithm_of(kind).policy
    env = twisterl.make(kind)
    env.reset()
    for seen in samples(space)[:3]:
        assert isinstance(env.observe(), np.ndarray), "a list of indices could be read as the digits of the space"
        assert policy.predict(env.observe())[1] == pytest.approx(policy.predict(seen)[1], abs=1e-6)
        env.step(policy.act(seen))


def test_encoded_observations_are_taken_where_they_cannot_be_meant_otherwise():
    kind = env_of(SPACES["nested"])
    policy = algorithm_of(kind).policy
    env = twisterl.make(kind)
    env.reset()
    own = policy.predict(samples(SPACES["nested"])[0])
    assert policy.predict(env.observe())[1] == pytest.approx(own[1], abs=1e-6)
    assert policy.predict_batch(np.stack([env.observe()] * 2))[1] == pytest.approx([own[1]] * 2, abs=1e-6)


LEARNING = {
    # The best return: of one episode in two, a walk to the wrong side; of Dials and Chase, the cost of the way.
    "Lamp": (60, 0.98),
    "Dials": (60, 0.55),
    "Chase": (150, 0.65),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNING)
def test_environments_of_twenty_lines_are_learned(name, tmp_path):
    kind = getattr(envs_of_spaces, name)
    iterations, least = LEARNING[name]
    twisterl.register(name, kind)
    config = {
        "env_cls": name,
        "policy": {"embedding_size": 64, "common_layers": [64], "normalize_observations": name == "Chase"},
        "algorithm_cls": "PPO",
        "algorithm": {
            "collecting": {"num_envs": 64, "rollout_length": 32, "gamma": 0.97, "lambda": 0.95},
            "training": {"num_epochs": 4, "minibatch_size": 512, "normalize_advantage": True, "ent_coef": 0.01},
            "optimizer": {"lr": 0.003, "lr_final": 0.0003},
            "learning": {"diff_metric": "rollout"},
            "evals": {},
            "logging": {"checkpoint_freq": 0},
        },
    }
    policy = twisterl.train(config, tmp_path / "run", num_steps=iterations, seed=0, quiet=True).last_policy
    # Played in the environment itself, with its own observations.
    env = kind()
    returns = []
    for seed in range(100):
        seen, _ = env.reset(seed=seed)
        total, over = 0.0, False
        while not over:
            seen, reward, terminated, truncated, _ = env.step(policy.act(seen))
            total, over = total + reward, terminated or truncated
        returns.append(total)
    assert np.mean(returns) > least
