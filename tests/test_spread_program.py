"""`--workers N`: runs over processes of the program `twisterl-train` itself, and `"engine"` in a config."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import twisterl
from processes import hear_ctrl_c, lives, wait_until
from test_spread import ALGORITHMS, Threads, config, results
from tiny_runs import lines

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds child processes in /proc")


def children(pid):
    """The processes that a process has started and that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            found += [int(stat.parent.name)] if int(parent) == pid and state != "Z" else []
    return found


def write(folder, config):
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return path


def bytes_of(folder):
    return results(twisterl.load_run(folder))


@pytest.fixture
def head(train_bin, tmp_path):
    """Begin a run over two processes that nothing ends, and wait until both answer."""
    with contextlib.ExitStack() as stack:

        def begin(config, *options):
            run = tmp_path / "run"
            command = [train_bin, write(tmp_path, config), "--run-path", run, "--workers", "2", "--quiet", *options]
            head = stack.enter_context(
                subprocess.Popen(command, preexec_fn=hear_ctrl_c, stderr=subprocess.PIPE, text=True)
            )
            stack.callback(head.kill)
            wait_until(lambda: lines(run) > 3 and len(children(head.pid)) == 2, head)
            return head, run

        yield begin


def test_environments_in_processes_have_an_empty_standard_input(head):
    process, _ = head(config(iterations=1_000_000))
    for child in children(process.pid):
        assert Path(f"/proc/{child}/fd/0").readlink() == Path("/dev/null")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_processes_of_the_program_make_the_local_run(cli, tmp_path, algorithm):
    path = write(tmp_path, config(algorithm))
    for name, options in [("local", []), ("spread", ["--workers", 3])]:
        done = cli(path, "--run-path", tmp_path / name, *options)
        assert done.returncode == 0, done.stderr
    assert bytes_of(tmp_path / "spread") == bytes_of(tmp_path / "local")
    assert "engine" not in json.loads((tmp_path / "spread/config.json").read_text())


def test_a_killed_process_is_replaced(cli, tmp_path, head):
    process, run = head(config(iterations=300))
    first = children(process.pid)
    os.kill(first[0], signal.SIGKILL)
    os.kill(first[1], signal.SIGSTOP)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert not any(map(lives, first))
    assert cli(tmp_path / "config.json", "--run-path", tmp_path / "local").returncode == 0
    assert bytes_of(run) == bytes_of(tmp_path / "local")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_head_and_the_run_is_resumed(cli, tmp_path, head, number):
    # It ends by the signal.
    process, run = head(config(iterations=1_000_000))
    started = children(process.pid)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    wait_until(lambda: not any(map(lives, started)))
    length = lines(run) + 2
    resumed = cli("--resume", run, "--num-steps", length, "--workers", 2)
    assert resumed.returncode == 0, resumed.stderr
    done = cli(tmp_path / "config.json", "--run-path", tmp_path / "local", "--num-steps", length)
    assert done.returncode == 0, done.stderr
    assert lines(run) == lines(tmp_path / "local") == length
    # Metrics have a progress, which depends on the length: compare what was learned.
    assert bytes_of(run)[1] == bytes_of(tmp_path / "local")[1]


def test_a_process_without_a_head_says_so(cli):
    done = cli("answer", stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert "standard input: cannot reach the head" in done.stderr


@pytest.mark.parametrize("program", ["binary", "package"])
def test_a_config_names_its_engine(cli, tmp_path, program):
    def call(*args):
        if program == "binary":
            return cli(*args)
        command = [sys.executable, "-m", "twisterl.train", *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    path = write(tmp_path, config(engine="processes:2"))
    for name, options in [("spread", []), ("local", ["--set", "engine=null"])]:
        done = call("--config", path, "--run-path", tmp_path / name, *options)
        assert done.returncode == 0, done.stderr
    assert bytes_of(tmp_path / "spread") == bytes_of(tmp_path / "local")
    spread, local = (json.loads((tmp_path / name / "config.json").read_text()) for name in ("spread", "local"))
    assert spread.pop("engine") == "processes:2"
    assert spread == local
    # It may change while the run is stopped, as the number of threads may.
    again = call("--resume", tmp_path / "spread", "--num-steps", 6, "--set", "engine=null")
    assert again.returncode == 0, again.stderr
    assert 'note: engine: "processes:2", now none' in again.stderr


def test_the_argument_overrides_the_engine_of_the_config(tmp_path):
    local = twisterl.train(config(), tmp_path / "local", quiet=True)
    engine = Threads()
    run = twisterl.train(config(engine="ray"), tmp_path / "spread", quiet=True, engine=engine)
    assert engine.asked > 0
    assert results(run) == results(local)
    assert run.config["engine"] == "ray"
    before = engine.asked
    twisterl.resume(run.path, num_steps=5, set={"engine": None}, quiet=True)
    assert engine.asked == before


# The value of `engine`, or the options; and what the message says.
REFUSED = {
    "ray": (["--set", "engine=ray"], ["engine: expected processes", "`twisterl CONFIG --engine ray`", "found ray"]),
    "option": (["--engine", "ray"], ["engine: expected processes", "`twisterl CONFIG --engine ray`"]),
    "mistyped": (["--set", "engine=proceses:2"], ["engine: expected `processes`", "(did you mean `processes:2`?)"]),
    "mistyped option": (["--engine", "rai"], ["engine: expected `processes`", "(did you mean `ray`?)"]),
    "no workers": (["--workers", "0"], ["--workers", "expected a whole number from 1 to 4096"]),
    "both": (["--workers", "2", "--engine", "processes"], ["cannot be used with"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_engines_that_this_program_does_not_have_are_refused(cli, tmp_path, case):
    options, words = REFUSED[case]
    done = cli(write(tmp_path, config()), "--run-path", tmp_path / "run", *options)
    assert done.returncode in (1, 2)
    for word in words:
        assert word in done.stderr
    assert not (tmp_path / "run").exists()
