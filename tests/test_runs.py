"""Training from Python: runs, callbacks, Ctrl-C, environments written in Python, and what goes wrong."""

import json
import signal
import subprocess
import sys
import time
import traceback
import warnings

import envs_in_python
import numpy as np
import pytest
import twisterl
from processes import SLACK, hear_ctrl_c, wait_until, wait_until_busy

CONFIG = {
    "env_cls": "Puzzle",
    "env": {"width": 2, "height": 2, "difficulty": 1, "max_depth": 20},
    "policy": {"embedding_size": 16, "common_layers": [16]},
    "algorithm_cls": "PPO",
    "algorithm": {
        "collecting": {"num_envs": 32, "rollout_length": 16},
        "training": {"num_epochs": 1, "minibatch_size": 128},
        "evals": {"greedy": {"num_episodes": 20, "every": 10}},
        "learning": {"diff_metric": "rollout", "diff_max": 6},
        "optimizer": {"lr": 0.003},
        "logging": {"tensorboard": False},
    },
}
IN_PYTHON = {**CONFIG, "env_cls": "envs_in_python.Walk", "env": {"size": 8}}


def weights(run):
    return (run.path / "checkpoint_last/policy.safetensors").read_bytes()


def test_a_run_can_be_watched_stopped_and_resumed(tmp_path):
    whole = twisterl.train(CONFIG, tmp_path / "whole", num_steps=20, seed=4, quiet=True)
    seen = []

    def watch(metrics):
        seen.append(metrics["iteration"])
        return len(seen) < 7

    run = twisterl.train(CONFIG, tmp_path / "part", num_steps=20, seed=4, callback=watch, quiet=True)
    assert seen == list(range(7))
    assert len(run.iterations()) == 7
    assert weights(run) != weights(whole)
    run = run.resume(quiet=True)
    assert weights(run) == weights(whole)
    metrics = run.metrics
    assert metrics["iteration"].tolist() == list(range(20))
    assert np.isnan(metrics["evals.greedy.success"]).sum() == 18
    assert (metrics["losses.entropy"] > 0).all()
    assert run.config["seed"] == 4
    assert run.policy.solve([1, 0, 2, 3]).success
    assert run.last_policy.num_actions == 4
    assert "20 iterations" in repr(run)
    assert twisterl.load_run(run.path).path == run.path


def test_configs_come_as_files_dicts_and_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.json").write_text(json.dumps(CONFIG))
    run = twisterl.train("small.json", num_steps=1, quiet=True, set={"algorithm.training.ent_coef": 0.5})
    assert run.path.as_posix() == "runs/small"
    assert run.config["algorithm"]["training"]["ent_coef"] == 0.5
    assert twisterl.train(tmp_path / "small.json", num_steps=1, quiet=True).path.as_posix() == "runs/small-2"


def test_an_exception_in_the_callback_stops_the_run_in_order(tmp_path):
    def fail(metrics):
        if metrics["iteration"] == 3:
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        twisterl.train(CONFIG, tmp_path / "run", num_steps=20, callback=fail, quiet=True)
    assert len(twisterl.load_run(tmp_path / "run").iterations()) == 4
    assert len(twisterl.resume(tmp_path / "run", quiet=True).iterations()) == 20


def test_ctrl_c_stops_within_a_second_and_loses_nothing(tmp_path):
    # An iteration of these takes far longer than a second, so that it is stopped midway.
    slow = {**CONFIG, "env": {"width": 3, "height": 3}, "num_iterations": 1000}
    slow["algorithm"] = {**CONFIG["algorithm"], "collecting": {"num_episodes": 60000}, "training": {"num_epochs": 50}}
    script = f"import twisterl; twisterl.train({slow!r}, 'run')"
    command = [sys.executable, "-c", script]
    run = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=hear_ctrl_c)
    wait_until((tmp_path / "run/config.json").exists, run)
    wait_until_busy(run, 2)
    run.send_signal(signal.SIGINT)
    begun = time.monotonic()
    _, errors = run.communicate(timeout=60)
    assert time.monotonic() - begun < SLACK
    assert "KeyboardInterrupt" in errors
    assert "twisterl.resume" in errors
    assert twisterl.load_run(tmp_path / "run").last_policy.num_actions == 4


@pytest.mark.slow
@pytest.mark.parametrize("env_cls", ["Walk", "OldWalk", "Seeded"])
def test_environments_in_python_are_learned(tmp_path, env_cls):
    config = {**IN_PYTHON, "env_cls": f"envs_in_python.{env_cls}"}
    config["algorithm"] = {**CONFIG["algorithm"], "learning": {"diff_metric": "rollout", "diff_max": 7}}
    run = twisterl.train(config, tmp_path / "run", num_steps=80, quiet=True)
    figures = run.policy.evaluate(difficulty=7, num_episodes=200, deterministic=True)
    assert figures["success"] == 1
    assert run.policy.solve([7], search="greedy").actions == [0] * 7
    assert run.policy.solve([5], num_mcts_searches=8).success
    other = twisterl.train(config, tmp_path / "other", num_steps=80, num_cores=1, quiet=True)
    assert weights(run) == weights(other), "the same bytes for any number of threads"


def test_environments_in_python_are_resumed_exactly(tmp_path):
    whole = twisterl.train(IN_PYTHON, tmp_path / "whole", num_steps=12, quiet=True)
    part = twisterl.train(IN_PYTHON, tmp_path / "part", num_steps=12, callback=lambda m: m["iteration"] < 5, quiet=True)
    assert weights(part) != weights(whole)
    assert weights(part.resume(quiet=True)) == weights(whole)


def test_every_algorithm_plays_environments_in_python(tmp_path):
    searching = {"num_episodes": 16, "num_mcts_searches": 8}
    config = {**IN_PYTHON, "algorithm_cls": "AZ", "algorithm": {**CONFIG["algorithm"], "collecting": searching}}
    assert len(twisterl.train(config, tmp_path / "az", num_steps=3, quiet=True).iterations()) == 3
    config["algorithm_cls"] = "BackwardScramble"
    config["algorithm"] = {**CONFIG["algorithm"], "collecting": {}}
    with pytest.raises(twisterl.ConfigError, match="inverse"):
        twisterl.train(config, tmp_path / "backward", num_steps=3, quiet=True)


def test_copies_of_an_environment_have_their_own_masks(tmp_path):
    # Tree search plays on copies: each must be asked for the masks of its own state.
    searching = {"num_episodes": 8, "num_mcts_searches": 8}
    config = {**CONFIG, "env_cls": "envs_in_python.OnceEach", "env": {}, "algorithm_cls": "AZ"}
    config["algorithm"] = {**CONFIG["algorithm"], "collecting": searching}
    run = twisterl.train(config, tmp_path / "run", num_steps=2, quiet=True)
    assert run.policy.evaluate(num_episodes=5, search="mcts=16")["success"] == 1


def test_seeds_reach_the_environment(tmp_path):
    envs_in_python.Seeded.seeds.clear()
    config = {**IN_PYTHON, "env_cls": "envs_in_python.Seeded"}
    twisterl.train(config, tmp_path / "run", num_steps=2, quiet=True)
    assert len(set(envs_in_python.Seeded.seeds)) > 50
    assert all(0 <= seed < 2**31 for seed in envs_in_python.Seeded.seeds)


def test_gymnasium_environments_are_trained_by_name(tmp_path):
    config = {**CONFIG, "env_cls": "gymnasium.make", "env": {"id": "CartPole-v1"}}
    run = twisterl.train(config, tmp_path / "run", num_steps=5, quiet=True)
    assert run.metrics["rollout.length"].max() > 5
    assert run.policy.obs_shape == [4]
    assert run.policy.evaluate(num_episodes=3)["mean_reward"] > 0


def test_what_an_environment_raises_reaches_the_user_with_its_traceback(tmp_path):
    config = {**IN_PYTHON, "env_cls": "envs_in_python.Failing"}
    with pytest.raises(ZeroDivisionError, match="the fifth step") as raised:
        twisterl.train(config, tmp_path / "run", num_steps=5, quiet=True)
    frames = traceback.extract_tb(raised.value.__traceback__)
    assert frames[-1].filename == envs_in_python.__file__
    assert twisterl.load_run(tmp_path / "run").last_policy.num_actions == 2, "the folder is whole"


BAD = [
    *("ReturnsText", "ReturnsNan", "NoReward", "WrongIndex", "NegativeIndex", "NoList", "ShortMask", "NothingAllowed"),
    *("BigMask", "NoShape", "EmptyShape", "ZeroShape", "NegativeShape", "NoActions", "HugeActions", "BadTwists"),
    *("FailsToReset", "FailsToObserve", "NoMethods", "NeedsMore"),
]


@pytest.mark.parametrize("name", BAD)
def test_environments_that_misbehave_are_refused(tmp_path, name):
    with pytest.raises(Exception) as raised:  # noqa: PT011
        twisterl.train({**IN_PYTHON, "env_cls": f"envs_in_python.{name}"}, tmp_path / "run", num_steps=3, quiet=True)
    assert type(raised.value).__name__ != "PanicException"
    assert isinstance(
        raised.value, (twisterl.TwisteRLError, TypeError, ValueError, KeyError, ArithmeticError, OverflowError)
    )


def test_fields_that_the_algorithm_does_not_use_are_errors_but_warnings_in_configs_of_the_peer(tmp_path):
    algorithm = {**CONFIG["algorithm"], "collecting": {"num_episodes": 4, "num_mcts_searches": 2}}
    algorithm["training"] = {"num_epochs": 1, "ent_coef": 0.1}
    config = {**CONFIG, "algorithm_cls": "AZ", "algorithm": algorithm}
    with pytest.raises(twisterl.ConfigError, match=r"training\.ent_coef: expected no value, since AZ does not use"):
        twisterl.train(config, tmp_path / "ours", num_steps=1, quiet=True)
    config |= {"algorithm_cls": "twisterl.rl.AZ", "policy_cls": "twisterl.nn.BasicPolicy"}
    with pytest.warns(UserWarning, match="does not use this field") as warned:
        run = twisterl.train(config, tmp_path / "peer", num_steps=1, quiet=True)
    ignored = ["algorithm.training.ent_coef: ignored, since AZ does not use this field"]
    assert [str(warning.message) for warning in warned] == ignored
    assert "ent_coef" not in run.config["algorithm"]["training"]
    with pytest.warns(UserWarning, match="ent_coef"):
        twisterl.utils.prepare_algorithm(config)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(run.resume(num_steps=2, quiet=True).iterations()) == 2
        with pytest.raises(UserWarning, match="ent_coef"):
            twisterl.train(config, tmp_path / "strict", num_steps=1, quiet=True)
    assert not (tmp_path / "strict").exists()


def test_wrong_configs_are_refused_by_path(tmp_path):
    for change, message in (
        ({"algorithm": {"training": {"vf": 1}}}, "algorithm.training.vf"),
        ({"env_cls": "no_module.Env"}, "no_module"),
        ({"env_cls": "envs_in_python.Nothing"}, "Nothing"),
        ({"env_cls": 5}, "env_cls"),
        ({"num_iterations": -1}, "num_iterations"),
    ):
        with pytest.raises(ValueError, match=message) as raised:
            twisterl.train({**CONFIG, **change}, tmp_path / "run", quiet=True)
        assert isinstance(raised.value, twisterl.ConfigError)
    for config in (5, None, ["a"]):
        with pytest.raises(twisterl.ConfigError):
            twisterl.train(config, tmp_path / "run")
    with pytest.raises(FileNotFoundError):
        twisterl.train(tmp_path / "none.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(twisterl.ConfigError, match="JSON"):
        twisterl.train(tmp_path / "broken.json")
    twisterl.train(CONFIG, tmp_path / "taken", num_steps=1, quiet=True)
    with pytest.raises(twisterl.UsageError, match="new or empty folder"):
        twisterl.train(CONFIG, tmp_path / "taken", num_steps=1, quiet=True)
    with pytest.raises(twisterl.MissingError):
        twisterl.load_run(tmp_path / "nowhere")


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_process_may_fork_after_import(tmp_path):
    script = f"""
import os, twisterl
twisterl.train({CONFIG!r}, "first", num_steps=2, quiet=True)
child = os.fork()
if child == 0:
    run = twisterl.train({CONFIG!r}, "second", num_steps=2, quiet=True)
    run.policy.evaluate(num_episodes=10)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=tmp_path, check=True, timeout=60)
