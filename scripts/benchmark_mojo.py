#!/usr/bin/env python3
"""Times the operations of the 8-puzzle in Mojo, in Rust and in the peer's crate: one table, from one machine.

Builds the three drivers (mojo/benchmark.mojo, crates/twisterl-core/examples/bench_puzzle.rs, benches/peer) and runs
them in turn, --rounds times, each on one thread. A figure is the median over the rounds of what a driver reports, which
is the median of nine repeats of --iterations operations. The peer's crate comes from crates.io; --no-peer goes without.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
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


def main() -> None:
    """Builds, measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = shutil.which("mojo") or str(ROOT / ".venv/bin/mojo")
    parser.add_argument("--mojo", default=default, help="the compiler (default: %(default)s)")
    parser.add_argument("--no-peer", action="store_true", help="leave the peer's crate out")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="runs of each driver (default: %(default)s)")
    parser.add_argument("--iterations", type=int, default=100_000, metavar="N", help="default: %(default)s")
    parser.add_argument("--build-dir", type=Path, default=ROOT / "target/benchmark_mojo", metavar="DIR")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a record of the figures, JSON")
    arguments = parser.parse_args()
    programs = drivers(arguments.mojo, not arguments.no_peer, arguments.build_dir.resolve())
    figures = measure(programs, arguments.rounds, arguments.iterations)
    print(table(figures))
    if arguments.out:
        machine = f"{platform.machine()}, {os.cpu_count()} cores"
        record = {"machine": machine, "rounds": arguments.rounds, "iterations": arguments.iterations}
        arguments.out.write_text(json.dumps({**record, "nanoseconds": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
