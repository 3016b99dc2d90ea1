"""Kill training runs at random moments, resume them, and compare the outcome with a run that was left alone.

    scripts/benchmark.py kill_resume --binary target/release/twisterl-train --runs 20

Each run is killed with SIGKILL and resumed, again and again as chance will have it, until it reaches its end. Weights
and optimiser state must then equal those of the undisturbed run byte for byte, and so must the metrics without their
times. The kills follow from the seed up to the pace of the machine. Exit code 1 if anything differs.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIG = {
    "env_cls": "Puzzle",
    "env": {"width": 3, "height": 2, "difficulty": 2, "depth_slope": 2, "max_depth": 40},
    "policy": {"embedding_size": 16, "common_layers": [16], "policy_layers": [], "value_layers": []},
    "algorithm": {
        "collecting": {"num_cores": 2, "num_episodes": 64},
        "training": {"num_epochs": 2},
        "learning": {"diff_threshold": 0.5, "diff_max": 20, "diff_metric": "ppo_1"},
        "evals": {"ppo_1": {"num_episodes": 50, "deterministic": False}},
        "logging": {"log_freq": 1, "checkpoint_freq": 5},
    },
    "seed": 7,
    "num_iterations": 60,
}
COMPARED = [
    f"{checkpoint}/{name}.safetensors"
    for checkpoint in ("checkpoint_last", "checkpoint_best")
    for name in ("policy", "train")
]
MAX_KILLS = 10  # a run; after that it is left alone, so that it comes to its end


class RunError(Exception):
    """The trainer failed by itself; the message is its own."""


@dataclass(frozen=True)
class Ended:
    """A run that came to its end."""

    kills: int
    restarts: int  # kills before the run folder was there


def attempt(command: Sequence[str | Path], kill_after: float | None) -> bool:
    """Run the trainer, kill it after so many seconds, and return whether it came to its end before that."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            _, message = process.communicate(timeout=kill_after)
        except subprocess.TimeoutExpired:
            process.kill()
            return False
    if process.returncode != 0:
        raise RunError(f"{' '.join(map(str, command))}: exit code {process.returncode}: {message.strip()}")
    return True


def run_with_kills(binary: Path, config: Path, run: Path, span: float, rng: random.Random) -> Ended:
    """Train to the end through kills at moments up to ``span`` seconds after each start."""
    kills = restarts = 0
    while True:
        arguments: list[str | Path] = ["--resume", run] if run.exists() else [config, "--run-path", run]
        command = [binary, "--quiet", *arguments]
        if attempt(command, rng.uniform(0, span) if kills < MAX_KILLS else None):
            return Ended(kills, restarts)
        kills += 1
        restarts += not run.exists()


def metrics(run: Path) -> list[dict[str, Any]]:
    """Read the records of a run without their times."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in record.items() if key != "time"} for record in records]


def differences(run: Path, reference: Path) -> list[str]:
    """Name the files in which two finished runs differ."""
    differing = [name for name in COMPARED if (run / name).read_bytes() != (reference / name).read_bytes()]
    if metrics(run) != metrics(reference):
        differing.append("metrics.jsonl")
    return differing


def compare(binary: Path, runs: int, seed: int, folder: Path) -> int:
    """Make the reference and all runs, print a line for each, and return how many went wrong."""
    config = folder / "config.json"
    config.write_text(json.dumps(CONFIG), encoding="utf-8")
    reference = folder / "reference"
    start = time.monotonic()
    attempt([binary, "--quiet", config, "--run-path", reference], None)
    seconds = time.monotonic() - start
    print(f"reference: {len(metrics(reference))} iterations in {seconds:.2f} s", flush=True)
    span = seconds / 2  # so that most runs are killed more than once
    wrong = kills = 0
    for number in range(runs):
        run = folder / f"run-{number}"
        try:
            ended = run_with_kills(binary, config, run, span, random.Random(f"{seed}/{number}"))
            kills += ended.kills
            differing = differences(run, reference)
            outcome = f"differs in {', '.join(differing)}" if differing else "the same bytes"
            text = f"{ended.kills} kills, {ended.restarts} before its folder was there: {outcome}"
        except (RunError, OSError, json.JSONDecodeError) as error:
            differing = [str(error)]
            text = f"failed: {error}"
        wrong += bool(differing)
        print(f"run {number}: {text}", flush=True)
    print(f"{runs - wrong} of {runs} runs came to the same end through {kills} kills")
    return wrong


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, found {text}")
    return number


def main(arguments: list[str]) -> int:
    summary, _, details = __doc__.partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", type=Path, required=True, metavar="PATH", help="the trainer, twisterl-train")
    parser.add_argument("--runs", type=positive, default=20, metavar="N", help="runs to kill (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the kills (default: %(default)s)")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="kill-resume-") as folder:
        try:
            wrong = compare(args.binary.resolve(), args.runs, args.seed, Path(folder))
        except (RunError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 1 if wrong else 0
