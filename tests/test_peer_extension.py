"""An extension that was written for the Rust interface of the published package, built on crates/twisterl-peer."""

import copy
import importlib.util
import os
import shutil
import subprocess
import sys

import pytest
import twisterl
from peer_envs import CONFIG
from twisterl import rl
from twisterl._internal.adapter.plain_env import PlainEnv
from twisterl.nn import BasicPolicy
from twisterl.rl.algorithm import solve

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not installed"),
    # Its randomness is its own.
    pytest.mark.filterwarnings("ignore:.*played again with the same seed"),
]


@pytest.fixture(scope="module")
def sorting(root, train_bin, tmp_path_factory):
    """The module, built with the version of pyo3 that it asks for, which is another than ours."""
    folder = shutil.copytree(root / "tests/data/peer_extension", tmp_path_factory.mktemp("extension") / "sorting")
    with (folder / "Cargo.toml").open("a") as manifest:
        manifest.write(f'\n[patch.crates-io]\ntwisterl = {{ path = "{root / "crates/twisterl-peer"}" }}\n')
    target = train_bin.parents[1] / "peer_extension"
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYO3_")}
    variables |= {"CARGO_TARGET_DIR": str(target), "PYO3_PYTHON": sys.executable}
    built = subprocess.run(
        ["cargo", "build", "--quiet"],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert 'name = "pyo3"\nversion = "0.27.' in (folder / "Cargo.lock").read_text()
    library = next(
        path
        for path in (target / "debug").iterdir()
        if path.name in ("libsorting.so", "libsorting.dylib", "sorting.dll")
    )
    spec = importlib.util.spec_from_file_location("sorting", shutil.copy(library, folder / "sorting.so"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["sorting"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["sorting"]


@pytest.fixture
def native(monkeypatch):
    """Environments that are stepped from Python raise an error."""

    def move(*_):
        raise AssertionError("an environment was stepped from Python")

    monkeypatch.setattr(PlainEnv, "move", move)


def described(env):
    return BasicPolicy(env.obs_shape(), env.num_actions(), 16, common_layers=[])


def sorts(row, swaps):
    row = list(row)
    for place in swaps:
        row[place], row[place + 1] = row[place + 1], row[place]
    return row == sorted(row)


def test_scripts_step_an_environment(sorting):
    env = sorting.Sorting(3, difficulty=5)
    assert (env.num_actions(), env.obs_shape(), env.difficulty) == (2, [3, 3], 5)
    env.difficulty = 2
    env.reset()
    env.set_state([1, 0, 2])
    env.set_left(2)
    other = copy.deepcopy(env)
    env.step(1)
    assert (env.row(), env.observe(), env.reward()) == ([1, 2, 0], [1, 5, 6], pytest.approx(-0.05))
    assert (env.is_final(), env.success(), env.masks()) == (False, False, [True, True])
    env.step(1)
    assert (env.is_final(), env.success()) == (True, False)
    assert other.observe() == [1, 3, 8]
    other.step(0)
    assert (other.is_final(), other.success(), other.masks()) == (True, True, [False, False])
    assert other.twists() == ([], [])


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("turns", [False, True])
@pytest.mark.parametrize("algorithm", ["PPO", "AZ"])
def test_a_class_is_trained_without_python(sorting, algorithm, turns, tmp_path):
    del sorting
    sections = {"PPO": {"num_episodes": 64}, "AZ": {"num_episodes": 32, "num_mcts_searches": 8}}
    config = {
        "env_cls": "sorting.Sorting",
        "env": {"size": 4, "difficulty": 3, "turns": turns},
        "policy": {"embedding_size": 16, "common_layers": []},
        "algorithm_cls": algorithm,
        "algorithm": {
            "collecting": {"num_cores": 1, **sections[algorithm]},
            "optimizer": {"lr": 1e-2},
            "learning": {"diff_start": 3, "diff_max": 3, "diff_metric": "ppo_1"},
            "evals": {"ppo_1": {"num_episodes": 100, "deterministic": False}},
        },
    }
    run = twisterl.train({**config, "num_iterations": 12}, tmp_path / "run")
    first, *_, last = run.iterations()
    assert last["evals"]["ppo_1"]["success"] > 0.9 >= first["success"] - 0.1
    # The states of its scrambles are not known, but it can be set to one.
    policy = run.policy
    solution = policy.solve([3, 2, 1, 0], num_searches=64)
    assert solution.success
    assert solution.start == [3, 2, 1, 0]
    assert sorts(solution.start, solution.actions if solution.reported is None else solution.reported)
    assert (solution.reported is not None) == turns
    with pytest.raises(twisterl.StateError, match="that set_state cannot take"):
        policy.solve([0, -1, 2, 9])


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("searches", [0, 8])
def test_algorithm_objects_solve_from_where_an_environment_is(sorting, searches, tmp_path):
    env = sorting.Sorting(4, turns=True)
    algo = rl.PPO(env, described(env), CONFIG, str(tmp_path / "run"))
    algo.learn(1)
    found = [algo.solve([1, 0, 3, 2], False, 4 if searches else 32, searches) for _ in range(8)]
    solved = [actions for actions in found if actions is not None]
    assert solved
    assert all(sorts([1, 0, 3, 2], actions) for actions in solved)
    env.set_state([1, 0, 2, 3])
    env.set_left(1)
    (success, _), actions = solve(env, algo.rs_pol, False, 64, 0, 1.4, 1)
    assert (success, actions, env.row()) == (1.0, [0], [1, 0, 2, 3])


def test_methods_that_a_class_in_python_replaces_are_called(sorting):
    class Cheaper(sorting.Sorting):
        def reward(self):
            return 0.5

    assert sorting.Sorting(3).__twisterl_env__() is not None
    assert Cheaper(3).__twisterl_env__() is None
    env = twisterl.envs.make(Cheaper, size=3, difficulty=1)
    env.reset()
    assert env.step(0)[0] == 0.5
