"""Seconds of PPO training until a control problem counts as solved: ours against other frameworks, in turn in one run.

    scripts/benchmark.py rivals --task CartPole-v1 --python .venv-rivals/bin/python --thrust BINARY --repeats 5

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
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import paths, record
from benchmarks.common import trainer as trainers
from benchmarks.common.process import foreign_environment, make_environment, output
from benchmarks.common.table import table
from benchmarks.common.trainer import Trainer

WORKER = paths.WORKERS / "rivals.py"
PACKAGES = ["stable-baselines3", "gymnasium", "rlox"]
Point = tuple[int, float, float]  # steps, seconds, mean return


@dataclass(frozen=True)
class Task:
    """A problem, and how long it is trained."""

    name: str
    threshold: float
    every: int  # steps between evaluations
    most: int  # steps at most
    config: str  # ours
    iteration: int  # steps of an iteration of ours
    rivals: tuple[str, ...]


TASKS = {
    task.name: task
    for task in (
        Task("CartPole-v1", 475, 5120, 102_400, "ppo_cartpole_v1.json", 256, ("sb3", "torch", "rlox")),
        Task("Pendulum-v1", -200, 4096, 122_880, "ppo_pendulum_v1.json", 4096, ("sb3",)),
    )
}


def ours(trainer: Trainer, task: Task, seed: int, max_steps: int | None) -> Iterator[Point]:
    """Yields the evaluations of our training."""
    changes = [f"algorithm.evals.greedy.every={task.every // task.iteration}"]
    changes += ["algorithm.evals.greedy.num_episodes=100", "algorithm.logging.log_freq=1"]
    options: list[object] = ["--seed", seed, *trainers.overrides(changes)]
    if max_steps:
        options += ["--num-steps", max(1, max_steps // task.iteration)]
    trained = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for row in trainer.train(paths.EXAMPLES / task.config, Path(folder) / "run", *options):
            trained += row["time"]["total"] - row["time"]["evaluate"]
            if "greedy" in row.get("evals", {}):
                yield row["env_steps"], trained, row["evals"]["greedy"]["reward"]


def rival(command: Sequence[object]) -> Iterator[Point]:
    """Yields the evaluations of a rival's training."""
    for line in output(command, env=foreign_environment()).splitlines():
        point = json.loads(line)
        yield point["steps"], point["seconds"], point["reward"]


def solved(points: Sequence[Point], threshold: float) -> Point | None:
    """Returns the first of two points in a row that reach the threshold."""
    for first, second in itertools.pairwise(points):
        if min(first[2], second[2]) >= threshold:
            return first
    return None


def summary(runs: list[dict[str, Any]]) -> tuple[float | None, list[str]]:
    """Returns the median seconds, and the cells of the runs that got there."""
    seconds = [run["seconds"] for run in runs if run["seconds"] is not None]
    steps = [run["steps"] for run in runs if run["steps"] is not None]
    share = f"{len(seconds)} of {len(runs)}"
    if not seconds:
        return None, [share, "", ""]
    median = statistics.median(seconds)
    spread = f"{median:.2f} ({min(seconds):.2f} to {max(seconds):.2f})"
    return median, [share, spread, f"{statistics.median(steps):,.0f}"]


def page(task: Task, runs: dict[str, list[dict[str, Any]]]) -> str:
    """Returns all sides in Markdown."""
    base, _ = summary(runs["ours"])
    rows = []
    for side, found in runs.items():
        median, cells = summary(found)
        rows.append([side, *cells, f"{median / base:.1f}" if median and base else ""])
    heads = ["side", "solved", "seconds of training", "steps", "x the seconds of ours"]
    return f"{task.name}, return of {task.threshold} or more in two evaluations running:\n\n{table(heads, rows, 2)}"


def sides(trainer: Trainer, task: Task, args: argparse.Namespace) -> dict[str, Callable[[int], Iterator[Point]]]:
    """Returns the trainings that were asked for: a function of the seed for each side."""
    most = args.max_steps or task.most
    found: dict[str, Callable[[int], Iterator[Point]]] = {
        "ours": lambda seed: ours(trainer, task, seed, args.max_steps)
    }

    def trained(before: list[object], after: list[object]) -> Callable[[int], Iterator[Point]]:
        return lambda seed: rival([*before, seed, *after, most, task.every])

    for side in task.rivals if args.python else ():
        found[side] = trained([args.python, WORKER, side, task.name], [])
    for recipe in ("zoo", "shipped") if args.thrust and task.name == "CartPole-v1" else ():
        found[f"thrust-{recipe}"] = trained([args.thrust], [recipe])
    return found


def main(arguments: list[str]) -> int:
    """Measures, prints, and writes the record."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py rivals", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", choices=TASKS, default="CartPole-v1")
    trainers.add_option(parser)
    parser.add_argument("--python", type=Path, help="interpreter of the rivals in Python")
    parser.add_argument("--thrust", type=Path, help="binary of benches/rivals/thrust")
    parser.add_argument("--setup", type=Path, metavar="FOLDER", help="make the rivals' environment, and end")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--max-steps", type=int, help="environment steps at most")
    parser.add_argument("--out", type=Path, help="the record, without suffix")
    args = parser.parse_args(arguments)
    if args.setup:
        make_environment(args.setup, PACKAGES)
        return 0
    task = TASKS[args.task]
    trainings = sides(trainers.chosen(parser, args), task, args)
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in trainings}
    for seed in range(args.repeats):
        for side, train in trainings.items():
            points = list(train(seed))
            steps, seconds, _ = solved(points, task.threshold) or (None, None, None)
            runs[side].append({"seed": seed, "steps": steps, "seconds": seconds, "points": points})
            print(f"seed {seed} {side}: {'never' if seconds is None else f'{seconds:.2f} s'}", file=sys.stderr)
    print(page(task, runs), end="")
    if args.out:
        record.write(args.out, "rivals", arguments, {"task": task.name, "runs": runs}, page(task, runs))
    return 0
