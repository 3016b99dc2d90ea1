"""Run folders: one process at a time, nothing written through links, folders that vanish or move, and new folders."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
import twisterl
import twisterl.plotting
from processes import wait_until
from tiny_runs import EVENTS, TINY, content, lines, records, timeless


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(TINY))
    return path


@pytest.fixture
def started(train_bin, tiny, tmp_path):
    """Start a run without end and wait for some records; killed after the test."""
    processes = []

    def start(*args, records=12, run=tmp_path / "run", **options):
        command = [train_bin, *map(str, args or (tiny, "--run-path", run)), "--quiet"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)
        processes.append(process)
        wait_until(lambda: lines(run) >= records, process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


# Two processes


def test_a_second_process_is_refused_by_name_and_the_first_goes_on(started, cli, tiny, tmp_path):
    run = tmp_path / "run"
    first = started()
    for arguments in (("--resume", run), (tiny, "--run-path", run)):
        result = cli(*arguments)
        assert result.returncode == 1
        assert f"{run}: expected a run folder that no process trains in" in result.stderr
        assert f"found one in use by process {first.pid} on {socket.gethostname()}" in result.stderr
    for call in (lambda: twisterl.resume(run, quiet=True), lambda: twisterl.train(TINY, run, quiet=True)):
        with pytest.raises(twisterl.UsageError, match=f"in use by process {first.pid} on "):
            call()
    before = lines(run)
    wait_until(lambda: lines(run) > before + 5, first)
    # Readers need no lock.
    assert twisterl.load_run(run).last_policy.num_actions == 4
    assert cli("solve", run, "--state", "1,0,2,3").returncode == 0
    first.send_signal(signal.SIGINT)
    assert first.wait(30) == 130
    assert not (run / "run.lock").exists()
    assert [record["iteration"] for record in records(run)] == list(range(lines(run)))


def test_the_lock_of_a_killed_process_is_taken_over(started, cli, tmp_path):
    run = tmp_path / "run"
    started().kill()
    assert json.loads((run / "run.lock").read_text())["pid"] > 0
    result = cli("--resume", run, "--num-steps", lines(run) + 5)
    assert result.returncode == 0, result.stderr
    assert [record["iteration"] for record in records(run)] == list(range(lines(run)))


def test_two_threads_of_one_process_cannot_train_in_one_folder(tmp_path):
    begun, enough = threading.Event(), threading.Event()

    def watch(metrics):
        begun.set()
        return not enough.is_set()

    thread = threading.Thread(
        target=twisterl.train, args=(TINY, tmp_path / "run"), kwargs={"callback": watch, "quiet": True}
    )
    thread.start()
    try:
        assert begun.wait(60)
        with pytest.raises(twisterl.UsageError, match=f"in use by process {os.getpid()} on "):
            twisterl.resume(tmp_path / "run", quiet=True)
    finally:
        enough.set()
        thread.join()
    assert len(twisterl.resume(tmp_path / "run", num_steps=lines(tmp_path / "run") + 1, quiet=True).iterations()) > 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_processes_that_were_forked_do_not_hold_the_lock_of_a_killed_run(cli, tmp_path):
    script = f"""
import os, signal, time, twisterl
def fork(metrics):
    if metrics["iteration"] == 6:
        if os.fork() == 0:
            print("forked", flush=True)
            time.sleep(60)
        os.kill(os.getpid(), signal.SIGKILL)
twisterl.train({TINY!r}, "run", callback=fork, quiet=True)
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout.readline() == b"forked\n"
        process.wait(60)
        assert cli("--resume", tmp_path / "run", "--num-steps", 8).returncode == 0
    finally:
        os.killpg(process.pid, signal.SIGKILL)


def test_a_lock_file_that_is_removed_lets_nobody_mix_a_run(started, cli, tmp_path):
    run = tmp_path / "run"
    first = started()
    (run / "run.lock").unlink()
    wait_until((run / "run.lock").exists, first)
    wait_until(lambda: (run / "run.lock").read_text().endswith("\n"), first)
    assert f"process {first.pid} on" in cli("--resume", run).stderr


# Folders that vanish


def test_a_folder_that_is_removed_ends_the_run(started, tmp_path):
    run = tmp_path / "deep/er/run"
    process = started(tmp_path / "tiny.json", "--run-path", run, run=run)
    # The run may write a file between two removals.
    wait_until(lambda: shutil.rmtree(tmp_path / "deep", ignore_errors=True) or not (tmp_path / "deep").exists())
    _, message = process.communicate(timeout=60)
    assert process.returncode == 1
    assert str(run) in message
    assert "removed" in message
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize("name", ["metrics.jsonl", EVENTS, "config.json"])
def test_a_file_that_is_removed_ends_the_run(started, tmp_path, name):
    process = started()
    (tmp_path / "run" / name).unlink()
    _, message = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "removed" in message
    assert name in message
    assert not (tmp_path / "run" / name).exists()


def test_a_folder_that_is_moved_stays_one_run(started, cli, tiny, tmp_path):
    run, moved = tmp_path / "run", tmp_path / "moved"
    process = started()
    run.rename(moved)
    before = lines(moved)
    wait_until(lambda: lines(moved) > before + 20, process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not run.exists()
    total = lines(moved)
    assert json.loads((moved / "checkpoint_last/state.json").read_text())["iteration"] == total
    assert cli("--resume", moved, "--num-steps", total + 3).returncode == 0
    assert cli(tiny, "--run-path", tmp_path / "whole", "--num-steps", total + 3).returncode == 0
    assert timeless(moved) == timeless(tmp_path / "whole")


def test_python_reports_where_a_moved_run_is(tmp_path):
    def move(metrics):
        if metrics["iteration"] == 2:
            (tmp_path / "run").rename(tmp_path / "moved")

    run = twisterl.train(TINY, tmp_path / "run", num_steps=8, callback=move, quiet=True)
    assert (run.path, len(run.iterations())) == (tmp_path / "moved", 8)


# Links, pipes and devices


FOLDERS = ["checkpoint_last", "checkpoint_last.new", "checkpoint_best", "checkpoint_best.old"]


@pytest.mark.parametrize("name", ["metrics.jsonl", EVENTS, "run.lock", *FOLDERS])
@pytest.mark.parametrize("trap", ["link", "dangling", "pipe", "device", "hard link"])
def test_nothing_outside_the_folder_is_written(cli, tiny, tmp_path, name, trap):
    run, victim = tmp_path / "run", tmp_path / "victim"
    assert cli(tiny, "--run-path", run, "--num-steps", 6).returncode == 0
    place = run / name
    if name in FOLDERS:
        shutil.copytree(run / name.partition(".")[0], victim)
        shutil.rmtree(place, ignore_errors=True)
        target = victim / "policy.safetensors" if trap == "hard link" else victim
    else:
        victim.mkdir()
        target = victim / "precious"
        target.write_bytes((place.read_bytes() if place.exists() else b"") + b"and more")
        place.unlink(missing_ok=True)
    if trap == "pipe":
        os.mkfifo(place)
    elif trap == "device":
        if os.geteuid():
            pytest.skip("needs root, to make a device")
        os.mknod(place, 0o600 | stat.S_IFCHR, os.makedev(1, 3))  # /dev/null
    elif trap == "hard link":
        os.link(target, place)
    else:
        place.symlink_to(target if trap == "link" else victim / "absent")
    before = content(victim)
    result = cli("--resume", run, "--num-steps", 12, timeout=30)
    assert result.returncode == 1, result.stderr
    assert name in result.stderr
    assert "expected a" in result.stderr
    assert content(victim) == before


def test_files_of_a_run_may_be_read_through_links(cli, tiny, tmp_path):
    """Downloads of a hub are folders of links."""
    run, shown = tmp_path / "run", tmp_path / "shown"
    assert cli(tiny, "--run-path", run, "--num-steps", 2).returncode == 0
    (shown / "checkpoint_best").mkdir(parents=True)
    for file in (run / "checkpoint_best").iterdir():
        (shown / "checkpoint_best" / file.name).symlink_to(file)
    assert twisterl.load_policy(shown).num_actions == 4
    (tmp_path / "link").symlink_to(run)
    assert cli("--resume", tmp_path / "link", "--num-steps", 3).returncode == 0
    assert lines(run) == 3


# New and empty folders


def test_folders_that_are_there_are_filled_in_place(cli, tiny, tmp_path):
    places = {"dot": ".", "there": tmp_path / "there", "linked": tmp_path / "link", "slash": f"{tmp_path}/slash/"}
    for name, path in places.items():
        folder = tmp_path / name
        folder.mkdir(mode=0o750)
        before = folder.stat()
        if name == "linked":
            (tmp_path / "link").symlink_to(folder)
        result = cli(tiny, "--run-path", path, "--num-steps", 2, cwd=folder)
        assert result.returncode == 0, result.stderr
        after = folder.stat()
        assert (after.st_ino, after.st_mode, after.st_uid) == (before.st_ino, before.st_mode, before.st_uid)
        assert lines(folder) == 2
        assert cli(tiny, "--run-path", path, "--num-steps", 2, cwd=folder).returncode == 2


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root, to be somebody else")
def test_the_parent_of_an_empty_folder_need_not_be_writable(train_bin, tmp_path_factory):
    nobody = 65534
    parent = tmp_path_factory.mktemp("parent")
    for folder in (parent, *parent.parents):
        if folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)
    (parent / "run").mkdir()
    os.chown(parent / "run", nobody, nobody)
    binary = parent / "trainer"
    shutil.copy(train_bin, binary)
    (parent / "tiny.json").write_text(json.dumps(TINY))
    command = [binary, parent / "tiny.json", "--run-path", parent / "run", "--num-steps", "2", "--quiet"]
    result = subprocess.run(command, user=nobody, group=nobody, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    assert lines(parent / "run") == 2
    assert (parent / "run").stat().st_uid == nobody
    command[3] = parent / "other"
    result = subprocess.run(command, user=nobody, group=nobody, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert f"{parent / 'other'}: cannot create: Permission denied" in result.stderr


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root, to mount")
def test_mount_points_are_filled(cli, tiny, tmp_path):
    (tmp_path / "mount").mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "none", tmp_path / "mount"], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        (tmp_path / "mount/lost+found").mkdir()
        result = cli(tiny, "--run-path", tmp_path / "mount", "--num-steps", 2)
        assert result.returncode == 0, result.stderr
        assert lines(tmp_path / "mount") == 2
    finally:
        subprocess.run(["umount", "-l", tmp_path / "mount"], check=True)


def test_runs_started_together_get_folders_of_their_own(train_bin, tiny, tmp_path):
    command = [train_bin, tiny, "--num-steps", "3", "--quiet"]
    processes = [subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) for _ in range(12)]
    for process in processes:
        _, message = process.communicate(timeout=60)
        assert process.returncode == 0, message
    expected = {"tiny", *(f"tiny-{number}" for number in range(2, 13))}
    assert {path.name for path in (tmp_path / "runs").iterdir()} == expected
    assert all(lines(tmp_path / "runs" / name) == 3 for name in expected)


def test_one_of_many_starts_in_one_folder_succeeds(train_bin, tiny, tmp_path):
    for number, make in enumerate((lambda run: None, lambda run: run.mkdir())):
        run = tmp_path / f"run-{number}"
        make(run)
        command = [train_bin, tiny, "--num-steps", "3", "--quiet", "--run-path", run]
        processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(6)]
        messages = [process.communicate(timeout=60)[1] for process in processes]
        codes = sorted(process.returncode for process in processes)
        assert codes[0] == 0 < codes[1], messages
        assert all("in use by process" in m or "new or empty folder" in m for m in messages if m)
        assert lines(run) == 3
        assert not list(tmp_path.glob(".run*"))


# Starts that were killed


def test_a_start_killed_while_it_fills_its_folder_is_found_and_repeated(cli, tiny, tmp_path):
    run = tmp_path / "run"
    (run / "checkpoint_last.new").mkdir(parents=True)
    (run / "checkpoint_last.new/policy.safetensors").write_bytes(b"half")
    (run / "config.json.new-123").write_text("{")
    assert cli(tiny, "--run-path", run, "--num-steps", 2).returncode == 2, "not known to be of a start"
    (run / "run.lock").write_text('{"pid": 999999, "host": "elsewhere", "starting": true}\n')
    result = cli("--resume", run)
    assert result.returncode == 1
    assert "found one whose start was not finished" in result.stderr
    assert cli(tiny, "--run-path", run, "--num-steps", 2).returncode == 0
    assert sorted(path.name for path in run.iterdir()) == [
        *("checkpoint_best", "checkpoint_last", "config.json", EVENTS, "metrics.jsonl"),
    ]


@pytest.mark.parametrize("place", ["results.json", "results.csv", "results.md", ""])
def test_plots_write_nothing_outside_of_the_folder(place, train_bin, tiny, tmp_path):
    run, outside = tmp_path / "run", tmp_path / "outside"
    subprocess.run([train_bin, tiny, "--run-path", run, "--num-steps", "2", "--quiet"], check=True)
    outside.mkdir()
    (outside / "kept").write_text("kept")
    if place:
        (run / "results").mkdir()
        (run / "results" / place).symlink_to(outside / "kept")
    else:
        (run / "results").symlink_to(outside)
    command = [sys.executable, "-m", "twisterl", "plot", run, "--no-plot"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert "found a symbolic link" in result.stderr
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"kept": "kept"}


def test_plots_do_not_wait_for_a_pipe(train_bin, tiny, tmp_path):
    run = tmp_path / "run"
    subprocess.run([train_bin, tiny, "--run-path", run, "--num-steps", "2", "--quiet"], check=True)
    (run / "results").mkdir()
    os.mkfifo(run / "results/results.md")
    command = [sys.executable, "-m", "twisterl", "plot", run, "--no-plot"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert "found a named pipe" in result.stderr


@pytest.mark.parametrize(("name", "limit"), [("config", 1 << 20), ("evaluation", 1 << 25)])
def test_files_beside_the_metrics_are_bounded(tmp_path, name, limit):
    (tmp_path / "metrics.jsonl").write_text('{"iteration": 0}\n')
    (tmp_path / f"{name}.json").write_text("{}")
    assert len(twisterl.plotting.load_run(tmp_path).records) == 1
    os.truncate(tmp_path / f"{name}.json", limit + 1)
    with pytest.raises(twisterl.plotting.PlotError, match=rf"{name}\.json: expected a file of at most {limit} bytes"):
        twisterl.plotting.load_run(tmp_path)
