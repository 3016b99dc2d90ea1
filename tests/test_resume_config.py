"""Configs of runs that were changed before the runs are resumed."""

import functools
import json
import operator
import shutil

import pytest
import tensorboard_events
import twisterl
from tiny_runs import EVENTS, TINY, change, content, records

FREE = {
    "num_iterations": (None, 9),
    "algorithm__logging__log_freq": (1, 2),
    "algorithm__logging__checkpoint_freq": (5, 3),
    "algorithm__logging__tensorboard": (True, False),
    "algorithm__collecting__num_cores": (1, 2),
    "algorithm__evals__ppo_1__num_episodes": (10, 20),
    "algorithm__learning__diff_max": (6, 8),
    "algorithm__learning__diff_threshold": (0.85, 0.5),
}
# What the sessions after the changes show of them.
EFFECTS = {
    "algorithm__logging__log_freq": lambda run, _: [r["iteration"] for r in records(run)] == [*range(6), 6, 8],
    "algorithm__logging__tensorboard": lambda run, before: (
        (run / EVENTS).read_bytes() == (before / EVENTS).read_bytes()
    ),
    "algorithm__learning__diff_threshold": lambda run, before: last_difficulty(run) > last_difficulty(before) + 1,
}
FIXED = {
    "seed": (3, 4),
    "env_cls": ("Puzzle", "CartPole-v1"),
    "env__width": (2, 3),
    "policy__embedding_size": (8, 16),
    "algorithm_cls": ("PPO", "BackwardScramble"),
    "algorithm__collecting__num_episodes": (16, 32),
    "algorithm__collecting__gamma": (0.995, 0.5),
    "algorithm__training__num_epochs": (1, 2),
    "algorithm__optimizer__lr": (0.0003, 0.1),
    "algorithm__learning__diff_start": (None, 2),
}


@pytest.fixture(scope="module")
def finished(cli, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    (folder / "tiny.json").write_text(json.dumps(TINY))
    assert cli(folder / "tiny.json", "--run-path", folder / "run", "--num-steps", 6).returncode == 0
    return folder / "run"


def last_difficulty(run):
    return records(run)[-1]["difficulty"]


def shown(path, before, now):
    text = ["none" if value is None else json.dumps(value) for value in (before, now)]
    return f"{path.replace('__', '.')}: {text[0]}, now {text[1]}"


@pytest.mark.parametrize("path", FREE)
def test_what_may_change_is_applied_and_shown(cli, finished, tmp_path, path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    before, now = FREE[path]
    change(run, **{path: now})
    note = f"note: {shown(path, 6 if path == 'num_iterations' else before, now)}\n"
    result = cli("--resume", run, *(() if path == "num_iterations" else ("--num-steps", 9)))
    assert result.returncode == 0, result.stderr
    assert note in result.stderr
    state = json.loads((run / "checkpoint_last/state.json").read_text())
    assert state["iteration"] == 9
    assert functools.reduce(operator.getitem, path.split("__"), state["config"]) == now
    if path in EFFECTS:
        assert EFFECTS[path](run, finished)
    again = cli("--resume", run, "--num-steps", 10)
    assert again.returncode == 0
    assert note not in again.stderr, "it is what the run was trained with since"


def test_a_greater_highest_difficulty_lets_the_curriculum_go_on(cli, tmp_path):
    run, config = tmp_path / "run", json.loads(json.dumps(TINY))
    config["algorithm"]["learning"] |= {"diff_max": 2, "diff_threshold": 0.3}
    (tmp_path / "tiny.json").write_text(json.dumps(config))
    assert cli(tmp_path / "tiny.json", "--run-path", run, "--num-steps", 6).returncode == 0
    assert last_difficulty(run) == 2
    change(run, algorithm__learning__diff_max=4)
    assert cli("--resume", run, "--num-steps", 12).returncode == 0
    assert last_difficulty(run) == 4


@pytest.mark.parametrize("path", FIXED)
def test_what_may_not_change_is_refused_by_field(cli, finished, tmp_path, path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    before, now = FIXED[path]
    values = {path: now}
    if path == "algorithm_cls":
        values |= {"policy": {}, "algorithm": {"learning": {"diff_metric": "rollout"}}}
    change(run, **values)
    state = content(run)
    result = cli("--resume", run, "--num-steps", 9)
    assert result.returncode == 1
    assert "note: " not in result.stderr
    assert shown(path, before, now) in result.stderr
    assert "restore them to resume the run" in result.stderr
    assert content(run) == state
    with pytest.raises(twisterl.ConfigError) as raised:
        twisterl.resume(run, num_steps=9, quiet=True)
    assert shown(path, before, now) in str(raised.value)


def test_overrides_follow_the_same_rule(cli, finished, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    two = ("--set", "seed=5", "--set", "algorithm.collecting.gamma=0.5", "--set", "algorithm.logging.log_freq=3")
    result = cli("--resume", run, *two)
    assert result.returncode == 1
    assert "found algorithm.collecting.gamma: 0.995, now 0.5; seed: 3, now 5 (restore them" in result.stderr
    assert "log_freq" not in result.stderr
    assert cli("--resume", run, "--seed", 4).returncode == 1
    result = cli("--resume", run, "--seed", 3, "--set", "algorithm.logging.log_freq=3", "--num-steps", 12)
    assert result.returncode == 0, result.stderr
    assert "note: num_iterations: 6, now 12\n" in result.stderr
    assert [record["iteration"] for record in records(run)] == [0, 1, 2, 3, 4, 5, 6, 9]
    twisterl.resume(run, num_steps=14, set={"algorithm.logging.log_freq": 2})
    assert "note: algorithm.logging.log_freq: 1, now 2" in capsys.readouterr().err
    assert records(run)[-1]["iteration"] == 12
    with pytest.raises(twisterl.ConfigError, match="seed: 3, now 9"):
        twisterl.resume(run, set={"seed": 9})


def test_runs_of_older_versions_without_a_config_in_their_checkpoint_resume(cli, root, tmp_path):
    old = next(path for path in sorted((root / "tests/data").glob("runs_of_*/*")) if (path / "config.json").is_file())
    run = tmp_path / "run"
    shutil.copytree(old, run)
    assert "config" not in json.loads((run / "checkpoint_last/state.json").read_text())
    iteration = json.loads((run / "checkpoint_last/state.json").read_text())["iteration"]
    assert cli("--resume", run, "--num-steps", iteration + 1).returncode == 0
    stored = json.loads((run / "checkpoint_last/state.json").read_text())["config"]
    assert stored["env_cls"] == json.loads((run / "config.json").read_text())["env_cls"]


def test_events_survive_a_session_without_them(cli, finished, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    # The event of the final evaluation, which is the last one, makes way for those of more iterations.
    *_, last = tensorboard_events.records(run / EVENTS)
    before = (run / EVENTS).read_bytes()[: -len(last) - 16]
    for steps, on in ((8, "false"), (10, "true")):
        assert (
            cli("--resume", run, "--set", f"algorithm.logging.tensorboard={on}", "--num-steps", steps).returncode == 0
        )
    after = (run / EVENTS).read_bytes()
    assert after.startswith(before)
    assert len(after) > len(before)
