#!/usr/bin/env python3
"""Seconds of PPO training until a control problem counts as solved: ours against other frameworks, in turn in one run.

    python scripts/benchmark_rivals.py --task CartPole-v1 --python .venv-rivals/bin/python --thrust BINARY --repeats 5

The rivals' interpreter needs `pip install stable-baselines3 rlox` (`--setup FOLDER` makes it); the binary is what
`cargo build --release` makes of benches/rivals/thrust. Sides whose interpreter or binary is not given are left out.
Ours trains its examples. The others train with the RL Zoo's hyperparameters for Stable-Baselines3's PPO,
`thrust-shipped` with those of its own example.

Every EVERY steps 100 greedy episodes are played, off the clock. The problem is solved at the first of two evaluations
in a row whose mean return reaches the threshold. Each repeat is another seed.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKER = ROOT / "scripts/rivals_worker.py"
# Threshold, steps between evaluations, steps at most, our config, steps of an iteration of ours.
TASKS = {
    "CartPole-v1": (475, 5120, 102_400, "ppo_cartpole_v1.json", 256),
    "Pendulum-v1": (-200, 4096, 122_880, "ppo_pendulum_v1.json", 4096),
}
SIDES = {"CartPole-v1": ("sb3", "torch", "rlox"), "Pendulum-v1": ("sb3",)}


def ours(args, seed, every):
    """Points of our training: (steps, seconds, mean return)."""
    *_, config, size = TASKS[args.task]
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [args.trainer, ROOT / "examples" / config, "--run-path", run, "--quiet", "--seed", seed]
        command += ["--set", f"algorithm.evals.greedy.every={every // size}"]
        command += ["--set", "algorithm.evals.greedy.num_episodes=100", "--set", "algorithm.logging.log_freq=1"]
        if args.max_steps:
            command += ["--num-steps", max(1, args.max_steps // size)]
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
        trained = 0.0
        for line in (run / "metrics.jsonl").read_text().splitlines():
            row = json.loads(line)
            trained += row["time"]["total"] - row["time"]["evaluate"]
            if "greedy" in row.get("evals", {}):
                yield row["env_steps"], trained, row["evals"]["greedy"]["reward"]


def rival(command):
    """Points of a rival's training."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True, env=environment)
    for line in done.stdout.splitlines():
        point = json.loads(line)
        yield point["steps"], point["seconds"], point["reward"]


def solved(points, threshold):
    """The first of two points in a row that reach the threshold."""
    for first, second in itertools.pairwise(points):
        if min(first[2], second[2]) >= threshold:
            return first
    return None


def summary(runs):
    """A cell for the seconds, and one for the steps, of the runs that got there."""
    seconds = [run["seconds"] for run in runs if run["seconds"] is not None]
    steps = [run["steps"] for run in runs if run["steps"] is not None]
    share = f"{len(seconds)} of {len(runs)}"
    if not seconds:
        return None, f"| {share} | | |"
    median = statistics.median(seconds)
    spread = f"{median:.2f} ({min(seconds):.2f} to {max(seconds):.2f})"
    return median, f"| {share} | {spread} | {statistics.median(steps):,.0f} |"


def main():
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=TASKS, default="CartPole-v1")
    parser.add_argument("--trainer", type=Path, default=ROOT / "target/release/twisterl-train", help="our binary")
    parser.add_argument("--python", type=Path, help="interpreter of the rivals in Python")
    parser.add_argument("--thrust", type=Path, help="binary of benches/rivals/thrust")
    parser.add_argument("--setup", type=Path, metavar="FOLDER", help="make the rivals' environment, and end")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--max-steps", type=int, help="environment steps at most")
    parser.add_argument("--out", type=Path, help="write OUT.json and OUT.md")
    args = parser.parse_args()
    if args.setup:
        subprocess.run([sys.executable, "-m", "venv", args.setup], check=True)
        needed = ["stable-baselines3", "gymnasium", "rlox"]
        subprocess.run([args.setup / "bin/python", "-m", "pip", "install", "--quiet", *needed], check=True)
        return
    threshold, every, most, _, _ = TASKS[args.task]
    most = args.max_steps or most
    given = {"ours": lambda seed: ours(args, seed, every)}
    if args.python:
        for side in SIDES[args.task]:
            command = [args.python, WORKER, side, args.task]
            given[side] = lambda seed, command=command: rival([*command, seed, most, every])
    if args.thrust and args.task == "CartPole-v1":
        for recipe in ("zoo", "shipped"):
            given[f"thrust-{recipe}"] = lambda seed, recipe=recipe: rival([args.thrust, seed, recipe, most, every])
    runs = {side: [] for side in given}
    for seed in range(args.repeats):
        for side, train in given.items():
            points = list(train(seed))
            steps, seconds, _ = solved(points, threshold) or (None, None, None)
            runs[side].append({"seed": seed, "steps": steps, "seconds": seconds, "points": points})
            print(f"seed {seed} {side}: {'never' if seconds is None else f'{seconds:.2f} s'}", file=sys.stderr)
    lines = [
        f"{args.task}, return of {threshold} or more in two evaluations running:",
        "",
        "| side | solved | seconds of training | steps | x the seconds of ours |",
        "|---|---|---:|---:|---:|",
    ]
    base, _ = summary(runs["ours"])
    for side, rows in runs.items():
        median, cells = summary(rows)
        ratio = f"{median / base:.1f}" if median and base else ""
        lines.append(f"| {side} {cells} {ratio} |")
    table = "\n".join(lines) + "\n"
    print(table, end="")
    if args.out:
        args.out.with_suffix(".md").write_text(table)
        args.out.with_suffix(".json").write_text(json.dumps({"task": args.task, "runs": runs}) + "\n")


if __name__ == "__main__":
    main()
