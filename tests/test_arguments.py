"""Arguments of Python functions: flags and paths are checked by name, and messages speak of arguments, not of flags."""

import ast
import json
import os
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import twisterl
from odd_envs import CONFIG, Truth, plain
from tiny_runs import TINY

TRUTH = Truth((4,), (3,), 1)
STATE = [1, 0, 2, 3]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return twisterl.train(TINY, tmp_path_factory.mktemp("tiny") / "run", num_steps=1, quiet=True)


FLAGS = {
    "deterministic of solve": ("deterministic", lambda run, flag: run.policy.solve(STATE, deterministic=flag)),
    "deterministic of solve_batch": (
        "deterministic",
        lambda run, flag: run.policy.solve_batch([STATE], deterministic=flag),
    ),
    "deterministic of evaluate": ("deterministic", lambda run, flag: run.policy.evaluate([STATE], deterministic=flag)),
    "deterministic of act": ("deterministic", lambda run, flag: run.policy.act([1, 2], deterministic=flag)),
    "deterministic of act_batch": (
        "deterministic",
        lambda run, flag: run.policy.act_batch([[1, 2]], deterministic=flag),
    ),
    "backtracking": ("backtracking", lambda run, flag: run.policy.solve(STATE, search="greedy", backtracking=flag)),
    "trust of load_policy": ("trust", lambda run, flag: twisterl.load_policy(run.path, trust=flag)),
    "trust of Policy": ("trust", lambda run, flag: twisterl.Policy(run.path, trust=flag)),
    "trust of load_run": ("trust", lambda run, flag: twisterl.load_run(run.path, trust=flag)),
    "trust of resume": ("trust", lambda run, flag: twisterl.resume(run.path, num_steps=1, quiet=True, trust=flag)),
    "quiet of resume": ("quiet", lambda run, flag: twisterl.resume(run.path, num_steps=1, quiet=flag)),
    "quiet of train": (
        "quiet",
        lambda run, flag: twisterl.train(
            TINY, run.path.with_name(f"quiet-{os.urandom(4).hex()}"), num_steps=0, quiet=flag
        ),
    ),
    "trust of convert": (
        "trust",
        lambda run, flag: twisterl._core.convert(run.path, run.path / "a.safetensors", trust=flag),
    ),
}
YES = [True, 1, np.True_, np.int64(1), np.uint8(1)]
NO = [False, 0, np.False_, np.int8(0)]
WRONG = [
    "False",
    "no",
    "",
    "0",
    "true",
    2,
    -1,
    1.0,
    0.0,
    [],
    [True],
    {},
    np.array([True]),
    np.float32(1),
    b"1",
    object(),
]


@pytest.mark.parametrize("title", FLAGS)
def test_flags_are_booleans_or_zero_and_one(title, run):
    name, call = FLAGS[title]
    for flag in (*YES, *NO):
        call(run, flag)
    for flag in WRONG:
        with pytest.raises(twisterl.UsageError) as raised:
            call(run, flag)
        found = re.escape(repr(flag)[:100])
        assert re.fullmatch(f"{name}: expected True or False, found {found}", str(raised.value)), str(raised.value)


def test_flags_of_every_type_mean_what_they_say(run):
    drawn = {tuple(run.policy.solve(STATE, search=None, num_searches=1, seed=s).actions) for s in range(8)}
    assert len(drawn) > 1, "drawn differently"
    for flag in YES:
        assert len({tuple(run.policy.solve(STATE, deterministic=flag, seed=s).actions) for s in range(8)}) == 1
    for flag in NO:
        kept = {tuple(run.policy.solve(STATE, deterministic=flag, num_searches=1, seed=s).actions) for s in range(8)}
        assert kept == drawn


PATHS = {
    "load_policy": ("path", lambda path: twisterl.load_policy(path)),
    "Policy": ("path", lambda path: twisterl.Policy(path)),
    "load_policy, config": ("config", lambda path: twisterl.load_policy("x.safetensors", path)),
    "load_run": ("run_path", lambda path: twisterl.load_run(path)),
    "resume": ("run_path", lambda path: twisterl.resume(path)),
    "train": ("config", lambda path: twisterl.train(path)),
    "train, run_path": ("run_path", lambda path: twisterl.train(TINY, path, num_steps=0, quiet=True)),
    "train, load_checkpoint": (
        "load_checkpoint",
        lambda path: twisterl.train(TINY, "x", num_steps=0, quiet=True, load_checkpoint=path),
    ),
}


@pytest.mark.parametrize("title", PATHS)
def test_empty_paths_are_refused_by_name(title, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, call = PATHS[title]
    with pytest.raises(twisterl.UsageError, match=f"^{name}: expected a path, found an empty text$"):
        call("")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", [2**64, 2**64 + 2**20, 10**21])
def test_seeds_that_are_too_large_are_shown_as_whole_numbers(seed, tmp_path):
    # 2^64 + 2^20 is exact in double precision, which JSON has for it.
    message = f"^seed: expected a whole number from 0 to {2**64 - 1}, found {seed}(?=\n|$)"
    for call in (
        lambda: twisterl.train({**TINY, "seed": seed}, tmp_path / "run"),
        lambda: twisterl.train(TINY, tmp_path / "run", seed=seed),
        lambda: twisterl.train(TINY, tmp_path / "run", set={"seed": seed}),
    ):
        with pytest.raises(twisterl.TwisteRLError, match=message) as raised:
            call()
        assert "e+" not in str(raised.value)


@pytest.mark.parametrize("there", [True, False])
def test_run_folders_whose_path_ends_in_two_dots(there, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.json").write_text(json.dumps(TINY))
    if there:
        (tmp_path / "foo/bar").mkdir(parents=True)
    path = "foo/bar/.."
    found = "a new or empty folder, found one with files in it" if there else "ends in the name of the new folder"
    with pytest.raises(twisterl.UsageError, match=re.escape(path) + f": expected .*{found}"):
        twisterl.train(TINY, path, num_steps=0, quiet=True)
    done = cli("tiny.json", "--run-path", path, "--num-steps", 0)
    assert done.returncode == 2
    assert f"{path}: expected" in done.stderr
    assert found in done.stderr
    assert (tmp_path / "foo").exists() == there, "nothing is made"
    # Two dots within the path are what they are for the file system.
    (tmp_path / "here").mkdir()
    twisterl.train(TINY, "here/../new", num_steps=0, quiet=True)
    assert (tmp_path / "new/config.json").is_file()


# Messages speak of arguments of Python

FLAG = re.compile(r"(^|[\s`'\"(])--[a-z]")


def occupied(folder):
    folder.mkdir()
    (folder / "file").write_text("")
    twisterl.train(TINY, folder, num_steps=0)


def unfinished(folder):
    (folder / "checkpoint_last.new").mkdir(parents=True)
    (folder / "run.lock").write_text('{"pid": 999999, "host": "elsewhere", "starting": true}\n')
    twisterl._core.resume(folder)


def changed(folder):
    run = twisterl.train(TINY, folder, num_steps=0, quiet=True)
    config = {**run.config, "seed": 12345}
    (folder / "config.json").write_text(json.dumps(config))
    run.resume(quiet=True)


def untrusted(folder):
    twisterl.register("Known", plain(TRUTH))
    run = twisterl.train({**CONFIG, "env_cls": "Known"}, folder, num_steps=0, quiet=True)
    text = (folder / "checkpoint_last/policy.safetensors").read_bytes()
    other = folder / "other.safetensors"
    other.write_bytes(text.replace(b"Known", b"a.Bcd"))
    assert run.policy
    twisterl.load_policy(other).make_env()


def interrupted(folder):
    def stop(metrics):
        raise KeyboardInterrupt

    twisterl.train(TINY, folder, quiet=True, callback=stop)


MESSAGES = {
    "occupied": (occupied, "continue its run with twisterl.resume(", "run_path"),
    "unfinished": (unfinished, "start was not finished (start the run again in this folder)"),
    "changed": (changed, "load_checkpoint="),
    "untrusted": (untrusted, "env=", "trust=True", "twisterl.register"),
    "interrupted": (interrupted, "twisterl.resume("),
    "option": (lambda folder: twisterl.train(TINY, folder, num_steps=0).policy.solve(STATE, seconds=0), "seconds:"),
    "two options": (
        lambda folder: twisterl.train(TINY, folder, num_steps=0).policy.solve(
            STATE, search="beam=4", backtracking=False
        ),
        "backtracking:",
    ),
    "figures": (
        lambda folder: pytest.importorskip("matplotlib") and no_figure(folder),
        "expected runs with an evaluation in evaluation.json",
    ),
}


def no_figure(folder):
    from twisterl import plotting

    twisterl.train(TINY, folder, num_steps=1, quiet=True)
    plotting.solution_lengths(plotting.load_groups([folder]))


@pytest.mark.parametrize("title", MESSAGES)
def test_messages_name_arguments_of_python(title, tmp_path):
    work, *mentions = MESSAGES[title]
    with warnings.catch_warnings(record=True, action="always") as caught, pytest.raises(BaseException) as raised:  # noqa: PT011
        work(tmp_path / "run")
    message = str(raised.value)
    assert all(text in message for text in mentions), message
    for text in (message, *(str(warning.message) for warning in caught)):
        assert not FLAG.search(text), text


# Texts of the sources outside of the command line, which reach users of Python as well. `error.rs` of the binding words
# these three anew (`message`).
REWORDED = ("crates/twisterl-train/src/error/mod.rs", "crates/twisterl-core/src/error/mod.rs")


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_only_the_command_line_names_flags(root):
    found = set()
    for crate in ("twisterl-core", "twisterl-train", "twisterl-py"):
        for file in (root / "crates" / crate / "src").rglob("*.rs"):
            name = file.relative_to(root).as_posix()
            if "/cli/" in name or "tests" in name:
                continue
            code, _, _ = file.read_text().partition("#[cfg(test)]")
            lines = [line for line in code.splitlines() if not line.lstrip().startswith("//")]
            if any(re.search(r"--[a-z]", line) for line in lines):
                found.add(name)
    assert found == {*REWORDED}
    package = root / "crates/twisterl-py/python/twisterl"
    for file in package.rglob("*.py"):
        tree = ast.parse(file.read_text())
        texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        documents = [node.value.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and is_text(node.value)]
        flags = [text for text in texts if isinstance(text, str) and text not in documents and FLAG.search(text)]
        assert not flags or file.name in ("cli.py", "train.py", "__main__.py"), (file, flags)


# Figures

DRAW = """
import sys
from twisterl import plotting
figure = plotting.overview(plotting.load_groups([sys.argv[1]]))
plotting.save(figure, "figure", ["svg"])
print(len(figure._repr_png_()))
"""


def drawn(run, folder, settings):
    """Draw a figure in a folder with these settings of matplotlib. Return it as SVG, and its size as PNG."""
    (folder / "matplotlibrc").write_text(settings)
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    command = [sys.executable, "-c", DRAW, run.path]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (folder / "figure.svg").read_bytes(), int(done.stdout)


@pytest.fixture(scope="module")
def usual(run, tmp_path_factory):
    pytest.importorskip("matplotlib")
    return drawn(run, tmp_path_factory.mktemp("usual"), "")


@pytest.mark.parametrize(
    "settings", ["text.usetex: True\n", "backend: module://nowhere\n", "font.size: 40\nsavefig.bbox: tight\n"]
)
def test_settings_of_matplotlib_in_the_working_folder_do_not_change_figures(settings, usual, run, tmp_path):
    assert drawn(run, tmp_path, settings) == usual
