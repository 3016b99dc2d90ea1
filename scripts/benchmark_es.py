#!/usr/bin/env python3
"""What evolution strategies reach, and how fast their populations play.

`population` times 1,024 members with perturbations of rank 1 beside one policy in batches and members that play one by
one. `cartpole` trains `examples/es_cartpole_v1.json` until its greedy policy holds the pole for 475 steps on average.
`puzzle8` trains `examples/es_puzzle8_v1.json`, and `ppo` PPO's config for the same puzzle, for --puzzle-seconds and
reports the highest difficulty whose evaluation reached 0.85. Seconds are those of the training.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOLVED, PASSED = 475, 0.85
PARTS = ["population", "cartpole", "puzzle8", "ppo"]


def call(trainer: Path, *arguments: object) -> str:
    """What the trainer prints."""
    done = subprocess.run([str(trainer), *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, arguments))}: {done.stderr.strip()}")
    return done.stdout


def train(trainer: Path, config: Path, seed: int, seconds: float | None, sets: list[str]) -> list[dict]:
    """The metrics of a run that is stopped after so many seconds."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [trainer, config, "--seed", seed, "--run-path", run, "--quiet"]
        command += [part for change in sets for part in ("--set", change)]
        process = subprocess.Popen(list(map(str, command)))
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        if process.wait() not in (0, 130):
            sys.exit(f"{config}: the trainer ended with exit code {process.returncode}")
        return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def seconds_to_solve(rows: list[dict]) -> dict:
    """When the greedy policy first held the pole."""
    for row in rows:
        if row["evals"].get("greedy", {}).get("reward", 0) >= SOLVED:
            return {"seconds": row["time"]["elapsed"], "env_steps": row["env_steps"]}
    return {"seconds": None, "env_steps": rows[-1]["env_steps"]}


def difficulty(rows: list[dict]) -> dict:
    """The highest difficulty that was passed: the curriculum goes on to the next one then."""
    return {"difficulty": max(row["difficulty"] for row in rows) - 1, "env_steps": rows[-1]["env_steps"]}


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """All parts that are asked for."""
    found: dict[str, object] = {}
    seeds, trainer = range(arguments.seeds), arguments.trainer
    # PPO's curriculum goes by training episodes that sample; to compare, both go by the same evaluation.
    now = '{"now":{"num_episodes":500,"deterministic":true,"every":10}}'
    same = [
        "algorithm.learning.diff_metric=now",
        f"algorithm.learning.diff_threshold={PASSED}",
        f"algorithm.evals={now}",
    ]
    for part in arguments.what:
        if part == "population":
            found[part] = json.loads(call(trainer, "bench", "population", "--seconds", arguments.seconds))
        elif part == "cartpole":
            config = ROOT / "examples/es_cartpole_v1.json"
            runs = [train(trainer, config, seed, 60, arguments.set) for seed in seeds]
            found[part] = [seconds_to_solve(rows) for rows in runs]
        else:
            name, sets = ("es", []) if part == "puzzle8" else ("ppo", same)
            config = ROOT / f"examples/{name}_puzzle8_v1.json"
            sets += ["num_iterations=1000000", *arguments.set]
            runs = [train(trainer, config, seed, arguments.puzzle_seconds, sets) for seed in seeds]
            found[part] = [difficulty(rows) for rows in runs]
        print(json.dumps({part: found[part]}), flush=True)
    return found


def table(found: dict[str, object]) -> str:
    """The figures in Markdown."""
    lines = ["| what | figure |", "|---|---:|"]
    if rates := found.get("population"):
        lines.append(f"| population, steps/s | {rates['population']:,.0f} |")
        lines.append(f"| of one policy in batches | {rates['of_plain']:.0%} |")
        lines.append(f"| of members one by one | {rates['times_one_by_one']:.1f} x |")
    if runs := found.get("cartpole"):
        solved = [run["seconds"] for run in runs if run["seconds"] is not None]
        median = f", median {statistics.median(solved):.1f} s, worst {max(solved):.1f} s" if solved else ""
        lines.append(f"| CartPole-v1 to {SOLVED}, seeds | {len(solved)} of {len(runs)}{median} |")
    for part in ("puzzle8", "ppo"):
        if runs := found.get(part):
            reached = ", ".join(str(run["difficulty"]) for run in runs)
            lines.append(f"| {part}, difficulty passed by seed | {reached} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=20, help="of the timing of populations")
    parser.add_argument("--puzzle-seconds", type=float, default=180)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the configs")
    parser.add_argument("--trainer", type=Path, default=ROOT / "target/release/twisterl-train")
    parser.add_argument("--out", type=Path, help="record to write, NAME.json, beside NAME.md")
    arguments = parser.parse_args()
    if not arguments.trainer.is_file():
        parser.error(f"{arguments.trainer}: no such file; cargo build --release -p twisterl-train")
    begun = time.time()
    found = measure(arguments)
    if arguments.out:
        command = "python scripts/benchmark_es.py " + " ".join(sys.argv[1:])
        machine = {"processor": platform.machine(), "cores": os.cpu_count()}
        record = {"command": command, "machine": machine, "seconds": time.time() - begun, "found": found}
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")
        arguments.out.with_suffix(".md").write_text(table(found))
    print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
