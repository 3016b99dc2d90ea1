"""Training by one line: names, ids of Gymnasium, classes, functions and environments, with presets."""

import json
import threading

import envs_in_python
import gymnasium
import numpy as np
import pytest
import twisterl
from parameters import without_addresses

BOX, DISCRETE = gymnasium.spaces.Box, gymnasium.spaces.Discrete


class Right(gymnasium.Env):
    """Five steps, each rewarded by 1 if the first part of the action is 1 or positive."""

    observation_space: gymnasium.Space = BOX(-1, 1, (2,), np.float32)
    action_space: gymnasium.Space = DISCRETE(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(0)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.steps += 1
        parts = list(action.values()) if isinstance(action, dict) else action
        first = np.ravel(parts[0] if isinstance(parts, (tuple, list)) else parts)[0]
        return self.observation_space.sample(), float(first > 0), self.steps >= 5, False, {}


class Held(Right):
    """An environment that cannot be copied."""

    def __init__(self):
        self.lock = threading.Lock()


def env_of(seen, act):
    """Return an environment class with these spaces."""
    return type("Made", (Right,), {"observation_space": seen, "action_space": act})


def frozen_lake():
    return gymnasium.make("FrozenLake-v1", is_slippery=False)


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("given", "env_cls", "folder"),
    [
        ("CartPole-v1", "CartPole-v1", "CartPole-v1"),
        ("twisterl.envs.Puzzle", "twisterl.envs.Puzzle", "Puzzle"),
        ("FrozenLake-v1", "FrozenLake-v1", "FrozenLake-v1"),
        ("envs_in_python.Match", "envs_in_python.Match", "Match"),
        (envs_in_python.Match, "envs_in_python.Match", "Match"),
        (frozen_lake, f"{__name__}.frozen_lake", "frozen_lake"),
        (lambda: Right(), f"{__name__}.<lambda>", "lambda"),
        (Right(), f"{__name__}.Right", "Right"),
        (frozen_lake(), "gymnasium.make", "FrozenLake-v1"),
        ({"env_cls": "CartPole-v1", "seed": 3}, "CartPole-v1", "run"),
    ],
    ids=without_addresses,
)
def test_whatever_names_an_environment_trains_it(given, env_cls, folder):
    run = twisterl.train(given, num_steps=1, quiet=True)
    assert run.config["env_cls"] == env_cls
    assert run.path.name == folder
    assert len(run.iterations()) == 1
    assert twisterl.load_run(run.path, trust=True).policy.make_env(seed=0) is not None
    assert run.resume(num_steps=2, quiet=True).config["num_iterations"] == 1, "the config is as it was"


def test_environments_of_gymnasium_are_made_as_they_were():
    made = twisterl.train(frozen_lake(), num_steps=1, quiet=True)
    assert made.config["env"] == {"id": "FrozenLake-v1", "is_slippery": False, "map_name": "4x4"}
    cut = twisterl.train(gymnasium.make("FrozenLake-v1", max_episode_steps=3), num_steps=1, quiet=True)
    assert cut.config["env"]["max_episode_steps"] == 3
    assert cut.iterations()[0]["evals"]["greedy"]["length"] <= 3


def test_an_environment_that_is_handed_over_is_left_alone():
    env = Right()
    env.reset(seed=0)
    twisterl.train(env, num_steps=1, quiet=True)
    assert env.steps == 0


def test_an_object_does_not_stand_for_its_class(tmp_path, monkeypatch):
    """A name in a config is that of the class, also after an environment of this class was handed over."""
    monkeypatch.chdir(tmp_path)
    run = twisterl.train(env=envs_in_python.Walk(5), num_steps=1, quiet=True)
    assert run.policy.obs_shape == [5]
    assert run.resume(num_steps=2, quiet=True).policy.obs_shape == [5]
    name = "envs_in_python.Walk"
    for given, size in (({"env_cls": name, "env": {"size": 6}}, 6), ({"env_cls": name}, 8), (name, 8)):
        assert twisterl.train(given, num_steps=1, quiet=True).policy.obs_shape == [size]
    with pytest.raises(twisterl.CheckpointError, match=r"expected a network for envs_in_python.Walk .*\[8\].*\[5\]"):
        run.resume(num_steps=3, quiet=True)


def test_config_and_environment_go_together():
    given = {"policy": {"common_layers": [8]}, "seed": 5}
    run = twisterl.train(given, env="CartPole-v1", algorithm="ES", num_steps=1, quiet=True)
    assert (run.config["env_cls"], run.config["algorithm_cls"], run.config["seed"]) == ("CartPole-v1", "ES", 5)
    assert run.config["policy"]["common_layers"] == [8]


def test_steps_are_those_of_environments():
    run = twisterl.train("CartPole-v1", steps=10_000, quiet=True)
    assert run.iterations()[-1]["env_steps"] == 12_288, "three iterations of 16 x 256"
    assert run.config["algorithm"]["evals"]["greedy"]["every"] == 1


NO_FIXED_STEPS = "a number of iterations, since an iteration of this algorithm has no fixed number of steps, found 5000"


def test_steps_that_give_no_iterations_are_refused_in_the_words_of_the_caller(cli, root):
    with pytest.raises(twisterl.UsageError) as error:
        twisterl.train("CartPole-v1", algorithm="ES", steps=5000, quiet=True)
    assert str(error.value) == f"steps: expected num_steps, {NO_FIXED_STEPS}"
    result = cli(root / "examples/es_cartpole_v1.json", "--steps", 5000)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"error: --steps: expected --num-steps, {NO_FIXED_STEPS}\n"


def test_what_was_chosen_is_printed_and_in_the_config(capfd):
    run = twisterl.train("CartPole-v1", num_steps=1)
    choice, reasons, *_ = capfd.readouterr().err.splitlines()
    assert choice == "preset to maximize the return: PPO, 1 iteration, network 64-64 (tanh), observations normalized"
    assert reasons.startswith(
        "chosen for CartPole-v1, which has no adjustable difficulty: in each step, the policy sees 4 numbers and"
    )
    assert run.config["policy"]["embedding_size"] == 64
    twisterl.train("CartPole-v1", num_steps=1, quiet=True)
    twisterl.train({**run.config, "num_iterations": 1})
    assert "preset" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("seen", "act", "says"),
    [
        (DISCRETE(16), DISCRETE(4), "network 128-128 (relu)"),
        (BOX(-1, 1, (3,)), BOX(-1, 1, (2,)), "network 64-64 (tanh), observations normalized"),
        (BOX(-1, 1, (3,)), BOX(-300, 500, (1,)), "sees 3 numbers and chooses 1 number;"),
        (BOX(-np.inf, np.inf, (3,)), BOX(-np.inf, np.inf, (1,)), "chooses 1 number;"),
        (BOX(-1, 1, (3,)), gymnasium.spaces.MultiDiscrete([2, 3]), "chooses 1 of 2 values and 1 of 3 values;"),
        (BOX(-1, 1, (3,)), gymnasium.spaces.MultiBinary(3), "chooses 3 bits;"),
        (
            BOX(-1, 1, (3,)),
            gymnasium.spaces.Tuple([DISCRETE(2), BOX(-1, 1, (2,))]),
            "chooses 1 of 2 values and 2 numbers;",
        ),
        (BOX(0, 255, (8, 8, 3), np.uint8), DISCRETE(2), "sees 8 x 8 x 3 numbers and chooses 1 of 2 actions;"),
        (BOX(0, 255, (24, 24, 3), np.uint8), DISCRETE(2), "network of convolutions"),
        (gymnasium.spaces.Dict(a=BOX(-1, 1, (2,)), b=DISCRETE(3)), DISCRETE(2), "network 64-64 (tanh)"),
    ],
    ids=lambda case: without_addresses(case)[:40],
)
def test_each_kind_of_space_has_a_preset_that_trains(capfd, seen, act, says):
    run = twisterl.train(env_of(seen, act), num_steps=1)
    assert says in capfd.readouterr().err
    kinds = [part["type"] for part in run.config["policy"]["distribution"]]
    if isinstance(act, BOX):
        wide = np.isfinite(act.high[0]) and act.high[0] > 10
        assert kinds == ["squashed_gaussian" if wide else "gaussian"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("act", "steps"),
    [
        (DISCRETE(2), 20_000),
        (gymnasium.spaces.MultiDiscrete([2, 3]), 20_000),
        (BOX(-1, 1, (1,)), 20_000),
        (BOX(-200, 300, (1,)), 20_000),
        (gymnasium.spaces.Tuple([DISCRETE(2), BOX(-1, 1, (2,))]), 20_000),
    ],
    ids=str,
)
def test_presets_learn_every_kind_of_action(act, steps):
    run = twisterl.train(env_of(BOX(-1, 1, (2,)), act), steps=steps, quiet=True)
    assert run.final_evaluation["greedy"]["reward"] == 5.0


@pytest.mark.parametrize(
    ("env", "limit"),
    [("CliffWalking-v1", 256), ("FrozenLake-v1", None), (env_of(DISCRETE(16), DISCRETE(4)), None)],
    ids=["no time limit", "100 steps", "it does not tell"],
)
def test_symbols_are_explored_and_seen_from_the_start_again(env, limit):
    short = {"algorithm.evals.greedy.num_episodes": 1, "algorithm.evals.greedy.max_steps": 10}
    run = twisterl.train(env, num_steps=1, quiet=True, set=short)
    algorithm = run.config["algorithm"]
    training = algorithm["training"]
    assert (training["num_epochs"], training["ent_coef"], training["ent_coef_final"]) == (4, 0.01, 0.0)
    assert run.config["policy"]["init"]["action_gain"] == 0.01
    assert (algorithm["collecting"]["gamma"], algorithm["collecting"]["max_steps"]) == (0.995, limit)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_preset_learns_a_slippery_lake(seed):
    # The best strategy reaches the present in 74 % of the episodes.
    changes = {"algorithm.evals.greedy.num_episodes": 1000}
    run = twisterl.train("FrozenLake-v1", seed=seed, set=changes, quiet=True)
    assert run.final_evaluation["greedy"]["reward"] > 0.68


def test_a_preset_learns_the_pole_from_its_name_in_a_file(tmp_path):
    (tmp_path / "pole.json").write_text(json.dumps({"env_cls": "CartPole-v1"}))
    run = twisterl.train("pole.json", num_steps=15, quiet=True)
    assert run.final_evaluation["greedy"]["reward"] > 400


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        (5, "ConfigError", "config: expected a dict, .* or an environment by its name, .*, found int 5"),
        (None, "ConfigError", "config: expected a config or an environment, found neither"),
        (int, "UsageError", "env: expected a class with the methods reset and step, found int"),
        (lambda: 5, "EnvError", "expected an object with reset and step, found int"),
        (lambda: None, "EnvError", "found NoneType .*has to return it"),
        (Held(), "EnvError", "expected an environment that can be copied, found Held: .*lock.*; give its class"),
        ("CartPol-v1", "UnknownEnvError", "expected an id of Gymnasium, found CartPol-v1: .*`CartPole`"),
        ("Puzle", "UnknownEnvError", "Puzle.*registered: .*Puzzle"),
        ("no.such.Class", "UnknownEnvError", "there is no Python module no.such"),
        ("envs_in_python.nothing", "UnknownEnvError", "expected a class .* at envs_in_python.nothing, found nothing"),
        ("missing.json", "MissingError", "missing.json: expected a config file, found nothing"),
        ("folder/run", "MissingError", "folder/run: expected a config file, found nothing"),
        ({"env": {}}, "ConfigError", "env_cls"),
    ],
    ids=lambda case: without_addresses(case)[:30],
)
def test_what_is_no_environment_is_refused(given, error, says):
    with pytest.raises(getattr(twisterl.errors, error), match=says):
        twisterl.train(given, num_steps=1, quiet=True)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"algorithm": "DQN"}, "ConfigError", "algorithm_cls: expected PPO, .*DQN"),
        ({"algorithm": "ES", "steps": 1000}, "UsageError", "steps: expected num_steps"),
        ({"steps": 1000, "num_steps": 3}, "UsageError", "steps: expected steps or num_steps, found both"),
        ({"steps": -1}, "UsageError", "steps"),
        ({"algorithm": "AZ", "env": "Pendulum-v1"}, "TwisteRLError", "single discrete|one discrete|discrete"),
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_refused(options, error, says):
    given = {"env": "CartPole-v1", "quiet": True, **options}
    with pytest.raises(getattr(twisterl.errors, error), match=says):
        twisterl.train(**given)


def test_names_are_trained_by_the_command_line(cli, tmp_path):
    result = cli("CartPole-v1", "--steps", 5000, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "preset to maximize the return: PPO, 2 iterations" in result.stderr
    run = tmp_path / "runs/CartPole-v1"
    assert json.loads((run / "config.json").read_text())["policy"]["activation"] == "tanh"
    unknown = cli("FrozenLake-v1", cwd=tmp_path)
    assert unknown.returncode == 2
    assert 'found "FrozenLake-v1"' in unknown.stderr
    assert "python -m twisterl" in unknown.stderr


def test_ids_of_gymnasium_are_trained_by_the_program_of_the_package(capfd, tmp_path):
    assert twisterl._core.run_cli(["twisterl", "FrozenLake-v1", "--num-steps", "1"]) == 0
    assert (tmp_path / "runs/FrozenLake-v1/metrics.jsonl").exists()
    assert "preset to maximize the return" in capfd.readouterr().err
