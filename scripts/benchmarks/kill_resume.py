"""Kill training runs at random moments, resume them, and compare the outcome with a run that was left alone.

    scripts/benchmark.py kill_resume --binary target/release/twisterl-train --runs 20 --double-starts 20

Each run is killed with SIGKILL and resumed, again and again as chance will have it, until it reaches its end. Every now
and then a second process is started in the folder while the first one trains: it must be refused, or take over if the
first one was killed in the meantime. Weights and optimiser state must then equal those of the undisturbed run byte for
byte, and so must the metrics without their times. The kills follow from the seed up to the pace of the machine. Exit
code 1 if anything differs.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import Enum, auto
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


GRACE = 1.0  # seconds in which a process that has trained to the end exits


class RunError(Exception):
    """The trainer failed by itself, or two processes trained in one folder."""


REFUSALS = ("expected a run folder that no process trains in", "expected a new or empty folder")


class Outcome(Enum):
    """The end of a process of the trainer."""

    FINISHED = auto()
    KILLED = auto()
    REFUSED = auto()


@dataclass
class Events:
    """The events of a run until its end."""

    kills: int = 0
    restarts: int = 0  # kills before the run could be resumed
    double_starts: int = 0
    refusals: int = 0

    def add(self, other: "Events") -> None:
        """Add the events of another run."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


Process = subprocess.Popen[str]


def start(command: Sequence[str | Path]) -> Process:
    """Start the trainer."""
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def outcome(process: Process) -> Outcome:
    """Wait for the end of a process."""
    with process:
        _, message = process.communicate()
    if process.returncode == 0:
        return Outcome.FINISHED
    if process.returncode == -signal.SIGKILL:
        return Outcome.KILLED
    if any(refusal in message for refusal in REFUSALS):
        return Outcome.REFUSED
    raise RunError(f"{process.args!r}: exit code {process.returncode}: {message.strip()}")


@dataclass
class Disturbed:
    """A run that is killed and started twice at random moments, up to ``span`` seconds after each start."""

    binary: Path
    config: Path
    run: Path
    span: float
    rng: random.Random
    _started: list[Process] = field(default_factory=list)

    def train(self, double_starts: int) -> Events:
        """Train to the end, with so many double starts unless the end comes before.

        Raises:
            RunError: a process failed, or trained to the end while another one was training.
        """
        try:
            return self._train(double_starts)
        finally:
            for process in self._started:
                with process:
                    process.kill()

    def _train(self, double_starts: int) -> Events:
        events = Events()
        first: Process | None = None
        while True:
            first = first or self._start()
            second = None
            if events.double_starts < double_starts and self._trains(first, self.rng.uniform(0, self.span)):
                second = self._start()
                events.double_starts += 1
                if self.rng.random() < 0.5:  # while the first one lives
                    refused = outcome(second) is Outcome.REFUSED
                    self._assert_alone(first, second)
                    events.refusals += refused
                    second = None
            if events.kills < MAX_KILLS and self._trains(first, self.rng.uniform(0, self.span)):
                self._assert_alone(first, second)
                first.kill()
            ended = outcome(first)
            events.kills += ended is Outcome.KILLED
            events.restarts += ended is Outcome.KILLED and not self._resumable()
            events.refusals += ended is Outcome.REFUSED
            if ended is Outcome.FINISHED:
                events.refusals += second is not None and outcome(second) is Outcome.REFUSED
                return events
            first = second

    def _start(self) -> Process:
        resumed: list[str | Path] = ["--resume", self.run]
        arguments = resumed if self._resumable() else [self.config, "--run-path", self.run]
        self._started.append(start([self.binary, "--quiet", *arguments]))
        return self._started[-1]

    def _resumable(self) -> bool:
        return (self.run / "config.json").exists()

    def _assert_alone(self, first: Process, second: Process | None) -> None:
        """Raise if the second process came to its end while the first one was training.

        If the first one came to its end before, the second one has found nothing to do.
        """
        if second is not None and second.poll() == 0 and self._trains(first, GRACE):
            raise RunError(
                f"{self.run}: process {second.pid} trained to the end while process {first.pid} was training"
            )

    @staticmethod
    def _trains(process: Process, seconds: float) -> bool:
        """Wait, and tell if the process is still there."""
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False


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


def compare(binary: Path, runs: int, double_starts: int, seed: int, folder: Path) -> int:
    """Make the reference and all runs, print a line for each, and return how many went wrong."""
    config = folder / "config.json"
    config.write_text(json.dumps(CONFIG), encoding="utf-8")
    reference = folder / "reference"
    begun = time.monotonic()
    outcome(start([binary, "--quiet", config, "--run-path", reference]))
    seconds = time.monotonic() - begun
    print(f"reference: {len(metrics(reference))} iterations in {seconds:.2f} s", flush=True)
    span = seconds / 4  # so that most runs are killed several times
    wrong = 0
    total = Events()
    for number in range(runs):
        run = folder / f"run-{number}"
        # Those that earlier runs were too short for are made up for.
        due = double_starts * (number + 1) // runs - total.double_starts
        try:
            events = Disturbed(binary, config, run, span, random.Random(f"{seed}/{number}")).train(due)
            total.add(events)
            differing = differences(run, reference)
            result = f"differs in {', '.join(differing)}" if differing else "the same bytes"
            text = (
                f"{events.kills} kills, {events.restarts} before it could be resumed; "
                f"{events.double_starts} double starts: {result}"
            )
        except (RunError, OSError, json.JSONDecodeError) as error:
            differing = [str(error)]
            text = f"failed: {error}"
        wrong += bool(differing)
        print(f"run {number}: {text}", flush=True)
    print(
        f"{runs - wrong} of {runs} runs came to the same end through {total.kills} kills and "
        f"{total.double_starts} double starts, {total.refusals} of which were refused"
    )
    return wrong


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, found {text}")
    return number


def natural(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, found {text}")
    return number


def main(arguments: list[str]) -> int:
    summary, _, details = __doc__.partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", type=Path, required=True, metavar="PATH", help="the trainer, twisterl-train")
    parser.add_argument("--runs", type=positive, default=20, metavar="N", help="runs to kill (default: %(default)s)")
    parser.add_argument(
        "--double-starts", type=natural, default=20, metavar="N", help="second processes in all (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the kills (default: %(default)s)")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="kill-resume-") as folder:
        try:
            wrong = compare(args.binary.resolve(), args.runs, args.double_starts, args.seed, Path(folder))
        except (RunError, OSError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 1 if wrong else 0
