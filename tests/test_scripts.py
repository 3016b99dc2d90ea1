"""The scripts, each run as a user would, on something small."""

import json
import re

import numpy as np
import puzzle8_optimal

PNG = b"\x89PNG"
# Boards of the 3 x 3 puzzle at each distance from a goal with the blank in a corner: OEIS A089473.
BOARDS_AT_DISTANCE = [
    *(1, 2, 4, 8, 16, 20, 39, 62, 116, 152, 286, 396, 748, 1024, 1893, 2512, 4485, 5638, 9529, 10878, 16993),
    *(17110, 23952, 20224, 24047, 15578, 14560, 6274, 3910, 760, 221, 2),
]


# puzzle8_optimal.py


def test_breadth_first_search_finds_every_board_at_its_distance():
    sizes = [len(boards) for boards in puzzle8_optimal.layers(3, 3)]
    assert sizes == BOARDS_AT_DISTANCE
    assert sum(sizes) == 181_440


def test_ranks_number_all_permutations():
    boards = np.array([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]], dtype=np.uint8)
    assert puzzle8_optimal.ranks(boards).tolist() == [0, 1, 2, 3, 4, 5]


def test_states_file_holds_each_board_once(script, tmp_path):
    result = script("puzzle8_optimal.py", "--width", 3, "--height", 2)
    assert result.returncode == 0, result.stderr
    states = json.loads((tmp_path / "runs/puzzle_3x2_optimal.json").read_text())
    assert (states["width"], states["height"]) == (3, 2)
    assert len({tuple(instance["state"]) for instance in states["instances"]}) == 360
    assert max(instance["optimal"] for instance in states["instances"]) == 21


def test_states_of_large_puzzles_are_refused(script):
    result = script("puzzle8_optimal.py", "--width", 4, "--height", 4)
    assert result.returncode == 2
    assert "10 cells, found 4 x 4" in result.stderr


# benchmark_peer.py


def test_benchmark_runs_without_the_peer(script, train_bin):
    result = script("benchmark_peer.py", "--peer-python", "none", "--smoke", "--trainer", train_bin, timeout=600)
    assert result.returncode == 0, result.stdout + result.stderr


# benchmark_search.py


def test_search_is_measured_by_width(script, cli, root, train_bin, tmp_path):
    run = tmp_path / "run"
    config = root / "examples/backward_puzzle15_v1.json"
    small = ["policy.embedding_size=16", "policy.common_layers=[16]", "algorithm.collecting.num_walks=8"]
    small += ["algorithm.evals.random_boards.num_episodes=4"]
    sets = [part for change in small for part in ("--set", change)]
    assert cli(config, "--run-path", run, "--num-steps", "2", "--quiet", *sets).returncode == 0
    out = tmp_path / "record.json"
    result = script(
        *("benchmark_search.py", "--policy", run, "--trainer", train_bin, "--out", out),
        *("--widths", 1, 8, "--count", 3, "--single", 1, "--", "--nodes", 500),
    )
    assert result.returncode == 0, result.stdout + result.stderr
    record = json.loads(out.read_text())
    assert [row["width"] for row in record["rows"]] == [1, 8]
    assert record["rows"][1]["nodes"] <= 500
    assert out.with_suffix(".png").read_bytes().startswith(PNG)


# config_reference.py


def test_config_reference_is_up_to_date(script, cli, root):
    schema = cli("schema").stdout
    result = script("config_reference.py", input=schema)
    assert result.returncode == 0, result.stderr
    message = "docs/config.md is out of date: twisterl-train schema | scripts/config_reference.py > docs/config.md"
    assert result.stdout == (root / "docs/config.md").read_text(), message


def test_config_reference_names_every_field(root):
    page = (root / "docs/config.md").read_text()
    for field in ("env_cls", "embedding_size", "lambda", "clip_ratio", "diff_metric", "betas", "every", "log_freq"):
        assert f"| `{field}` |" in page


def test_layers_page_shows_code_that_a_test_runs(root):
    page = (root / "docs/layers.md").read_text()
    tested = " ".join((root / "crates/twisterl-train/tests/layers.rs").read_text().split())
    blocks = re.findall(r"```rust\n(.*?)```", page, re.DOTALL)
    assert blocks
    for block in blocks:
        assert " ".join(block.split()) in tested, block


def test_config_reference_refuses_what_is_no_schema(script):
    result = script("config_reference.py", input="nonsense")
    assert result.returncode == 1
    assert "expected a JSON Schema" in result.stderr
    assert "Traceback" not in result.stderr


def test_benchmark_of_the_python_package_runs(script):
    done = script("benchmark_python.py", "--repeats", "1", "--seconds", "0.01")
    assert done.returncode == 0, done.stderr
    assert "| predict_batch | k rows/s |" in done.stdout


def test_scaling_is_measured_by_phase(script, train_bin, root, tmp_path):
    done = script(
        "benchmark_scaling.py",
        root / "examples/ppo_puzzle8_v1.json",
        "--iterations",
        "5",
        "--rounds",
        "1",
        "--trainer",
        train_bin,
        "--out",
        tmp_path / "s",
    )
    assert done.returncode == 0, done.stderr
    assert "| update |" in done.stdout
    assert "| speed-up | 1.00 |" in done.stdout
    assert json.loads((tmp_path / "s.json").read_text())["seconds"]["2"][0]["collect"] > 0


def test_benchmarks_run_in_a_row_and_fill_one_page(script, train_bin, tmp_path):
    done = script(
        "benchmark.py", "--only", "machine", "--seconds", "1", "--trainer", train_bin, "--out", tmp_path, timeout=300
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "benchmark.md").read_text()
    assert "| 8-puzzle: step |" in page
    assert "% |" in page
    listed = script("benchmark.py", "--list", "--peer-python", "PEER", "--thrust", "THRUST").stdout
    assert "--what quality" in listed
    assert "--thrust THRUST" in listed


def test_benchmark_of_the_rivals_runs_ours(script, train_bin):
    done = script("benchmark_rivals.py", "--repeats", "1", "--max-steps", "2560", "--trainer", train_bin)
    assert done.returncode == 0, done.stderr
    assert "| ours | 0 of 1 |" in done.stdout


# benchmark_es.py


def test_es_is_measured(script, train_bin, tmp_path):
    out = tmp_path / "es.json"
    result = script(
        *("benchmark_es.py", "--trainer", train_bin, "--seeds", 1, "--seconds", 1, "--puzzle-seconds", 4, "--out", out),
        *("--what", "population", "cartpole", "puzzle8"),
        *("--set", "algorithm.es.population=64", "--set", "algorithm.es.num_episodes=2"),
    )
    assert result.returncode == 0, result.stdout + result.stderr
    found = json.loads(out.read_text())["found"]
    rates = found["population"]
    assert rates["members"] == 1024
    assert rates["plain"] > rates["one_by_one"] > 0
    assert found["cartpole"][0]["env_steps"] > 0
    assert found["puzzle8"][0]["difficulty"] >= 0
    assert "| CartPole-v1 to 475, seeds |" in out.with_suffix(".md").read_text()


def test_es_benchmark_refuses_what_is_no_trainer(script, tmp_path):
    result = script("benchmark_es.py", "--trainer", tmp_path / "none")
    assert result.returncode == 2
    assert "cargo build --release" in result.stderr


# benchmark_control.py


def test_control_examples_are_trained_and_tabled(script, train_bin):
    result = script("benchmark_control.py", "--smoke", "--trainer", train_bin)
    assert result.returncode == 0, result.stderr
    rows = [line for line in result.stdout.splitlines() if line.startswith(("| ppo_", "| es_"))]
    assert len(rows) == 7
    assert all(row.count("|") == 12 for row in rows)
