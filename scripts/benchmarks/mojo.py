"""Times the operations of the 8-puzzle in Mojo, in Rust and in the peer's crate: one table, from one machine.

Builds the three drivers (mojo/benchmark.mojo, crates/twisterl-core/examples/bench_puzzle.rs, benches/peer) and runs
them in turn, --rounds times, each on one thread. A figure is the median over the rounds of what a driver reports, which
is the median of nine repeats of --iterations operations. The peer's crate comes from crates.io; --no-peer goes without.

--es CONFIG compares evolution strategies in Mojo and Rust instead: both train by the same config (its population,
network and starts, at one difficulty and without evaluations) in turn, and must have played the same steps in the first
iteration. A figure is the median over the rounds of episodes a second in the median iteration after the first.
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import paths, record
from benchmarks.common.process import BenchmarkError, output
from benchmarks.common.table import table
from benchmarks.common.trainer import metrics

HEADS = {"mojo": "our Mojo", "rust": "our Rust", "peer": "the peer's Rust"}
OPERATIONS = {
    "create": "create",
    "reset": "reset (difficulty 5)",
    "step": "step",
    "observe": "observe",
    "masks": "action mask",
    "clone": "clone",
    "is_final": "is it final",
    "combined_step": "step, observe, mask, reward, is it final",
    "episode": "an episode of random moves",
}
Programs = dict[str, Path]


def installed_mojo() -> str | None:
    """Returns the path of a Mojo compiler, if there is one."""
    own = paths.ROOT / ".venv/bin/mojo"
    return shutil.which("mojo") or (str(own) if own.exists() else None)


def drivers(mojo: str, peer: bool, out: Path) -> Programs:
    """Compiles the drivers and returns them by name."""
    out.mkdir(parents=True, exist_ok=True)
    output([mojo, "build", "-I", "mojo/src", "-o", out / "mojo", "mojo/benchmark.mojo"], cwd=paths.ROOT)
    cargo = ["cargo", "build", "--quiet", "--release", "--target-dir", out, "--locked"]
    output([*cargo, "--package", "twisterl-core", "--example", "bench_puzzle"], cwd=paths.ROOT)
    found = {"mojo": out / "mojo", "rust": out / "release/examples/bench_puzzle"}
    if peer:
        output(cargo, cwd=paths.ROOT / "benches/peer")
        found["peer"] = out / "release/peer-bench"
    return found


def measure(programs: Programs, rounds: int, iterations: int) -> dict[str, dict[str, float]]:
    """Returns the nanoseconds of each operation by driver."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            found[name].append(json.loads(output([program, iterations])))
    return {
        name: {operation: statistics.median(run[operation] for run in runs) for operation in OPERATIONS}
        for name, runs in found.items()
    }


def page(figures: dict[str, dict[str, float]]) -> str:
    """Returns the figures in Markdown."""
    rows = []
    for operation, title in OPERATIONS.items():
        times = [f"{row[operation]:.1f}" for row in figures.values()]
        rows.append([title, *times, f"{figures['mojo'][operation] / figures['rust'][operation]:.2f}"])
    return table(["operation, ns", *(HEADS[name] for name in figures), "Mojo / Rust"], rows)


def trainers(mojo: str, config: dict[str, Any], out: Path) -> Programs:
    """Compiles the trainers and returns them by name; the one in Mojo for boards of the config's size."""
    out.mkdir(parents=True, exist_ok=True)
    sizes = [part for side in ("height", "width") for part in ("-D", f"{side.upper()}={config['env'].get(side, 3)}")]
    program = out / "train_puzzle"
    output([mojo, "build", "-I", "mojo/src", *sizes, "-o", program, "mojo/train_puzzle.mojo"], cwd=paths.ROOT)
    cargo = ["cargo", "build", "--quiet", "--release", "--target-dir", out, "--locked", "--package", "twisterl-train"]
    output(cargo, cwd=paths.ROOT)
    return {"mojo": program, "rust": out / "release/twisterl-train"}


def es_config(config: dict[str, Any], difficulty: int, iterations: int, cores: int) -> dict[str, Any]:
    """Returns a config that trains at one difficulty, evaluates nothing, and logs each of its iterations."""
    algorithm = config.get("algorithm", {})
    if "es" not in algorithm:
        raise BenchmarkError("--es: expected a config with the section algorithm.es, found none")
    return {
        **config,
        "num_iterations": iterations,
        "algorithm": {
            **algorithm,
            "collecting": {**algorithm.get("collecting", {}), "num_cores": cores},
            "learning": {"diff_metric": "rollout", "diff_start": difficulty, "diff_max": difficulty},
            "evals": {},
            "logging": {"log_freq": 1, "checkpoint_freq": 0},
        },
    }


def measure_es(programs: Programs, config: dict[str, Any], rounds: int) -> dict[str, float]:
    """Returns the episodes a second by trainer. Evaluations and logging are not counted."""
    rates: dict[str, list[float]] = {"mojo": [], "rust": []}
    steps = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "es.json"
        file.write_text(json.dumps(config))
        calls: dict[str, list[object]] = {"mojo": ["--config", file], "rust": [file, "--quiet"]}
        for turn in range(rounds):
            for name, found in rates.items():
                run = Path(folder) / f"{name}_{turn}"
                output([programs[name], *calls[name], "--run-path", run])
                rows = [row for row in metrics(run) if "rollout" in row]  # without the evaluation at the end
                steps[name] = rows[0]["env_steps"]
                parts = ("seconds",) if name == "mojo" else ("collect", "update")
                seconds = statistics.median(sum(row["time"][part] for part in parts) for row in rows[1:])
                found.append(rows[0]["rollout"]["episodes"] / seconds)
    if steps["mojo"] != steps["rust"]:
        raise BenchmarkError(f"expected the same steps in the first iteration, found {steps}")
    return {name: statistics.median(found) for name, found in rates.items()}


def es_page(rates: dict[str, float]) -> str:
    """Returns the rates in Markdown."""
    cells = [f"{rates['mojo']:,.0f}", f"{rates['rust']:,.0f}", f"{rates['mojo'] / rates['rust']:.2f}"]
    heads = ["ES, episodes/s", HEADS["mojo"], HEADS["rust"], "Mojo / Rust"]
    return table(heads, [["all members of a population", *cells]])


def main(arguments: list[str]) -> int:
    """Builds, measures, prints, and writes the record."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py mojo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mojo", default=installed_mojo(), help="the compiler (default: %(default)s)")
    parser.add_argument("--no-peer", action="store_true", help="leave the peer's crate out")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="runs of each driver (default: %(default)s)")
    parser.add_argument("--iterations", type=int, default=100_000, metavar="N", help="default: %(default)s")
    parser.add_argument("--es", type=Path, metavar="CONFIG", help="compare ES by this config instead")
    parser.add_argument("--es-iterations", type=int, default=20, metavar="N", help="of a run (default: %(default)s)")
    parser.add_argument("--es-difficulty", type=int, default=10, metavar="N", help="default: %(default)s")
    parser.add_argument("--num-cores", type=int, default=os.cpu_count(), metavar="N", help="for --es (default: all)")
    parser.add_argument("--build-dir", type=Path, default=paths.ROOT / "target/benchmark_mojo", metavar="DIR")
    parser.add_argument("--out", type=Path, help="the record, without suffix")
    args = parser.parse_args(arguments)
    if args.rounds < 1 or args.es_iterations < 2:
        parser.error("expected --rounds of at least 1 and --es-iterations of at least 2")
    if args.mojo is None:
        parser.error("no Mojo found; pip install --requirement mojo/requirements.txt, or give --mojo")
    folder = args.build_dir.resolve()
    if args.es:
        config = json.loads(args.es.read_text("utf-8-sig"))
        programs = trainers(args.mojo, config, folder)
        config = es_config(config, args.es_difficulty, args.es_iterations, args.num_cores)
        rates = measure_es(programs, config, args.rounds)
        text = es_page(rates)
        results = {"num_cores": args.num_cores, "config": config, "episodes_per_second": rates}
    else:
        programs = drivers(args.mojo, not args.no_peer, folder)
        figures = measure(programs, args.rounds, args.iterations)
        text = page(figures)
        results = {"iterations": args.iterations, "nanoseconds": figures}
    print(text, end="")
    if args.out:
        record.write(args.out, "mojo", arguments, {"rounds": args.rounds, **results}, text)
    return 0
