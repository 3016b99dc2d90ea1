#!/usr/bin/env python3
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
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
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


def build(command: list[str | Path], folder: Path = ROOT) -> None:
    """Runs a compiler."""
    if subprocess.run([str(part) for part in command], cwd=folder).returncode != 0:
        sys.exit(f"failed: {' '.join(map(str, command))}")


def drivers(mojo: str, peer: bool, out: Path) -> dict[str, Path]:
    """Compiles the drivers and returns them by name."""
    out.mkdir(parents=True, exist_ok=True)
    build([mojo, "build", "-I", "mojo/src", "-o", out / "mojo", "mojo/benchmark.mojo"])
    cargo = ["cargo", "build", "--quiet", "--release", "--target-dir", out]
    build([*cargo, "--locked", "--package", "twisterl-core", "--example", "bench_puzzle"])
    found = {"mojo": out / "mojo", "rust": out / "release/examples/bench_puzzle"}
    if peer:
        build([*cargo, "--locked"], ROOT / "benches/peer")
        found["peer"] = out / "release/peer-bench"
    return found


def measure(programs: dict[str, Path], rounds: int, iterations: int) -> dict[str, dict[str, float]]:
    """Nanoseconds of each operation by driver."""
    found: dict[str, list[dict]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            result = subprocess.run([program, str(iterations)], capture_output=True, text=True)
            if result.returncode != 0:
                sys.exit(f"{name}: {result.stderr.strip()}")
            found[name].append(json.loads(result.stdout))
    return {
        name: {operation: statistics.median(run[operation] for run in runs) for operation in OPERATIONS}
        for name, runs in found.items()
    }


def table(figures: dict[str, dict[str, float]]) -> str:
    """The figures as Markdown."""
    heads = {"mojo": "our Mojo", "rust": "our Rust", "peer": "the peer's Rust"}
    lines = [
        "| operation, ns | " + " | ".join(heads[name] for name in figures) + " | Mojo / Rust |",
        "|---|" + "---:|" * (len(figures) + 1),
    ]
    for operation, title in OPERATIONS.items():
        times = [row[operation] for row in figures.values()]
        ratio = figures["mojo"][operation] / figures["rust"][operation]
        lines.append(f"| {title} | " + " | ".join(f"{time:.1f}" for time in times) + f" | {ratio:.2f} |")
    return "\n".join(lines)


def trainers(mojo: str, config: dict, out: Path) -> dict[str, Path]:
    """Compiles the trainers and returns them by name; the one in Mojo for boards of the config's size."""
    out.mkdir(parents=True, exist_ok=True)
    sides = [f"{side.upper()}={config['env'].get(side, 3)}" for side in ("height", "width")]
    source = "mojo/train_puzzle.mojo"
    build([mojo, "build", "-I", "mojo/src", "-D", sides[0], "-D", sides[1], "-o", out / "train_puzzle", source])
    build(["cargo", "build", "--quiet", "--release", "--target-dir", out, "--locked", "--package", "twisterl-train"])
    return {"mojo": out / "train_puzzle", "rust": out / "release/twisterl-train"}


def es_config(config: dict, difficulty: int, iterations: int, cores: int) -> dict:
    """A config that trains at one difficulty, evaluates nothing, and logs each of its iterations."""
    algorithm = config.get("algorithm", {})
    if "es" not in algorithm:
        sys.exit("--es: expected a config with the section algorithm.es, found none")
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


def es_rows(program: Path, arguments: list[str | Path], run: Path) -> list[dict]:
    """What a trainer logs of its iterations."""
    result = subprocess.run([program, *arguments, "--run-path", run], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{program}: {result.stderr.strip()}")
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def measure_es(programs: dict[str, Path], config: dict, rounds: int) -> dict[str, float]:
    """Episodes a second by trainer. Evaluations and logging are not counted."""
    rates: dict[str, list[float]] = {"mojo": [], "rust": []}
    steps = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "es.json"
        file.write_text(json.dumps(config))
        calls = {"mojo": ["--config", file], "rust": [file, "--quiet"]}
        for turn in range(rounds):
            for name, found in rates.items():
                rows = es_rows(programs[name], calls[name], Path(folder) / f"{name}_{turn}")
                steps[name] = rows[0]["env_steps"]
                parts = ("seconds",) if name == "mojo" else ("collect", "update")
                seconds = statistics.median(sum(row["time"][part] for part in parts) for row in rows[1:])
                found.append(rows[0]["rollout"]["episodes"] / seconds)
    if steps["mojo"] != steps["rust"]:
        sys.exit(f"expected the same steps in the first iteration, found {steps}")
    return {name: statistics.median(found) for name, found in rates.items()}


def es_table(rates: dict[str, float]) -> str:
    """The rates as Markdown."""
    ratio = rates["mojo"] / rates["rust"]
    return (
        "| ES, episodes/s | our Mojo | our Rust | Mojo / Rust |\n|---|---:|---:|---:|\n"
        f"| all members of a population | {rates['mojo']:,.0f} | {rates['rust']:,.0f} | {ratio:.2f} |"
    )


def main() -> None:
    """Builds, measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = shutil.which("mojo") or str(ROOT / ".venv/bin/mojo")
    parser.add_argument("--mojo", default=default, help="the compiler (default: %(default)s)")
    parser.add_argument("--no-peer", action="store_true", help="leave the peer's crate out")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="runs of each driver (default: %(default)s)")
    parser.add_argument("--iterations", type=int, default=100_000, metavar="N", help="default: %(default)s")
    parser.add_argument("--es", type=Path, metavar="CONFIG", help="compare ES by this config instead")
    parser.add_argument("--es-iterations", type=int, default=20, metavar="N", help="of a run (default: %(default)s)")
    parser.add_argument("--es-difficulty", type=int, default=10, metavar="N", help="default: %(default)s")
    parser.add_argument("--num-cores", type=int, default=os.cpu_count(), metavar="N", help="for --es (default: all)")
    parser.add_argument("--build-dir", type=Path, default=ROOT / "target/benchmark_mojo", metavar="DIR")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a record of the figures, JSON")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.es_iterations < 2:
        parser.error("expected --rounds of at least 1 and --es-iterations of at least 2")
    record = {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "rounds": arguments.rounds}
    folder = arguments.build_dir.resolve()
    if arguments.es:
        config = json.loads(arguments.es.read_text())
        programs = trainers(arguments.mojo, config, folder)
        config = es_config(config, arguments.es_difficulty, arguments.es_iterations, arguments.num_cores)
        rates = measure_es(programs, config, arguments.rounds)
        print(es_table(rates))
        record |= {"num_cores": arguments.num_cores, "config": config, "episodes_per_second": rates}
    else:
        programs = drivers(arguments.mojo, not arguments.no_peer, folder)
        figures = measure(programs, arguments.rounds, arguments.iterations)
        print(table(figures))
        record |= {"iterations": arguments.iterations, "nanoseconds": figures}
    if arguments.out:
        arguments.out.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
