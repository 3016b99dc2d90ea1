"""Our trainer, as the benchmarks call it."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common.paths import TRAINER
from benchmarks.common.process import output


def add_option(parser: argparse.ArgumentParser) -> None:
    """Adds the option ``--trainer``."""
    parser.add_argument("--trainer", type=Path, default=TRAINER, help="our binary (default: the release build)")


def chosen(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> "Trainer":
    """Returns the trainer that ``--trainer`` names, or ends with a message that says how to make one."""
    if not arguments.trainer.is_file():
        parser.error(f"{arguments.trainer}: no such file; cargo build --release -p twisterl-train")
    return Trainer(arguments.trainer)


def metrics(run: Path) -> list[dict[str, Any]]:
    """Returns the metrics of a run, an object for each logged iteration, without the evaluation at its end."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if not row.get("final")]


def overrides(changes: Sequence[str]) -> list[str]:
    """Returns the options that change fields of a config."""
    return [part for change in changes for part in ("--set", change)]


@dataclass(frozen=True)
class Trainer:
    """The binary twisterl-train."""

    path: Path

    def call(self, *arguments: object) -> str:
        """Runs it to its end and returns what it printed."""
        return output([self.path, *arguments])

    def command(self, config: Path, run: Path, *options: object) -> list[object]:
        """Returns the command that trains into the new folder ``run``."""
        return [self.path, config, "--run-path", run, "--quiet", *options]

    def train(self, config: Path, run: Path, *options: object) -> list[dict[str, Any]]:
        """Trains to the end and returns the metrics."""
        output(self.command(config, run, *options))
        return metrics(run)

    def evaluate(self, policy: Path, *options: object) -> dict[str, Any]:
        """Returns the figures of `evaluate --json`."""
        found: dict[str, Any] = json.loads(self.call("evaluate", policy, "--json", *options))
        return found
