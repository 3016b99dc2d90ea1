"""Tests of the Mojo port's programs as users call them, and of policies exchanged with the Rust programs."""

import json
import os
import re
import subprocess
from pathlib import Path

import numpy
import pytest
from benchmarks import mojo as benchmark_mojo
from benchmarks.common.process import BenchmarkError
from mojo_programs import MOJO, build
from safetensors.numpy import save_file

pytestmark = [
    pytest.mark.skipif(not MOJO.exists(), reason="no Mojo compiler beside this Python"),
    pytest.mark.slow,
]

CONFIG = {
    "env_cls": "Puzzle",
    "env": {
        "width": 3,
        "height": 2,
        "difficulty": 2,
        "depth_offset": 10,
        "max_depth": 60,
        "move_reward": -0.05,
        "failed_reward": -0.05,
    },
    "policy": {"embedding_size": 64, "common_layers": [32]},
    "algorithm": {
        "collecting": {
            "num_envs": 128,
            "rollout_length": 16,
            "gamma": 1.0,
            "lambda": 0.9,
            "starts": {"uniform": 0.5, "failures": 0.3, "probe_states": 256, "probe_every": 10},
        },
        "training": {
            "num_epochs": 1,
            "minibatch_size": 256,
            "clip_ratio": 0.2,
            "vf_coef": 0.5,
            "ent_coef": 0.05,
            "ent_coef_final": 0.0,
            "normalize_advantage": True,
            "max_grad_norm": 0.5,
        },
        "learning": {"diff_metric": "rollout", "diff_threshold": 0.75, "diff_max": 32},
        "optimizer": {"lr": 0.004, "lr_final": 1e-4, "averaging": 0.9},
        "evals": {"random": {"start": "uniform", "num_episodes": 100, "every": 100}},
    },
    "seed": 0,
    "num_iterations": 600,
}


MOVE = r"\d+ (?:left|up|right|down)\b"  # as both programs print it


def call(program: Path, *args) -> subprocess.CompletedProcess:
    """Run a program to its end."""
    return subprocess.run([program, *map(str, args)], capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def programs(root, tmp_path_factory) -> dict[str, Path]:
    """Build `train_puzzle` and `run_puzzle` for boards of 2 x 3."""
    folder = tmp_path_factory.mktemp("mojo")
    size = ("-D", "HEIGHT=2", "-D", "WIDTH=3")
    return {name: build(root, f"mojo/{name}.mojo", folder / name, *size) for name in ("train_puzzle", "run_puzzle")}


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    """Write a config by which PPO solves the 2 x 3 puzzle in seconds."""
    path = tmp_path_factory.mktemp("config") / "ppo_2x3.json"
    path.write_text(json.dumps(CONFIG))
    return path


def test_a_policy_trained_in_mojo_solves_in_rust(programs, config, cli, tmp_path):
    run = tmp_path / "run"
    trained = call(programs["train_puzzle"], "--config", config, "--run-path", run)
    assert trained.returncode == 0, trained.stderr
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 600
    args = ("--num-episodes", 500, "--difficulty", 60, "--greedy", "--json")
    result = cli("evaluate", run / "last.safetensors", *args)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["success"] >= 0.98


def test_a_policy_trained_in_rust_solves_in_mojo(programs, config, cli, tmp_path):
    run = tmp_path / "run"
    assert cli(config, "--run-path", run).returncode == 0
    policy = run / "checkpoint_last/policy.safetensors"
    for board in ("5,4,0,2,1,3", "2,5,4,1,3,0", "1,2,5,3,4,0"):
        theirs = cli("solve", policy, "--state", board, "--search", "greedy")
        ours = call(programs["run_puzzle"], policy, board)
        assert ours.returncode == theirs.returncode == 0, ours.stdout + ours.stderr
        moves = ours.stdout.splitlines()[-1]
        assert moves.startswith("solved after ")
        assert moves in theirs.stdout.splitlines()


def bare_tensors(policy: Path, path: Path) -> Path:
    """Write the tensors of a policy file without its metadata, like a checkpoint of the peer."""
    data = policy.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    del header["__metadata__"]
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
    return path


def test_bare_tensors_are_played_as_the_policy_section_of_the_config_says(programs, cli, tmp_path):
    # After 30 iterations greedy play oscillates on many boards unless backtracking is forbidden.
    described = {}
    for backtracking in (True, False):
        policy = {**CONFIG["policy"], "backtracking": backtracking}
        described[backtracking] = tmp_path / f"{backtracking}.json"
        described[backtracking].write_text(json.dumps({**CONFIG, "policy": policy, "num_iterations": 30}))
    run = tmp_path / "run"
    assert cli(described[True], "--run-path", run).returncode == 0
    weights = bare_tensors(run / "checkpoint_last/policy.safetensors", tmp_path / "bare.safetensors")
    played = {True: [], False: []}
    for backtracking, config in described.items():
        for board in ("5,4,0,2,1,3", "2,5,4,1,3,0", "1,2,5,3,4,0", "3,1,2,4,0,5", "1,4,2,3,0,5"):
            theirs = cli("solve", weights, "--config", config, "--state", board, "--search", "greedy")
            ours = call(programs["run_puzzle"], weights, board, "--config", config)
            moves = re.findall(MOVE, ours.stdout)
            assert moves
            assert moves == re.findall(MOVE, theirs.stdout)
            assert ours.returncode == theirs.returncode
            played[backtracking].append(moves)
    assert played[True] != played[False]


def test_fields_that_the_algorithm_does_not_use_are_reported(programs, config, tmp_path):
    args = ("--config", config, "--num-iterations", 1, "--run-path", tmp_path / "run", "--algorithm")
    result = call(programs["train_puzzle"], *args, "ppo")
    assert result.returncode == 0
    assert result.stderr == ""
    # The share of remembered failures would be dropped: an error, not a note.
    result = call(programs["train_puzzle"], *args, "es")
    assert result.returncode == 2
    assert "algorithm.collecting.starts.failures: expected 0 for ES" in result.stderr
    collecting = {"starts": {"uniform": 0.5}, "lambda": 0.9}
    config = tmp_path / "es.json"
    config.write_text(json.dumps({**CONFIG, "algorithm": {**CONFIG["algorithm"], "collecting": collecting}}))
    result = call(programs["train_puzzle"], "--config", config, *args[2:], "es")
    assert result.returncode == 0
    assert result.stderr.startswith("note: ES does not use algorithm.collecting.lambda, algorithm.training.")


def test_wrong_calls_are_errors_in_one_line(programs, config, tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({**CONFIG, "env_cls": "CartPole-v1"}))
    for args, mentions in [
        (("--config", tmp_path / "nowhere.json"), "nowhere.json"),
        (("--config", broken), "Puzzle, the only environment of the Mojo port"),
        (("--config", config, "--algorithm", "dqn"), "--algorithm: expected ppo, az or es"),
        (("--config", config, "--seed", "-1"), "--seed"),
    ]:
        result = call(programs["train_puzzle"], *args)
        assert result.returncode == 2
        assert mentions in result.stderr
    result = call(programs["run_puzzle"], tmp_path / "nowhere.safetensors", "0,1,2,3,4,5")
    assert result.returncode == 2
    assert "nowhere.safetensors" in result.stderr


def test_marks_of_editors_are_skipped_and_seeds_have_64_bits(programs, config, tmp_path):
    marked = tmp_path / "marked.json"
    marked.write_text(config.read_text(), encoding="utf-8-sig")
    args = ("--config", marked, "--num-iterations", 1, "--run-path", tmp_path / "run", "--seed", 2**64 - 1)
    assert call(programs["train_puzzle"], *args).returncode == 0
    refused = call(programs["train_puzzle"], *args[:-1], 2**64)
    assert refused.returncode == 2
    assert "--seed: expected a whole number, at least 0 and below 2^64" in refused.stderr


def test_what_is_no_regular_file_is_refused_at_once(programs, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, found in ((pipe, "a named pipe"), (tmp_path, "a folder"), ("/dev/zero", "a device")):
        for program, args in (("train_puzzle", ("--config", path)), ("run_puzzle", (path, "0,1,2,3,4,5"))):
            result = call(programs[program], *args)
            assert result.returncode == 2
            assert f"cannot read {path}: expected a regular file, found {found}" in result.stderr


def test_policies_in_half_precision_play_as_in_rust(programs, cli, tmp_path):
    weights, config = tmp_path / "half.safetensors", tmp_path / "config.json"
    config.write_text(json.dumps(CONFIG))
    layers = {"embeddings": (64, 36), "common.0": (32, 64), "action.0": (4, 32), "value.0": (1, 32)}
    draw = numpy.random.default_rng(1).standard_normal
    tensors = {f"{name}.weight": draw(shape).astype(numpy.float16) for name, shape in layers.items()}
    save_file(
        {**tensors, **{f"{n}.bias": draw(rows).astype(numpy.float16) for n, (rows, _) in layers.items()}}, weights
    )
    for board in ("5,4,0,2,1,3", "1,2,5,3,4,0", "3,1,2,4,0,5"):
        theirs = cli("solve", weights, "--config", config, "--state", board, "--search", "greedy")
        ours = call(programs["run_puzzle"], weights, board, "--config", config)
        moves = re.findall(MOVE, ours.stdout)
        assert moves, ours.stdout + ours.stderr
        assert moves == re.findall(MOVE, theirs.stdout)


def test_benchmark_times_every_operation(root, tmp_path):
    program = build(root, "mojo/benchmark.mojo", tmp_path / "mojo")
    figures = benchmark_mojo.measure({"mojo": program, "rust": program}, rounds=1, iterations=100)
    assert all(time >= 0 for row in figures.values() for time in row.values())
    assert len(benchmark_mojo.page(figures).splitlines()) == 2 + len(benchmark_mojo.OPERATIONS)


def test_benchmark_compares_es_in_mojo_and_rust(programs, train_bin):
    config = {
        **CONFIG,
        "algorithm_cls": "ES",
        "algorithm": {"es": {"population": 64, "num_episodes": 4, "sigma": 0.1}, "optimizer": {"lr": 0.05}},
    }
    config = benchmark_mojo.es_config(config, difficulty=8, iterations=4, cores=2)
    rates = benchmark_mojo.measure_es({"mojo": programs["train_puzzle"], "rust": train_bin}, config, rounds=1)
    assert min(rates.values()) > 0
    assert f"| {rates['mojo']:,.0f} | {rates['rust']:,.0f} |" in benchmark_mojo.es_page(rates)
    with pytest.raises(BenchmarkError, match=r"algorithm\.es"):
        benchmark_mojo.es_config({**CONFIG, "algorithm": {}}, difficulty=8, iterations=4, cores=2)
