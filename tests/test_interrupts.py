"""Ctrl-C ends everything that takes time within a second: each long command and call, once it is busy."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import twisterl
from cli_configs import TINY, write
from processes import SLACK, WAIT, hear_ctrl_c, wait_for_handlers, wait_for_line, wait_until, wait_until_busy
from tiny_runs import lines

POLICY = ["tests/vectors/peer/ppo_puzzle8_v1.safetensors", "--config", "tests/configs/ppo_puzzle8_v1.peer.json"]
POLICY15 = ["puzzle15.run"]  # knows nothing, so that it searches to the end
BOARD15 = "14,13,15,7,11,12,9,5,6,0,2,1,4,8,10,3"

STUCK_ENVIRONMENT = '''
from pathlib import Path

class Stuck:
    """A line of eight places; what happens in the third step is in the environment variable STUCK."""

    difficulty = 1

    def num_actions(self):
        return 2

    def obs_shape(self):
        return [8]

    def reset(self):
        self.place, self.steps = 4, 0

    def set_state(self, state):
        self.place, self.steps = int(state[0]), 0

    def step(self, action):
        self.place = max(1, min(7, self.place + (1 if action else -1)))
        self.steps += 1
        if self.steps == 3 and os.environ["STUCK"] != "no":
            Path("busy").touch()
            wait(os.environ["STUCK"])

    def observe(self):
        return [self.place]

    def masks(self):
        return [True, True]

    def reward(self):
        return -0.1

    def is_final(self):
        return self.steps >= 50

    def success(self):
        return False
'''


@pytest.fixture(scope="module")
def inputs(cli, tmp_path_factory) -> Path:
    """Inputs whose work takes minutes."""
    folder = tmp_path_factory.mktemp("inputs")
    endless = json.loads(json.dumps(TINY))
    endless["env"] = {"width": 3, "height": 3}
    endless["algorithm"]["collecting"]["num_episodes"] = 200_000
    write(folder / "train.json", endless)
    huge = json.loads(json.dumps(TINY))
    huge["policy"] = {"embedding_size": 2048, "common_layers": [2048, 2048]}
    huge["algorithm"]["collecting"]["num_episodes"] = 4096
    write(folder / "huge.json", huge)
    alphazero = json.loads(json.dumps(TINY))
    alphazero["algorithm_cls"] = "AZ"
    alphazero["algorithm"] = {"collecting": {"num_episodes": 1000, "num_mcts_searches": 4000}}
    write(folder / "az.json", alphazero)
    states = [[8, 6, 7, 2, 5, 4, 3, 0, 1]] * 500_000
    write(folder / "states.json", json.dumps(states))
    (folder / "stuck_envs.py").write_text(WAIT + STUCK_ENVIRONMENT)
    stuck = json.loads(json.dumps(TINY))
    stuck |= {"env_cls": "stuck_envs.Stuck", "env": {}}
    write(folder / "stuck.json", stuck)
    puzzle15 = json.loads(json.dumps(TINY))
    puzzle15["env"] = {"width": 4, "height": 4, "max_depth": 1000}
    write(folder / "puzzle15.json", puzzle15)
    for config, run in (("puzzle15.json", "puzzle15.run"), ("huge.json", "huge.run")):
        made = cli(folder / config, "--num-steps", 0, "--run-path", folder / run, "--quiet")
        assert made.returncode == 0, made.stderr
    run = folder / "large.run"
    run.mkdir()
    record = {"iteration": 0, "env_steps": 1, "evals": {"ppo_1": {"success": 0.5, "reward": 0.1, "length": 3.0}}}
    record["time"] = {"elapsed": 1.0, "collect": 0.5}
    records = [json.dumps({**record, "iteration": i, "env_steps": 10 * i + 10}) for i in range(300_000)]
    (run / "metrics.jsonl").write_text("\n".join(records) + "\n")
    return folder


def start(command, cwd, **environment) -> subprocess.Popen:
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "MPLBACKEND": "Agg", **environment},
        preexec_fn=hear_ctrl_c,
    )


def end(process: subprocess.Popen, number: int, title: str) -> tuple[str, str]:
    """Send a signal, and return the output after it."""
    begun = time.monotonic()
    process.send_signal(number)
    out, errors = process.communicate(timeout=60)
    seconds = time.monotonic() - begun
    print(f"{title}: {seconds:.2f} s")
    assert seconds < SLACK, (title, seconds, errors)
    assert "panicked" not in errors
    return out, errors


@dataclass
class Long:
    """A command that takes minutes."""

    command: list
    busy: float = 1.0  # seconds of work after which it is busy
    said: str = "interrupted"
    python: bool = False
    environment: dict = field(default_factory=dict)


COMMANDS = {
    "train": Long(["train.json", "--run-path", "OUT"], said="continue with --resume"),
    "train quietly": Long(["train.json", "--run-path", "OUT", "--quiet"], said=""),
    "train AlphaZero": Long(["az.json", "--run-path", "OUT"], said="continue with --resume"),
    "train a huge network": Long(["huge.json", "--run-path", "OUT"], busy=4, said="continue with --resume"),
    "solve by trees": Long(["solve", *POLICY15, "--state", BOARD15, "--search", "gumbel=60000"]),
    "solve by a wide beam": Long(["solve", *POLICY15, "--state", BOARD15, "--search", "beam=1048576"], busy=6),
    "solve by each symmetry": Long(["solve", *POLICY15, "--state", BOARD15, "--search", "beam=65536", "--twists=each"]),
    "evaluate": Long(["evaluate", *POLICY, "--num-episodes", "5000000", "--difficulty", "500"]),
    "evaluate by search": Long(
        ["evaluate", *POLICY15, "--num-episodes", "100000", "--search", "beam=1024", "--difficulty", "99"]
    ),
    "evaluate states": Long(["evaluate", *POLICY, "--states", "states.json", "--search", "gumbel=64"], busy=0.5),
    "compare": Long(["compare", *POLICY, "--num-episodes", "500000", "--difficulty", "500", "--search", "beam=64"]),
    "evaluate as JSON": Long(["evaluate", *POLICY, "--num-episodes", "5000000", "--difficulty", "500", "--json"]),
    "benchmark": Long(["benchmark", "--seconds", "600"]),
    "bench": Long(["bench", "collection", "--seconds", "600"]),
}


def absolute(command: list, root: Path, inputs: Path, out: Path) -> list[str]:
    """Give the full names of files."""

    def name(part: str) -> str:
        if part == "OUT":
            return str(out)
        found = [str(folder / part) for folder in (root, inputs) if "." in part and (folder / part).exists()]
        return found[0] if found else part

    return [name(str(part)) for part in command]


@pytest.mark.slow
@pytest.mark.parametrize("program", ["native", "python"])
@pytest.mark.parametrize("title", COMMANDS)
def test_ctrl_c_ends_each_long_command(title, program, root, inputs, train_bin, tmp_path):
    long = COMMANDS[title]
    begin = [train_bin] if program == "native" else [sys.executable, "-m", "twisterl"]
    arguments = absolute(long.command, root, inputs, tmp_path / "run")
    if program == "python" and title.startswith("train"):
        arguments.insert(0, "train")
    process = start([*begin, *arguments], tmp_path, TMPDIR=str(tmp_path))
    if title.startswith("train"):
        wait_until((tmp_path / "run/config.json").exists, process)
    wait_for_handlers(process)
    wait_until_busy(process, long.busy)
    out, errors = end(process, signal.SIGINT, f"{program}, {title}")
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert long.said in out + errors
    if title.startswith("train"):
        assert json.loads((tmp_path / "run/checkpoint_last/state.json").read_text())["iteration"] >= 0
    else:
        assert out == ""
        assert errors == "error: interrupted\n"
        assert list(tmp_path.iterdir()) == [], "nothing is left behind"


@pytest.mark.slow
@pytest.mark.parametrize("program", ["native", "python"])
@pytest.mark.parametrize("delay", [0.02, 0.1, 0.3, 0.6])
def test_convert_ends_with_a_whole_file_or_none(program, delay, inputs, train_bin, tmp_path):
    begin = [train_bin] if program == "native" else [sys.executable, "-m", "twisterl"]
    process = start([*begin, "convert", inputs / "huge.run", "out.safetensors"], tmp_path)
    wait_for_handlers(process)
    time.sleep(delay)
    _, errors = end(process, signal.SIGINT, f"{program}, convert after {delay} s")
    assert process.returncode in (0, 130), errors
    made = [path.name for path in tmp_path.iterdir()]
    assert made in ([], ["out.safetensors"])
    if made:
        assert twisterl.load_policy(tmp_path / "out.safetensors").num_parameters > 2048**2
    assert process.returncode != 0 or made
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "error: interrupted"),
        (signal.SIGTERM, 143, "error: interrupted by SIGTERM"),
        (signal.SIGHUP, 129, "error: interrupted by SIGHUP"),
    ],
)
@pytest.mark.parametrize("program", ["native", "python"])
def test_each_signal_has_its_exit_code(number, code, said, program, root, inputs, train_bin, tmp_path):
    begin = [train_bin] if program == "native" else [sys.executable, "-m", "twisterl"]
    command = absolute(COMMANDS["evaluate"].command, root, inputs, tmp_path)
    process = start([*begin, *command], tmp_path)
    wait_for_handlers(process)
    wait_until_busy(process, 0.5)
    out, errors = end(process, number, f"{program}, {number.name}")
    assert (process.returncode, out, errors) == (code, "", f"{said}\n")

    # Training stops in order after any of them.
    begin += ["train"] if program == "python" else []
    process = start([*begin, write(tmp_path / "tiny.json", TINY), "--run-path", "run"], tmp_path)
    wait_until(lambda: lines(tmp_path / "run") > 0, process)
    out, errors = end(process, number, f"{program}, training, {number.name}")
    assert process.returncode == code, errors
    assert "interrupted; continue with --resume run" in out
    iterations = json.loads((tmp_path / "run/checkpoint_last/state.json").read_text())["iteration"]
    assert (tmp_path / "run/metrics.jsonl").read_bytes().count(b"\n") == iterations > 0


@pytest.mark.parametrize("program", ["native", "python"])
@pytest.mark.parametrize("ignored", [signal.SIGHUP, signal.SIGINT])
def test_signals_that_are_ignored_stay_so(program, ignored, root, inputs, train_bin, tmp_path):
    begin = [train_bin] if program == "native" else [sys.executable, "-m", "twisterl"]
    command = [*begin, *absolute(COMMANDS["evaluate"].command, root, inputs, tmp_path)]
    wrapped = ["sh", "-c", f"trap '' {ignored.name.removeprefix('SIG')}; exec \"$@\"", "sh", *command]
    process = start(wrapped, tmp_path)
    wait_for_handlers(process)
    wait_until_busy(process, 0.5)
    process.send_signal(ignored)
    wait_until_busy(process, 0.5)  # unimpressed
    _, errors = end(process, signal.SIGTERM, f"{program}, {ignored.name} ignored")
    assert process.returncode == 143, errors


def test_a_file_that_grows_too_large_is_a_write_error(train_bin, tmp_path):
    command = ["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", train_bin, write(tmp_path / "tiny.json", TINY)]
    result = subprocess.run([*map(str, command), "--run-path", "run"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1
    assert "cannot write: File too large" in result.stderr


def end_stuck(process: subprocess.Popen, busy: Path, twice: bool, title: str) -> tuple[str, str]:
    """End a process whose environment is stuck: where it asks for that, at the second signal."""
    wait_until(busy.exists, process)
    time.sleep(0.5)
    said = ""
    if twice:
        process.send_signal(signal.SIGINT)
        said = wait_for_line(process.stderr, "waiting for the environment")
    out, errors = end(process, signal.SIGINT, title)
    assert "waiting for the environment" not in errors
    return out, said + errors


STUCK = ["loop", "sleep", "read", "deaf"]
STUCK_CALLS = [
    "twisterl.train(config, 'run', quiet=True)",
    "twisterl.train(config, 'run', quiet=True, callback=print, num_cores=1)",
    "policy.evaluate(num_episodes=100)",
    "policy.solve([4])",
    "policy.solve_batch([[4]] * 100, num_cores=1)",
    "twisterl.utils.prepare_algorithm(config).collect()",
]
IN_MAIN_THREAD = "env.reset(); [env.step(1) for _ in range(9)]"


@pytest.mark.slow
@pytest.mark.parametrize("kind", STUCK)
@pytest.mark.parametrize("command", ["train", "evaluate", "solve"])
def test_a_stuck_environment_is_left_at_the_second_ctrl_c(kind, command, inputs, tmp_path):
    program = [sys.executable, "-m", "twisterl"]
    environment = {"PYTHONPATH": str(inputs), "STUCK": "no"}
    if command != "train":
        made = start(
            [*program, "train", inputs / "stuck.json", "--num-steps", 1, "--run-path", "run"], tmp_path, **environment
        )
        assert made.communicate(timeout=60)
        assert made.returncode == 0
    arguments = {
        "train": ["train", inputs / "stuck.json", "--run-path", "run"],
        "evaluate": ["evaluate", "run", "--trust", "--num-episodes", 100],
        "solve": ["solve", "run", "--trust", "--state", "4"],
    }[command]
    process = start([*program, *arguments], tmp_path, **environment | {"STUCK": kind})
    _, errors = end_stuck(process, tmp_path / "busy", kind != "loop", f"{command}, {kind}")
    assert process.returncode == 130, errors
    assert "Traceback" not in errors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "kind"),
    [
        *itertools.product(STUCK_CALLS, STUCK),
        # In the main thread, Python raises the interrupt within the environment, which a deaf one catches.
        *((IN_MAIN_THREAD, kind) for kind in STUCK if kind != "deaf"),
    ],
)
def test_a_stuck_environment_raises_at_the_second_ctrl_c(call, kind, inputs, tmp_path):
    script = f"""
import json, os, sys, time, twisterl, twisterl.utils
from stuck_envs import Stuck
config = json.load(open(sys.argv[1]))
os.environ["STUCK"] = "no"
policy = twisterl.train(config, "first", num_steps=0, quiet=True).policy
env = Stuck()
os.environ["STUCK"] = {kind!r}
try:
    {call}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    process = start([sys.executable, "-c", script, inputs / "stuck.json"], tmp_path, PYTHONPATH=str(inputs))
    twice = kind != "loop" and call != IN_MAIN_THREAD
    out, errors = end_stuck(process, tmp_path / "busy", twice, f"{call}, {kind}")
    assert (out, process.returncode) == ("interrupted\n", 0), errors


CALLS = {
    "evaluate": "policy.evaluate(num_episodes=2_000_000, difficulty=500)",
    "evaluate by search": "policy.evaluate(num_episodes=200_000, search='beam=1024', difficulty=99)",
    "solve by trees": "policy.solve(board, search='gumbel=60000')",
    "solve by a wide beam": "policy.solve(board, search='beam=1048576')",
    "solve a batch": "policy.solve_batch([board] * 1_000_000, search='gumbel=16')",
    "train": "twisterl.train(endless, 'run', quiet=True)",
    "train and call back": "twisterl.train(endless, 'run', quiet=True, callback=lambda metrics: None)",
    "train a huge network": "twisterl.train(huge, 'run', quiet=True)",
    "collect": "twisterl.utils.prepare_algorithm(endless).collect()",
    "predict": "loaded.predict_batch(np.zeros((20_000, 36), np.float32), num_cores=1)",
}


@pytest.mark.slow
@pytest.mark.parametrize("title", CALLS)
def test_ctrl_c_ends_each_long_call(title, inputs, tmp_path):
    script = f"""
import json, sys
import numpy as np
import twisterl, twisterl.utils
folder = sys.argv[1]
policy = twisterl.load_policy(folder + "/puzzle15.run")
loaded = twisterl.load_policy(folder + "/huge.run")
endless, huge = (json.load(open(f"{{folder}}/{{name}}.json")) for name in ("train", "huge"))
endless["algorithm"]["collecting"]["num_episodes"] = 500_000
board = {[int(tile) for tile in BOARD15.split(",")]}
print("ready", flush=True)
try:
    {CALLS[title]}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    process = start([sys.executable, "-c", script, inputs], tmp_path)
    assert process.stdout.readline() == "ready\n", process.communicate()
    wait_until_busy(process, 1.0)
    out, errors = end(process, signal.SIGINT, title)
    assert (out, process.returncode) == ("interrupted\n", 0), errors


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_run_py(number, root, inputs, train_bin, tmp_path):
    command = [root / "scripts/run.py", inputs / "train.json", "--seeds", "0-3", "--jobs", 2, "--binary", train_bin]
    process = start([sys.executable, *command, "--out", "out"], tmp_path)
    wait_until((tmp_path / "out/train/seed-0/config.json").exists, process)
    time.sleep(1)
    out, errors = end(process, number, f"run.py, {number.name}")
    assert process.returncode == 128 + number, errors
    assert "Traceback" not in out + errors
    assert "the same command goes on" in errors


@pytest.mark.parametrize("program", [["-m", "twisterl", "plot"], ["scripts/plot.py"]])
def test_ctrl_c_ends_plots(program, root, inputs, tmp_path):
    pytest.importorskip("matplotlib")
    program = [root / part if part.endswith(".py") else part for part in program]
    process = start([sys.executable, *program, inputs / "large.run", "--out", "out"], tmp_path)
    wait_until_busy(process, 2.0)
    _out, errors = end(process, signal.SIGINT, str(program[-1]))
    assert process.returncode == 130, errors
    assert errors.endswith(": interrupted\n")
    assert errors.count("\n") == 1
    assert not list(tmp_path.glob("out/*.new-*"))
