"""Output that cannot be written, and text from outside that must not reach a terminal as it is."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_configs import TINY, changed, write

POLICY = ["tests/vectors/peer/ppo_puzzle8_v1.safetensors", "--config", "tests/configs/ppo_puzzle8_v1.peer.json"]
BOARD = "1,0,2,3,4,5,6,7,8"
PYTHON = [sys.executable, "-m", "twisterl"]
TRAIN_PY = [sys.executable, "-m", "twisterl.train"]

# Each command of each program, with a result on standard output.
COMMON = {
    "help": ["--help"],
    "help of a command": ["solve", "--help"],
    "version": ["--version"],
    "train": ["TRAIN", "tiny.json", "--num-steps", "1", "--run-path", "OUT"],
    "solve": ["solve", *POLICY, "--state", BOARD],
    "solve as JSON": ["solve", *POLICY, "--state", BOARD, "--json"],
    "compare": ["compare", *POLICY, "--num-episodes", "5"],
    "evaluate": ["evaluate", *POLICY, "--num-episodes", "5"],
    "evaluate as JSON": ["evaluate", *POLICY, "--num-episodes", "5", "--json"],
    "convert": ["convert", *POLICY, "OUT.safetensors"],
    "schema": ["schema"],
    "envs": ["envs"],
    "one environment": ["envs", "Puzzle"],
    "bench": ["bench", "collection", "--seconds", "1", "--num-envs", "2", "--rollout-length", "2"],
}
COMMANDS = {f"native, {title}": ["NATIVE", *command] for title, command in COMMON.items()}
COMMANDS |= {f"python, {title}": [*PYTHON, *command] for title, command in COMMON.items()}
COMMANDS |= {
    "native, benchmark": ["NATIVE", "benchmark", "--seconds", "1", "--quiet"],
    "python, train without arguments": [*PYTHON, "train"],
    "python, plot": [*PYTHON, "plot", "RUN", "--no-plot", "--out", "OUT"],
    "python, help of plot": [*PYTHON, "plot", "--help"],
    "train.py": [*TRAIN_PY, "tiny.json", "--num-steps", "1", "--run-path", "OUT"],
    "train.py, help": [*TRAIN_PY, "--help"],
    "scripts/plot.py": [sys.executable, "scripts/plot.py", "RUN", "--no-plot", "--out", "OUT"],
    "scripts/plot.py, help": [sys.executable, "scripts/plot.py", "--help"],
    "scripts/run.py": [sys.executable, "scripts/run.py", "tiny.json", "--num-steps", "1", "--no-plot", "--out", "OUT"],
    "scripts/run.py, help": [sys.executable, "scripts/run.py", "--help"],
}


@pytest.fixture(scope="module")
def made(cli, tmp_path_factory) -> Path:
    """A folder with a config and a run."""
    folder = tmp_path_factory.mktemp("made")
    config = write(folder / "tiny.json", TINY)
    result = cli(config, "--num-steps", 2, "--run-path", folder / "run", "--quiet")
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def call(root, made, train_bin, tmp_path):
    """Run one of the commands."""

    def run(command, **options) -> subprocess.CompletedProcess:
        def name(part: str) -> list[str]:
            if part == "TRAIN":
                return ["train"] if command[0] == sys.executable else []
            if part.startswith("OUT"):
                return [str(tmp_path / part.replace("OUT", "out"))]
            named = {"NATIVE": train_bin, "RUN": made / "run", "tiny.json": made / "tiny.json"}.get(part)
            if part.endswith("=RUN"):
                return [part.replace("RUN", str(made / "run"))]
            if named is None and part.startswith(("tests/", "scripts/")):
                named = root / part
            return [str(named or part)]

        words = [word for part in command for word in name(part)]
        options = {"cwd": tmp_path, "stderr": subprocess.PIPE, "text": True, "timeout": 120, "check": False} | options
        return subprocess.run(words, env={**os.environ, "TWISTERL_TRAIN_BIN": str(train_bin)}, **options)

    return run


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("title", COMMANDS)
def test_results_that_cannot_be_written_are_errors(title, call):
    with Path("/dev/full").open("w") as full:
        result = call(COMMANDS[title], stdout=full)
    assert result.returncode == 1, result.stderr
    assert "standard output: cannot write: No space left on device" in result.stderr
    assert not re.search("Traceback|panicked|Exception ignored", result.stderr)


@pytest.mark.parametrize("title", COMMANDS)
def test_a_reader_that_has_gone_away_is_no_error(title, call):
    reader, writer = os.pipe()
    os.close(reader)
    result = call(COMMANDS[title], stdout=writer)
    os.close(writer)
    assert result.returncode == 0, result.stderr
    assert not re.search("error|Error|Traceback|panicked|Exception ignored", result.stderr)


@pytest.mark.parametrize("title", [title for title in COMMANDS if re.search("train|run.py|plot", title)])
def test_nothing_depends_on_the_reader_of_messages(title, call):
    reader, writer = os.pipe()
    os.close(reader)
    with subprocess.Popen(["true"]):  # the descriptors of others do not matter
        result = call(COMMANDS[title], stdout=subprocess.PIPE, stderr=writer)
    os.close(writer)
    assert result.returncode == 0
    assert result.stdout


@pytest.mark.parametrize("program", [["NATIVE"], [*PYTHON, "train"]])
def test_training_does_not_notice_that_its_reader_goes_away(program, call, made, tmp_path):
    quiet = call([*program, "tiny.json", "--num-steps", "40", "--run-path", "OUT-quiet", "--quiet"])
    assert quiet.returncode == 0, quiet.stderr
    reader, writer = os.pipe()
    with os.fdopen(reader) as lines:
        child = subprocess.Popen(["head", "-n", "1"], stdin=lines, stdout=subprocess.PIPE, text=True)
    result = call([*program, "tiny.json", "--num-steps", "40", "--run-path", "OUT"], stdout=writer, stderr=writer)
    os.close(writer)
    assert child.communicate()[0].startswith("iteration 1/40")
    assert result.returncode == 0
    for name in ("policy.safetensors", "train.safetensors"):
        one, other = (tmp_path / run / "checkpoint_last" / name for run in ("out", "out-quiet"))
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("program", [[*PYTHON, "plot"], [sys.executable, "scripts/plot.py"]], ids=["plot", "plot.py"])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "utf-16-le"])
def test_results_are_written_in_the_encoding_of_the_output(program, encoding, call, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    command = [*program, "ü…=RUN", "--no-plot", "--out", "OUT-ß"]
    result = call(command, stdout=subprocess.PIPE, text=False)
    assert result.returncode == 0, result.stderr
    said = result.stdout.decode(encoding)
    escaped = {"ascii": (r"\xfc\u2026", r"out-\xdf"), "latin-1": (r"ü\u2026", "out-ß")}
    label, folder = escaped.get(encoding, ("ü…", "out-ß"))
    assert f"| {label} |" in said
    assert f"/{folder}\n" in said
    assert "ü…" in (tmp_path / "out-ß/results.md").read_text(encoding="utf-8")


NOTES = """
import sys, twisterl
twisterl.resume(sys.argv[1], num_steps=4)
"""


def test_notes_of_changed_configs_cannot_write_to_the_terminal(call, made, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(made / "run", run)
    config = json.loads((run / "config.json").read_text())
    config["algorithm"]["evals"][EVIL + "\nx"] = {"num_episodes": 2}
    (run / "config.json").write_text(json.dumps(config))
    result = call([sys.executable, "-c", NOTES, str(run)], stdout=subprocess.PIPE)
    assert result.returncode == 0, result.stderr
    assert_harmless(result, "note: ", SHOWN + r"\nx")
    assert not re.search("^x", result.stderr, re.MULTILINE)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_notes_that_cannot_be_written_are_no_error(call, made, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(made / "run", run)
    with Path("/dev/full").open("w") as full:
        result = call([sys.executable, "-c", NOTES, str(run)], stdout=subprocess.PIPE, stderr=full)
    assert result.returncode == 0
    assert json.loads((run / "checkpoint_last/state.json").read_text())["iteration"] == 4


@pytest.mark.parametrize("closed", ["1", "2", "1 2", "0 1 2"])
@pytest.mark.parametrize("program", [["NATIVE"], [*PYTHON, "train"]])
def test_closed_streams_do_not_end_up_in_files(program, closed, call, train_bin, tmp_path):
    closing = " ".join(f"{number}{'<' if number == '0' else '>'}&-" for number in closed.split())
    command = ["sh", "-c", f'exec "$@" {closing}', "sh", *program, "tiny.json", "--num-steps", "2", "--run-path", "OUT"]
    result = call(command, stdout=subprocess.PIPE)
    assert result.returncode == 0
    records = (tmp_path / "out/metrics.jsonl").read_text().splitlines()
    assert [json.loads(record)["iteration"] for record in records] == [0, 1, 2], "the last is the final evaluation"


# Text from outside

RED = "\x1b[31m"
EVIL = f"a{RED}b\x07\x9bc\u202ed\re\x7f"
SHOWN = r"a\u{1b}[31mb\u{7}\u{9b}c\u{202e}d\re\u{7f}"
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def assert_harmless(result: subprocess.CompletedProcess, *mentions: str) -> None:
    said = result.stdout + result.stderr
    assert not CONTROLS.search(said), said
    for mention in mentions:
        assert mention in said, said


def bare_policy(path: Path, root: Path, **changes) -> Path:
    """A policy file with other metadata."""
    data = (root / "tests/vectors/peer/ppo_puzzle8_v1.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = {**header.get("__metadata__", {}), **changes}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
    return path


@pytest.mark.parametrize("program", [["NATIVE"], PYTHON])
@pytest.mark.parametrize(
    ("config", "mentions"),
    [
        ({**TINY, EVIL: 1}, [SHOWN]),
        (changed(f"env.{EVIL}", 1), []),
        (changed("env_cls", EVIL), [SHOWN]),
        (changed("env.width", EVIL), []),
        (changed("policy_cls", EVIL), [SHOWN]),
        (changed("algorithm_cls", EVIL), []),
        (changed("algorithm.learning.diff_metric", EVIL), []),
        ({**TINY, "a\nerror: all is lost": 1}, [r"a\nerror: all is lost"]),
        ("{" + EVIL, []),
    ],
    ids=["key", "key of env", "env", "value", "policy", "algorithm", "metric", "newline", "no JSON"],
)
def test_configs_cannot_write_to_the_terminal(program, config, mentions, call, tmp_path):
    train = ["train"] if program == PYTHON else []
    write(tmp_path / "evil.json", config)
    result = call([*program, *train, "evil.json", "--run-path", "run", "--num-steps", "1"], stdout=subprocess.PIPE)
    assert result.returncode == 1
    assert_harmless(result, *mentions)


@pytest.mark.parametrize("program", [["NATIVE"], PYTHON])
def test_names_cannot_write_to_the_terminal(program, call, root, made, tmp_path):
    train = ["train"] if program == PYTHON else []
    name = EVIL + "\nx"
    shown = SHOWN + r"\nx"
    for command, code, mentions in [
        ([*train, name], 2, [shown]),
        ([*train, "tiny.json", "--run-path", name, "--num-steps", "1"], 0, [shown]),
        ([*train, "tiny.json", "--run-path", name, "--num-steps", "1"], 2, [shown]),
        ([*train, "--resume", name, "--num-steps", "2"], 0, [shown]),
        ([*train, "tiny.json", "--set", f"{EVIL}=1"], None, []),
        ([*train, "tiny.json", "--set", EVIL], 2, []),
        ([*train, "tiny.json", "--seed", EVIL], 2, [SHOWN]),
        ([*train, "tiny.json", f"--{EVIL}"], 2, [SHOWN]),
        (["convert", name, name + ".safetensors"], 0, [shown]),
        (["convert", name, name + ".txt"], 2, [shown]),
        (["solve", name + ".safetensors", "--state", EVIL], 2, []),
        (["solve", name + ".safetensors", "--state", "1,2"], 1, []),
        (["evaluate", name, "--states", name], 1, [shown]),
        (["evaluate", name, "--search", EVIL], 2, []),
        (["evaluate", name, "--env", EVIL], 1, []),
        (["envs", EVIL], 1, []),
    ]:
        result = call([*program, *command], stdout=subprocess.PIPE)
        assert code is None or result.returncode == code, (command, result)
        assert_harmless(result, *mentions)


@pytest.mark.parametrize("program", [["NATIVE"], PYTHON])
@pytest.mark.parametrize("key", ["env_cls", "env", "network", "twists", "format", "version"])
def test_policies_cannot_write_to_the_terminal(program, key, call, root, tmp_path):
    path = bare_policy(tmp_path / "evil.safetensors", root, **{key: EVIL})
    for command in (["solve", path, "--state", BOARD], ["convert", path, "out.safetensors"]):
        assert_harmless(call([*program, *map(str, command)], stdout=subprocess.PIPE))


def test_plots_show_control_characters(call, made, tmp_path):
    pytest.importorskip("matplotlib")
    records = [json.loads(line) for line in (made / "run/metrics.jsonl").read_text().splitlines()]
    run = tmp_path / f"{EVIL}\nx"
    run.mkdir()
    for record in records:
        record["evals"] = {EVIL: record["evals"]["ppo_1"]}
    (run / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    result = call([*PYTHON, "plot", run.name, "--formats", "svg", "--out", run.name + ".out"], stdout=subprocess.PIPE)
    assert result.returncode == 0, result.stderr
    assert_harmless(result, r"a\u{1b}[31mb")
    files = sorted((tmp_path / (run.name + ".out")).iterdir())
    assert len(files) > 4
    for file in files:
        assert not CONTROLS.search(file.read_text()), file.name
    result = call([*PYTHON, "plot", EVIL + "none"], stdout=subprocess.PIPE)
    assert result.returncode == 1
    assert_harmless(result, SHOWN)


def test_exceptions_show_control_characters(tmp_path, root):
    import twisterl
    from twisterl.plotting import terminal

    assert terminal.escape_controls(EVIL + "\n\tx") == SHOWN + r"\n\tx"
    assert terminal.escape_lines(EVIL + "\n\tx") == SHOWN + "\n\tx"
    assert twisterl._core.escape_lines(EVIL + "\n\tx") == SHOWN + "\n\tx"
    for fails in (
        lambda: twisterl.load_policy(tmp_path / EVIL),
        lambda: twisterl.load_run(tmp_path / EVIL),
        lambda: twisterl.train({**TINY, EVIL: 1}, tmp_path / "run"),
        lambda: twisterl.envs.make(EVIL),
        lambda: twisterl.train(tmp_path / (EVIL + ".json")),
    ):
        with pytest.raises(twisterl.TwisteRLError) as caught:
            fails()
        assert SHOWN in str(caught.value)
        assert not CONTROLS.search(str(caught.value))


ENV = f"""
class Loud:
    difficulty = 1
    def num_actions(self): return 2
    def obs_shape(self): return [8]
    def reset(self): self.steps = 0
    def set_state(self, state): self.steps = 0
    def step(self, action): raise ValueError({EVIL!r} + chr(10) + "second line")
    def observe(self): return [1]
    def masks(self): return [True, True]
    def reward(self): return 0.0
    def is_final(self): return False
    def success(self): return False
"""


def test_exceptions_of_environments_show_control_characters(call, tmp_path):
    (tmp_path / "loud.py").write_text(ENV)
    write(tmp_path / "loud.json", {**TINY, "env_cls": "loud.Loud", "env": {}})
    result = call([*PYTHON, "train", "loud.json", "--run-path", "run"], stdout=subprocess.PIPE)
    assert result.returncode == 1
    assert_harmless(result, SHOWN + r"\nsecond line", SHOWN + "\nsecond line", "Traceback")
