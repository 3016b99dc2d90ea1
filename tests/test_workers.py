"""Environments written in Python in worker processes: the same results, and no process that is lost or left over."""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import twisterl
from envs_in_python import Walk
from processes import SLACK, WAIT, hear_ctrl_c, lives, wait_until
from tiny_runs import timeless
from twisterl.errors import ConfigError, EnvError

NETWORK = {"embedding_size": 8, "common_layers": [8], "policy_layers": [], "value_layers": []}
SEARCH = {"search": {"num_episodes": 4, "num_mcts_searches": 4}}
# What an environment does in step 30 of its life in a worker process.
UNRULY = f"""{WAIT}
import warnings
from envs_in_python import Walk

class OwnError(Exception):
    pass

class Unpicklable(Exception):
    def __init__(self, one, two):
        super().__init__(one)
        self.two = lambda: two

class Unruly(Walk):
    lives = 0

    def __init__(self, main=0, does="nothing"):
        super().__init__()
        self.main, self.does = main, does

    def step(self, action):
        super().step(action)
        Unruly.lives += 1
        if Unruly.lives != 30 or os.getpid() == self.main:
            return
        if self.does == "_exit":
            os._exit(7)
        if self.does == "kill":
            os.kill(os.getpid(), 9)
        if self.does in ("fork", "daemon"):
            reader, writer = os.pipe()
            forked = os.fork()
            if forked == 0:
                if self.does == "daemon":
                    os.setsid()
                os.write(writer, b"1")
            while forked == 0:
                time.sleep(1)
            os.read(reader, 1)
            with open("forked", "a") as file:
                print(forked, file=file)
            os._exit(7)
        if self.does == "segfault":
            import ctypes
            ctypes.string_at(0)
        if self.does == "own error":
            raise OwnError("as it is")
        if self.does == "unpicklable":
            raise Unpicklable("as text", 2)
        if self.does == "warn":
            warnings.warn("careful", RuntimeWarning)
        if self.does == "print":
            print("a line from the environment")
        if self.does in ("sleep", "loop", "deaf"):
            open("busy", "w").close()
            wait(self.does)
"""


def config(workers, env_cls="envs_in_python.Walk", algorithm="PPO", iterations=3, **env):
    collecting = {
        "PPO": {"num_envs": 70, "rollout_length": 8},
        "PPO episodes": {"num_episodes": 70},
        "AZ": {"num_episodes": 20, "num_mcts_searches": 4},
        "ES": {},
    }[algorithm]
    algorithm = algorithm.split()[0]
    return {
        "env_cls": env_cls,
        "env": env,
        "policy": NETWORK,
        "algorithm_cls": algorithm,
        "algorithm": {
            "collecting": {"workers": workers, "num_cores": 2, **collecting},
            "evals": {"greedy": {"num_episodes": 20}, **(SEARCH if env_cls.endswith("Walk") else {})},
            "learning": {"diff_metric": "greedy", "diff_max": 5},
            **({"es": {"population": 8, "num_episodes": 4}} if algorithm == "ES" else {}),
        },
        "num_iterations": iterations,
        "seed": 2,
    }


def results(run):
    return timeless(run.path), (run.path / "checkpoint_last" / "policy.safetensors").read_bytes()


@pytest.fixture
def unruly(tmp_path, monkeypatch):
    (tmp_path / "unruly.py").write_text(UNRULY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("unruly", None)


def workers_of(process):
    """The worker processes whose parent is this one."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = stat.with_name("cmdline").read_text()
        except OSError:
            continue
        # Other tests of this process may have left helpers of multiprocessing.
        if int(fields[1]) == process and fields[0] != "Z" and "multiprocessing" not in command:
            found.append(int(stat.parent.name))
    return found


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")


@pytest.mark.parametrize(
    ("env_cls", "algorithm", "env"),
    [
        ("envs_in_python.Walk", "PPO", {}),
        ("envs_in_python.Walk", "PPO episodes", {}),
        ("envs_in_python.Walk", "AZ", {}),
        ("envs_in_python.Walk", "ES", {}),
        ("envs_in_python.Match", "PPO", {}),  # Gymnasium's interface, with masks
        ("gymnasium.make", "PPO", {"id": "Pendulum-v1", "max_episode_steps": 7}),  # real numbers, truncated
    ],
)
def test_any_number_of_workers_gives_the_same_bytes(tmp_path, env_cls, algorithm, env):
    runs = [
        twisterl.train(config(n, env_cls, algorithm, **env), tmp_path / str(n), quiet=True, num_cores=cores)
        for n, cores in ((1, 2), (2, 1), (3, 2), (5, 3))
    ]
    first, *others = map(results, runs)
    assert all(other == first for other in others)
    assert first[0][-1]["env_steps"] > 0


def test_a_run_resumes_with_another_number_of_workers(tmp_path):
    whole = twisterl.train(config(1, iterations=4), tmp_path / "whole", quiet=True)
    half = twisterl.train(config(3, iterations=2), tmp_path / "half", quiet=True)
    resumed = half.resume(num_steps=4, set={"algorithm.collecting.workers": 2}, quiet=True)
    assert results(resumed) == results(whole)


@pytest.mark.parametrize(
    ("does", "message"),
    [
        ("_exit", r"worker \d of 2 \(process \d+\) ended with exit code 7"),
        ("kill", r"worker \d of 2 \(process \d+\) was ended by signal 9"),
        ("segfault", r"worker \d of 2 \(process \d+\) was ended by signal 11"),
    ],
)
def test_a_worker_that_is_lost_is_an_error_that_names_it(unruly, does, message):
    with pytest.raises(EnvError, match=message):
        twisterl.train(config(2, "unruly.Unruly", main=os.getpid(), does=does), unruly / "run", quiet=True)
    assert not workers_of(os.getpid())


@needs_proc
@pytest.mark.parametrize("does", ["fork", "daemon"])
def test_a_lost_worker_is_noticed_and_ends_with_what_it_forked(unruly, does):
    """A process that has left the group of the worker lives on, and holds its side of the socket open."""
    try:
        with pytest.raises(EnvError, match="ended with exit code 7"):
            twisterl.train(config(2, "unruly.Unruly", main=os.getpid(), does=does), unruly / "run", quiet=True)
        forked = [int(pid) for pid in (unruly / "forked").read_text().split()]
        assert forked
        if does == "fork":
            wait_until(lambda: not any(map(lives, forked)))
    finally:
        for pid in (unruly / "forked").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def test_an_exception_arrives_with_its_class_and_the_traceback_of_the_worker(unruly):
    import unruly as module

    with pytest.raises(module.OwnError, match="as it is") as raised:
        twisterl.train(config(2, "unruly.Unruly", main=os.getpid(), does="own error"), unruly / "run", quiet=True)
    assert any("environment unruly.Unruly, step" in note for note in raised.value.__notes__)
    assert 'raise OwnError("as it is")' in str(raised.value.__cause__)


def test_an_exception_that_cannot_be_pickled_arrives_as_text(unruly):
    with pytest.raises(EnvError, match=r"unruly\.Unpicklable: as text"):
        twisterl.train(config(2, "unruly.Unruly", main=os.getpid(), does="unpicklable"), unruly / "run", quiet=True)


def test_warnings_arrive_once(unruly):
    with pytest.warns(RuntimeWarning, match="careful") as warned:
        twisterl.train(config(2, "unruly.Unruly", main=os.getpid(), does="warn"), unruly / "run", quiet=True)
    assert [str(w.message) for w in warned].count("careful") == 1


def start(folder, workers=2, **env):
    """Train in a process of its own."""
    program = "import sys, json, os, twisterl; c = json.loads(sys.argv[1]); c['env']['main'] = os.getpid(); "
    program += "twisterl.train(c, 'run', quiet=True)"
    given = json.dumps(config(workers, "unruly.Unruly", iterations=10**6, **env))
    return subprocess.Popen(
        [sys.executable, "-c", program, given],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (folder, *sys.path)))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )


def test_what_environments_print_arrives(unruly):
    with start(unruly, does="print") as process:
        said = process.stdout.readline()
        process.kill()
    # Two workers may print at once, and Python ends a line by a write of its own.
    assert said.startswith("a line from the environment")


@needs_proc
@pytest.mark.parametrize("does", ["nothing", "sleep", "loop", "deaf"])
def test_ctrl_c_ends_all_workers_within_a_second(unruly, does):
    process = start(unruly, does=does)
    wait_until((unruly / ("busy" if does != "nothing" else "run/metrics.jsonl")).exists, process)
    workers = workers_of(process.pid)
    assert len(workers) == 2
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    _, told = process.communicate(timeout=60)
    assert "KeyboardInterrupt" in told
    assert not any(map(lives, workers))
    assert time.monotonic() - begun < SLACK


@needs_proc
@pytest.mark.parametrize("does", ["nothing", "sleep", "deaf"])
def test_a_killed_run_leaves_no_workers(unruly, does):
    process = start(unruly, does=does)
    wait_until((unruly / ("busy" if does != "nothing" else "run/metrics.jsonl")).exists, process)
    workers = workers_of(process.pid)
    assert len(workers) == 2
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(lives, workers)), seconds=SLACK)


@needs_proc
def test_workers_end_with_their_run_and_two_runs_do_not_meet(tmp_path):
    runs = [twisterl.train(config(2), tmp_path / name, quiet=True) for name in ("one", "two")]
    assert results(runs[0]) == results(runs[1])
    assert not workers_of(os.getpid())


def test_native_environments_refuse_workers(tmp_path):
    given = {"env_cls": "Puzzle", "env": {"width": 2, "height": 2}, "algorithm": {"collecting": {"workers": 2}}}
    with pytest.raises(ConfigError, match=r"algorithm\.collecting\.workers: expected 1, since Puzzle is not written"):
        twisterl.train(given, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("workers", [0, 257, -1, 1.5, "two", None])
def test_a_number_of_workers_out_of_range_is_refused(tmp_path, workers):
    with pytest.raises(ConfigError, match=r"algorithm\.collecting\.workers: "):
        twisterl.train(config(workers), tmp_path / "run", quiet=True)


def test_what_other_processes_cannot_import_is_refused_with_advice(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)

    class Local(Walk):
        pass

    for env in (lambda: Walk(), Local):
        with pytest.raises(ConfigError, match=r"workers: expected 1, or an environment that other processes can im"):
            twisterl.train(env=env, run_path=tmp_path / "run", set={"algorithm.collecting.workers": 2}, quiet=True)


@pytest.mark.skipif(importlib.util.find_spec("cloudpickle") is None, reason="needs cloudpickle")
def test_cloudpickle_carries_over_what_cannot_be_imported(tmp_path):
    class Local(Walk):
        pass

    given = {key: value for key, value in config(2).items() if key not in ("env_cls", "env")}
    envs = (Walk, Local, Walk())
    runs = [twisterl.train(given, tmp_path / str(i), env=env, quiet=True) for i, env in enumerate(envs)]
    assert timeless(runs[0].path) == timeless(runs[1].path) == timeless(runs[2].path)


SCRIPT = """
import sys
sys.modules["cloudpickle"] = None
import twisterl
from envs_in_python import Walk

class Mine(Walk):
    pass

{guard}
    twisterl.train({config}, "run", env=Mine, quiet=True)
    print("trained")
"""


def run_script(folder, guard):
    given = {key: value for key, value in config(2).items() if key not in ("env_cls", "env")}
    (folder / "script.py").write_text(SCRIPT.format(config=given, guard=guard))
    return subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_classes_of_the_main_script_are_imported_from_it(tmp_path):
    ended = run_script(tmp_path, 'if __name__ == "__main__":')
    assert (ended.returncode, ended.stdout) == (0, "trained\n"), ended.stderr


def test_a_main_script_that_trains_when_it_is_imported_is_told_so(tmp_path):
    ended = run_script(tmp_path, "if True:")
    assert ended.returncode == 1
    assert "put it below if __name__ == '__main__'" in ended.stderr


def test_the_command_line_trains_with_workers(tmp_path):
    given = tmp_path / "config.json"
    given.write_text(json.dumps(config(2)))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "twisterl.train", "--config", given, "--run-path", tmp_path / "run"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    here = twisterl.train(config(1), tmp_path / "here", quiet=True)
    assert timeless(tmp_path / "run") == timeless(here.path)
