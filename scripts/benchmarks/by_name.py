"""Times training by name alone, `twisterl.train(ENV)`, until an evaluation reaches the usual threshold.

    scripts/benchmark.py by_name --python .venv/bin/python --rival .venv-rivals/bin/python --seeds 3 --out RECORD

The environments are all built-in ones and those of Gymnasium that need no further packages. `--python` has our package
installed as users have it (a debug build says nothing), and Gymnasium. `--rival` has Stable-Baselines3, whose PPO is
trained with its defaults (`rivals --setup` makes it); without it that side is left out. Evaluations are not counted.
Of puzzles the threshold is a share of uniformly random problems, of all others a mean return: Gymnasium's
`reward_threshold` where there is one.
"""

import argparse
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import paths, record
from benchmarks.common.process import foreign_environment, last_json, output
from benchmarks.common.table import table

WORKER = paths.WORKERS / "by_name.py"


@dataclass(frozen=True)
class Problem:
    """An environment and the figure that it has to reach."""

    name: str
    threshold: float
    measure: str = "reward"
    is_gymnasium: bool = True


PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem("Puzzle", 0.95, "success", False),
        Problem("LightsOut", 0.95, "success", False),
        Problem("Maze", 0.95, "success", False),
        # 5 % below the optimum, as in `control`.
        Problem("Journey", -3.533, is_gymnasium=False),
        Problem("CartPole-v1", 475),
        Problem("Acrobot-v1", -100),
        Problem("MountainCar-v0", -110),
        Problem("MountainCarContinuous-v0", 90),
        Problem("Pendulum-v1", -200),
        Problem("FrozenLake-v1", 0.7),
        Problem("FrozenLake8x8-v1", 0.85),
        Problem("CliffWalking-v1", -13),
        Problem("Taxi-v4", 8),
        # The best strategy loses 0.05 a game on average.
        Problem("Blackjack-v1", -0.1),
    )
}
Runs = dict[str, dict[str, list[dict[str, Any]]]]  # results by side, of each problem


def cells(runs: list[dict[str, Any]]) -> list[str]:
    """Returns the cells of a side: the runs that got there, median seconds with the spread, steps, the worst figure."""
    if not runs:
        return ["", "", "", ""]
    seconds = [run["seconds"] for run in runs if run["seconds"] is not None]
    best = [run["best"] for run in runs if run["best"] is not None]
    share, worst = f"{len(seconds)} of {len(runs)}", f"{min(best):.4g}" if best else ""
    if not seconds:
        return [share, "", "", worst]
    spread = f"{statistics.median(seconds):.1f} ({min(seconds):.1f} to {max(seconds):.1f})"
    return [share, spread, f"{statistics.median(run['steps'] for run in runs if run['steps']):,.0f}", worst]


def page(runs: Runs) -> str:
    """Returns all problems in Markdown."""
    rows = []
    for name, sides in runs.items():
        problem = PROBLEMS[name]
        bar = f"{problem.threshold:.0%} solved" if problem.measure == "success" else f"{problem.threshold:g}"
        rows += [[name, bar, side, *cells(found)] for side, found in sides.items()]
    heads = ["environment", "threshold", "side", "reached", "seconds of training", "steps", "worst seed's best"]
    return f"By name alone, until an evaluation reaches the threshold:\n\n{table(heads, rows, 3)}"


def main(arguments: list[str]) -> int:
    """Measures, prints, and writes the record."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py by_name", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help="environments, with commas")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="interpreter with our package")
    parser.add_argument("--rival", type=Path, help="interpreter with Stable-Baselines3")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=120.0, metavar="S", help="of training (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="the record, without suffix")
    args = parser.parse_args(arguments)
    chosen = args.only.split(",") if args.only else list(PROBLEMS)
    if unknown := set(chosen) - set(PROBLEMS):
        parser.error(f"--only: expected some of {', '.join(PROBLEMS)}, found {', '.join(sorted(unknown))}")
    runs: Runs = {}
    for problem in (PROBLEMS[name] for name in chosen):
        sides = {"ours": args.python} | ({"sb3": args.rival} if args.rival and problem.is_gymnasium else {})
        found = runs[problem.name] = {side: [] for side in sides}
        for seed in range(args.seeds):
            for side, python in sides.items():
                limits = [args.seconds, problem.measure, problem.threshold]
                command = [python, WORKER, side, problem.name, seed, *limits]
                result = last_json(output(command, env=foreign_environment()))
                found[side].append({"seed": seed, **result})
                print(f"{problem.name} seed {seed} {side}: {result}", file=sys.stderr)
    print(page(runs), end="")
    if args.out:
        record.write(args.out, "by_name", arguments, {"runs": runs}, page(runs))
    return 0
