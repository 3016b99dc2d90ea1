"""scripts/benchmark.py: each benchmark run on something small, so that none stops working unnoticed."""

import importlib
import json
import os
import re
import sys

import pytest
from benchmarks import by_name, control, mojo, rivals, scaling
from benchmarks.common import process
from benchmarks.common.table import table
from benchmarks.interfaces import qiskit_gym
from modules import build

PNG = b"\x89PNG"


@pytest.fixture
def benchmark(script, train_bin):
    """Run a benchmark by name, and check that it ends well."""

    def call(name, *arguments, **options):
        done = script("benchmark.py", name, "--trainer", train_bin, *arguments, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def test_tables_have_columns_of_words_and_of_numbers():
    assert table(["what", "ms"], [["step", "1.5"]]) == "| what | ms |\n|---|---:|\n| step | 1.5 |\n"
    assert table(["side", "solved", "s"], [], 2) == "| side | solved | s |\n|---|---|---:|\n"


def test_failed_programs_are_named_with_their_message():
    with pytest.raises(process.BenchmarkError, match=r"`sh -c .*` failed with exit code 3: no luck"):
        process.output(["sh", "-c", "echo no luck >&2; exit 3"])
    with pytest.raises(process.BenchmarkError, match="cannot run no-such-program"):
        process.output(["no-such-program"])
    assert process.last_json('warning\n{"a": 1}\nbye\n') == {"a": 1}
    with pytest.raises(process.BenchmarkError, match="expected a line of JSON, found 'bye'"):
        process.last_json("bye")


def test_missing_trainer_is_named_with_how_to_build_it(script, tmp_path):
    for name in ("control", "es", "puzzle8", "rivals"):
        done = script("benchmark.py", name, "--trainer", tmp_path / "none")
        assert done.returncode == 2
        assert "none: no such file; cargo build --release" in done.stderr


@pytest.mark.slow
def test_all_benchmarks_run_in_a_row_and_fill_one_page(script, train_bin, tmp_path):
    done = script("benchmark.py", "--only", "machine", "--seconds", "1", "--trainer", train_bin, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "benchmark.md").read_text()
    assert "| 8-puzzle: step |" in page
    assert "% |" in page


def test_the_commands_of_the_page_are_those_of_the_benchmarks(script, tmp_path):
    given = ["--peer-python", "PEER", "--rivals-python", "RIVALS", "--thrust", "THRUST", "--out", tmp_path]
    lines = script("benchmark.py", "--list", *given).stdout.splitlines()
    commands = dict(line.split(": ", 1) for line in lines)
    assert "benchmark.py peer --" in commands["peer_quality"]
    assert "--what quality" in commands["peer_quality"]
    assert "--thrust THRUST" in commands["rivals_cartpole"]
    assert "--thrust" not in commands["rivals_pendulum"]
    assert f"--out {tmp_path}/scaling" in commands["scaling"]
    unknown = script("benchmark.py", "--only", "machine,nonsense")
    assert unknown.returncode == 2
    assert "found nonsense" in unknown.stderr


@pytest.mark.slow
def test_control_examples_are_trained_and_tabled(benchmark):
    shown = benchmark("control", "--smoke")
    rows = [line for line in shown.splitlines() if line.startswith(("| ppo_", "| es_"))]
    assert len(rows) == len(control.BARS)
    assert all(row.count("|") == len(control.HEADS) + 1 for row in rows)


def test_plugins_are_measured_beside_the_built_in_environment(benchmark, tmp_path):
    module = build("puzzle_c", tmp_path)
    options = ["--engines", "wasmi", "--rounds", "1", "--seconds", "1", "--out", tmp_path / "record"]
    shown = benchmark("plugins", module, *options)
    rows = [line.split("|")[1].strip() for line in shown.splitlines()]
    assert rows[2:] == ["Puzzle", "puzzle_c.wasm wasmi"]
    assert "1.00 (1.00 to 1.00)" in shown
    assert set(json.loads((tmp_path / "record.json").read_text())["steps_per_second"]) == set(rows[2:])


@pytest.mark.slow
def test_runs_over_processes_are_measured(script, tmp_path):
    done = script("benchmark.py", "spread", "--repeats", "1", "--iterations", "2", "--out", tmp_path / "record")
    assert done.returncode == 0, done.stderr
    assert "games: 2 processes of 2 threads" in done.stdout
    predicted = json.loads((tmp_path / "record.json").read_text())["predicted"]["16 parts"]
    # With as many workers as parts, more are of no use.
    assert predicted["16"] == predicted["4096"] > predicted["1"]
    assert (tmp_path / "record.png").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads memory in /proc")
def test_a_long_run_with_kills_ends_in_the_bytes_of_the_local_one(script, tmp_path):
    options = ["--iterations", "20", "--every", "0.3", "--out", tmp_path / "record"]
    done = script("benchmark.py", "long_run", *options)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "record.json").read_text())
    assert found["iterations"] == 20
    assert found["workers killed"] > 0
    assert "| bytes of the local run | yes |" in done.stdout


@pytest.mark.slow
def test_es_is_measured(benchmark, tmp_path):
    out = tmp_path / "es"
    benchmark(
        *("es", "--out", out, "--seeds", 1, "--seconds", 1, "--puzzle-seconds", 4),
        *("--what", "population", "cartpole", "puzzle8"),
        *("--set", "algorithm.es.population=64", "--set", "algorithm.es.num_episodes=2", "--set", "num_iterations=20"),
    )
    record = json.loads(out.with_suffix(".json").read_text())
    assert record["command"].startswith("python scripts/benchmark.py es --trainer ")
    assert record["machine"]["cores"] >= 1
    rates = record["found"]["population"]
    assert rates["members"] == 1024
    assert rates["plain"] > rates["one_by_one"] > 0
    assert record["found"]["cartpole"][0]["env_steps"] > 0
    assert record["found"]["puzzle8"][0]["difficulty"] >= 0
    assert "| CartPole-v1 to 475, seeds |" in out.with_suffix(".md").read_text()


@pytest.mark.slow
def test_ours_is_measured_without_the_peer(benchmark):
    shown = benchmark("peer", "--peer-python", "none", "--smoke", timeout=600)
    assert "| learner, batch 1,024, samples/s | ours |" in shown
    assert "Failed" not in shown


def test_boards_are_scored_by_marks_and_at_the_end(benchmark, script, root, tmp_path):
    assert script("generate/puzzle8_optimal.py", "--width", 3, "--height", 2, "--out", "boards.json").returncode == 0
    config = json.loads((root / "examples/ppo_puzzle8_v1.json").read_text())
    config["env"]["height"] = 2
    config["algorithm"]["evals"] = {}
    (tmp_path / "small.json").write_text(json.dumps(config))
    shown = benchmark("puzzle8", "--smoke", "--marks", 100, "--config", "small.json", "--states", "boards.json")
    assert "| best |" in shown
    assert "| last |" in shown
    row = json.loads(shown.splitlines()[0])
    assert 0 <= row["best"]["solved"] <= 1


LINE, FULL = [(0, 1), (1, 2), (2, 3)], [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
TREE = [(0, 1), (1, 2), (1, 3), (3, 5), (4, 5), (5, 6)]
GATES = [("H", [0]), ("H", [1]), ("S", [0]), ("S", [1]), ("CX", [0, 1]), ("CX", [1, 0])]


# Means over all elements, by breadth-first searches of programs that are not these.
@pytest.mark.parametrize(
    ("group", "qubits", "gates", "mean"),
    [
        ("permutations", 7, TREE, 8.436508),
        ("linear_functions", 4, LINE, 9.118502),
        ("linear_functions", 4, FULL, 5.68502),
        ("cliffords", 2, GATES, 4.805556),
        ("cosets", 2, LINE[:1], 1.5),
        ("cosets", 3, LINE[:2], 4.257292),
        ("cosets", 3, [(0, 1), (0, 2), (1, 2)], 3.509375),
    ],
)
def test_distances_are_those_of_whole_groups(root, monkeypatch, group, qubits, gates, mean):
    pytest.importorskip("numpy")
    monkeypatch.syspath_prepend(root / "scripts/benchmarks/common/workers/quantum")
    made = getattr(importlib.import_module("distances"), group)(qubits, gates)
    sizes = [len(level) for level in made.levels]
    assert sum(i * size for i, size in enumerate(sizes)) / sum(sizes) == pytest.approx(mean, abs=1e-6)
    # From both ends, with few levels of the solved state.
    farthest, made.pack = made.levels[-1][:1], lambda states: states[0]
    made.levels = made.levels[:2]
    assert made.distance(farthest) == len(sizes) - 1


@pytest.mark.slow
def test_policies_of_circuits_are_measured_with_qiskit(benchmark, script, train_bin, tmp_path):
    pytest.importorskip("qiskit")
    names = ["permutation9", "linear7"]
    shown = benchmark("quantum_training", *names, "--smoke", "--out", tmp_path / "record", timeout=300)
    rows = [line for line in shown.splitlines() if line.startswith("| ")][1:]
    assert rows[0].startswith("| permutation9 | greedy |")
    assert rows[1].startswith("| permutation9 | greedy invert both |")
    assert "(the fewest)" in rows[0]
    assert rows[-1].startswith("| linear7 | search beam=")
    assert "(kms)" in rows[-1]
    found = json.loads((tmp_path / "record.json").read_text())["problems"]["permutation9"]
    assert 3 < found["optimal"] < 14
    assert found["optimal"] <= found["anchors"]["token_swapper of 50 trials"]["mean"]
    refused = script("benchmark.py", "quantum_training", "chess", "--trainer", train_bin)
    assert refused.returncode == 2
    assert "found chess" in refused.stderr


def test_steps_beside_qiskit_gym_are_compared_round_by_round(script, train_bin):
    # The first iteration does not count.
    rows = [{"steps": 900, "collect": 90.0, "total": 90.0}, {"steps": 100, "collect": 2.0, "total": 5.0}]
    assert qiskit_gym.rates(rows) == {"collection": 50.0, "training": 20.0}
    sides = {"qiskit-gym": (10.0, 20.0, 40.0), "ours": (100.0, 100.0, 100.0)}
    runs = {side: [{"collection": rate, "training": 2 * rate} for rate in rates] for side, rates in sides.items()}
    page = qiskit_gym.page(runs)
    assert "| collection | ours | 100 (100 to 100) | 5.0 (2.5 to 10.0) |" in page
    assert "| training | qiskit-gym | 40 (20 to 80) | 1.0 (1.0 to 1.0) |" in page
    refused = script("benchmark.py", "qiskit_gym", "--trainer", train_bin)
    assert refused.returncode == 2
    assert "--setup FOLDER installs qiskit-gym" in refused.stderr


@pytest.mark.slow
def test_the_python_package_is_measured(script):
    done = script("benchmark.py", "python", "--repeats", "1", "--seconds", "0.01")
    assert done.returncode == 0, done.stderr
    assert "| predict_batch | k rows/s |" in done.stdout


def test_training_by_name_is_measured(script, tmp_path):
    options = ["--seeds", "2", "--seconds", "0", "--out", tmp_path / "record"]
    done = script("benchmark.py", "by_name", "--only", "CartPole-v1,Puzzle", *options)
    assert done.returncode == 0, done.stderr
    assert "| Puzzle | 95% solved | ours | 0 of 2 |" in done.stdout
    found = json.loads((tmp_path / "record.json").read_text())["runs"]["CartPole-v1"]["ours"]
    # A pole falls within some steps; one evaluation was made before the time was over.
    assert [run["seconds"] for run in found] == [None, None]
    assert all(5 < run["best"] < 475 for run in found)
    # A part of the record is measured again; classes are trained, too.
    done = script("benchmark.py", "by_name", "--only", "Corners", "--add", *options)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|")[1].strip() for line in (tmp_path / "record.md").read_text().splitlines()[4:]]
    assert rows == ["Puzzle", "CartPole-v1", "Corners"]
    refused = script("benchmark.py", "by_name", "--only", "Chess")
    assert refused.returncode == 2
    assert "found Chess" in refused.stderr


def test_a_run_that_takes_too_long_makes_a_lower_bound():
    def sides(*rival):
        runs = {"ours": (1.0, 2.0, 4.0), "sb3": rival}
        return {side: [{"seconds": seconds, "limit": 60} for seconds in found] for side, found in runs.items()}

    # Medians, and our slowest against the fastest.
    assert by_name.ratio(sides(30.0, 10.0, None)) == "15.0 x (2.5 x)"
    assert by_name.ratio(sides(30.0, None, None)) == "> 30.0 x (7.5 x)"
    assert by_name.ratio({**sides(30.0), "ours": [{"seconds": None}]}) == "", "ours did not get there"
    assert by_name.ratio({"ours": sides()["ours"]}) == "", "there is no rival"


def test_our_side_of_the_rivals_is_measured(benchmark):
    shown = benchmark("rivals", "--repeats", "1", "--max-steps", "2560")
    assert "| ours | 0 of 1 |" in shown


def test_a_problem_is_solved_by_two_evaluations_in_a_row():
    points = [(1, 0.1, 480.0), (2, 0.2, 100.0), (3, 0.3, 475.0), (4, 0.4, 500.0)]
    assert rivals.solved(points, 475) == (3, 0.3, 475.0)
    assert rivals.solved(points[:3], 475) is None


def test_scaling_is_measured_by_phase(benchmark, root, tmp_path):
    config = root / "examples/ppo_puzzle8_v1.json"
    shown = benchmark("scaling", config, "--iterations", 5, "--rounds", 1, "--out", tmp_path / "s")
    assert "| update |" in shown
    assert "| speed-up | 1.00 |" in shown
    assert json.loads((tmp_path / "s.json").read_text())["seconds"]["2"][0]["collect"] > 0


def test_parallel_shares_follow_amdahl():
    # 1 s of which 0.8 is parallel: 0.2 + 0.8 / 4 = 0.4 s with 4 threads.
    assert scaling.parallel(1.0, 0.4, 4) == pytest.approx(0.8)
    assert scaling.parallel(1.0, 1.1, 2) == 0.0
    assert scaling.parallel(0.0, 0.0, 2) == 0.0


def test_search_is_measured_by_width(benchmark, cli, root, tmp_path):
    run = tmp_path / "run"
    config = root / "examples/backward_puzzle15_v1.json"
    small = ["policy.embedding_size=16", "policy.common_layers=[16]", "algorithm.collecting.num_walks=8"]
    small += ["algorithm.evals.random_boards.num_episodes=4"]
    sets = [part for change in small for part in ("--set", change)]
    assert cli(config, "--run-path", run, "--num-steps", "2", "--quiet", *sets).returncode == 0
    out = tmp_path / "record"
    benchmark(
        *("search", "--policy", run, "--out", out, "--widths", 1, 8, "--count", 3, "--single", 1),
        *("--", "--nodes", 500),
    )
    record = json.loads(out.with_suffix(".json").read_text())
    assert [row["width"] for row in record["rows"]] == [1, 8]
    assert record["rows"][1]["nodes"] <= 500
    assert record["single"][0]["count"] == 1
    assert out.with_suffix(".png").read_bytes().startswith(PNG)


# Stands for both compilers, whose builds take minutes: it writes programs that answer as the real ones do.
COMPILER = """#!/usr/bin/env python3
import pathlib, sys
def after(option):
    return pathlib.Path(sys.argv[sys.argv.index(option) + 1])
if "-o" in sys.argv:
    programs = [after("-o")]
else:
    release = after("--target-dir") / "release"
    programs = [release / "examples/bench_puzzle", release / "peer-bench", release / "twisterl-train"]
for program in programs:
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text({program!r})
    program.chmod(0o755)
"""


@pytest.fixture(scope="module")
def qiskit_models(tmp_path_factory):
    """Small models for circuits of Qiskit."""
    pytest.importorskip("qiskit")
    from twisterl.quantum import train_model

    folder = tmp_path_factory.mktemp("models")
    train_model("line:4", "routing", folder / "routing", iterations=2, quiet=True)
    train_model("line:2", "clifford", folder / "clifford", iterations=5, quiet=True)
    return folder


def test_routing_is_compared_with_sabre(script, qiskit_models, tmp_path):
    options = ["--maps", "line:4", "--gates", 12, "--circuits", 2, "--out", tmp_path / "record"]
    done = script("benchmark.py", "routing", qiskit_models, *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("| line:4 | 12 |")
    found = json.loads((tmp_path / "record.json").read_text())["maps"]["line:4"]
    assert len(found["sabre"]["swaps"]) == len(found["twisterl"]["swaps"]) == 2
    # Without a model, windows of SABRE may have fewer SWAPs.
    done = script("benchmark.py", "routing", qiskit_models, "--maps", "line:5", "--circuits", 1)
    assert done.returncode == 0, done.stderr
    assert re.search(r"\| 0 / (0 / 1|1 / 0) \|", done.stdout.splitlines()[-1])


def test_compiled_circuits_are_compared_with_those_of_qiskit_alone(script, qiskit_models, tmp_path):
    options = ["--map", "line:4", "--every", 16, "--out", tmp_path / "record"]
    done = script("benchmark.py", "compiler", qiskit_models, *options)
    assert done.returncode == 0, done.stderr
    assert "| all | 4 | level 3 |" in done.stdout
    sides = json.loads((tmp_path / "record.json").read_text())["sides"]
    gates = {side: [gates for _, gates, _ in rows] for side, rows in sides.items()}
    both = zip(gates["with optimization"], gates["level 3"], strict=True)
    assert all(ours <= alone for ours, alone in both)


PROGRAM = """#!/usr/bin/env python3
import json, pathlib, sys
if "--run-path" in sys.argv:
    run = pathlib.Path(sys.argv[sys.argv.index("--run-path") + 1])
    run.mkdir()
    time = dict(seconds=0.5) if "--config" in sys.argv else dict(collect=0.75, update=0.25)
    row = dict(env_steps=700, rollout=dict(episodes=100), time=time)
    with (run / "metrics.jsonl").open("w") as file:
        print(json.dumps(row), json.dumps(row), sep=chr(10), file=file)
else:
    print(json.dumps(dict.fromkeys(OPERATIONS, 5.0 if "peer" in sys.argv[0] else 4.0)))
"""


@pytest.fixture
def compilers(tmp_path):
    """A folder with the stand-ins for `mojo` and `cargo`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("mojo", "cargo"):
        program = PROGRAM.replace("OPERATIONS", repr(tuple(mojo.OPERATIONS)))
        (folder / name).write_text(COMPILER.format(program=program))
        (folder / name).chmod(0o755)
    return folder


def test_mojo_and_rust_are_compared(script, compilers, root, tmp_path):
    path = f"{compilers}:{os.environ['PATH']}"
    common = ["mojo", "--mojo", compilers / "mojo", "--rounds", 1, "--build-dir", "built"]
    done = script("benchmark.py", *common, "--out", "record", PATH=path)
    assert done.returncode == 0, done.stderr
    assert "| operation, ns | our Mojo | our Rust | the peer's Rust | Mojo / Rust |" in done.stdout
    assert "| step | 4.0 | 4.0 | 5.0 | 1.00 |" in done.stdout
    assert json.loads((tmp_path / "record.json").read_text())["nanoseconds"]["peer"]["step"] == 5.0
    done = script("benchmark.py", *common, "--es", root / "examples/es_puzzle8_v1.json", PATH=path)
    assert done.returncode == 0, done.stderr
    assert "| all members of a population | 200 | 100 | 2.00 |" in done.stdout
    done = script("benchmark.py", *common, "--es", root / "examples/ppo_puzzle8_v1.json", PATH=path)
    assert done.returncode == 1
    assert "expected a config with the section algorithm.es" in done.stderr
