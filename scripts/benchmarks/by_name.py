"""Times training by name alone, `twisterl.train(ENV)`, until two evaluations in a row reach the usual threshold.

    scripts/benchmark.py by_name --python .venv/bin/python --rival .venv-rivals/bin/python --seeds 3 --out RECORD

The environments are all built-in ones, those of Gymnasium that need no further packages, and three classes of
`tests/envs_of_spaces.py`. `--python` has our package installed as users have it (a debug build says nothing), and
Gymnasium. `--rival` has Stable-Baselines3, whose PPO is trained with its defaults (`rivals --setup` makes it); without
it that side is left out. Evaluations are not counted. Of puzzles the threshold is a share of uniformly random problems,
of all others a mean return: Gymnasium's `reward_threshold` where there is one that can be reached. Both interpreters
need the same release of Gymnasium: below 1.3, as Stable-Baselines3 2.8 does.
"""

import argparse
import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import paths, record
from benchmarks.common.process import foreign_environment, last_json, output
from benchmarks.common.table import table

WORKER = paths.WORKERS / "by_name.py"


SPACES = paths.ROOT / "tests/envs_of_spaces.py"


@dataclass(frozen=True)
class Problem:
    """An environment and the figure that it has to reach."""

    name: str
    threshold: float
    measure: str = "reward"
    episodes: int = 100  # of an evaluation
    file: Path | None = None  # of the class, if it is none by name
    for_rivals: bool = True

    @property
    def env(self) -> str:
        """The environment, as the worker takes it."""
        return f"{self.file}:{self.name}" if self.file else self.name


PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem("Puzzle", 0.95, "success", 1000, for_rivals=False),
        Problem("LightsOut", 0.95, "success", 1000, for_rivals=False),
        Problem("Maze", 0.95, "success", 1000, for_rivals=False),
        # 5 % below the optimum, as in `control`; other packages have no such actions.
        Problem("Journey", -3.533, for_rivals=False),
        Problem("CartPole-v1", 475),
        Problem("Acrobot-v1", -100),
        Problem("MountainCar-v0", -110),
        Problem("MountainCarContinuous-v0", 90),
        Problem("Pendulum-v1", -200),
        # Of 0.744 and 0.913, which are possible within their time limits.
        Problem("FrozenLake-v1", 0.7, episodes=1000),
        Problem("FrozenLake8x8-v1", 0.85, episodes=1000),
        # The optimum. Nothing in it is random, so all greedy episodes are the same one.
        Problem("CliffWalking-v1", -13, episodes=20),
        # 5 % below the optimum, 7.93 on average over the starts: Gymnasium's threshold of 8 takes luck.
        Problem("Taxi-v3", 7.53),
        # The best strategy loses 0.05 a game on average. Stable-Baselines3 does not read tuples.
        Problem("Blackjack-v1", -0.1, episodes=10_000, for_rivals=False),
        # These three: 95 % of the optimum. In Corners that is 1 - 0.05 x steps: a corner takes 3 on average along each
        # axis, and 1 into the wall from the corner itself, 1 of 49 starts: 1 - 0.05 x 6.02 = 0.699.
        Problem("Corners", 0.664, file=SPACES),
        # 1 - 0.1 x steps: a dial takes 0, 1, 2 or 1, and from the goal itself, 1 of 64 starts, one turns away and back:
        # 1 - 0.1 x 3.03 = 0.697.
        Problem("Dials", 0.662, file=SPACES),
        # 1 - 0.05 x steps: 21/8 along each axis, and 1 (at a border) or 2 from the goal itself, 1 of 64 starts:
        # 1 - 0.05 x 5.27 = 0.736.
        Problem("Chase", 0.6995, file=SPACES),
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
    spread = f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"
    return [share, spread, f"{statistics.median(run['steps'] for run in runs if run['steps']):,.0f}", worst]


def ratio(sides: dict[str, list[dict[str, Any]]]) -> str:
    """Returns how many times sooner ours gets there: by the medians, and our slowest seed against the rival's fastest.

    A run that did not get there counts with the limit of seconds, so the ratio is a lower bound, `>`.
    """
    ours, rival = sides.get("ours", []), sides.get("sb3", [])
    if not ours or not rival or any(run["seconds"] is None for run in ours):
        return ""
    own = [run["seconds"] for run in ours]
    # Of equal times, that of a run that did not get there is the longer one.
    late = sorted((run["limit"], True) if run["seconds"] is None else (run["seconds"], False) for run in rival)

    def times(theirs: tuple[float, bool], own: float) -> str:
        return f"{'> ' if theirs[1] else ''}{theirs[0] / own:.1f} x"

    return f"{times(statistics.median_high(late), statistics.median(own))} ({times(late[0], max(own))})"


def page(runs: Runs) -> str:
    """Returns all problems in Markdown."""
    rows = []
    for problem in (problem for name, problem in PROBLEMS.items() if name in runs):
        sides = runs[problem.name]
        bar = f"{problem.threshold:.0%} solved" if problem.measure == "success" else f"{problem.threshold:g}"
        for side, found in sides.items():
            sooner = ratio(sides) if side == "ours" else ""
            rows.append([problem.name, bar, side, *cells(found), sooner])
    heads = ["environment", "threshold", "side", "reached", "seconds of training", "steps", "worst seed's best"]
    heads.append("sooner (our slowest, its fastest)")
    return f"By name alone, until two evaluations in a row reach the threshold:\n\n{table(heads, rows, 3)}"


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
    parser.add_argument("--add", action="store_true", help="keep what the record has of other environments")
    args = parser.parse_args(arguments)
    chosen = args.only.split(",") if args.only else list(PROBLEMS)
    if unknown := set(chosen) - set(PROBLEMS):
        parser.error(f"--only: expected some of {', '.join(PROBLEMS)}, found {', '.join(sorted(unknown))}")
    if args.add and not args.out:
        parser.error("--add: expected --out with it, found none")
    runs: Runs = json.loads(args.out.with_suffix(".json").read_text())["runs"] if args.add else {}
    names = {str(args.python): "PYTHON", str(args.rival): "RIVAL"}
    repeatable = [names.get(argument, argument) for argument in arguments]
    for problem in (PROBLEMS[name] for name in chosen):
        sides = {"ours": args.python} | ({"sb3": args.rival} if args.rival and problem.for_rivals else {})
        found = runs[problem.name] = {side: [] for side in sides}
        for seed in range(args.seeds):
            for side, python in sides.items():
                rule = [args.seconds, problem.measure, problem.threshold, problem.episodes]
                command = [python, WORKER, side, problem.env, seed, *rule]
                result = last_json(output(command, env=foreign_environment()))
                found[side].append({"seed": seed, "limit": args.seconds, **result})
                print(f"{problem.name} seed {seed} {side}: {result}", file=sys.stderr)
        if args.out:
            record.write(args.out, "by_name", repeatable, {"runs": runs}, page(runs))
    print(page(runs), end="")
    return 0
