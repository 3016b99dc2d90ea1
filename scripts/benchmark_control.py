#!/usr/bin/env python3
"""Trains the control examples with several seeds, and writes what came of them as a Markdown table.

For each example: the environment steps and the seconds of training in all, and until the greedy policy first reached
the bar in one of the run's own evaluations; and the mean return of the best policy over 100 other episodes (10,000 of
Journey, whose returns differ by more than what separates policies).
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass
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


def run(command: list[object]) -> tuple[str, float]:
    """What a command prints, and the seconds of processor time that it took."""
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit code {process.returncode}")
    return text, usage.ru_utime + usage.ru_stime


def train(trainer: Path, bar: Bar, seed: int, folder: Path, extra: list[object]) -> dict:
    """One run: what it took, and how good its best policy is."""
    config = ROOT / "examples" / f"{bar.example}.json"
    path = folder / f"{bar.example}-{seed}"
    _, busy = run([trainer, config, "--run-path", path, "--seed", seed, "--num-cores", 2, "--quiet", *extra])
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    reached = next(
        (row for row in rows if any(score["reward"] >= bar.least for score in row["evals"].values())),
        None,
    )
    played, _ = run(
        [trainer, "evaluate", path, "--greedy", "--num-episodes", bar.episodes, *("--seed", 1_000 + seed, "--json")]
    )
    return {
        "seed": seed,
        "env_steps": rows[-1]["env_steps"],
        "seconds": rows[-1]["time"]["elapsed"],
        "processor_seconds": busy,
        "return": json.loads(played)["mean_reward"],
        "steps_to_bar": reached["env_steps"] if reached else None,
        "seconds_to_bar": reached["time"]["elapsed"] if reached else None,
    }


def line(bar: Bar, seeds: list[dict]) -> str:
    """The row of one example in the table."""
    returns = [seed["return"] for seed in seeds]
    passed = sum(value >= bar.least for value in returns)

    def median(name: str, unit: float = 1.0, digits: int = 1) -> str:
        values = [seed[name] for seed in seeds]
        known = [value / unit for value in values if value is not None]
        # Seeds that never got there are the slowest.
        middle = statistics.median(known + [float("inf")] * (len(values) - len(known)))
        return f"{middle:.{digits}f}" if middle < float("inf") else "never"

    cells = [
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
    return f"| {' | '.join(cells)} |"


HEAD = [
    ("example", "bar", "mean return", "worst seed", "seeds at the bar", "k steps to the bar", "seconds to the bar"),
    ("k steps", "seconds", "processor seconds", "published: return (steps)"),
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 to N-1")
    parser.add_argument("--only", nargs="*", choices=[bar.example for bar in BARS], help="these examples alone")
    parser.add_argument("--trainer", type=Path, default=ROOT / "target/release/twisterl-train")
    parser.add_argument("--out", type=Path, default=ROOT / "benches/records/control.json")
    parser.add_argument("--smoke", action="store_true", help="one seed, two iterations, and no record")
    parser.add_argument("rest", nargs="*", help="options for the trainer, after --")
    arguments = parser.parse_args()
    if not arguments.trainer.is_file():
        parser.error(f"{arguments.trainer}: no such file; cargo build --release -p twisterl-train")
    extra: list[object] = [*arguments.rest, *(["--num-steps", 2] if arguments.smoke else [])]
    names = [name for row in HEAD for name in row]
    table = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    print("\n".join(table), flush=True)
    record = {}
    with tempfile.TemporaryDirectory() as folder:
        for bar in BARS:
            if arguments.only and bar.example not in arguments.only:
                continue
            seeds = range(1 if arguments.smoke else arguments.seeds)
            record[bar.example] = [train(arguments.trainer, bar, seed, Path(folder), extra) for seed in seeds]
            table.append(line(bar, record[bar.example]))
            print(table[-1], flush=True)
    if not arguments.smoke:
        command = "python scripts/benchmark_control.py " + " ".join(sys.argv[1:])
        machine = {"processor": platform.machine(), "cores": os.cpu_count()}
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        whole = {"command": command.strip(), "machine": machine, "examples": record}
        arguments.out.write_text(json.dumps(whole, indent=2) + "\n")
        arguments.out.with_suffix(".md").write_text("\n".join(table) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
