"""A plugin by the published header alone, which does what the header allows and no example does."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cli_configs import assert_refused, write

# Evaluations without search, which needs a single choice.
RUN = {
    "policy": {"embedding_size": 16, "common_layers": [16]},
    "num_iterations": 2,
    "algorithm_cls": "PPO",
    "algorithm": {
        "collecting": {"num_envs": 8, "rollout_length": 16},
        "learning": {"diff_metric": "rollout"},
        "evals": {"greedy": {"num_episodes": 10, "deterministic": True}},
    },
}


@pytest.fixture(scope="module")
def thermostat(root, tmp_path_factory) -> Path:
    """A library with four components of actions, buffers that move, and no states, pictures and names."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    built = tmp_path_factory.mktemp("thermostat") / "libthermostat.so"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-O2"]
    include = f"-I{root / 'crates/twisterl-plugin/include'}"
    source = root / "tests/data/plugins/thermostat.c"
    subprocess.run(["cc", *flags, include, source, "-o", built], check=True, timeout=60)
    return built


def test_an_environment_without_states_keeps_the_contract(cli, thermostat):
    checked = cli("check", thermostat)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "not checked: states, since it does not tell them" in checked.stdout


def test_it_is_trained_evaluated_and_resumed(cli, tmp_path, thermostat):
    file = write(tmp_path / "config.json", {"env_cls": str(thermostat), **RUN})
    for run, iterations in (("straight", 2), ("stopped", 1)):
        result = cli("train", file, "--run-path", tmp_path / run, "--quiet", "--set", f"num_iterations={iterations}")
        assert result.returncode == 0, result.stderr
    resumed = ["train", "--resume", tmp_path / "stopped", "--trust", "--set", "num_iterations=2", "--quiet"]
    assert cli(*resumed).returncode == 0
    weights = [tmp_path / run / "checkpoint_last/policy.safetensors" for run in ("straight", "stopped")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    evaluated = cli("evaluate", tmp_path / "straight", "--trust")
    assert evaluated.returncode == 0, evaluated.stderr
    assert_refused(
        cli("solve", tmp_path / "straight", "--trust", "--state", "1"),
        "state: expected an environment whose state can be set",
    )


def test_the_path_of_a_library_is_enough_to_train_it(cli, tmp_path, thermostat):
    result = cli("train", thermostat, "--num-steps", 1, "--run-path", tmp_path / "run", "--quiet")
    assert result.returncode == 0, result.stderr
    assert_refused(
        cli("train", tmp_path / "libmissing.so", "--quiet"), "env_cls: expected the path of a native library"
    )


def test_a_long_error_with_control_characters_is_shown_escaped(cli, tmp_path, thermostat):
    file = write(tmp_path / "config.json", {"env_cls": str(thermostat), "env": {"size": 1}, **RUN})
    refused = cli("train", file, "--run-path", tmp_path / "run")
    assert_refused(refused, "env: expected parameters of the environment, found xxxxxx")
    assert "\x1b" not in refused.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("env", ["thermostat", "Pendulum-v1"])
def test_default_evaluations_are_those_that_fit_the_actions(cli, tmp_path, thermostat, env):
    """Tree search needs one discrete action: a default evaluation is left out, one of the config is refused at once."""
    config = {"env_cls": str(thermostat) if env == "thermostat" else env, "policy": RUN["policy"], "num_iterations": 1}
    config["algorithm"] = {"collecting": {"num_envs": 8, "rollout_length": 16}}
    result = cli("train", write(tmp_path / "config.json", config), "--run-path", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert "algorithm.evals: without mcts_100 of the default evaluations" in result.stderr
    evals = json.loads((tmp_path / "run/config.json").read_text())["algorithm"]["evals"]
    assert list(evals) == ["ppo_deterministic", "ppo_1", "ppo_10"]
    for name, changed in [
        ("mine", {"evals": {"mine": {"num_mcts_searches": 8}}, "learning": {"diff_metric": "mine"}}),
        ("mcts_100", {"learning": {"diff_metric": "mcts_100"}}),
    ]:
        other = {**config, "algorithm": {**config["algorithm"], **changed}}
        refused = cli("train", write(tmp_path / "config.json", other), "--run-path", tmp_path / "refused")
        path = f"algorithm.evals.{name}.num_mcts_searches: expected 0, since tree search needs one discrete action"
        assert_refused(refused, path)
        assert not (tmp_path / "refused").exists()
