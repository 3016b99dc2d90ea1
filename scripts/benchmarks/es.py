"""Measures what evolution strategies reach, and how fast their populations play.

`population` times 1,024 members with perturbations of rank 1 beside one policy in batches and members that play one by
one. `cartpole` trains `examples/es_cartpole_v1.json` until its greedy policy holds the pole for 475 steps on average.
`puzzle8` trains `examples/es_puzzle8_v1.json`, and `ppo` PPO's config for the same puzzle, for --puzzle-seconds and
reports the highest difficulty whose evaluation reached 0.85. Seconds are those of the training.
"""

import argparse
import json
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import paths, record
from benchmarks.common import trainer as trainers
from benchmarks.common.process import BenchmarkError, child
from benchmarks.common.table import table
from benchmarks.common.trainer import Trainer

SOLVED, PASSED = 475, 0.85
CARTPOLE_SECONDS = 60
PARTS = ["population", "cartpole", "puzzle8", "ppo"]


def train(trainer: Trainer, config: Path, seed: int, seconds: float, sets: list[str]) -> list[dict[str, Any]]:
    """Returns the metrics of a run that is stopped after so many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        with child(trainer.command(config, run, "--seed", seed, *trainers.overrides(sets))) as process:
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
            if process.wait() not in (0, 130):
                raise BenchmarkError(f"{config}: the trainer ended with exit code {process.returncode}")
        return trainers.metrics(run)


def seconds_to_solve(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns when the greedy policy first held the pole."""
    for row in rows:
        if row["evals"].get("greedy", {}).get("reward", 0) >= SOLVED:
            return {"seconds": row["time"]["elapsed"], "env_steps": row["env_steps"]}
    return {"seconds": None, "env_steps": rows[-1]["env_steps"]}


def difficulty(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the highest difficulty that was passed: the curriculum goes on to the next one then."""
    return {"difficulty": max(row["difficulty"] for row in rows) - 1, "env_steps": rows[-1]["env_steps"]}


def measure(trainer: Trainer, args: argparse.Namespace) -> dict[str, Any]:
    """Measures all parts that are asked for."""
    found: dict[str, Any] = {}
    # PPO's curriculum goes by training episodes that sample; to compare, both go by the same evaluation.
    now = '{"now":{"num_episodes":500,"deterministic":true,"every":10}}'
    same = [
        "algorithm.learning.diff_metric=now",
        f"algorithm.learning.diff_threshold={PASSED}",
        f"algorithm.evals={now}",
    ]
    for part in args.what:
        if part == "population":
            found[part] = json.loads(trainer.call("bench", "population", "--seconds", args.seconds))
        elif part == "cartpole":
            config = paths.EXAMPLES / "es_cartpole_v1.json"
            runs = [train(trainer, config, seed, CARTPOLE_SECONDS, args.set) for seed in range(args.seeds)]
            found[part] = [seconds_to_solve(rows) for rows in runs]
        else:
            name, sets = ("es", []) if part == "puzzle8" else ("ppo", same)
            config = paths.EXAMPLES / f"{name}_puzzle8_v1.json"
            sets = [*sets, "num_iterations=1000000", *args.set]
            runs = [train(trainer, config, seed, args.puzzle_seconds, sets) for seed in range(args.seeds)]
            found[part] = [difficulty(rows) for rows in runs]
        print(json.dumps({part: found[part]}), flush=True)
    return found


def page(found: dict[str, Any]) -> str:
    """Returns the figures in Markdown."""
    rows = []
    if rates := found.get("population"):
        rows.append(["population, steps/s", f"{rates['population']:,.0f}"])
        rows.append(["of one policy in batches", f"{rates['of_plain']:.0%}"])
        rows.append(["of members one by one", f"{rates['times_one_by_one']:.1f} x"])
    if runs := found.get("cartpole"):
        solved = [run["seconds"] for run in runs if run["seconds"] is not None]
        median = f", median {statistics.median(solved):.1f} s, worst {max(solved):.1f} s" if solved else ""
        rows.append([f"CartPole-v1 to {SOLVED}, seeds", f"{len(solved)} of {len(runs)}{median}"])
    for part in ("puzzle8", "ppo"):
        if runs := found.get(part):
            rows.append([f"{part}, difficulty passed by seed", ", ".join(str(run["difficulty"]) for run in runs)])
    return table(["what", "figure"], rows)


def main(arguments: list[str]) -> int:
    """Measures, prints, and writes the record."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py es", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--what", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=20, help="of the timing of populations")
    parser.add_argument("--puzzle-seconds", type=float, default=180)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the configs")
    trainers.add_option(parser)
    parser.add_argument("--out", type=Path, help="the record, without suffix")
    args = parser.parse_args(arguments)
    trainer, begun = trainers.chosen(parser, args), time.time()
    found = measure(trainer, args)
    print(page(found), end="")
    if args.out:
        results = {"seconds": time.time() - begun, "found": found}
        record.write(args.out, "es", arguments, results, page(found))
    return 0
