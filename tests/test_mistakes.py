"""Typical mistakes of users: each message names the place and the fix."""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import twisterl
from cli_configs import TINY, assert_refused, changed, write


def text_of(config: dict) -> str:
    return json.dumps(config, indent=4)


def marked(message: str, text: str) -> list[str]:
    """The texts that the markers of a message underline, in the file with this text."""
    lines = text.splitlines()
    found = []
    for line, column, carets in re.findall(r"--> [^\n]*:(\d+):(\d+)\n[^^]*?(\^+)", message):
        begin = int(column) - 1
        found.append(lines[int(line) - 1][begin : begin + len(carets)])
    return found


# A field of the config, its value, the text that the message underlines, and what the message says.
FIELDS = {
    "section of lr": ("algorithm.training.lr", 0.001, '"lr"', "did you mean `algorithm.optimizer.lr`?"),
    "learning_rate": ("algorithm.training.learning_rate", 1, '"learning_rate"', "`algorithm.optimizer.lr`?"),
    "learning_rate on top": ("learning_rate", 0.1, '"learning_rate"', "did you mean `algorithm.optimizer.lr`?"),
    "n_steps": ("algorithm.collecting.n_steps", 64, '"n_steps"', "did you mean `rollout_length`?"),
    "batch_size": ("algorithm.training.batch_size", 64, '"batch_size"', "did you mean `minibatch_size`?"),
    "section of gamma": ("algorithm.training.gamma", 0.9, '"gamma"', "did you mean `algorithm.collecting.gamma`?"),
    "gae_lambda": ("algorithm.collecting.gae_lambda", 0.9, '"gae_lambda"', "did you mean `lambda`?"),
    "clip_range": ("algorithm.training.clip_range", 0.2, '"clip_range"', "did you mean `clip_ratio`?"),
    "entropy_coef": ("algorithm.training.entropy_coef", 0, '"entropy_coef"', "did you mean `ent_coef`?"),
    "n_envs": ("algorithm.collecting.n_envs", 8, '"n_envs"', "did you mean `num_envs`?"),
    "n_epochs": ("algorithm.training.n_epochs", 8, '"n_epochs"', "did you mean `num_epochs`?"),
    "total_timesteps": ("total_timesteps", 8, '"total_timesteps"', "did you mean `num_iterations`?"),
    "num_steps": ("num_steps", 8, '"num_steps"', "did you mean `num_iterations`?"),
    "optimizer on top": ("optimizer", {"lr": 1}, '"optimizer"', "did you mean `algorithm.optimizer`?"),
    "env_id": ("env_id", "Puzzle", '"env_id"', "did you mean `env_cls`?"),
    "env as a name": (
        "env",
        "Puzzle",
        '"Puzzle"',
        'help: the name of the environment is the value of `env_cls`: "Puzzle"',
    ),
    "algorithm as a name": (
        "algorithm",
        "PPO",
        '"PPO"',
        "help: the name of the algorithm is the value of `algorithm_cls`",
    ),
    "policy as a name": ("policy", "MlpPolicy", '"MlpPolicy"', "help: the kind of policy is the value of `policy_cls`"),
    "misspelled key": ("algorithm.training.ent_coeff", 0, '"ent_coeff"', "did you mean `ent_coef`?"),
    "misspelled section": ("algoritm", {}, '"algoritm"', "did you mean `algorithm`?"),
    "key of an evaluation": ("algorithm.evals.ppo_1.episodes", 9, '"episodes"', "did you mean `num_episodes`?"),
    "hidden_sizes": ("policy.hidden_sizes", [8], '"hidden_sizes"', "did you mean `common_layers`?"),
    "case of a value": ("policy.activation", "ReLU", '"ReLU"', "did you mean `relu`?"),
    "value of torch": ("policy.activation", "leaky_relu", '"leaky_relu"', "did you mean `relu`?"),
    "schedule": ("algorithm.optimizer.schedule", "cosin", '"cosin"', "did you mean `cosine`?"),
    "start": ("algorithm.evals.ppo_1.start", "unifrom", '"unifrom"', "did you mean `uniform`?"),
    "PPO2": ("algorithm_cls", "PPO2", '"PPO2"', "did you mean `PPO`?"),
    "alphazero": ("algorithm_cls", "alphazero", '"alphazero"', "did you mean `AZ`?"),
    "MlpPolicy": ("policy_cls", "MlpPolicy", '"MlpPolicy"', "did you mean `BasicPolicy`?"),
    "layer": ("policy.layers", {"common": [{"type": "dense", "outputs": 8}]}, '"dense"', "did you mean `linear`?"),
    "metric": ("algorithm.learning.diff_metric", "pp_1", '"pp_1"', "did you mean `ppo_1`?"),
    "environment": ("env_cls", "Puzle", '"Puzle"', "did you mean `Puzzle`?"),
    "environment in words": ("env_cls", "sliding-puzzle", '"sliding-puzzle"', "did you mean `Puzzle`?"),
    "parameter": ("env.widht", 3, '"widht"', "did you mean `width`?"),
    "parameter in words": ("env.size", 3, '"size"', "did you mean `width`?"),
    "quoted number": ("env.height", "3", '"3"', "help: write 3, without quotes"),
    "quoted float": ("algorithm.optimizer.lr", "1e-3", '"1e-3"', "help: write 0.001, without quotes"),
    "float for a whole number": ("algorithm.training.num_epochs", 3.0, "3.0", "help: write 3"),
    "number for a list": ("policy.common_layers", 64, "64", "help: write [64]"),
    "text for a truth": (
        "algorithm.training.normalize_advantage",
        "True",
        '"True"',
        "help: write true, without quotes",
    ),
    "number for a truth": ("algorithm.logging.tensorboard", 0, "0", "help: write false"),
    "null": ("algorithm.collecting.lambda", None, "null", "help: leave the field out for its default"),
    "out of range": ("algorithm.collecting.gamma", 1.5, "1.5", "expected at least 0 and at most 1"),
    "field of AZ": ("algorithm.collecting.num_mcts_searches", 8, "8", "PPO does not use this field (AZ does)"),
    "device": ("algorithm.device", "cuda", '"cuda"', "expected `cpu`, found `cuda`"),
    "item of a list": ("policy.common_layers", [8, "x"], '"x"', "policy.common_layers[1]: expected a whole number"),
}


@pytest.mark.parametrize("case", FIELDS)
def test_a_wrong_field_is_marked_and_answered(cli, tmp_path, case):
    path, value, underlined, answer = FIELDS[case]
    text = text_of(changed(path, value))
    result = cli(write(tmp_path / "bad.json", text), "--num-steps", 0, "--run-path", tmp_path / "run")
    assert_refused(result, answer, path)
    assert marked(result.stderr, text) == [underlined], result.stderr
    assert not (tmp_path / "run").exists()
    assert "\x1b" not in result.stderr


# The text of a config, what the message underlines, and what it says.
SYNTAX = {
    "comment": ('{\n  # the board\n  "env_cls": "Puzzle"\n}', "#", "help: JSON has no comments: remove it"),
    "trailing comma": ('{\n  "env_cls": "Puzzle",\n}', "}", "help: remove the comma before it"),
    "single quotes": ("{\n  'env_cls': 'Puzzle'\n}", "'", "help: text stands in double quotes"),
    "Python's True": ('{"env_cls": "Puzzle", "env": {"x": True}}', "True", "help: JSON writes it as true"),
    "Python's None": ('{"env_cls": "Puzzle",\n"num_iterations": None}', "None", "help: JSON writes it as null"),
    "missing comma": ('{"env_cls": "Puzzle"\n"seed": 1}', '"', "help: put a comma between the fields"),
    "unclosed": ('{"env_cls": "Puzzle", "env": {', "{", "help: close what is still open"),
    "repeated key": (
        '{"env_cls": "Puzzle", "seed": 1, "seed": 2}',
        '"seed"',
        "expected each key once, found `seed` twice",
    ),
    "YAML": ("env_cls: Puzzle\n", "env_cls", "help: a config is a JSON object"),
    "a list": ("[1]", "[", "config: expected an object, found a list"),
    "no env_cls": ('{\n  "seed": 1\n}', "{", "env_cls: expected a value, found none"),
}


@pytest.mark.parametrize("case", SYNTAX)
def test_a_mistake_of_syntax_is_marked_and_answered(cli, tmp_path, case):
    text, underlined, answer = SYNTAX[case]
    result = cli(write(tmp_path / "bad.json", text))
    assert_refused(result, answer)
    assert marked(result.stderr, text) == [underlined], result.stderr
    with pytest.raises(twisterl.ConfigError) as error:
        twisterl.train(tmp_path / "bad.json", tmp_path / "run", quiet=True)
    assert f"error: {error.value}\n" == result.stderr


SEVERAL = """\
{
    "env_cls": "Puzzle",
    "env": {"widht": 3},
    "algorithm": {
        "training": {"lr": 0.001},
        "optimizer": {"lr": "3e-4"}
    }
}
"""
SHOWN = """\
error: env.widht: unknown key `widht` (did you mean `width`?)
 --> bad.json:3:13
  |
3 |     "env": {"widht": 3},
  |             ^^^^^^^
  |
  = note: expected one of the keys `width`, `height`, `difficulty`, `depth_slope`, `depth_offset`, `max_depth`, \
`solved_reward`, `failed_reward`, `move_reward`, `goal`

error: algorithm.training.lr: unknown key `lr` (did you mean `algorithm.optimizer.lr`?)
 --> bad.json:5:22
  |
5 |         "training": {"lr": 0.001},
  |                      ^^^^
  |
  = note: expected one of the keys `num_epochs`, `vf_coef`, `ent_coef`, `ent_coef_final`, `clip_ratio`, \
`normalize_advantage`, `minibatch_size`, `max_grad_norm`, `target_kl`

error: algorithm.optimizer.lr: expected a number, found string "3e-4"
 --> bad.json:6:29
  |
6 |         "optimizer": {"lr": "3e-4"}
  |                             ^^^^^^ expected a number
  |
  = help: write 0.0003, without quotes

error: sed: unknown key `sed` (did you mean `seed`?)
 |
 = note: set by the override `sed=1`
 = note: expected one of the keys `env_cls`, `env`, `env_sandbox`, `policy_cls`, `policy`, `algorithm_cls`, \
`algorithm`, `seed`, `num_iterations`, `engine`

error: 4 mistakes in bad.json
"""


def test_all_mistakes_are_shown_at_once(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "bad.json", SEVERAL)
    assert cli("bad.json", "--set", "sed=1").stderr == SHOWN
    with pytest.raises(twisterl.ConfigError) as error:
        twisterl.train("bad.json", "run", set={"sed": 1}, quiet=True)
    assert f"error: {error.value}\n" == SHOWN


def test_colours_are_for_terminals(cli, tmp_path):
    file = write(tmp_path / "bad.json", SEVERAL)
    forced = cli(file, env={**os.environ, "CLICOLOR_FORCE": "1"}).stderr
    assert "\x1b[" in forced
    assert re.sub(r"\x1b\[[0-9;]*m", "", forced) == cli(file).stderr
    assert "\x1b" not in cli(file, env={**os.environ, "CLICOLOR_FORCE": "1", "NO_COLOR": "1"}).stderr


def test_mistakes_of_a_dict_are_named_by_their_paths(tmp_path):
    config = changed("env.widht", 3)
    config["algorithm"]["training"]["lr"] = 1
    with pytest.raises(twisterl.ConfigError) as error:
        twisterl.train(config, tmp_path / "run", quiet=True)
    for part in ("env.widht: ", "algorithm.training.lr: ", "`algorithm.optimizer.lr`", "2 mistakes in the config"):
        assert part in str(error.value)


def test_control_characters_of_the_file_do_not_reach_the_terminal(cli, tmp_path):
    config = write(tmp_path / "bad.json", '{"env_cls": "Puzzle", "\\u001b[31mseed": 1, "x\x7f\u202e": 2}')
    assert not re.search("[\x1b\x7f\u202e]", cli(config).stderr)


def test_a_config_may_name_its_schema(cli, tmp_path):
    config = {"$schema": "./schema.json", **copy.deepcopy(TINY)}
    run = tmp_path / "run"
    result = cli(write(tmp_path / "tiny.json", config), "--num-steps", 0, "--run-path", run)
    assert result.returncode == 0, result.stderr
    assert "$schema" not in json.loads((run / "config.json").read_text())


@pytest.fixture(scope="module")
def place(cli, tmp_path_factory) -> Path:
    """A folder with a config, a run of it, and states."""
    folder = tmp_path_factory.mktemp("place")
    config = write(folder / "puzzle.json", TINY)
    result = cli(config, "--num-steps", 1, "--run-path", folder / "runs/puzzle", "--quiet")
    assert result.returncode == 0, result.stderr
    write(folder / "boards.txt", "1 0 2 3 4 5\n1 1 2 3 4 5\n0 1 2 3 4 5\n1 0\n")
    return folder


# The arguments, and what the message says.
COMMANDS = {
    "mistyped command": (["evalute", "runs/puzzle"], ["`evaluate`?"]),
    "another word": (["eval", "runs/puzzle"], ["`evaluate`?"]),
    "play": (["play", "runs/puzzle"], ["`solve`?"]),
    "unknown command": (["frobnicate", "runs/puzzle"], ["expected a command (train, ", 'found "frobnicate"']),
    "mistyped option": (["puzzle.json", "--sead", "1"], ["'--sead'", "'--seed'"]),
    "option of a command": (["evaluate", "runs/puzzle", "--serch", "beam=4"], ["'--serch'", "'--search'"]),
    "method": (["evaluate", "runs/puzzle", "--search", "beem=64"], ["--search", "`beam=64`?"]),
    "method without number": (["evaluate", "runs/puzzle", "--search", "mcts"], ["--search", "`mcts=64`?"]),
    "method with underscore": (["evaluate", "runs/puzzle", "--search", "best_of=8"], ["`best-of=8`?"]),
    "plot": (
        ["plot", "runs/puzzle"],
        ["plot: expected the program of the Python package", "`twisterl plot runs/puzzle`"],
    ),
    "missing config": (
        ["puzle.json"],
        ["puzle.json: expected a config file, found nothing (did you mean `puzzle.json`?)"],
    ),
    "config without ending": (["puzzl"], ['found "puzzl" (did you mean `Puzzle`?)']),
    "environment": (["Puzle"], ["CONFIG|ENV", "`Puzzle`?"]),
    "envs": (["envs", "Mase"], ["`Maze`?"]),
    "check": (["check", "Pendulum-v1", "--set", "max_episode_step=9"], ["`max_episode_steps`?"]),
    "folder as config": (["runs"], ["runs: expected a config file, found a folder"]),
    "run as config": (["runs/puzzle"], ["expected a config file, found the folder of a run", "config.json"]),
    "policy as config": (
        ["runs/puzzle/checkpoint_last/policy.safetensors"],
        ["expected a config, which is JSON, found the weights of a policy"],
    ),
    "config as policy": (["evaluate", "puzzle.json"], ["expected the weights of a policy", "found JSON text"]),
    "config to resume": (["--resume", "puzzle.json"], ["expected a run folder", "found a file"]),
    "missing run": (["evaluate", "runs/puzle"], ["found nothing (did you mean `runs/puzzle`?)"]),
    "missing folder": (["evaluate", "run/puzzle"], ["found nothing (did you mean `runs/puzzle`?)"]),
    "length of a state": (["solve", "runs/puzzle", "--state", "1,0,2"], ["state: expected 6 tiles", "found 3"]),
    "state": (["solve", "runs/puzzle", "--state", "1,1,2,3,4,5"], ["state: expected each tile once, found 1"]),
    "board of a file": (
        ["evaluate", "runs/puzzle", "--states", "boards.txt"],
        ["boards.txt: line 2: ", "found 1", "; 1 more state refused: line 4"],
    ),
    "no state": (["solve", "runs/puzzle"], ["expected a state to solve", "--state 8,7", "--states", "`solve --help`"]),
    "missing states": (["evaluate", "runs/puzzle", "--states", "board.txt"], ["board.txt", "`boards.txt`?"]),
    "seed": (["puzzle.json", "--seed", "-1"], ["--seed", "expected a whole number from 0 to"]),
    "shell": (["completions", "bsh"], ["bsh", "bash"]),
    "page": (["man", "slove"], ["`solve`?"]),
    "override": (
        ["puzzle.json", "--set", "algorithm.lr=0.1"],
        ["`algorithm.optimizer.lr`?", "override `algorithm.lr=0.1`"],
    ),
    "override without value": (["puzzle.json", "--set", "seed"], ["--set", "expected PATH=VALUE"]),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_a_mistake_on_the_command_line_is_answered(cli, place, case):
    args, answers = COMMANDS[case]
    assert_refused(cli(*args, cwd=place), *answers)


def train(place: Path, **config):
    return twisterl.train({**TINY, **config}, place / "never", quiet=True)


# A call, and what the exception says.
CALLS = {
    "environment": (lambda _: twisterl.make("Puzle"), "`Puzzle`?"),
    "parameter": (lambda _: twisterl.make("Puzzle", widht=3), "`width`?"),
    "environment of a config": (lambda place: train(place, env_cls="Maize"), "`Maze`?"),
    "field": (lambda place: train(place, sead=1), "`seed`?"),
    "missing config": (lambda place: twisterl.train(place / "puzle.json"), "puzzle.json`?"),
    "run as config": (lambda place: twisterl.train(place / "runs/puzzle"), "found the folder of a run"),
    "missing run": (lambda place: twisterl.load_policy(place / "runs/puzle"), "runs/puzzle`?"),
    "config as policy": (lambda place: twisterl.load_policy(place / "puzzle.json"), "found JSON text"),
    "method": (lambda place: solve(place, [1, 0, 2, 3, 4, 5], search="beem=4"), "`beam=4`?"),
    "state": (lambda place: solve(place, [1, 0, 2]), "expected 6 tiles"),
    "state of many": (
        lambda place: twisterl.load_policy(place / "runs/puzzle").solve_batch([[1, 0, 2, 3, 4, 5], [1, 1, 2, 3, 4, 5]]),
        "in states[1]",
    ),
}


def solve(place: Path, state, **options):
    return twisterl.load_policy(place / "runs/puzzle").solve(state, **options)


@pytest.mark.parametrize("case", CALLS)
def test_a_mistake_in_python_is_answered(place, case):
    call, answer = CALLS[case]
    with pytest.raises(twisterl.TwisteRLError) as error:
        call(place)
    assert answer in str(error.value)
    assert "--" not in str(error.value).replace("-->", "")


def python(*args, cwd) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "twisterl", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=cwd)


def test_the_help_of_both_programs_names_all_commands(cli, place):
    drawing = ["plot", "record", "quantum"]
    starting = ["envs", "env", "check", "new", "schema", "benchmark", "completions", "man"]
    names = ["train", "evaluate", "solve", "compare", "convert", "bundle", "run", *drawing, *starting]
    for result in (cli("--help"), python("--help", cwd=place)):
        assert result.returncode == 0, result.stderr
        listed = re.findall(r"^  ([a-z]+) ", result.stdout.split("Arguments:")[0], re.MULTILINE)
        assert set(names) <= set(listed)
        assert "Only the first draws" in result.stdout
    for name in sorted(set(names) - set(drawing)):
        result = cli(name, "--help")
        assert result.returncode == 0
        assert re.search(rf"Examples?:\n  twisterl-train {name}", result.stdout), name


def test_the_command_train_is_the_default(cli, place, tmp_path):
    for args in (["train"], []):
        run = tmp_path / f"run{len(args)}"
        assert cli(*args, place / "puzzle.json", "--num-steps", 1, "--run-path", run, "--quiet").returncode == 0
        assert (run / "checkpoint_last").is_dir()
    result = cli("train", "--resume", tmp_path / "run0", "--num-steps", 2, "--quiet")
    assert result.returncode == 0, result.stderr


def test_completions_and_manual_pages(cli):
    for shell, words in [("bash", "complete -F"), ("zsh", "#compdef twisterl-train"), ("fish", "complete -c")]:
        script = cli("completions", shell).stdout
        assert words in script
        assert "evaluate" in script
        assert "num-steps" in script
    page = cli("man").stdout
    assert ".TH twisterl-train" in page
    assert "PUCT" not in page
    assert "beam=W" in cli("man", "solve").stdout


def test_progress_and_tables_are_written_for_people(cli, place, tmp_path):
    result = cli(place / "puzzle.json", "--num-steps", 2, "--run-path", tmp_path / "run")
    assert re.search(r"iteration 2/2 .*success +\d+\.\d %  .* steps/s", result.stderr), result.stderr
    table = cli("evaluate", place / "runs/puzzle", "--num-episodes", 40).stdout
    assert table.startswith("40 scrambles of difficulty 2, search best-of=1\n"), table
    assert re.search(r"^  success +\d+\.\d % +\d+ of 40 solved$", table, re.MULTILINE), table
    assert re.search(r"^  time +[\d.]+ (ns|µs|ms|s) +per problem$", table, re.MULTILINE), table
    assert "_" not in table
    assert "e-" not in table
    figures = json.loads(cli("evaluate", place / "runs/puzzle", "--num-episodes", 40, "--json").stdout)
    assert 0 <= figures["success"] <= 1


def test_check_says_in_prose_whether_an_environment_keeps_the_contract(cli, place):
    result = cli("check", "Puzzle", "--set", "width=4")
    assert result.returncode == 0, result.stderr
    assert re.match(
        r"Puzzle: keeps the contract \(checked: \d+ episodes, \d,\d{3} steps, 0 symmetries\)\n", result.stdout
    )
    module = "class Endless:\n    def reset(self): pass\n"
    write(place / "odd.py", module)
    assert_refused(python("check", "odd.Endless", cwd=place), "Endless")
