"""The end of environments written in Python: `close()` by the user, and the exit of the interpreter."""

import copy
import json
import pickle
import signal
import subprocess
import sys
import time

import numpy as np
import odd_envs
import pytest
import twisterl
from odd_envs import INDICES, Truth, plain
from processes import SLACK, WAIT, hear_ctrl_c

TRUTH = Truth((4,), (3,), 1)

CLOSING = '''
class Closing:
    """Prints when it is closed; what happens in the third step and in close() is in STUCK and CLOSE."""

    made = 0

    def __init__(self):
        Closing.made += 1
        self.number = Closing.made
    def num_actions(self):
        return 2
    def obs_shape(self):
        return [8]
    def reset(self):
        self.steps = 0
    def step(self, action):
        self.steps += 1
        if self.steps == 3 and os.environ["STUCK"] != "no":
            print("busy", self.number, flush=True)
            wait(os.environ["STUCK"])
    def observe(self):
        return [self.steps % 8]
    def reward(self):
        return -0.1
    def is_final(self):
        return self.steps >= 9
    def success(self):
        return False
    def close(self):
        print("close", self.number, flush=True)
        wait(os.environ["CLOSE"])
        print("closed", self.number, flush=True)
'''


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a script beside the module `closing`."""
    (tmp_path / "closing.py").write_text(WAIT + CLOSING)

    def begin(script, stuck="no", close="no"):
        for name, value in (("STUCK", stuck), ("CLOSE", close), ("PYTHONPATH", str(tmp_path))):
            monkeypatch.setenv(name, value)
        command = [sys.executable, "-c", script]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path}
        return subprocess.Popen(command, preexec_fn=hear_ctrl_c, **options)

    return begin


AT_EXIT = """
import sys, time, twisterl, closing
envs = [twisterl.make(closing.Closing) for _ in range(3)]
print(time.monotonic(), flush=True)
sys.exit(7)
"""


@pytest.mark.parametrize("kind", ["sleep", "loop", "read", "lock", "deaf"])
def test_an_exit_does_not_wait_for_a_close_that_does_not_return(kind, start):
    process = start(AT_EXIT, close=kind)
    out, errors = process.communicate(timeout=60)
    seconds = time.monotonic() - float(out.split()[0])
    assert process.returncode == 7, errors
    assert 0.9 < seconds < SLACK, "a second for all three together"
    assert "environment closing.Closing: close() had not returned 1 s after the interpreter began to exit" in errors
    assert "of 3 environments, 2 are not closed" in errors
    assert out.count("close") == 1


@pytest.mark.parametrize(
    ("kind", "said"), [("no", ""), ("raise", "OSError: no such device"), ("exit", "SystemExit: 5")]
)
def test_an_exit_closes_every_environment(kind, said, start):
    process = start(AT_EXIT, close=kind)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 7
    assert sorted(line for line in out.splitlines() if line.startswith("close ")) == ["close 1", "close 2", "close 3"]
    assert said in errors
    assert bool(errors) == bool(said)


def test_ctrl_c_ends_the_wait_for_a_close(start):
    process = start(AT_EXIT.replace("sys.exit(7)", "print('close', flush=True); sys.exit(7)"), close="sleep")
    while not process.stdout.readline().startswith("close "):
        pass
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode == 7
    assert time.monotonic() - begun < SLACK


LEFT_BEHIND = """
import json, os, sys, twisterl, closing
config, stuck = json.loads({config!r}), os.environ["STUCK"]
os.environ["STUCK"] = "no"
policy = twisterl.train(config, "first", num_steps=0, quiet=True).policy
idle = twisterl.make(closing.Closing)
os.environ["STUCK"] = stuck
try:
    {call}
except KeyboardInterrupt:
    print("interrupted", idle.get_state()[0] < 0, flush=True)
sys.exit(7)
"""
CONFIG = {**odd_envs.CONFIG, "env_cls": "closing.Closing"}


@pytest.mark.parametrize("stuck", ["sleep", "deaf"])
@pytest.mark.parametrize(
    "call", ["policy.evaluate(num_episodes=1, num_cores=1)", "twisterl.train(config, 'second', quiet=True)"]
)
def test_an_environment_that_was_left_behind_is_not_closed_at_exit(call, stuck, start):
    process = start(LEFT_BEHIND.format(config=json.dumps(CONFIG), call=call), stuck=stuck)
    lines = iter(process.stdout.readline, "")
    busy = next(line for line in lines if line.startswith("busy")).split()[1]
    process.send_signal(signal.SIGINT)
    said = process.stderr.readline()
    while "press Ctrl-C again" not in said:  # warnings of the run come before
        assert said, "what it waits for is said"
        said = process.stderr.readline()
    assert said == "waiting for the environment or the disk; press Ctrl-C again to leave it behind\n"
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 7, errors
    assert time.monotonic() - begun < SLACK
    assert out.startswith("interrupted True\n")
    closed = {line.split()[1] for line in out.splitlines() if line.startswith("close ")}
    assert closed, "the idle one, which nobody left behind"
    assert busy not in closed
    assert errors == ""


def counting(**members):
    """A plain environment that counts its `close()`."""
    closed = []
    close = members.pop("close", lambda self: None)

    def counted(self):
        closed.append(self)
        close(self)

    return plain(TRUTH, INDICES["a list"], close=counted, **members), closed


USES = {
    "reset": lambda env: env.reset(),
    "step": lambda env: env.step(0),
    "step_all": lambda env: env.step_all([0]),
    "observe": lambda env: env.observe(),
    "masks": lambda env: env.masks(),
    "get_state": lambda env: env.get_state(),
    "set_state": lambda env: env.set_state([1, 2]),
    "reward": lambda env: env.reward(),
    "is_final": lambda env: env.is_final(),
    "success": lambda env: env.success(),
    "render": lambda env: env.render(),
    "clone": lambda env: env.clone(),
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
}


@pytest.mark.parametrize("kind", ["python", "native"])
@pytest.mark.parametrize("use", USES)
def test_a_closed_environment_is_refused_by_name(use, kind):
    env = twisterl.make(counting()[0] if kind == "python" else "Puzzle")
    name = {"python": "odd_envs.Plain", "native": "Puzzle"}[kind]
    env.close()
    with pytest.raises(
        twisterl.UsageError, match=f"^environment {name}: expected one that is open, found one after close"
    ):
        USES[use](env)
    assert env.closed
    assert "closed" in repr(env)


def test_close_closes_once():
    kind, closed = counting()
    env = twisterl.make(kind)
    env.step(0)
    assert not env.closed
    env.close()
    env.close()
    assert len(closed) == 1
    del env
    assert len(closed) == 1


def test_an_environment_can_be_used_in_a_with_statement():
    kind, closed = counting()
    with twisterl.make(kind) as env:
        env.step(0)
        assert closed == []
    assert len(closed) == 1
    with pytest.raises(ZeroDivisionError), twisterl.make(kind):
        _ = 1 // 0
    assert len(closed) == 2


def test_close_raises_what_the_environment_raises():
    kind, closed = counting(close=lambda self: 1 // 0)
    env = twisterl.make(kind)
    with pytest.raises(ZeroDivisionError) as raised:
        env.close()
    assert raised.value.__notes__ == ["raised in environment odd_envs.Plain, reset"]
    env.close()
    assert (len(closed), env.closed) == (1, True)


def test_closing_a_copy_leaves_the_original():
    kind, closed = counting()
    env = twisterl.make(kind)
    twin = env.clone()
    twin.close()
    assert closed == []
    env.step(0)
    env.close()
    assert len(closed) == 1


def test_gymnasium_s_environments_can_be_closed():
    for env in (twisterl.gym.make("Puzzle"), twisterl.gym.make_vec("Puzzle", 2)):
        env.reset()
        env.close()
        env.close()
        with pytest.raises(twisterl.UsageError, match="environment Puzzle: expected one that is open"):
            env.step(np.zeros(2, int) if env.action_space.shape else 0)
