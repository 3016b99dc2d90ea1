"""Environments in WebAssembly modules: training, policies, the sandbox, repositories, and the headers for C."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import twisterl
from cli_configs import assert_refused, write
from modules import build, compile_c, sanitized, write_line
from processes import SLACK, hear_ctrl_c, wait_until, wait_until_busy
from tiny_runs import TINY, timeless

SPIN = "(loop $again (br $again)) "


@pytest.fixture(scope="module")
def puzzle(tmp_path_factory):
    return build("puzzle_c", tmp_path_factory.mktemp("modules"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/twisterl/environments"


@pytest.mark.parametrize(
    "name", ["puzzle_c", "puzzle_as", "sokoban", "cube2", pytest.param("puzzle_rust", marks=pytest.mark.slow)]
)
def test_the_environments_keep_the_contract(cli, tmp_path, name):
    result = cli("check", build(name, tmp_path))
    assert result.returncode == 0, result.stderr
    assert "keeps the contract" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["puzzle_c", "puzzle_as", "puzzle_rust"])
def test_puzzles_of_all_languages_train_to_the_same_metrics(cli, tmp_path, name):
    file = write(tmp_path / "config.json", {**TINY, "env": {"width": 3, "height": 2, "difficulty": 3}})
    for run, env_cls in [("native", "Puzzle"), ("guest", build(name, tmp_path))]:
        options = ["--set", f"env_cls={env_cls}", "--num-steps", 3, "--quiet", "--run-path", tmp_path / run]
        result = cli("train", file, *options)
        assert result.returncode == 0, result.stderr
    assert timeless(tmp_path / "native") == timeless(tmp_path / "guest")


def test_a_module_is_trained_evaluated_solved_and_resumed(cli, tmp_path, puzzle):
    shutil.copy(puzzle, tmp_path / "puzzle.wasm")
    # The module lies beside the config, not in the current folder.
    file = write(tmp_path / "config.json", {**TINY, "env_cls": "./puzzle.wasm", "env_sandbox": {"memory_mib": 16}})
    for run, steps in (("whole", 4), ("parts", 2)):
        result = cli("train", file, "--run-path", tmp_path / run, "--num-steps", steps, "--quiet")
        assert result.returncode == 0, result.stderr
    assert_refused(cli("--resume", tmp_path / "parts", "--num-steps", 4), "code of its own", "--trust")
    resumed = cli("--resume", tmp_path / "parts", "--num-steps", 4, "--trust", "--quiet")
    assert resumed.returncode == 0, resumed.stderr
    assert timeless(tmp_path / "whole") == timeless(tmp_path / "parts")
    for flags in (["--trust"], ["--env", puzzle]):
        for command in (["solve", "--state", "1,2,3,0"], ["evaluate", "--num-episodes", 20]):
            result = cli(command[0], tmp_path / "whole", *command[1:], *flags)
            assert "panicked" not in result.stderr
            assert result.returncode == 0 or "state: expected a board that moves can solve" in result.stderr
    with (tmp_path / "puzzle.wasm").open("ab") as module:
        module.write(b"\0\1\0")  # a custom section without a name
    for args in (["--resume", tmp_path / "parts", "--num-steps", 5], ["evaluate", tmp_path / "parts"]):
        assert_refused(cli(*args, "--trust"), "with which this was trained", "found one of sha256")


def test_python_trains_and_loads_modules(tmp_path, puzzle):
    config = {**TINY, "env_cls": str(puzzle), "num_iterations": 2}
    run = twisterl.train(config, run_path=tmp_path / "run", quiet=True)
    native = twisterl.train({**config, "env_cls": "Puzzle"}, run_path=tmp_path / "native", quiet=True)
    assert timeless(tmp_path / "run") == timeless(tmp_path / "native")
    state = [1, 0, 2, 3]
    assert run.policy.solve(state).actions == native.policy.solve(state).actions
    with pytest.raises(twisterl.UnknownEnvError):
        twisterl.load_policy(tmp_path / "run").solve(state)
    for options in ({"trust": True}, {"env": str(puzzle)}):
        assert twisterl.load_policy(tmp_path / "run", **options).solve(state).actions == run.policy.solve(state).actions


def test_python_finds_the_module_of_a_config_file_and_trains_modules_by_path(tmp_path, puzzle, monkeypatch):
    shutil.copy(puzzle, tmp_path / "puzzle.wasm")
    file = write(tmp_path / "config.json", {**TINY, "env_cls": "./puzzle.wasm", "num_iterations": 1})
    twisterl.train(file, run_path=tmp_path / "run", quiet=True)
    recorded = json.loads((tmp_path / "run/config.json").read_text())
    assert recorded["env_cls"].startswith(f"{tmp_path}/puzzle.wasm#sha256=")
    monkeypatch.chdir(tmp_path)
    for env in ("./puzzle.wasm", tmp_path / "puzzle.wasm"):
        run = twisterl.train(env, num_steps=1, quiet=True)
        assert run.path.name.startswith("puzzle")


def test_an_endless_loop_ends_and_the_run_can_be_resumed(cli, tmp_path):
    module = write_line(
        tmp_path / "line.wasm", f"(if (f64.eq (f64.load (i32.const 4352)) (f64.const 0)) (then {SPIN}))"
    )
    config = {**TINY, "env_cls": str(module), "env": {}}
    begun = time.monotonic()
    result = cli("train", write(tmp_path / "config.json", config), "--run-path", tmp_path / "run", "--quiet")
    assert_refused(result, "te_step returns: no result after", "raise env_sandbox.fuel_per_call")
    assert time.monotonic() - begun < SLACK
    assert (tmp_path / "run/checkpoint_last").is_dir()


COUNT = "(i32.store (i32.const 6000) (i32.add (i32.load (i32.const 6000)) (i32.const 1)))"


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("begun", [False, True])
def test_ctrl_c_ends_a_call_into_a_module(train_bin, tmp_path, begun):
    """In the first call of all, and in a run with a checkpoint."""
    later = f"{COUNT} (if (i32.gt_u (i32.load (i32.const 6000)) (i32.const 2000)) (then {SPIN}))"
    module = write_line(tmp_path / "line.wasm", later if begun else SPIN)
    config = {**TINY, "env_cls": str(module), "env": {}, "env_sandbox": {"fuel_per_call": 10**15}}
    config["algorithm"] = {**TINY["algorithm"], "logging": {"checkpoint_freq": 1}}
    config["algorithm"]["collecting"] = {"num_cores": 1, "num_episodes": 16, "max_steps": 100}
    file = write(tmp_path / "config.json", config)
    command = [train_bin, "train", file, "--run-path", tmp_path / "run"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=hear_ctrl_c)
    if begun:
        wait_until((tmp_path / "run/checkpoint_last").is_dir, process)
    wait_until_busy(process, 1.5)
    since = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert b"panicked" not in said
    assert time.monotonic() - since < SLACK


def test_repositories(cli, tmp_path, cache, puzzle):
    published = cli("env", "publish", puzzle, "--index", tmp_path / "repository")
    assert published.returncode == 0, published.stderr
    index = json.loads((tmp_path / "repository/index.json").read_text())
    [entry] = index["environments"]
    assert (entry["name"], entry["version"], entry["interface"], entry["licence"]) == (
        "Puzzle",
        "1.0",
        "1.1",
        "Apache-2.0",
    )
    assert entry["path"] == "Puzzle-1.0.wasm"
    assert "Puzzle@1.0" in cli("env", "list", "--index", tmp_path / "repository").stdout
    assert entry["sha256"] in cli("env", "info", "Puzzle@1", "--index", f"file://{tmp_path}/repository").stdout
    assert_refused(cli("train", "wasm:Puzzle@1.0"), "`env add` adds environments to it")
    added = cli("env", "add", "Puzzle@1.0", "--index", tmp_path / "repository")
    assert '"env_cls": "wasm:Puzzle@1.0"' in added.stdout, added.stderr
    assert "Puzzle@1.0" in cli("env", "list").stdout
    assert "keeps the contract" in cli("env", "check", "Puzzle").stdout
    file = write(tmp_path / "config.json", {**TINY, "env_cls": "wasm:Puzzle@1"})
    trained = cli("train", file, "--run-path", tmp_path / "run", "--num-steps", 1, "--quiet")
    assert trained.returncode == 0, trained.stderr
    recorded = json.loads((tmp_path / "run/config.json").read_text())
    assert recorded["env_cls"] == f"wasm:Puzzle@1.0#sha256={entry['sha256']}"
    with (cache / f"{entry['sha256']}.wasm").open("ab") as module:
        module.write(b"\0")
    assert_refused(cli("--resume", tmp_path / "run", "--num-steps", 2, "--trust"), "and sha256")
    assert_refused(cli("env", "list", "--index", "https://example.org"), "loads nothing from the web")
    assert_refused(cli("env", "info", tmp_path / "none.wasm"), "there is no such file")


@pytest.mark.skipif(sys.platform != "linux", reason="a preloaded sanitizer")
@pytest.mark.parametrize("name", ["puzzle", "sokoban", "cube2"])
def test_the_environments_in_c_pass_the_sanitizers(cli, root, tmp_path, name):
    library, loaded = sanitized(root / f"environments/c/{name}.c", tmp_path / f"lib{name}.so")
    result = cli("check", library, env={**os.environ, **loaded})
    assert result.returncode == 0, result.stderr
    assert "keeps the contract" in result.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="a preloaded sanitizer")
def test_the_sanitizers_find_a_wild_access(cli, root, tmp_path):
    text = (root / "environments/c/puzzle.c").read_text()
    found = "p->frame.best[i] = solved ?"
    assert found in text
    (tmp_path / "puzzle.c").write_text(text.replace(found, "p->frame.best[i + 100000] = solved ?"))
    library, loaded = sanitized(tmp_path / "puzzle.c", tmp_path / "libpuzzle.so")
    result = cli("check", library, env={**os.environ, **loaded})
    assert result.returncode != 0
    assert "AddressSanitizer" in result.stderr


def test_the_commands_of_the_readme_publish_and_train(train_bin, root, tmp_path, cache):
    build("cube2", tmp_path)
    page = (root / "environments/README.md").read_text()
    commands = [line.strip() for line in page.splitlines() if line.startswith("    ")]
    assert len(commands) == 4
    for command in commands:
        name, *words = command.split()
        program = train_bin if name == "twisterl-train" else root / name
        words += ["--num-steps", "1", "--quiet"] if words[0] == "train" else []
        result = subprocess.run(
            [program, *words], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
        )
        assert result.returncode == 0, result.stderr
    index = json.loads((tmp_path / "repository/index.json").read_text())["environments"]
    assert [entry["path"] for entry in index] == ["Cube2-1.0.wasm", "Puzzle-1.0.wasm", "Sokoban-1.0.wasm"]
    for entry in index:
        module = (tmp_path / "repository" / entry["path"]).read_bytes()
        assert (entry["sha256"], entry["size"]) == (hashlib.sha256(module).hexdigest(), len(module))
    assert [entry["actions"][0]["n"] for entry in index] == [9, 4, 4]


def test_random_numbers_in_c_are_those_of_rust(root, tmp_path):
    source = tmp_path / "draw.c"
    source.write_text(
        """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "twisterl_random.h"

int main(int count, char **texts) {
    uint8_t key[32];
    for (int i = 0; i < 4; i++) {
        uint64_t word = strtoull(texts[1 + i], 0, 16);
        memcpy(key + 8 * i, &word, 8);
    }
    te_rng words = te_rng_of(key), odd = words, single = words, twice = words, below = words;
    for (int i = 0; i < 8; i++) printf("%u ", te_u32(&words));
    for (int i = 8; i < 1000; i++) te_u32(&words);
    for (int i = 0; i < 8; i++) printf("%u ", te_u32(&words));
    te_u32(&odd);
    for (int i = 0; i < 40; i++) printf("%llx ", (unsigned long long)te_u64(&odd));
    for (int i = 0; i < 8; i++) printf("%.9g ", te_f32(&single));
    for (int i = 0; i < 8; i++) printf("%.17g ", te_f64(&twice));
    for (uint32_t n = 1; n <= 40; n++) printf("%u ", te_below(&below, n));
    return count != 5;
}
"""
    )
    program = compile_c(source, tmp_path / "draw")
    for stream in json.loads((root / "tests/vectors/streams.json").read_text())["streams"]:
        drawn = subprocess.run([program, *stream["key"]], capture_output=True, text=True, check=True).stdout.split()
        assert [int(word) for word in drawn[:16]] == stream["words"] + stream["later"]
        assert drawn[16:56] == stream["wide"]
        # Shortest texts of single precision need not be equal as doubles.
        assert [float(number) for number in drawn[56:64]] == pytest.approx(stream["single"], rel=1e-7)
        assert [float(number) for number in drawn[64:72]] == stream["double"]
        assert [int(number) for number in drawn[72:]] == stream["below"]


def test_the_environments_of_the_documentation_keep_the_contract(cli, root, tmp_path):
    page = (root / "docs/plugins.md").read_text()
    [c] = [block for block in re.findall(r"```c\n(.*?)```", page, re.DOTALL) if "line_step" in block]
    (tmp_path / "line.c").write_text(c)
    library = compile_c(tmp_path / "line.c", tmp_path / "libline.so", "-shared", "-fPIC")
    result = cli("check", library)
    assert result.returncode == 0, result.stderr
    asc = shutil.which("asc")
    if not asc:
        pytest.skip("asc (npm install -g assemblyscript) is not installed")
    [script] = re.findall(r"```ts\n(.*?)```", page, re.DOTALL)
    (tmp_path / "line.ts").write_text(script)
    shutil.copy(root / "environments/assemblyscript/twisterl.ts", tmp_path)
    [command] = re.findall(r"^asc (line.ts .*)$", page, re.MULTILINE)
    subprocess.run([asc, *command.split()], cwd=tmp_path, check=True, timeout=120)
    result = cli("check", tmp_path / "line.wasm")
    assert result.returncode == 0, result.stderr
