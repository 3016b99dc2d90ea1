"""scripts/run.py: several runs side by side, stopped and gone on with, with their results."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import run
from launcher import launch, progress
from launcher.package_plotting import files
from processes import wait_until
from tiny_runs import records, timeless

PNG = b"\x89PNG"
TINY = {
    "env_cls": "Puzzle",
    "env": {"width": 2, "height": 2, "difficulty": 1, "depth_slope": 2, "max_depth": 20},
    "policy": {"embedding_size": 8, "common_layers": [8], "policy_layers": [], "value_layers": []},
    "algorithm": {
        "collecting": {"num_episodes": 16},
        "training": {"num_epochs": 1},
        "evals": {"ppo_1": {"num_episodes": 10, "deterministic": False}},
        "learning": {"diff_metric": "ppo_1", "diff_max": 6},
    },
}
STATES = {"instances": [{"state": [1, 0, 2, 3], "optimal": 1}, {"state": [0, 1, 2, 3], "optimal": 0}]}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(TINY))
    return path


@pytest.mark.slow
def test_configs_and_seeds_are_trained_and_compared(script, config, train_bin, tmp_path):
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**TINY, "seed": 7}))
    states = tmp_path / "states.json"
    states.write_text(json.dumps(STATES))
    assert script("run.py", other, "--num-steps", 2, "--binary", train_bin, "--no-plot").returncode == 0
    overrides = ["--set", "algorithm.training.ent_coef=0.125", "algorithm.collecting.gamma=0.5"]
    options = ["--num-steps", 3, "--seeds", "0-1", "--jobs", 2, "--out", "out", "--states", states]
    compared = ["--compare", "before=runs/run-other/other", "--binary", train_bin]
    result = script("run.py", config, other, *options, *overrides, *compared)
    assert result.returncode == 0, result.stderr
    for seed in (0, 1):
        resolved = json.loads((tmp_path / f"out/tiny/seed-{seed}/config.json").read_text())
        assert resolved["seed"] == seed
        assert resolved["num_iterations"] == 3
        assert resolved["algorithm"]["training"]["ent_coef"] == 0.125
        assert resolved["algorithm"]["collecting"]["gamma"] == 0.5
    assert (tmp_path / "runs/run-other/other/seed-7").is_dir(), "the config's own seed"
    results = tmp_path / "out/results"
    table = json.loads((results / "results.json").read_text())
    assert [(row["label"], row["runs"]) for row in table["rows"]] == [("tiny", 2), ("other", 2), ("before", 1)]
    assert 0 <= table["rows"][0]["figures"]["states_solved"]["median"] <= 1
    for name in ("overview", "learning", "training", "losses", "phases", "lengths"):
        assert (results / f"{name}.png").read_bytes().startswith(PNG)
        assert (results / f"{name}.svg").is_file()
    assert "| tiny | 2 |" in result.stdout
    assert "done" in result.stderr


@pytest.mark.slow
def test_ctrl_c_stops_all_and_the_same_command_goes_on(script, config, root, train_bin, tmp_path):
    length = 2000  # about a second
    command = [sys.executable, root / "scripts/run.py", config, "--seeds", "0-2", "--jobs", 2, "--binary", train_bin]
    rare = ["--set", "algorithm.logging.checkpoint_freq=1000", "--no-plot"]
    command += ["--num-steps", length, "--out", "out", *rare]
    with subprocess.Popen([*map(str, command)], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        first = tmp_path / "out/tiny/seed-0/metrics.jsonl"
        while not first.is_file() or not first.stat().st_size:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        message = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "the same command goes on" in message
    stopped = len(records(tmp_path / "out/tiny/seed-0"))
    assert 0 < stopped < length
    assert not (tmp_path / "out/tiny/seed-2").exists(), "a third run was not begun"
    saved = json.loads((tmp_path / "out/tiny/seed-0/checkpoint_last/state.json").read_text())
    assert saved["iteration"] == stopped, "it was stopped with a checkpoint"

    again = script("run.py", *command[2:])
    assert again.returncode == 0, again.stderr
    whole = script("run.py", config, "--seeds", "0", "--binary", train_bin, "--num-steps", length, *rare)
    assert whole.returncode == 0, whole.stderr
    assert timeless(tmp_path / "out/tiny/seed-0") == timeless(tmp_path / "runs/run-tiny/tiny/seed-0")
    assert len(records(tmp_path / "out/tiny/seed-2")) == length

    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("out/tiny/seed-*/**/*")}
    assert script("run.py", *command[2:]).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("out/tiny/seed-*/**/*")} == before, "all was done"
    longer = [length + 1 if part == length else part for part in command[2:]]
    assert script("run.py", *longer).returncode == 0
    assert len(records(tmp_path / "out/tiny/seed-1")) == length + 1


@pytest.mark.slow
def test_trainers_that_fail_are_quoted_and_others_go_on(script, config, train_bin, tmp_path):
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({**TINY, "policy": {"nonsense": 1}}))
    result = script("run.py", wrong, config, "--seeds", "0-1", "--num-steps", 2, "--binary", train_bin, "--out", "out")
    assert result.returncode == 1
    assert "wrong seed 0, wrong seed 1: " in result.stderr
    assert result.stderr.count("policy.nonsense") == 1
    assert len(records(tmp_path / "out/tiny/seed-1")) == 2
    assert (tmp_path / "out/results/overview.png").is_file()


def test_runs_of_something_else_are_left_alone(script, config, train_bin, tmp_path):
    command = ["run.py", config, "--num-steps", 2, "--binary", train_bin, "--no-plot", "--out", "out"]
    assert script(*command).returncode == 0
    changed = script(*command, "--set", "algorithm.collecting.gamma=0.5")
    assert changed.returncode == 1
    assert "--set was []" in changed.stderr
    config.write_text(json.dumps({**TINY, "seed": 3}))
    assert "the config has changed" in script(*command).stderr
    (tmp_path / "out/tiny/launch.json").unlink()
    assert "not made by run.py" in script(*command).stderr


@pytest.mark.parametrize("trap", ["link", "dangling", "hard link", "pipe", "folder"])
def test_nothing_but_regular_files_is_written(tmp_path, trap):
    place, victim = tmp_path / "place", tmp_path / "victim"
    victim.write_text("precious")
    make = {
        "link": lambda: place.symlink_to(victim),
        "dangling": lambda: place.symlink_to(tmp_path / "absent"),
        "hard link": lambda: place.hardlink_to(victim),
        "pipe": lambda: os.mkfifo(place),
        "folder": place.mkdir,
    }
    make[trap]()
    with pytest.raises(files.NotRegularError, match=f"{place}: expected a regular file"):
        files.write(place, "text")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "absent").exists()
    if trap == "folder":
        place.rmdir()
    else:
        place.unlink()
    for text in ("some text", "less"):
        files.write(place, text)
        assert place.read_text() == text


@pytest.mark.parametrize("name", [".lock", "tiny/launch.json", "tiny/seed-0.log"])
def test_links_among_the_folders_of_runs_are_refused(script, config, train_bin, tmp_path, name):
    place, victim = tmp_path / "out" / name, tmp_path / "victim"
    place.parent.mkdir(parents=True)
    place.symlink_to(victim)
    result = script("run.py", config, "--num-steps", 1, "--binary", train_bin, "--no-plot", "--out", "out")
    assert result.returncode == 1, result.stderr
    assert f"{name}: expected a regular file, found a symbolic link" in result.stderr
    assert not victim.exists()


def test_two_launchers_do_not_share_a_folder(script, config, train_bin, tmp_path):
    with launch.locked(tmp_path / "out"):
        result = script("run.py", config, "--num-steps", 1, "--binary", train_bin, "--no-plot", "--out", "out")
    assert result.returncode == 1
    assert "being trained here already" in result.stderr


def test_a_killed_launcher_leaves_its_lock_with_the_trainers(tmp_path):
    with launch.locked(tmp_path) as lock:
        child = subprocess.Popen(["sleep", "60"], pass_fds=(lock,))
    try:
        with pytest.raises(launch.RunError, match="already"), launch.locked(tmp_path):
            pass
    finally:
        child.kill()
        child.wait()
    with launch.locked(tmp_path) as lock:
        assert fcntl.fcntl(lock, fcntl.F_GETFD) >= 0


def test_what_is_missing_is_said_before_training(script, config, train_bin, tmp_path):
    nothing = str(tmp_path / "nothing")
    assert "cargo not found" in script("run.py", config, PATH=nothing, TWISTERL_TRAIN_BIN="").stderr
    assert "TWISTERL_TRAIN_BIN: expected a file" in script("run.py", config, TWISTERL_TRAIN_BIN=nothing).stderr
    assert "--binary: expected a file" in script("run.py", config, "--binary", nothing).stderr
    assert "absent.json: expected a file" in script("run.py", tmp_path / "absent.json").stderr
    binary = ["--binary", train_bin]
    assert "expected the folder of a run" in script("run.py", config, *binary, "--compare", nothing).stderr
    assert "nothing: expected a file" in script("run.py", config, *binary, "--states", nothing).stderr
    assert "tiny twice" in script("run.py", config, config, *binary).stderr
    assert "--threshold" in script("run.py", config, *binary, "--threshold", 2).stderr
    assert "--seeds" in script("run.py", config, *binary, "--set", "seed=3").stderr
    bare = script("run.py", config, *binary, python=(sys.executable, "-S"))  # without this environment's packages
    assert "pip install matplotlib" in bare.stderr
    config.write_text("{")
    broken = script("run.py", config, *binary, "--no-plot")
    assert "tiny.json: expected a JSON object" in broken.stderr
    assert "Traceback" not in bare.stderr + broken.stderr
    assert not list(tmp_path.glob("runs/*/*/seed-*"))


@pytest.mark.parametrize(("text", "found"), [("3", [3]), ("0-4", [0, 1, 2, 3, 4]), ("5,0-1,1", [5, 0, 1])])
def test_seeds_are_read(text, found):
    assert run.seeds(text) == found


@pytest.mark.parametrize("text", ["", "x", "4-0", "1-", "-1"])
def test_wrong_seeds_are_refused(text):
    with pytest.raises(run.argparse.ArgumentTypeError, match="expected seeds"):
        run.seeds(text)


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", "²"])
def test_wrong_counts_are_refused(text):
    with pytest.raises(run.argparse.ArgumentTypeError, match="at least 1"):
        run.count(text)


@pytest.mark.parametrize("text", ["0", "-1", "3", "4096"])
def test_core_counts_are_those_of_the_trainer(text):
    assert run.core_count(text) == (int(text) if int(text) > 0 else len(os.sched_getaffinity(0)))


@pytest.mark.parametrize("text", ["-2", "4097", "x", "1.5", "", "\u00b2"])
def test_wrong_core_counts_are_refused(text):
    with pytest.raises(run.argparse.ArgumentTypeError, match=r"from -1 to 4096 \(0 and -1: all processors\)"):
        run.core_count(text)


@pytest.mark.parametrize("text", ["0", "-1"])
def test_all_cores_may_be_asked_for_by_number(monkeypatch, text):
    monkeypatch.setattr(sys, "argv", ["run.py", "a.json", "--num-cores", text])
    assert run.parse_args().num_cores == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("cores", "jobs", "found"), [(2, 1, [2]), (10, 4, [3, 3, 2, 2]), (2, 3, [1, 1, 1]), (8, 8, [1] * 8)]
)
def test_cores_are_divided(cores, jobs, found):
    assert launch.shares(cores, jobs) == found


def test_progress_is_read_from_metrics_as_they_grow(tmp_path):
    job = launch.Job("a", tmp_path, [])
    job.total, job.state = 100, "running"

    def record(i, evals):
        time = {"elapsed": 2.0 * i}
        return json.dumps(
            {"iteration": i, "env_steps": 1000 * i, "difficulty": 3, "success": None, "evals": evals, "time": time}
        )

    path = tmp_path / "metrics.jsonl"
    job.follow()
    path.write_text(
        record(0, {"e": {"success": 0.25}}).replace(": ", ":") + "\n" + record(1, {}).replace(": ", ":")[:30]
    )
    job.follow()
    assert (job.iteration, job.success, job.steps_per_second) == (1, 0.25, None)
    with path.open("a") as file:
        file.write(record(1, {}).replace(": ", ":")[30:] + "\nnonsense\n[]\n" + record(4, {}).replace(": ", ":") + "\n")
    job.follow()
    assert (job.iteration, job.success, job.difficulty) == (5, 0.25, 3)
    assert job.steps_per_second == pytest.approx(500)
    assert job.seconds_left is not None
    path.write_text(record(2, {}) + "\n")
    job.follow()
    assert job.iteration == 3, "cut back to a checkpoint"
    assert "  3 %" in progress.line(job, 5)


class Terminal:
    """A stream that says it is a terminal."""

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_terminals_show_one_line_a_run_in_place(monkeypatch, tmp_path):
    monkeypatch.setattr(progress.shutil, "get_terminal_size", lambda *_, **__: os.terminal_size((60, 6)))
    jobs = [launch.Job(f"run {i}", tmp_path, [], state="done" if i < 5 else "running") for i in range(9)]
    stream = Terminal()
    show = progress.Progress(stream)
    show(jobs)
    lines = stream.text.splitlines()
    assert len(lines) == 6, "four runs, a line for the others, the end of what is erased"
    assert all(len(line.replace("\x1b[2K", "")) < 60 for line in lines[:5])
    assert "run 8" in stream.text
    assert "9 runs: 4 running, 5 done" in stream.text
    show.last = 0.0
    show(jobs)
    assert stream.text.count("\x1b[5F") == 1, "the second picture replaces the first"


@pytest.mark.parametrize(("seconds", "shown"), [(None, "-"), (0.4, "0:00"), (75, "1:15"), (3675, "1:01:15")])
def test_durations_are_short(seconds, shown):
    assert progress.duration(seconds) == shown


@pytest.mark.slow
def test_a_sweep_over_processes_goes_on_after_it_was_killed(script, config, root, train_bin, tmp_path):
    rare = ["--set", "algorithm.logging.checkpoint_freq=50", "--no-plot", "--num-steps", 400]
    sweep = [config, "--seeds", "0-2", "--binary", train_bin, "--out", "out", *rare, "--engine", "processes:1"]
    command = [sys.executable, root / "scripts/run.py", *sweep]
    with subprocess.Popen(list(map(str, command)), cwd=tmp_path, stderr=subprocess.DEVNULL) as launcher:
        second = tmp_path / "out/tiny/seed-1/metrics.jsonl"
        wait_until(lambda: second.is_file() and second.stat().st_size > 0, launcher)
        launcher.kill()
    first = tmp_path / "out/tiny/seed-0"
    before = {path: path.stat().st_mtime_ns for path in first.glob("**/*")}
    assert len(records(first)) == 400
    # The trainer of the second run goes on by itself, and keeps the lock until then.
    wait_until(lambda: script("run.py", *sweep).returncode == 0, seconds=300)
    assert {path: path.stat().st_mtime_ns for path in first.glob("**/*")} == before, "it was finished"
    assert script("run.py", config, "--seeds", "0-2", "--binary", train_bin, "--out", "local", *rare).returncode == 0
    for seed in range(3):
        assert timeless(tmp_path / f"out/tiny/seed-{seed}") == timeless(tmp_path / f"local/tiny/seed-{seed}")


@pytest.mark.slow
def test_a_sweep_over_ray_makes_the_same_runs_stops_and_goes_on(script, config, root, train_bin, tmp_path):
    pytest.importorskip("ray")
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({**TINY, "policy": {"nonsense": 1}}))
    rare = ["--set", "algorithm.logging.checkpoint_freq=1000", "--no-plot", "--num-steps", 3000]
    sweep = [config, wrong, "--seeds", "0-1", "--binary", train_bin, *rare]
    over_ray = [*sweep, "--out", "out", "--num-cores", 2, "--engine", "ray"]
    command = list(map(str, [sys.executable, root / "scripts/run.py", *over_ray]))
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as launcher:
        first = tmp_path / "out/tiny/seed-0/metrics.jsonl"
        wait_until(lambda: first.is_file() and first.stat().st_size > 0, launcher)
        launcher.send_signal(signal.SIGINT)
        errors = launcher.communicate(timeout=120)[1]
    assert launcher.returncode in (1, 130), errors
    saved = json.loads((tmp_path / "out/tiny/seed-0/checkpoint_last/state.json").read_text())
    assert saved["iteration"] == len(records(tmp_path / "out/tiny/seed-0")), "it was stopped with a checkpoint"
    again = script("run.py", *over_ray)
    assert again.returncode == 1
    assert "wrong seed 0, wrong seed 1: error: policy.nonsense: unknown key" in again.stderr
    local = script("run.py", *sweep, "--out", "local")
    assert local.returncode == 1
    for seed in (0, 1):
        assert len(records(tmp_path / f"out/tiny/seed-{seed}")) == 3000
        assert timeless(tmp_path / f"out/tiny/seed-{seed}") == timeless(tmp_path / f"local/tiny/seed-{seed}")
    tables = [json.loads((tmp_path / f"{name}/results/results.json").read_text()) for name in ("out", "local")]
    assert [[row["label"] for row in table["rows"]] for table in tables] == [["tiny"], ["tiny"]]


@pytest.mark.parametrize(
    ("name", "words"),
    [("rai", "(did you mean ray?)"), ("process:2", "(did you mean processes?)"), ("processes:0", "at least 1")],
)
def test_engines_that_do_not_exist_are_refused(script, config, train_bin, name, words):
    result = script("run.py", config, "--binary", train_bin, "--engine", name)
    assert result.returncode == 2
    assert words in result.stderr
