"""Files do nothing but hold data: what loading them imports, runs and writes, seen by Python's audit hooks."""

import functools
import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import gymnasium
import hostile_files as files
import pytest
import twisterl
import twisterl.gym
from envs_in_python import Walk
from twisterl._internal import environments

TINY = {
    "env_cls": "Puzzle",
    "env": {"width": 2, "height": 2, "difficulty": 1, "max_depth": 12},
    "policy": {"embedding_size": 8, "common_layers": [8]},
    "algorithm": {
        "collecting": {"num_episodes": 8},
        "training": {"num_epochs": 1},
        "evals": {"greedy": {"num_episodes": 4}},
        "learning": {"diff_metric": "greedy"},
        "logging": {"tensorboard": False},
    },
}
WALK = {**TINY, "env_cls": "envs_in_python.Walk", "env": {"size": 6}, "algorithm_cls": "PPO"}
# Tells of its import, in the file that an environment variable names.
CANARY = """
import os
with open(os.environ["CANARY"], "a") as file:
    file.write(__name__ + "\\n")

class Env:
    def __init__(self, **_): raise AssertionError("made")
    def reset(self): pass
    def step(self, action): pass

Puzzle = Env
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of the native puzzle."""
    path = tmp_path_factory.mktemp("runs") / "native"
    return twisterl.train(TINY, path, num_steps=1, quiet=True).path


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """A run of an environment written in Python."""
    path = tmp_path_factory.mktemp("runs") / "walk"
    return twisterl.train(WALK, path, num_steps=1, quiet=True).path


@pytest.fixture
def audited(tmp_path):
    """Call one of the doors of `audited.py` in a fresh process; return its events, its answers and the process."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "canary_module.py").write_text(CANARY)
    count = 0

    def call(door, paths):
        nonlocal count
        count += 1
        report = tmp_path / f"report-{count}.json"
        script = Path(__file__).with_name("audited.py")
        environment = {**os.environ, "PYTHONPATH": str(folder), "CANARY": str(tmp_path / "canary")}
        done = subprocess.run(
            [sys.executable, "-B", script, report, door, *map(str, paths)],
            capture_output=True,
            text=True,
            env=environment,
            cwd=folder,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(report.read_text())
        return {tuple(event) for event in found["events"]}, found["answers"], done

    return call


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def kinds(root, run, folder, name, env):
    """A file of each kind that names an environment: the ways in which it is loaded, and its path."""
    folder.mkdir()
    peer, described = root / "tests/vectors/peer", root / "tests/configs/ppo_puzzle8_v1.peer.json"
    bare = [
        files.bare(peer / f"ppo_puzzle8_v1.{ending}", described, folder / f"{ending}-{beside}", name, env, beside)
        for ending, beside in [
            ("pt", "ppo_puzzle8_v1.json"),
            ("safetensors", "ppo_puzzle8_v1.json"),
            ("pt", "config.json"),
        ]
    ]
    policy = run / "checkpoint_last/policy.safetensors"
    whole = files.rename(policy, folder / "whole.safetensors", name, env)
    checkpoint = files.rename_checkpoint(run / "checkpoint_last", folder / "checkpoint", name, env)
    return {
        "bare": bare,
        "whole": [whole],
        "checkpoint": [checkpoint],
        "run": [files.rename_run(run, folder / "run", name, env)],
    }


DOORS = {
    "load_policy": ["bare", "whole", "checkpoint", "run"],
    "load_policy, config": ["bare"],
    "Policy, data": ["whole"],
    "load_run": ["run"],
    "resume": ["run"],
    "weights": ["whole", "checkpoint", "run"],
    "helpers": ["bare"],
    "solve": ["bare", "whole", "checkpoint", "run"],
    "evaluate": ["bare", "whole", "checkpoint", "run"],
    "compare": ["bare", "whole", "checkpoint", "run"],
    "convert": ["bare", "whole", "checkpoint", "run"],
    "--resume": ["run"],
    "--load-checkpoint": ["whole", "checkpoint", "run"],
}
# What needs the environment, and whether the door has an answer without it.
NEEDS = ("make_env", "solve", "solve_scramble", "evaluate")


@pytest.mark.parametrize("door", DOORS)
def test_files_import_run_and_write_nothing(audited, root, run, tmp_path, door):
    mark = tmp_path / "mark"
    native = kinds(root, run, tmp_path / "native", "Puzzle", {"width": 2, "height": 2})
    wanted = [
        kinds(root, run, tmp_path / f"hostile-{i}", name, env)
        for i, (name, env) in enumerate(files.hostile("canary_module", mark))
    ]
    of_door = lambda made: [path for kind in DOORS[door] for path in made[kind]]  # noqa: E731
    before = tree(tmp_path)
    usual, _, _ = audited(door, of_door(native))
    events, answers, done = audited(door, [path for made in wanted for path in of_door(made)])
    assert not mark.exists()
    assert not (tmp_path / "canary").exists(), "the module was imported"
    news = events - usual
    assert not news, news
    after = tree(tmp_path)
    of_hostile = {path for path in before.keys() | after.keys() if "/hostile-" in path}
    assert not [path for path in of_hostile & before.keys() if after.get(path) != before[path]]
    if door not in ("convert", "helpers", "weights", "--load-checkpoint"):  # which write what they were asked for
        assert not of_hostile - before.keys()

    said = done.stderr + json.dumps(answers)
    assert "PanicException" not in said
    assert "Traceback" not in said
    refused = [(kind, message) for name, kind, message in answers if name in (*NEEDS, "resume", "Run.resume")]
    if door in ("load_policy", "Policy, data", "load_run", "resume"):
        assert {kind for kind, _ in refused} == {"UnknownEnvError"}, refused
        for way in ("env=", "twisterl.register", "trust=True"):
            assert any(way in message for _, message in refused)
            assert all(way in message for _, message in refused if "canary_module" in message)
    worked = [kind for name, kind, _ in answers if name in ("repr", "predict", "act", "to_bytes", "params", "weights")]
    assert set(worked) <= {"answered"}, answers
    if door in ("solve", "evaluate", "--resume"):
        assert {message for name, _, message in answers if name == "command"} <= {"1"}
        assert "--env" in done.stderr
        assert "--trust" in done.stderr
    if door == "convert":
        codes = [message for name, _, message in answers if name == "command"]
        assert codes.count("0") == 3 * len(wanted), "what describes its network is converted"


def test_pickles_in_pt_files_do_not_run(audited, root, tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'mark'}",)

    source = root / "tests/vectors/peer/ppo_puzzle8_v1.pt"
    target = tmp_path / "bomb.pt"
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = pickle.dumps(Bomb(), 2) if name.endswith("data.pkl") else old.read(name)
            new.writestr(name, data)
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"embeddings.weight": Bomb()}))
    for path in (target, tmp_path / "plain.pt"):
        shutil.copy(root / "tests/configs/ppo_puzzle8_v1.peer.json", path.with_suffix(".json"))
    for door in ("load_policy", "helpers", "solve", "convert"):
        events, answers, _ = audited(door, [target, tmp_path / "plain.pt"])
        assert not [event for event, _ in events if event != "import"], events
        assert "answered" not in {kind for name, kind, _ in answers if name in ("load_checkpoint", "predict")}
    assert not (tmp_path / "mark").exists()


# The three ways to give the environment


def test_a_policy_without_its_environment_predicts_and_says_what_it_needs(walk, tmp_path):
    policy = twisterl.load_policy(walk)
    assert (policy.env_cls, policy.env_params, policy.obs_shape) == ("envs_in_python.Walk", {"size": 6}, [6])
    assert policy.predict([3])[0].sum() == pytest.approx(1)
    policy.save(tmp_path / "saved.safetensors")
    assert twisterl.load_policy(tmp_path / "saved.safetensors").to_bytes() == policy.to_bytes()
    needs = r"env_cls: .*'?\"envs_in_python.Walk.*env=.*twisterl.register.*trust=True"
    for work in (
        policy.make_env,
        lambda: policy.solve([2]),
        lambda: policy.solve_batch([[2]]),
        policy.solve_scramble,
        lambda: policy.evaluate([[2]]),
        policy.evaluate,
        lambda: policy.spec,
        lambda: twisterl.resume(walk, num_steps=2),
        lambda: twisterl.load_run(walk).policy.solve([2]),
    ):
        with pytest.raises(twisterl.UnknownEnvError, match=needs) as raised:
            work()
        assert isinstance(raised.value, twisterl.ConfigError)


def test_the_text_of_a_policy_has_no_control_characters(run, tmp_path):
    file = files.rename(run / "checkpoint_last/policy.safetensors", tmp_path / "p.safetensors", "a\x1b[31mb.Env", {})
    assert repr(twisterl.load_policy(file)).startswith(r"<Policy for a\u{1b}[31mb.Env: ")


def test_the_environment_can_be_passed_trusted_or_registered(walk, tmp_path):
    shutil.copytree(walk, tmp_path / "run")
    path = tmp_path / "run"
    expected = twisterl.load_policy(path, trust=True).solve([3], seed=1).actions
    ways = [{"env": Walk}, {"env": "envs_in_python.Walk"}, {"env": lambda size: Walk(size)}, {"trust": True}]
    for steps, way in enumerate(ways, 2):
        policy = twisterl.load_policy(path, **way)
        assert policy.solve([3], seed=1).actions == expected
        assert len(policy.solve([1], search="greedy").states) > 0
        assert policy.make_env().params == {"size": 6}
        run = twisterl.Run(path, **way)
        assert run.policy.evaluate(num_episodes=2)["count"] == 2
        assert len(run.resume(num_steps=steps, quiet=True).iterations()) == steps
        resumed = twisterl.resume(path, num_steps=steps, quiet=True, **way)
        assert resumed.last_policy.solve([1], search="greedy").nodes > 0
    with pytest.raises(twisterl.UnknownEnvError):
        twisterl.load_policy(path).solve([3])
    with pytest.raises(twisterl.CheckpointError, match="a network for"):
        twisterl.load_policy(path, env=lambda size: Walk(size + 1))
    with pytest.raises(twisterl.ConfigError, match=r"env.size"):
        twisterl.load_policy(path, env="Puzzle")
    for wrong in (5, Walk(6), ["envs_in_python.Walk"]):
        with pytest.raises(twisterl.UsageError, match="env: expected a name, a class or a function"):
            twisterl.load_policy(path, env=wrong)
    with pytest.raises(twisterl.UnknownEnvError, match="no_module"):
        twisterl.load_policy(path, env="no_module.Walk")


def test_registered_environments_are_found_by_name(walk, monkeypatch, tmp_path):
    monkeypatch.setattr(environments, "_registered", {})
    assert twisterl.register("envs_in_python.Walk") is Walk
    assert twisterl.load_policy(walk).solve([1]).success is not None

    @twisterl.register
    class Longer(Walk):
        def __init__(self, size):
            super().__init__(size + 1)

    assert twisterl.register("short", lambda size: Walk(size)).__name__ == "<lambda>"
    names = {f"{__name__}.{Longer.__qualname__}": 7, "short": 6}
    for i, (name, size) in enumerate(names.items()):
        assert twisterl.make(name, size=6).observe() is not None
        config = {**WALK, "env_cls": name}
        run = twisterl.train(config, tmp_path / str(i), num_steps=1, quiet=True)
        assert twisterl.load_policy(run.path).obs_shape == [size]
        assert twisterl.load_policy(run.path).evaluate(num_episodes=2)["count"] == 2
        assert len(twisterl.resume(run.path, num_steps=2, quiet=True).iterations()) == 2
    for wrong, error in [
        (("Puzzle", Walk), twisterl.ConfigError),
        (("no_module.Env",), twisterl.UnknownEnvError),
        (("subprocess.check_output",), twisterl.UnknownEnvError),
        ((5,), twisterl.UsageError),
        (("name", 5), twisterl.UsageError),
        ((Walk, Walk), twisterl.UsageError),
    ]:
        with pytest.raises(error):
            twisterl.register(*wrong)


def test_what_is_no_environment_class_is_not_called_even_if_trusted(run, tmp_path):
    mark = tmp_path / "mark"
    for name, env in [
        ("subprocess.check_output", {"args": ["touch", str(mark)]}),
        ("os.system", {"command": f"touch {mark}"}),
        ("subprocess.Popen", {"args": ["touch", str(mark)]}),
        ("PyEnv", {"pyenv_cls": "subprocess.Popen", "args": ["touch", str(mark)]}),
        ("envs_in_python.bad", {"method": "step", "value": 1}),
        ("envs_in_python.NoMethods", {}),
        ("pathlib.Path", {}),
        ("gymnasium", {}),
    ]:
        file = files.rename(run / "checkpoint_last/policy.safetensors", tmp_path / "policy.safetensors", name, env)
        for work in (
            lambda file=file: twisterl.load_policy(file, trust=True).make_env(),
            lambda name=name, env=env: twisterl.train(
                {**TINY, "env_cls": name, "env": env}, tmp_path / "run", quiet=True
            ),
            lambda name=name, env=env: twisterl.make(name, **env),
            lambda file=file, name=name: twisterl.load_policy(file, env=name).make_env(),
        ):
            with pytest.raises(twisterl.ConfigError):
                work()
    assert not mark.exists()
    assert not (tmp_path / "run").exists()


def test_parameters_of_a_file_import_nothing_through_gymnasium(audited, run, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.setenv("CANARY", str(tmp_path / "canary"))
    params = {"id": "canary_module:Env-v0"}
    file = files.rename(
        run / "checkpoint_last/policy.safetensors", tmp_path / "p.safetensors", "gymnasium.make", params
    )
    for env in (gymnasium.make, "gymnasium.make"):
        with pytest.raises(twisterl.UnknownEnvError, match="id of a registered environment"):
            twisterl.load_policy(file, env=env)
    assert not (tmp_path / "canary").exists()
    config = {**TINY, "env_cls": "gymnasium.make", "env": {"id": "CartPole-v1"}}
    cart = twisterl.train(config, tmp_path / "cart", num_steps=1, quiet=True)
    policy = twisterl.load_policy(cart.path, env=gymnasium.make)
    assert policy.evaluate(num_episodes=2)["mean_reward"] > 0


@pytest.mark.parametrize(
    ("env", "params"),
    [
        (gymnasium.make, {"id": "twisterl/Puzzle-v0", "env_cls": "canary_module.Env"}),
        (gymnasium.make, {"id": "GymV26Environment-v0", "env_id": "canary_module:Env-v0"}),
        (functools.partial(gymnasium.make), {"id": "canary_module:Env-v0"}),
        (functools.partial(gymnasium.make, id="CartPole-v1"), {"id": "canary_module:Env-v0"}),
        (gymnasium.make_vec, {"id": "canary_module:Env-v0"}),
        (twisterl.gym.make, {"env_cls": "canary_module.Env"}),
        (twisterl.gym.make_vec, {"env_cls": "canary_module.Env"}),
        (twisterl.gym.GymEnv, {"env_cls": "canary_module.Env"}),
    ],
)
def test_factories_that_import_by_name_do_not_do_so_for_files(env, params, run, tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "_registered", {})
    (tmp_path / "canary_module.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(tmp_path)
    file = files.rename(run / "checkpoint_last/policy.safetensors", tmp_path / "p.safetensors", "any.name", params)
    with pytest.raises(twisterl.TwisteRLError, match="expected"):
        twisterl.load_policy(file, env=env)
    twisterl.register("any.name", env)
    with pytest.raises(twisterl.TwisteRLError, match="expected"):
        twisterl.load_policy(file).make_env()
    assert not (tmp_path / "mark").exists()
    assert "canary_module" not in sys.modules


# The command line


def command(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "twisterl", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=120
    )


def test_the_command_line_needs_env_or_trust_for_files_and_neither_for_configs(tmp_path):
    shutil.copy(Path(__file__).with_name("envs_in_python.py"), tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**WALK, "num_iterations": 1}))
    trained = command("train", "config.json", "--run-path", "run", "--quiet", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    uses = [
        ("solve", "run", "--state", "1", "--greedy"),
        ("evaluate", "run", "--num-episodes", "2"),
        ("--resume", "run", "--num-steps", "2", "--quiet"),
    ]
    for use in uses:
        refused = command(*use, cwd=tmp_path)
        assert refused.returncode == 1
        assert 'env_cls: expected a built-in environment, found "envs_in_python.Walk"' in refused.stderr
        assert "--env" in refused.stderr
        assert "--trust" in refused.stderr
        for way in (("--trust",), ("--env", "envs_in_python.Walk")):
            done = command(*use, *way, cwd=tmp_path)
            assert "error" not in done.stderr, done.stderr
            assert done.returncode == 0 or use[0] == "solve"
    assert command("convert", "run", "whole.safetensors", cwd=tmp_path).returncode == 0
    wrong = command("config.json", "--env", "envs_in_python.Walk", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "--env: expected --resume with it" in wrong.stderr


def test_modules_in_the_folder_of_a_model_are_not_imported(run, tmp_path):
    # As after `cd` into a downloaded folder: its modules must not stand in for those that the package imports.
    shutil.copytree(run, tmp_path / "run")
    for name in ("numpy", "gymnasium", "json", "safetensors", "importlib_metadata"):
        (tmp_path / f"{name}.py").write_text("open('mark', 'w').close()")
    script = (
        "import sys; sys.path = [p for p in sys.path if p]; from twisterl.__main__ import command; "
        "sys.exit(command(sys.argv[1:]))"
    )
    for use in (("solve", "run", "--state", "0,1,2,3"), ("evaluate", "run", "--num-episodes", "2")):
        done = subprocess.run(
            [sys.executable, "-c", script, *use], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
    assert not (tmp_path / "mark").exists()
