"""Numbers of NumPy, and numbers at the limits of what fields can hold, by one rule everywhere."""

import json
from collections import OrderedDict
from fractions import Fraction
from types import MappingProxyType

import numpy as np
import pytest
import twisterl
from twisterl._internal.written import written

CONFIG = {
    "env_cls": "Puzzle",
    "env": {"width": 2, "height": 2, "difficulty": 2},
    "policy": {"embedding_size": 8, "common_layers": []},
    "algorithm": {
        "collecting": {"num_episodes": 8},
        "evals": {"x": {"num_episodes": 2}},
        "learning": {"diff_metric": "x"},
    },
    "num_iterations": 1,
}


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.int64(3), 3),
        (np.uint8(3), 3),
        (np.float32(0.5), 0.5),
        (np.float16(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array(3), 3),
        (np.array([None, 1.5, "x"], object), [None, 1.5, "x"]),
        ((1, np.int8(2)), [1, 2]),
        (range(3), [0, 1, 2]),
        (Fraction(1, 2), 0.5),
        (OrderedDict(a=np.int32(1)), {"a": 1}),
        (MappingProxyType({np.int64(1): [np.bool_(False)]}), {"1": [False]}),
    ],
    ids=repr,
)
def test_numbers_of_numpy_are_written_as_what_they_are(value, plain):
    read = json.loads(written({"x": value}))["x"]
    assert read == plain
    assert type(read) is type(plain)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"algorithm": {"a": [0, float("nan")]}}, "algorithm.a[1]: expected a finite number, found nan"),
        ({"x": np.float32("inf")}, "x: expected a finite number, found inf"),
        ({"x": np.array([1, -np.inf])}, "x[1]: expected a finite number, found -inf"),
        ({"x": 10**400}, "x: expected a number that double precision can hold, found one of 1329 bits"),
        ({"x": {1.5: 2}}, "x: expected text as keys, found 1.5"),
        ({"x": 3j}, "x: expected a value that JSON can hold, found complex 3j"),
        ({"x": {1, 2}}, "x: expected a value that JSON can hold, found set {1, 2}"),
        ({"x": b"a"}, "x: expected a value that JSON can hold, found bytes b'a'"),
        ({"x": [1, np.ma.masked]}, "x[1]: expected numbers, none of them masked, found masked"),
        ({"x": np.ma.array([1], mask=[1])}, "x: expected numbers, none of them masked, found masked_array(data=[--],"),
    ],
)
def test_values_that_json_cannot_hold_are_refused_with_their_path(value, message):
    with pytest.raises(twisterl.ConfigError) as error:
        written(value)
    assert str(error.value).partition("\n")[0] == message


def test_a_value_that_holds_itself_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(twisterl.ConfigError, match="expected at most 192 nested levels, found more"):
        written({"x": endless})


def test_configs_overrides_and_parameters_take_numbers_of_numpy(tmp_path):
    config = {**CONFIG, "env": {key: np.int64(value) for key, value in CONFIG["env"].items()}}
    config["policy"] = {"embedding_size": np.uint16(8), "common_layers": np.array([4, 4])}
    overrides = {"algorithm.optimizer.lr": np.float32(0.5), "algorithm.logging.tensorboard": np.bool_(False)}
    run = twisterl.train(config, tmp_path / "run", set=overrides, seed=np.int64(3), num_steps=np.int8(1), quiet=True)
    resolved = run.config
    assert (resolved["env"]["width"], resolved["policy"]["common_layers"], resolved["seed"]) == (2, [4, 4], 3)
    assert (resolved["algorithm"]["optimizer"]["lr"], resolved["algorithm"]["logging"]["tensorboard"]) == (0.5, False)
    assert twisterl.make("Puzzle", width=np.int64(4), solved_reward=np.float32(2)).params["width"] == 4
    assert twisterl.gym.make_vec("Puzzle", 2, height=np.int32(2)).observation_space.shape == (2, 6, 6)
    for set_, message in (
        ({"algorithm.collecting.gamma": np.nan}, "algorithm.collecting.gamma: expected a finite number, found nan"),
        ({"env": {"width": np.array([2])}}, "env.width: expected a whole number, 0 or more, found a list"),
    ):
        with pytest.raises(twisterl.ConfigError) as error:
            twisterl.train(CONFIG, tmp_path / "none", set=set_, quiet=True)
        assert str(error.value) == message
    with pytest.raises(twisterl.ConfigError, match=r"^env.move_reward: expected a finite number, found inf$"):
        twisterl.make("Puzzle", move_reward=float("inf"))


def test_numbers_in_json_text_that_are_not_finite_are_named_with_their_path(cli, tmp_path):
    file = tmp_path / "config.json"
    file.write_text('{"env_cls": "Puzzle",\n"algorithm": {"collecting": {"gamma": NaN}}}')
    result = cli(file)
    message = f"algorithm.collecting.gamma: expected a finite number, found NaN\n --> {file}:2:39\n"
    assert result.stderr.startswith(f"error: {message}")
    with pytest.raises(twisterl.ConfigError) as error:
        twisterl.train(file, tmp_path / "run", quiet=True)
    assert str(error.value).startswith(message)


SEEDS = "expected a whole number from 0 to 18446744073709551615"


@pytest.mark.parametrize("seed", [-1, 2**64, -(10**30)])
def test_seeds_out_of_range_are_refused_by_one_rule(cli, tmp_path, seed):
    file = tmp_path / "config.json"
    file.write_text(json.dumps(CONFIG))
    result = cli(file, "--seed", seed)
    assert (result.returncode, SEEDS in result.stderr) == (2, True), result.stderr
    result = cli(file, "--set", f"seed={seed}")
    assert (result.returncode, f"seed: {SEEDS}" in result.stderr) == (1, True), result.stderr
    env = twisterl.make("Puzzle")
    gym = twisterl.gym.make("Puzzle")
    vector = twisterl.gym.make_vec("Puzzle", 2)
    for call in (
        lambda: twisterl.train(CONFIG, tmp_path / "run", seed=seed, quiet=True),
        lambda: twisterl.train({**CONFIG, "seed": seed}, tmp_path / "run", quiet=True),
        lambda: twisterl.make("Puzzle", seed=seed),
        lambda: env.reset(seed=seed),
        lambda: gym.reset(seed=seed),
        lambda: vector.reset(seed=seed),
    ):
        with pytest.raises((twisterl.UsageError, twisterl.ConfigError), match=f"seed: {SEEDS}"):
            call()


def test_the_largest_seed_is_accepted(cli, tmp_path):
    largest = 2**64 - 1
    env = twisterl.make("Puzzle", seed=largest, difficulty=50)
    again = twisterl.make("Puzzle", seed=np.uint64(largest), difficulty=50)
    assert env.get_state() == again.get_state()
    file = tmp_path / "config.json"
    file.write_text(json.dumps(CONFIG))
    assert cli(file, "--seed", largest, "--run-path", tmp_path / "run", "--quiet").returncode == 0
    assert twisterl.load_run(tmp_path / "run").config["seed"] == largest


@pytest.mark.parametrize("cores", [0, -1, None])
def test_no_bound_on_threads_is_written_in_three_ways(cli, tmp_path, cores):
    config = json.loads(json.dumps(CONFIG))
    config["algorithm"]["collecting"]["num_cores"] = cores
    config["algorithm"]["evals"]["x"]["num_cores"] = cores
    run = twisterl.train(config, tmp_path / "run", num_cores=cores, quiet=True)
    assert run.config["algorithm"]["collecting"]["num_cores"] == 0
    one = twisterl.train(config, tmp_path / "one", set={"algorithm.evals.x.num_cores": 1}, num_cores=1, quiet=True)
    for name, array in run.last_policy.weights().items():
        assert np.array_equal(array, one.last_policy.weights()[name])
    assert run.policy.solve([1, 0, 2, 3], num_cores=cores).success
    run.policy.predict_batch([[0, 5, 10, 15]], num_cores=cores)
    if cores is not None:
        result = cli("evaluate", tmp_path / "run", "--num-episodes", 5, "--num-cores", cores)
        assert result.returncode == 0, result.stderr


def test_other_bounds_on_threads_are_refused_by_one_rule(cli, tmp_path):
    expected = r"expected a whole number from -1 to 4096 \(0 and -1: all processors\), found"
    run = twisterl.train(CONFIG, tmp_path / "run", quiet=True)
    for cores in (-2, 4097, 1.5, "all", 2**70):
        for call in (
            lambda cores=cores: twisterl.train(CONFIG, tmp_path / "none", num_cores=cores, quiet=True),
            lambda cores=cores: run.policy.solve([1, 0, 2, 3], num_cores=cores),
            lambda cores=cores: run.policy.predict_batch([[0, 5, 10, 15]], num_cores=cores),
        ):
            with pytest.raises(twisterl.UsageError, match=f"num_cores: {expected}"):
                call()
    result = cli("evaluate", tmp_path / "run", "--num-cores", -2)
    assert (result.returncode, "expected a whole number from -1 to 4096" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("set_", "message"),
    [
        (
            {"algorithm.optimizer.eps": 1e-50},
            "algorithm.optimizer.eps: expected a number that is not 0 in single precision",
        ),
        (
            {"algorithm.optimizer.lr": 1e-50},
            "algorithm.optimizer.lr: expected a number that is not 0 in single precision",
        ),
        ({"env.solved_reward": 3e38}, "env.solved_reward: expected a number from -1e18 to 1e18, found 3e38"),
        ({"env.move_reward": -1e300}, "env.move_reward: expected a number from -1e18 to 1e18, found -inf"),
    ],
)
def test_numbers_that_single_precision_cannot_hold_are_refused_early(tmp_path, set_, message):
    with pytest.raises(twisterl.ConfigError) as error:
        twisterl.train(CONFIG, tmp_path / "run", set=set_, quiet=True)
    assert str(error.value).startswith(message)
    assert not (tmp_path / "run").exists()


class Rich:
    """Pays far too much."""

    def __init__(self):
        self.steps = 0

    def num_actions(self):
        return 2

    def obs_shape(self):
        return [4]

    def reset(self):
        self.steps = 0

    def set_state(self, state):
        self.steps = int(state[0])

    def get_state(self):
        return [self.steps]

    def step(self, action):
        self.steps += 1

    def observe(self):
        return [self.steps % 4]

    def masks(self):
        return [True, True]

    def reward(self):
        return 3e38

    def is_final(self):
        return self.steps >= 3

    def success(self):
        return False


@pytest.mark.parametrize("algorithm", ["PPO", "AZ", "ES"])
def test_rewards_that_are_too_large_are_named_as_the_cause(tmp_path, algorithm):
    twisterl.register("Rich", Rich)
    config = {**CONFIG, "env_cls": "Rich", "env": {}, "algorithm_cls": algorithm, "num_iterations": 3}
    if algorithm == "ES":
        config["algorithm"] = {**CONFIG["algorithm"], "collecting": {}, "es": {"population": 4, "num_episodes": 1}}
    with pytest.raises(twisterl.DivergedError) as error:
        twisterl.train(config, tmp_path / "run", quiet=True)
    assert str(error.value).startswith("training diverged in iteration 0: ")
    assert "the rewards of the environment are too large for single precision" in str(error.value)


def test_unknown_options_of_gymnasium_s_functions_are_refused():
    env, vector = twisterl.gym.make("Puzzle"), twisterl.gym.make_vec("Puzzle", 2)
    for call, message in (
        (lambda: env.reset(options={"dificulty": 3}), r"found 'dificulty' \(did you mean 'difficulty'\?\)"),
        (lambda: env.reset(options={"x": 3}), "options: expected 'difficulty' and 'state', found 'x'$"),
        (lambda: env.reset(options=[3]), "options: expected a dict, found list"),
        (lambda: vector.reset(options={"state": [0]}), "options: expected 'difficulty', found 'state'"),
        (
            lambda: env.reset(options={"difficulty": -1}),
            "difficulty: expected a whole number from 0 to 1000000, found -1",
        ),
        (lambda: twisterl.gym.make("Puzzle", widht=3), r"env.widht: .* \(did you mean `width`\?\)"),
        (lambda: twisterl.gym.make_vec("Puzzle", 2, widht=3), r"env.widht: .* \(did you mean `width`\?\)"),
    ):
        with pytest.raises((twisterl.UsageError, twisterl.ConfigError), match=message):
            call()
    env.reset(options={"difficulty": np.int64(3)})
    env.reset(options={})
    vector.reset(options=None)
