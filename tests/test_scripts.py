"""The scripts, each run as a user would, on something small."""

import json
import os
import subprocess
import sys

import numpy as np
import plot
import puzzle8_optimal
import pytest
import run as launcher

PNG = b"\x89PNG"
# Boards of the 3 x 3 puzzle at each distance from a goal with the blank in a corner: OEIS A089473.
BOARDS_AT_DISTANCE = [
    *(1, 2, 4, 8, 16, 20, 39, 62, 116, 152, 286, 396, 748, 1024, 1893, 2512, 4485, 5638, 9529, 10878, 16993),
    *(17110, 23952, 20224, 24047, 15578, 14560, 6274, 3910, 760, 221, 2),
]
TINY = {
    "env_cls": "Puzzle",
    "env": {"width": 2, "height": 2, "difficulty": 1, "depth_slope": 2, "max_depth": 20},
    "policy": {"embedding_size": 8, "common_layers": [8], "policy_layers": [], "value_layers": []},
    "algorithm": {
        "collecting": {"num_episodes": 16},
        "training": {"num_epochs": 1},
        "evals": {"ppo_1": {"num_episodes": 10, "deterministic": False}},
        "learning": {"diff_metric": "ppo_1", "diff_max": 6},
    },
}


@pytest.fixture
def script(root, tmp_path):
    """Run a script by name in an empty folder, against the trainer that is under test."""

    def call(
        name, *args, python=(sys.executable,), timeout=300, input=None, **environment
    ) -> subprocess.CompletedProcess:
        command = [*python, root / "scripts" / name, *map(str, args)]
        environment = {**os.environ, "MPLBACKEND": "Agg", **environment}
        options = {"cwd": tmp_path, "env": environment, "input": input, "timeout": timeout, "check": False}
        return subprocess.run(command, capture_output=True, text=True, **options)

    return call


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(TINY))
    return path


def write_metrics(folder, lines):
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    return folder


def record(i):
    evals = {"ppo_1": {"success": i / 10, "length": 5.0}} if i % 2 == 0 else {}
    return json.dumps({"iteration": i, "env_steps": 100 * i, "difficulty": 1 + i, "evals": evals, "losses": {}})


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


# plot.py


def test_plot_draws_one_run_and_several(tmp_path):
    runs = [write_metrics(tmp_path / f"seed-{seed}", map(record, range(4 + seed))) for seed in range(3)]
    for count in (1, 3):
        out = tmp_path / f"{count}.png"
        plot.plot(runs[:count], out, "test")
        assert out.read_bytes().startswith(PNG)


def test_plot_leaves_out_a_last_line_that_was_cut(tmp_path):
    run = write_metrics(tmp_path / "run", [record(0), record(1), record(2)[:20]])
    assert len(plot.read_metrics(run)) == 2


@pytest.mark.parametrize("lines", [[], ["nonsense", record(1)], ["[1]", record(1)]])
def test_plot_refuses_what_is_no_record(tmp_path, lines):
    run = write_metrics(tmp_path / "run", lines)
    with pytest.raises(plot.PlotError, match="expected"):
        plot.read_metrics(run)


def test_plot_names_what_is_missing(script, tmp_path):
    result = script("plot.py", tmp_path / "absent")
    assert result.returncode == 1
    assert "metrics.jsonl: cannot be read" in result.stderr


# run.py


def test_run_trains_each_seed_and_draws(script, config, train_bin, tmp_path):
    overrides = ["--set", "algorithm.training.ent_coef=0.125", "algorithm.collecting.gamma=0.5"]
    result = script("run.py", config, "--num-steps", 2, "--seeds", "0-1", *overrides, TWISTERL_TRAIN_BIN=str(train_bin))
    assert result.returncode == 0, result.stderr
    for seed in (0, 1):
        resolved = json.loads((tmp_path / f"runs/tiny/seed-{seed}/config.json").read_text())
        assert resolved["seed"] == seed
        assert resolved["algorithm"]["training"]["ent_coef"] == 0.125
        assert resolved["algorithm"]["collecting"]["gamma"] == 0.5
    assert (tmp_path / "runs/tiny/curves.png").read_bytes().startswith(PNG)


def test_run_passes_on_what_the_trainer_says(script, config, train_bin, tmp_path):
    out = tmp_path / "curves.png"
    run = ["--run-path", tmp_path / "run", "--out", out, "--set", "policy.nonsense=1"]
    result = script("run.py", config, *run, TWISTERL_TRAIN_BIN=str(train_bin))
    assert result.returncode == 1
    assert "policy.nonsense" in result.stderr
    assert "exit code" in result.stderr
    assert not out.exists()


def test_run_says_what_is_missing(script, config, tmp_path):
    nothing = str(tmp_path / "nothing")
    result = script("run.py", config, PATH=nothing, TWISTERL_TRAIN_BIN="")
    assert "cargo not found" in result.stderr
    result = script("run.py", config, TWISTERL_TRAIN_BIN=nothing)
    assert "TWISTERL_TRAIN_BIN: expected a file" in result.stderr
    result = script("run.py", tmp_path / "absent.json")
    assert "absent.json: expected a config file" in result.stderr
    result = script("run.py", config, python=(sys.executable, "-S"))  # -S: without the packages of this environment
    assert 'pip install "twisterl[plot]"' in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("text", "found"), [("3", [3]), ("0-4", [0, 1, 2, 3, 4]), ("5,0-1,1", [5, 0, 1])])
def test_seeds_are_read(text, found):
    assert launcher.seeds(text) == found


@pytest.mark.parametrize("text", ["", "x", "4-0", "1-", "-1"])
def test_wrong_seeds_are_refused(text):
    with pytest.raises(launcher.argparse.ArgumentTypeError, match="expected seeds"):
        launcher.seeds(text)


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


def test_config_reference_refuses_what_is_no_schema(script):
    result = script("config_reference.py", input="nonsense")
    assert result.returncode == 1
    assert "expected a JSON Schema" in result.stderr
    assert "Traceback" not in result.stderr
