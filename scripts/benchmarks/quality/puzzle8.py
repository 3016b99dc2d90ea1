"""Trains examples/ppo_puzzle8_v1.json with several seeds and plays every solvable board greedily.

For each seed: the share of all 181,440 boards solved, and the mean length over the optimal one, by the last checkpoint
not later than each of --marks seconds of training, and by the best policy at the end; and the peak memory of the run.
Optimal lengths come from a breadth-first search (scripts/generate/puzzle8_optimal.py) and never reach the training.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import paths, record
from benchmarks.common import trainer as trainers
from benchmarks.common.process import BenchmarkError, child, output, peak_memory
from benchmarks.common.table import table
from benchmarks.common.trainer import Trainer


def elapsed(checkpoint: Path) -> float | None:
    """Returns the seconds of training at which a checkpoint was written; None while there is no whole one."""
    try:
        return float(json.loads((checkpoint / "state.json").read_text())["elapsed"])
    except (OSError, ValueError, KeyError):
        return None


def snapshot(checkpoint: Path, copy: Path) -> None:
    """Copies a checkpoint; one that is being replaced is left for the next time."""
    fresh = copy.with_suffix(".part")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        shutil.copytree(checkpoint, fresh)
    except (OSError, shutil.Error):
        return
    shutil.rmtree(copy, ignore_errors=True)
    fresh.rename(copy)


def train(trainer: Trainer, config: Path, run: Path, seed: int, marks: list[float], extra: list[object]) -> int:
    """Trains, keeping the last checkpoint before each mark. Returns the peak memory in bytes."""
    options = ["--seed", seed, "--num-cores", 2, "--set", "algorithm.logging.checkpoint_seconds=0.5", *extra]
    peak = 0
    with child(trainer.command(config, run, *options), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = peak_memory(process.pid) or peak
            now = elapsed(run / "checkpoint_last")
            for mark in marks:
                if now is not None and now <= mark:
                    snapshot(run / "checkpoint_last", run.parent / f"{run.name}-at-{mark:g}")
            time.sleep(0.1)
    if process.returncode != 0:
        raise BenchmarkError(f"the trainer failed with exit code {process.returncode}")
    return peak


def score(trainer: Trainer, policy: Path, states: Path) -> dict[str, float | None]:
    """Plays all boards greedily."""
    found = trainer.evaluate(policy, "--states", states, "--greedy")
    ratio = found["mean_length"] / found["mean_optimal"] if found["solved"] else None
    return {"solved": found["solved"] / found["count"], "ratio": ratio}


def measure(trainer: Trainer, args: argparse.Namespace, run: Path, states: Path, seed: int) -> dict[str, Any]:
    """Trains with one seed and scores what was kept."""
    extra: list[object] = ["--num-steps", 20, "--set", "algorithm.collecting.num_envs=64"] if args.smoke else []
    peak = train(trainer, args.config, run, seed, args.marks, extra)
    last = trainers.metrics(run)[-1]
    row: dict[str, Any] = {"seed": seed, "seconds": last["time"]["elapsed"], "env_steps": last["env_steps"]}
    row["peak_memory_mb"] = peak / 2**20
    row["best"] = score(trainer, run, states)
    row["last"] = score(trainer, run / "checkpoint_last", states)
    for mark in args.marks:
        kept = run.parent / f"{run.name}-at-{mark:g}"
        if kept.is_dir():
            row[f"at {mark:g} s"] = score(trainer, kept, states)
    return row


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns median and worst of what was scored."""
    summary: dict[str, Any] = {}
    for name in [name for name in rows[0] if isinstance(rows[0][name], dict)]:
        solved = [row[name]["solved"] for row in rows if name in row]
        ratios = [row[name]["ratio"] for row in rows if name in row and row[name]["ratio"]]
        summary[name] = {
            "solved": {"median": statistics.median(solved), "worst": min(solved)},
            "ratio": {"median": statistics.median(ratios), "worst": max(ratios)} if ratios else None,
        }
    summary["peak_memory_mb"] = max(row["peak_memory_mb"] for row in rows)
    summary["seconds"] = {"median": statistics.median(row["seconds"] for row in rows)}
    return summary


def page(summary: dict[str, Any]) -> str:
    """Returns the summary in Markdown."""
    rows = []
    for name, found in summary.items():
        if "solved" in (found if isinstance(found, dict) else {}):
            ratio = found["ratio"] or {"median": float("nan"), "worst": float("nan")}
            solved = found["solved"]
            cells = [f"{solved['median']:.4%}", f"{solved['worst']:.4%}", f"{ratio['median']:.4f}"]
            rows.append([name, *cells, f"{ratio['worst']:.4f}"])
    return table(["policy", "solved, median", "worst", "length / optimal, median", "worst"], rows)


def main(arguments: list[str]) -> int:
    """Trains, scores, prints, and writes the record."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py puzzle8", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 to N-1")
    parser.add_argument("--marks", type=float, nargs="*", default=[10.0, 20.0, 30.0])
    parser.add_argument("--config", type=Path, default=paths.EXAMPLES / "ppo_puzzle8_v1.json")
    parser.add_argument("--states", type=Path, help="boards with their optimal lengths (default: all of 3 x 3)")
    trainers.add_option(parser)
    parser.add_argument("--out", type=Path, default=paths.RECORDS / "puzzle8", help="the record, without suffix")
    parser.add_argument("--smoke", action="store_true", help="one seed, a few iterations, and no record")
    args = parser.parse_args(arguments)
    trainer = trainers.chosen(parser, args)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        states = args.states or Path(folder) / "boards.json"
        if args.states is None:
            output([sys.executable, paths.SCRIPTS / "generate/puzzle8_optimal.py", "--out", states])
        for seed in range(1 if args.smoke else args.seeds):
            run = Path(folder) / f"seed{seed}"
            rows.append(measure(trainer, args, run, states, seed))
            print(json.dumps(rows[-1]), flush=True)
    summary = summarise(rows)
    print(page(summary), end="")
    if not args.smoke:
        record.write(args.out, "puzzle8", arguments, {"summary": summary, "seeds": rows}, page(summary))
    return 0
