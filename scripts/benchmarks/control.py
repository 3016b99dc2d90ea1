"""Trains the control examples with several seeds, and writes what came of them as a Markdown table.

For each example: the environment steps and the seconds of training in all, and until the greedy policy first reached
the bar in one of the run's own evaluations; and the mean return of the best policy over 100 other episodes (10,000 of
Journey, whose returns differ by more than what separates policies).
"""

import argparse
import resource
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import paths, record
from benchmarks.common import trainer as trainers
from benchmarks.common.table import line, table
from benchmarks.common.trainer import Trainer


@dataclass(frozen=True)
class Bar:
    """The mean return over some episodes that an example has to reach, and the steps that others publish for theirs.

    `published` is the mean return and the number of steps of PPO in rl-baselines3-zoo (its benchmark.md).
    """

    example: str
    least: float
    published: str
    episodes: int = 100


BARS = [
    Bar("ppo_cartpole_v1", 475, "500 (100 k)"),
    Bar("ppo_acrobot_v1", -90, "-73.5 (1 M)"),
    Bar("ppo_mountaincar_v1", -120, "-110.4 (1 M)"),
    Bar("ppo_mountaincarcontinuous_v1", 90, "88.3 (20 k)"),
    Bar("ppo_pendulum_v1", -200, "-172.2 (100 k)"),
    Bar("es_pendulum_v1", -250, ""),
    # 5 % below the optimum: the integral of `Journey::optimum` over its starts.
    Bar("ppo_journey_v1", -3.533, "optimum: -3.365", 10_000),
]
HEADS = [
    *("example", "bar", "mean return", "worst seed", "seeds at the bar", "k steps to the bar", "seconds to the bar"),
    *("k steps", "seconds", "processor seconds", "published: return (steps)"),
]


def processor_seconds() -> float:
    """Returns the processor time of all programs that this one has run to their end."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def train(trainer: Trainer, bar: Bar, seed: int, folder: Path, extra: list[object]) -> dict[str, Any]:
    """Trains once; returns what it took, and how good the best policy is."""
    run, before = folder / f"{bar.example}-{seed}", processor_seconds()
    rows = trainer.train(paths.EXAMPLES / f"{bar.example}.json", run, "--seed", seed, "--num-cores", 2, *extra)
    busy = processor_seconds() - before
    reached = next((row for row in rows if any(e["reward"] >= bar.least for e in row["evals"].values())), None)
    played = trainer.evaluate(run, "--greedy", "--num-episodes", bar.episodes, "--seed", 1_000 + seed)
    return {
        "seed": seed,
        "env_steps": rows[-1]["env_steps"],
        "seconds": rows[-1]["time"]["elapsed"],
        "processor_seconds": busy,
        "return": played["mean_reward"],
        "steps_to_bar": reached["env_steps"] if reached else None,
        "seconds_to_bar": reached["time"]["elapsed"] if reached else None,
    }


def row(bar: Bar, seeds: list[dict[str, Any]]) -> list[str]:
    """Returns the cells of one example."""
    returns = [seed["return"] for seed in seeds]
    passed = sum(value >= bar.least for value in returns)

    def median(name: str, unit: float = 1.0, digits: int = 1) -> str:
        values = [seed[name] for seed in seeds]
        known = [value / unit for value in values if value is not None]
        # Seeds that never got there are the slowest.
        middle = statistics.median(known + [float("inf")] * (len(values) - len(known)))
        return f"{middle:.{digits}f}" if middle < float("inf") else "never"

    return [
        bar.example,
        f"{bar.least:g}",
        f"{statistics.fmean(returns):.2f}",
        f"{min(returns):.2f}",
        f"{passed} of {len(seeds)}",
        median("steps_to_bar", 1e3, 0),
        median("seconds_to_bar"),
        median("env_steps", 1e3, 0),
        median("seconds"),
        median("processor_seconds"),
        bar.published,
    ]


def main(arguments: list[str]) -> int:
    """Trains, prints the rows as they come, and writes the record."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py control", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 to N-1")
    parser.add_argument("--only", nargs="*", choices=[bar.example for bar in BARS], help="these examples alone")
    trainers.add_option(parser)
    parser.add_argument("--out", type=Path, default=paths.RECORDS / "control", help="the record, without suffix")
    parser.add_argument("--smoke", action="store_true", help="one seed, two iterations, and no record")
    parser.add_argument("rest", nargs="*", help="options for the trainer, after --")
    args = parser.parse_args(arguments)
    trainer = trainers.chosen(parser, args)
    extra: list[object] = [*args.rest, *(["--num-steps", 2] if args.smoke else [])]
    print(table(HEADS, [], len(HEADS)), end="", flush=True)
    rows, found = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for bar in [bar for bar in BARS if not args.only or bar.example in args.only]:
            seeds = range(1 if args.smoke else args.seeds)
            found[bar.example] = [train(trainer, bar, seed, Path(folder), extra) for seed in seeds]
            rows.append(row(bar, found[bar.example]))
            print(line(rows[-1]), flush=True)
    if not args.smoke:
        record.write(args.out, "control", arguments, {"examples": found}, table(HEADS, rows, len(HEADS)))
    return 0
