"""Runs that cannot be resumed: the error says where, and the folder stays as it was."""

import fcntl
import json
import shutil

import pytest
import twisterl
from tiny_runs import EVENTS, TINY, change, content

STALE_LOCK = '{"pid":4194305,"host":"elsewhere"}\n'


@pytest.fixture(scope="module")
def stopped(cli, tmp_path_factory):
    """A run of eight iterations with its last checkpoint after the fifth, as a killed process leaves it."""
    folder = tmp_path_factory.mktemp("stopped")
    config = {**TINY, "algorithm": {**TINY["algorithm"], "logging": {"log_freq": 1, "checkpoint_freq": 0}}}
    (folder / "tiny.json").write_text(json.dumps(config))
    assert cli(folder / "tiny.json", "--run-path", folder / "run", "--num-steps", 5).returncode == 0
    run = folder / "run"
    shutil.copytree(run / "checkpoint_last", folder / "checkpoint")
    assert cli("--resume", run, "--num-steps", 8).returncode == 0
    shutil.rmtree(run / "checkpoint_last")
    (folder / "checkpoint").rename(run / "checkpoint_last")
    (run / "run.lock").write_text(STALE_LOCK)
    return run


def overwrite(path, begin, what):
    with path.open("r+b") as file:
        file.seek(begin)
        file.write(what)


def line_start(run, number):
    lines = (run / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    return sum(map(len, lines[: number - 1]))


def hole(run):
    overwrite(run / "metrics.jsonl", line_start(run, 3) + 10, bytes(40))


def broken_line(run):
    overwrite(run / "metrics.jsonl", line_start(run, 4), b"[")


def bad_event(run):
    overwrite(run / EVENTS, 100, b"\0\0\0\0")


def no_metrics(run):
    (run / "metrics.jsonl").unlink()


def no_events(run):
    (run / EVENTS).unlink()


def short_metrics(run):
    overwrite(run / "metrics.jsonl", 0, b"")
    with (run / "metrics.jsonl").open("r+b") as file:
        file.truncate(20)


def hard_link(run):
    (run.parent / "other").hardlink_to(run / "metrics.jsonl")


def link(run):
    (run / EVENTS).rename(run.parent / "events")
    (run / EVENTS).symlink_to(run.parent / "events")


def folder_as_metrics(run):
    no_metrics(run)
    (run / "metrics.jsonl").mkdir()


def no_checkpoint(run):
    shutil.rmtree(run / "checkpoint_last")


def broken_weights(run):
    overwrite(run / "checkpoint_last/train.safetensors", 200, b"\0\1\2\3")


def broken_state(run):
    (run / "checkpoint_last/state.json").write_text("{}")


def no_config(run):
    (run / "config.json").unlink()


def bad_config(run):
    (run / "config.json").write_text("{")


def long_lock(run):
    (run / "run.lock").write_text(STALE_LOCK + " " * 5000)


REFUSALS = {
    hole: "metrics.jsonl: expected a JSON object of metrics in line 3, found zero bytes",
    broken_line: "metrics.jsonl: expected a JSON object of metrics in line 4, found another text",
    bad_event: f"{EVENTS}: expected data with their checksum in record 2, found other data",
    no_metrics: "metrics.jsonl: expected at least the ",
    no_events: "bytes that the checkpoint names, found no file",
    short_metrics: "bytes that the checkpoint names, found 20",
    hard_link: "metrics.jsonl: expected a file with no other name",
    link: f"{EVENTS}: expected a regular file, found a symbolic link",
    folder_as_metrics: "metrics.jsonl: expected a regular file, found a folder",
    no_checkpoint: "checkpoint_last: expected",
    broken_weights: "train.safetensors",
    broken_state: "state.json",
    no_config: "expected a run folder with config.json in it",
    bad_config: "config.json",
    long_lock: "run.lock: expected a file of at most 4 KiB",
    lambda run: change(run, seed=5): "seed: 3, now 5",
    lambda run: change(run, env_cls="Nowhere"): "Nowhere",
    lambda run: change(run, env_cls="os.path"): "os.path",
}


def everything(folder):
    """The entries of a folder with their kinds, and the content of its files."""
    kinds = {p.relative_to(folder).as_posix(): p.lstat().st_mode for p in folder.rglob("*")}
    return kinds, content(folder)


@pytest.mark.parametrize("harm", REFUSALS, ids=lambda harm: harm.__name__)
@pytest.mark.parametrize("left_by", ["killed", "ended"])
def test_a_refusal_leaves_the_folder_as_it_was(cli, stopped, tmp_path, harm, left_by):
    run = tmp_path / "run"
    shutil.copytree(stopped, run)
    if left_by == "ended":
        (run / "run.lock").unlink()
    harm(run)
    before = everything(tmp_path)
    result = cli("--resume", run, "--num-steps", 8)
    assert result.returncode in (1, 2)
    assert REFUSALS[harm] in result.stderr, result.stderr
    assert everything(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "found"),
    [(["--set", "seed=9"], "seed"), (["--set", "env.width=x"], "env.width"), (["--set", "no.such=1"], "no")],
)
def test_refused_overrides_leave_the_folder_as_it_was(cli, stopped, tmp_path, arguments, found):
    run = tmp_path / "run"
    shutil.copytree(stopped, run)
    before = everything(run)
    result = cli("--resume", run, *arguments)
    assert result.returncode in (1, 2)
    assert found in result.stderr
    assert everything(run) == before


def test_a_folder_in_use_stays_as_it_was(cli, stopped, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(stopped, run)
    before = everything(run)
    with (run / "run.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = cli("--resume", run)
    assert result.returncode == 1
    assert "in use by process 4194305 on elsewhere" in result.stderr
    assert everything(run) == before


def test_python_refuses_in_the_same_way(stopped, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(stopped, run)
    hole(run)
    before = everything(run)
    with pytest.raises(twisterl.CheckpointError, match="in line 3, found zero bytes"):
        twisterl.resume(run, num_steps=8, quiet=True)
    assert everything(run) == before


def test_damage_behind_the_last_checkpoint_is_cut_back(cli, stopped, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(stopped, run)
    for name in ("metrics.jsonl", EVENTS):
        overwrite(run / name, (run / name).stat().st_size - 60, bytes(60))
    result = cli("--resume", run, "--num-steps", 8)
    assert result.returncode == 0, result.stderr
    lines = (run / "metrics.jsonl").read_text().splitlines()
    # The last record is that of the end.
    assert [json.loads(line)["iteration"] for line in lines] == list(range(9))
    assert not (run / "run.lock").exists()
