"""Runs over processes, and over any engine: the bytes of the local run, whatever happens to the workers."""

import contextlib
import json
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import twisterl
from processes import lives, wait_until
from tiny_runs import lines, timeless
from twisterl import spread
from twisterl._internal.processes.spread import worker
from twisterl.errors import UsageError, WorkerError

ALGORITHMS = {
    "PPO": {
        "collecting": {"num_envs": 150, "rollout_length": 8, "normalize_rewards": True, "starts": {"uniform": 0.3}},
        "training": {"num_epochs": 1},
    },
    "AZ": {"collecting": {"num_episodes": 40, "num_mcts_searches": 4}},
    "BackwardScramble": {"collecting": {"num_walks": 150, "walk_length": 8}},
    "ES": {"es": {"population": 40, "num_episodes": 2}},
}
# An environment whose first steps of all have effects that files remember.
UNRULY = """
import os, pathlib, signal, time
from envs_in_python import Walk

class Unruly(Walk):
    def __init__(self, does, where):
        super().__init__()
        self.does, self.where = does, pathlib.Path(where)

    def step(self, action):
        super().step(action)
        # Of the head's own copies, nothing happens: they are only looked at.
        from twisterl._internal.processes import spawning
        if not spawning.is_worker:
            return
        if self.does == "raise":
            raise OSError("no such device")
        try:
            (self.where / self.does).touch(exist_ok=False)
        except FileExistsError:
            return
        if self.does == "exit":
            os._exit(7)
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
            (self.where / "forked").write_text(str(forked))
        if self.does in ("kill", "fork", "daemon"):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.does == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        if self.does == "print":
            print("a line from the environment", flush=True)
"""


def config(algorithm="PPO", iterations=4, **more):
    return {
        "env_cls": "Puzzle",
        "env": {"width": 2, "height": 2, "difficulty": 2, "depth_offset": 6},
        "policy": {"embedding_size": 8, "common_layers": [8], "policy_layers": [], "value_layers": []},
        "algorithm_cls": algorithm,
        "algorithm": {
            **ALGORITHMS[algorithm],
            "evals": {"greedy": {"num_episodes": 40, "every": 2}},
            "learning": {"diff_metric": "greedy", "diff_max": 4},
        },
        "num_iterations": iterations,
        "seed": 4,
        **more,
    }


def results(run):
    return timeless(run.path), (run.path / "checkpoint_last" / "policy.safetensors").read_bytes()


@contextlib.contextmanager
def processes(workers):
    engine = spread.Processes(workers)
    try:
        yield engine
    finally:
        engine.close()


@pytest.fixture
def unruly(tmp_path, monkeypatch):
    (tmp_path / "unruly.py").write_text(UNRULY)
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(does):
        config_of = config(env_cls="unruly.Unruly", env={"does": does, "where": str(tmp_path)})
        config_of["algorithm"]["collecting"]["starts"] = {}
        return config_of

    yield make
    sys.modules.pop("unruly", None)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_any_number_of_workers_makes_the_local_run(tmp_path, algorithm):
    local = twisterl.train(config(algorithm), tmp_path / "local", quiet=True)

    with processes(1) as engine:

        def resize(metrics):
            engine.resize((2, 3, 1, 2)[metrics["iteration"]])

        run = twisterl.train(config(algorithm), tmp_path / "spread", quiet=True, engine=engine, callback=resize)
        assert results(run) == results(local)
        # One that was stopped goes on elsewhere, and here.
        stopped = twisterl.train(
            config(algorithm), tmp_path / "stopped", quiet=True, callback=lambda metrics: metrics["iteration"] < 1
        )
        twisterl.resume(stopped.path, quiet=True, engine=engine, callback=lambda metrics: metrics["iteration"] < 2)
        assert lines(stopped.path) == 3
        twisterl.resume(stopped.path, quiet=True)
        assert results(stopped) == results(local)


@pytest.mark.parametrize("does", ["nothing", "exit", "kill", "stop", "print"])
def test_lost_and_late_workers_change_nothing(tmp_path, unruly, does, capfd):
    local = twisterl.train(unruly(does), tmp_path / "local", quiet=True)
    with processes(2) as engine:
        begun = time.monotonic()
        run = twisterl.train(unruly(does), tmp_path / "spread", quiet=True, engine=engine)
        assert time.monotonic() - begun < 300
    assert results(run) == results(local)
    assert (tmp_path / does).exists()
    if does == "print":
        assert "a line from the environment" in capfd.readouterr().err


def test_a_part_that_always_fails_is_an_error_with_its_text(tmp_path, unruly):
    with processes(2) as engine, pytest.raises(WorkerError) as raised:
        twisterl.train(unruly("raise"), tmp_path / "run", quiet=True, engine=engine)
    text = str(raised.value)
    assert "failed 3 times" in text
    assert "no such device" in text
    assert "in step" in text  # the place in the environment


@pytest.mark.slow
def test_a_killed_head_is_resumed_to_the_same_bytes(tmp_path):
    long = config(iterations=30)
    local = twisterl.train(long, tmp_path / "local", quiet=True)
    (tmp_path / "config.json").write_text(json.dumps(long))
    program = "import sys, twisterl; twisterl.train(sys.argv[1], sys.argv[2], quiet=True, engine='processes:2')"
    path = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", program, tmp_path / "config.json", path]) as head:
        wait_until(lambda: lines(path) > 3, head)
        head.kill()
    with processes(2) as engine:
        run = twisterl.resume(path, quiet=True, engine=engine)
    assert timeless(run.path)[-1] == timeless(local.path)[-1]
    assert results(run)[1] == results(local)[1]


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="workers are reached by sockets there")
def test_a_worker_whose_answer_nobody_reads_ends_with_its_head():
    """A head that is killed with an answer unread resets the connection, which is no end of a file."""
    program = "from twisterl._internal.processes.spread import worker; worker.main()"
    head, end = socket.socketpair()
    with subprocess.Popen([sys.executable, "-c", program], stdin=end) as process:
        end.close()
        head.sendall(worker.HEADER.pack(worker.PART, 1) + b"0")
        assert select.select([head], [], [], 60)[0], "it answers, that there is no config"
        head.close()
        try:
            assert process.wait(60) == 0
        finally:
            process.kill()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("does", ["fork", "daemon"])
def test_a_lost_worker_is_replaced_and_ends_with_what_it_forked(tmp_path, unruly, does):
    """A process that has left the group of the worker lives on, and holds the worker's side of the connection open."""
    given = unruly(does)
    script = f"import twisterl; twisterl.train({given!r}, 'spread', quiet=True, engine='processes:1')"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, timeout=60, check=True)
        if does == "fork":
            wait_until(lambda: not lives(int((tmp_path / "forked").read_text())))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int((tmp_path / "forked").read_text()), signal.SIGKILL)
    local = twisterl.train(given, tmp_path / "local", quiet=True)
    assert results(twisterl.load_run(tmp_path / "spread")) == results(local)


def test_workers_have_the_environment_that_a_resumed_run_is_given(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "before.py").write_text("from envs_in_python import Walk as Line")
    (tmp_path / "now.py").write_text("from envs_in_python import Walk\n\nclass Moved(Walk):\n    pass\n")
    short = config(env_cls="before.Line", env={})
    short["algorithm"]["collecting"]["starts"] = {}
    run = twisterl.train(short, tmp_path / "run", quiet=True)
    (tmp_path / "before.py").unlink()
    with processes(1) as engine:
        resumed = twisterl.resume(run.path, num_steps=6, env="now.Moved", quiet=True, engine=engine)
    assert lines(resumed.path) == 6


class Threads(spread.Engine):
    """An engine as users write one, in a few lines: here over threads of this process."""

    def __init__(self, answer=spread.answer):
        self.answer, self.ended, self.asked = answer, queue.SimpleQueue(), 0

    def put(self, data):
        return data

    def submit(self, config, question, part):
        self.asked += 1

        def work(task=self.asked):
            try:
                self.ended.put((task, self.answer(config.decode(), question, part)))
            except Exception as error:
                self.ended.put((task, error))

        threading.Thread(target=work).start()
        return self.asked

    def wait(self, tasks, seconds):
        with contextlib.suppress(queue.Empty):
            return [self.ended.get(timeout=seconds)]
        return []

    def width(self):
        return 2


def test_engines_of_users_make_the_local_run(tmp_path):
    local = twisterl.train(config(), tmp_path / "local", quiet=True)
    run = twisterl.train(config(), tmp_path / "spread", quiet=True, engine=Threads())
    assert results(run) == results(local)


def test_a_worker_that_is_lost_now_and_then_costs_no_iteration(tmp_path):
    calls = []

    def unsteady(config, question, part):
        calls.append(part)
        if len(calls) % 5 == 0:
            raise spread.WorkerLostError("gone")
        return spread.answer(config, question, part)

    local = twisterl.train(config("ES"), tmp_path / "local", quiet=True)
    run = twisterl.train(config("ES"), tmp_path / "spread", quiet=True, engine=Threads(unsteady))
    assert results(run) == results(local)


def test_two_answers_that_differ_are_an_error(tmp_path):
    """A part that is late is asked for twice, and both answers must be equal."""
    second, later = threading.Event(), threading.Event()
    late = []  # the question whose part 2 is answered late

    def differing(config, question, part):
        if late and question != late[0]:
            later.set()
        answer = spread.answer(config, question, part)
        if part != 2 or second.is_set():
            return answer
        if not late:
            late.append(question)
            assert later.wait(60), "the right answer counts, and the run goes on with it"
            return answer + b"."
        second.set()
        return answer

    with pytest.raises(WorkerError, match="part 2: expected equal answers of all workers, found two that differ"):
        twisterl.train(config(iterations=400), tmp_path / "run", quiet=True, engine=Threads(differing))
    assert second.is_set()


@pytest.mark.parametrize("damage", [lambda answer: answer[:-1], lambda answer: b"", lambda answer: bytes(len(answer))])
def test_forged_answers_are_refused_and_named(tmp_path, damage):
    def forged(config, question, part):
        answer = spread.answer(config, question, part)
        return damage(answer) if part == 1 else answer

    with pytest.raises(twisterl.CheckpointError, match="answer of part 1: expected a message"):
        twisterl.train(config(), tmp_path / "run", quiet=True, engine=Threads(forged))


def test_questions_that_are_none_are_refused():
    resolved = json.dumps(config())
    for question in (b"", b"twquestn", os.urandom(100)):
        with pytest.raises(twisterl.CheckpointError, match="question: expected a message"):
            spread.answer(resolved, question, 0)
    with pytest.raises(twisterl.ConfigError):
        spread.answer("{", b"", 0)


@pytest.mark.parametrize("engine", ["rai", "processes:", "processes:0", "processes:-1", "ray:2", 3, ""])
def test_engines_that_do_not_exist_are_refused(tmp_path, engine):
    with pytest.raises(UsageError, match=r"engine: expected (`processes`|an engine of twisterl.spread)"):
        twisterl.train(config(), tmp_path / "run", quiet=True, engine=engine)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_ray_makes_the_local_run_through_a_lost_worker(tmp_path):
    pytest.importorskip("ray")
    local = twisterl.train(config(iterations=40), tmp_path / "local", quiet=True)
    engine = spread.Ray(num_cpus=2)
    try:

        def kill(metrics):
            if metrics["iteration"] == 10:
                for stat in os.popen("pgrep -f '^ray::(IDLE|_answer)'").read().split()[:1]:
                    os.kill(int(stat), signal.SIGKILL)

        run = twisterl.train(config(iterations=40), tmp_path / "ray", quiet=True, engine=engine, callback=kill)
        assert results(run) == results(local)
        for algorithm in ("AZ", "BackwardScramble", "ES"):
            local = twisterl.train(config(algorithm), tmp_path / f"{algorithm}-local", quiet=True)
            run = twisterl.train(config(algorithm), tmp_path / algorithm, quiet=True, engine=engine)
            assert results(run) == results(local)
    finally:
        engine.close()


@pytest.mark.slow
def test_a_worker_of_ray_that_answers_otherwise_is_refused_and_named(tmp_path):
    ray = pytest.importorskip("ray")
    first, second = tmp_path / "first", tmp_path / "second"

    def answer(config, question, part):
        right = spread.answer(config.decode(), question, part)
        if part != 1 or second.exists():
            return right
        if not first.exists():
            first.touch()
            # The head asks for this part, which is late, once more.
            while not second.exists():
                time.sleep(0.01)
            time.sleep(1)  # the right answer is on its way, and is to arrive first
            return right + b"."
        second.touch()
        return right

    class Wrong(spread.Ray):
        def submit(self, config, question, part):
            return remote.remote(config, question, part)

    engine = Wrong(num_cpus=2)
    try:
        remote = ray.remote(num_cpus=1)(answer)
        with pytest.raises(WorkerError, match="part 1: expected equal answers of all workers, found two that differ"):
            twisterl.train(config(iterations=400), tmp_path / "run", quiet=True, engine=engine)
    finally:
        engine.close()
    assert second.exists()
