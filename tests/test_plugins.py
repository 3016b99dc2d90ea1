"""Environments of plugins: native libraries in the command line, and classes of extensions in Python."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import twisterl
from cli_configs import assert_refused, write
from modules import compile_c
from tiny_runs import timeless


@pytest.fixture(scope="module")
def library(train_bin, tmp_path_factory) -> Path:
    """The library of examples/grid_world, which cargo builds with the workspace."""
    endings = {"linux": ("lib", ".so"), "darwin": ("lib", ".dylib"), "win32": ("", ".dll")}
    before, after = endings[sys.platform]
    built = train_bin.with_name(f"{before}grid_world{after}")
    if not built.is_file():
        built = train_bin.parent / "deps" / built.name
    assert built.is_file(), "no library of grid_world; run `cargo build --workspace` or scripts/check.sh"
    return Path(shutil.copy(built, tmp_path_factory.mktemp("library") / built.name))


def config(root, env_cls, **changes) -> dict:
    """The config of examples/grid_world, for a short run."""
    own = json.loads((root / "examples/grid_world/config.json").read_text())
    return {**own, "env_cls": str(env_cls), "num_iterations": 4, **changes}


def test_a_library_is_trained_evaluated_solved_checked_and_resumed(cli, root, tmp_path, library):
    file = write(tmp_path / "config.json", config(root, f"./{library.name}"))
    options = {"cwd": library.parent}
    for run, steps in (("whole", 4), ("parts", 2)):
        result = cli("train", file, "--run-path", tmp_path / run, "--num-steps", steps, "--quiet", **options)
        assert result.returncode == 0, result.stderr
    resumed = cli("--resume", tmp_path / "parts", "--num-steps", 4, "--trust", "--quiet", **options)
    assert resumed.returncode == 0, resumed.stderr
    assert timeless(tmp_path / "whole") == timeless(tmp_path / "parts")
    solved = cli("solve", tmp_path / "whole", "--state", "0,24", "--search", "beam=32", "--trust", **options)
    assert solved.returncode == 0, solved.stderr
    assert "right" in solved.stdout
    evaluated = cli("evaluate", tmp_path / "whole", "--num-episodes", 20, "--trust", **options)
    assert evaluated.returncode == 0, evaluated.stderr
    for command in ("check", "envs"):
        shown = cli(command, f"./{library.name}", **options)
        assert shown.returncode == 0, shown.stderr
    assert "max_steps" in shown.stdout


def test_files_do_not_load_libraries_unless_they_are_trusted(cli, root, tmp_path, library):
    """A run that names a library is data: whoever opens it says whether its code may run."""
    file = write(tmp_path / "config.json", config(root, library))
    assert cli("train", file, "--run-path", tmp_path / "run", "--num-steps", 1, "--quiet").returncode == 0
    for args in (["solve", tmp_path / "run", "--state", "0,24"], ["evaluate", tmp_path / "run"]):
        assert_refused(cli(*args), "code of its own", "--trust")
    assert_refused(cli("--resume", tmp_path / "run"), "code of its own")
    with pytest.raises(twisterl.errors.UnknownEnvError):
        twisterl.load_policy(tmp_path / "run").solve([0, 24])
    assert twisterl.load_policy(tmp_path / "run", trust=True).solve([0, 24]).actions


@pytest.mark.parametrize(
    ("make", "mentions"),
    [
        (lambda folder: folder / "missing.so", ["the path of a native library", "No such file"]),
        (lambda folder: write(folder / "text.so", "no library"), ["a native library with an environment"]),
        (lambda folder: folder, ["folder.so"]),
    ],
)
def test_what_is_no_plugin_is_refused(cli, root, tmp_path, make, mentions):
    folder = tmp_path / "folder.so"
    folder.mkdir()
    file = write(tmp_path / "config.json", config(root, make(folder)))
    assert_refused(cli(file, "--run-path", tmp_path / "run"), "env_cls", *mentions)
    assert not (tmp_path / "run").exists()


def test_parameters_of_libraries_are_checked_by_them(cli, root, tmp_path, library):
    for env, mention in (({"height": 1}, "env.height: expected 2 to 64, found 1"), ({"hight": 3}, "hight")):
        file = write(tmp_path / "config.json", config(root, library, env=env))
        assert_refused(cli(file, "--run-path", tmp_path / "run"), mention)


C_PLUGIN = """
#define TE_HAVE_KEYS
#include "twisterl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A counter from 0 to 9 that a step raises or lowers by one; 9 solves it. */
struct te_instance {
    int slots, *value, *left;
    uint8_t *scratch, key[32];
    int32_t *named, *flags;
    uint32_t *choice, *offsets, *ones;
    float *rewards;
    uint8_t *masks;
    double state[1];
    uint64_t *keys;
    char text[32];
    te_text described, shown, failed;
    te_layout layout;
};

static const char DESCRIPTION[] =
    "{\\"name\\": \\"Counter\\", \\"observation\\": {\\"type\\": \\"sparse_binary\\", \\"shape\\": [10]},"
    " \\"actions\\": [{\\"type\\": \\"discrete\\", \\"n\\": 2}], \\"curriculum\\": true, \\"measures_success\\": true,"
    " \\"state\\": 1, \\"inverses\\": [1, 0]}";

static te_instance *counter_create(const void *context) {
    (void)context;
    return calloc(1, sizeof(te_instance));
}
static void counter_destroy(te_instance *e) { free(e); }
static uint8_t *counter_scratch(te_instance *e, int32_t bytes) {
    return e->scratch = realloc(e->scratch, (size_t)bytes + 1);
}
static int32_t fail(te_instance *e, const char *text, int32_t code) {
    e->failed = (te_text){text, strlen(text)};
    return code;
}
static int32_t counter_init(te_instance *e, int32_t len, int32_t slots) {
    if (len != 2) return fail(e, "{\\"expected\\": \\"no parameters\\", \\"found\\": \\"some\\"}", TE_FAILED);
    size_t n = (size_t)slots;
    e->slots = slots;
    e->value = calloc(n, sizeof(int)), e->left = calloc(n, sizeof(int));
    e->named = calloc(2 * n, 4), e->flags = calloc(n, 4), e->choice = calloc(n, 4);
    e->offsets = calloc(n + 1, 4), e->ones = calloc(n, 4), e->rewards = calloc(n, 4);
    e->masks = calloc(2 * n, 1), e->keys = calloc(n, 8);
    e->layout = (te_layout){TE_ABI, e->key, e->named, e->choice, 0, e->rewards, e->flags, e->offsets, e->ones, 0,
                            e->masks, e->state, e->keys, 0};
    return TE_OK;
}
static const te_text *counter_describe(te_instance *e) {
    e->described = (te_text){DESCRIPTION, sizeof DESCRIPTION - 1};
    return &e->described;
}
static const te_layout *counter_layout(te_instance *e) { return &e->layout; }
static int32_t counter_begin(te_instance *e, int32_t slot, int32_t kind, int32_t difficulty) {
    int value = difficulty > 9 ? 0 : 9 - difficulty;
    if (kind == TE_STATE) {
        double given = e->named[0] == 1 ? e->state[0] : -1;
        if (!(given >= 0 && given <= 9 && floor(given) == given)) return fail(e, "a number from 0 to 9", TE_REFUSED);
        value = (int)given;
    }
    e->value[slot] = value, e->left[slot] = 20;
    return value == 9 ? TE_SOLVED : 0;
}
static int32_t counter_step(te_instance *e, int32_t n) {
    for (int i = 0; i < n; i++) {
        int slot = e->named[i], *value = &e->value[slot];
        if (e->choice[i] == 0 && *value < 9) ++*value;
        if (e->choice[i] == 1 && *value > 0) --*value;
        int solved = *value == 9, out = --e->left[slot] <= 0;
        e->rewards[i] = solved ? 1.0f : -0.05f;
        e->flags[i] = solved ? TE_TERMINATED | TE_SOLVED : out ? TE_TRUNCATED : 0;
    }
    return TE_OK;
}
static int32_t counter_observe(te_instance *e, int32_t n) {
    for (int i = 0; i < n; i++) {
        int value = e->value[e->named[i]];
        e->offsets[i + 1] = (uint32_t)i + 1, e->ones[i] = (uint32_t)value;
        e->masks[2 * i] = 1, e->masks[2 * i + 1] = value > 0;
    }
    return TE_OK;
}
static int32_t counter_copy(te_instance *e, int32_t n) {
    for (int i = 0; i < n; i++) {
        int from = e->named[2 * i], to = e->named[2 * i + 1];
        e->value[to] = e->value[from], e->left[to] = e->left[from];
    }
    return TE_OK;
}
static int32_t counter_state(te_instance *e, int32_t slot) { return e->state[0] = e->value[slot], 1; }
static int32_t counter_keys(te_instance *e, int32_t n) {
    for (int i = 0; i < n; i++) e->keys[i] = 0x9e3779b97f4a7c15u * (uint64_t)(e->value[e->named[i]] + 1);
    return TE_OK;
}
static const te_text *counter_render(te_instance *e, int32_t slot) {
    e->shown = (te_text){e->text, (uintptr_t)snprintf(e->text, sizeof e->text, "counter at %d", e->value[slot])};
    return &e->shown;
}
static const te_text *counter_action_name(te_instance *e, int32_t choice) {
    e->shown = choice ? (te_text){"down", 4} : (te_text){"up", 2};
    return &e->shown;
}
static const te_text *counter_error(te_instance *e) { return &e->failed; }

TE_EXPORT_ENVIRONMENT(counter)
"""


@pytest.fixture(scope="module")
def counter(root, tmp_path_factory) -> Path:
    """A library in C, by the published header alone."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("counter")
    source = write(folder / "counter.c", C_PLUGIN)
    header = root / "crates/twisterl-plugin/include"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-O2", f"-I{header}"]
    subprocess.run(["cc", *flags, source, "-o", folder / "libcounter.so", "-lm"], check=True, timeout=60)
    return folder / "libcounter.so"


def test_an_environment_without_states_and_keys_is_searched(cli, tmp_path, counter):
    """Each state counts as another then."""
    source = (counter.parent / "counter.c").read_text()
    for has in ("#define TE_HAVE_KEYS\n", '\\"state\\": 1, '):
        assert has in source
        source = source.replace(has, "")
    write(tmp_path / "counter.c", source)
    compile_c(tmp_path / "counter.c", tmp_path / "libcounter.so", "-shared", "-fPIC", "-Wno-unused", "-lm")
    config = {
        "env_cls": str(tmp_path / "libcounter.so"),
        "policy": {"embedding_size": 8, "common_layers": [8]},
        "algorithm_cls": "AZ",
        "algorithm": {
            "collecting": {"num_episodes": 8, "num_mcts_searches": 8},
            "evals": {"tree": {"num_episodes": 8, "num_mcts_searches": 16}},
            "learning": {"diff_metric": "tree"},
        },
        "num_iterations": 2,
    }
    result = cli("train", write(tmp_path / "config.json", config), "--run-path", tmp_path / "run", "--quiet")
    assert result.returncode == 0, result.stderr
    searched = cli("evaluate", tmp_path / "run", "--trust", "--search", "beam=4", "--num-episodes", 4)
    assert searched.returncode == 0, searched.stderr
    assert "4 of 4 solved" in searched.stdout


def test_a_library_in_c_keeps_the_contract_and_is_learned(cli, tmp_path, counter):
    checked = cli("check", counter)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    short = {"policy": {"embedding_size": 16, "common_layers": [16]}, "num_iterations": 30}
    algorithm = {
        "collecting": {"num_envs": 64, "rollout_length": 16},
        "learning": {"diff_metric": "greedy", "diff_threshold": 0.9, "diff_max": 9},
        "evals": {"greedy": {"num_episodes": 50, "deterministic": True}},
        "optimizer": {"lr": 0.01},
    }
    file = write(tmp_path / "config.json", {"env_cls": str(counter), **short, "algorithm": algorithm})
    result = cli("train", file, "--run-path", tmp_path / "run", "--quiet")
    assert result.returncode == 0, result.stderr
    solved = cli("solve", tmp_path / "run", "--state", "0", "--trust")
    assert solved.returncode == 0, solved.stdout + solved.stderr
    assert "counter at 9" in solved.stdout
    assert solved.stdout.count(" up") == 9
    assert_refused(cli("solve", tmp_path / "run", "--state", "12", "--trust"), "a number from 0 to 9")
    # It declares inverses, from which walks are made.
    walks = {"env_cls": str(counter), "algorithm_cls": "BackwardScramble", **short, "num_iterations": 3}
    result = cli("train", write(tmp_path / "walks.json", walks), "--run-path", tmp_path / "walks", "--quiet")
    assert result.returncode == 0, result.stderr
    file = write(tmp_path / "params.json", {"env_cls": str(counter), "env": {"size": 3}, **short})
    assert_refused(cli(file, "--run-path", tmp_path / "none"), "env: expected no parameters, found some")


@pytest.fixture(scope="module")
def extension(root, train_bin, tmp_path_factory) -> dict[str, str]:
    """The environment of a process that can import the extension of examples/grid_world."""
    folder = tmp_path_factory.mktemp("extension")
    # Not the folder of the workspace: such libraries have no hash in their names, and one would replace the other.
    target = (train_bin.parents[1] if train_bin.parent.name == "debug" else folder) / "extension"
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    command = [sys.executable, "-m", "maturin", "build", "--profile", "dev", "--interpreter", sys.executable]
    options = {"cwd": root / "examples/grid_world", "timeout": 1200, "capture_output": True, "text": True}
    built = subprocess.run([*command, "--out", folder], env=environment, check=False, **options)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        folder / "site",
    ]
    subprocess.run([*install, wheel], check=True, timeout=120)
    return {**os.environ, "PYTHONPATH": str(folder / "site")}


PROGRAM = """
import copy, json, sys
import grid_world, numpy as np, pytest, twisterl

config = json.loads(sys.argv[1])
env = grid_world.GridWorld(height=3)
observation, info = env.reset(seed=3)
again = grid_world.GridWorld(height=3)
assert (again.reset(seed=3)[0] == observation).all()
assert observation.shape == (2, 3, 5) and observation.dtype == np.int8
assert env.observation_space.contains(observation) and env.action_space.n == env.num_actions() == 4
assert list(info["action_mask"]) == env.masks()
env.set_state([0, 14])
assert env.observe() == [0, 29] and env.get_state() == [0, 14] and env.obs_shape() == [2, 3, 5]
other = copy.copy(env)
observation, reward, terminated, truncated, info = env.step(2)
assert (env.get_state(), other.get_state()) == ([1, 14], [0, 14])
assert reward == env.reward() == np.float32(-0.5 / 64) and not (terminated or truncated or env.is_final())
env.difficulty = 3
assert env.difficulty == 3 and len(env.twists()[1]) == 2 and "A" in env.render()
for wrong in ({"height": 1}, {"hight": 3}):
    with pytest.raises(ValueError, match="h"):
        grid_world.GridWorld(**wrong)
with pytest.raises(ValueError, match="expected 0 to 3, found 4"):
    env.step(4)

# It runs natively: no method of its class is called.
run = twisterl.train(config, "by_name", quiet=True)
assert run.policy.env_cls == "grid_world.GridWorld"
for algorithm in ("AZ", "ES"):
    twisterl.train({"env_cls": "grid_world.GridWorld", "algorithm_cls": algorithm, "policy": config["policy"],
                    "num_iterations": 2}, algorithm, quiet=True)
twisterl.train(env=grid_world.GridWorld, steps=1000, quiet=True)
by_object = twisterl.train(env=env, steps=1000, quiet=True)
assert by_object.policy.make_env().params["height"] == 3
assert len(run.policy.solve([0, 24], search="beam=32").actions) == 8


class Slower(grid_world.GridWorld):
    steps = 0

    def step(self, action):
        Slower.steps += 1
        return super().step(action)


twisterl.train(env=Slower, steps=200, quiet=True)
assert Slower.steps > 0
"""


@pytest.mark.slow
def test_an_extension_is_stepped_from_python_and_trained_natively(root, cli, library, extension, tmp_path):
    own = config(root, "grid_world.GridWorld", seed=5)
    command = [sys.executable, "-c", PROGRAM, json.dumps(own)]
    options = {"cwd": tmp_path, "env": extension, "capture_output": True, "text": True, "timeout": 300, "check": False}
    result = subprocess.run(command, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    file = write(tmp_path / "config.json", {**own, "env_cls": str(library)})
    assert cli("train", file, "--run-path", tmp_path / "library", "--quiet").returncode == 0
    assert timeless(tmp_path / "by_name") == timeless(tmp_path / "library")


WITHOUT_GYMNASIUM = """
import sys
sys.modules["gymnasium"] = None  # as where it is not installed
import twisterl

run = twisterl.train({"env_cls": "grid_world.GridWorld", "num_iterations": 2}, "run", quiet=True)
assert run.policy.env_cls == "grid_world.GridWorld"
assert twisterl.check_env("grid_world.GridWorld").episodes > 0
"""


@pytest.mark.slow
def test_an_extension_is_trained_without_gymnasium(extension, tmp_path):
    command = [sys.executable, "-c", WITHOUT_GYMNASIUM]
    options = {"cwd": tmp_path, "env": extension, "capture_output": True, "text": True, "timeout": 300, "check": False}
    result = subprocess.run(command, **options)
    assert result.returncode == 0, result.stdout + result.stderr
