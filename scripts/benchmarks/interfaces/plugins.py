"""Times collection with environments of plugins beside the built-in one, in turn, in one go.

    environments/build.sh
    scripts/benchmark.py plugins target/environments/puzzle_{c,as,rust}.wasm --out benches/records/plugins

All sides play the 8-puzzle with an initial policy of layers 128 and 128 on one core. A round measures each side once;
the page has medians over the rounds: of steps per second, and of the ratios to the built-in environment within
a round. The engine wasmtime needs a trainer that was built with it:
`cargo build --release -p twisterl-train --features wasmtime`.
"""

import argparse
import json
import statistics
from pathlib import Path

from benchmarks.common import record
from benchmarks.common import trainer as trainers
from benchmarks.common.table import table
from benchmarks.common.trainer import Trainer

NATIVE = "Puzzle"
NETWORK = ["--embedding-size", 128, "--common-layers", 128, "--num-cores", 1]
Rounds = dict[str, list[float]]


def rate(trainer: Trainer, env: object, engine: str, seconds: int) -> float:
    """Returns the steps per second of one side."""
    side = ["--env", env, "--engine", engine, "--seconds", seconds]
    found: float = json.loads(trainer.call("bench", "collection", *side, *NETWORK))["steps_per_second"]
    return found


def page(rounds: Rounds) -> str:
    """Returns medians and ranges in Markdown."""
    rows = []
    for side, rates in rounds.items():
        ratios = [one / native for one, native in zip(rates, rounds[NATIVE], strict=True)]
        cells = [f"{statistics.median(rates) / 1e3:.0f}"]
        rows.append([side, *cells, f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"])
    return table(["environment", "k steps/s", "of the built-in"], rows)


def main(arguments: list[str]) -> int:
    """Measures, prints, and writes the record."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py plugins", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("plugins", type=Path, nargs="+", help="files of plugins of the 8-puzzle")
    parser.add_argument("--engines", default="wasmi,wasmtime", help="of modules, with commas (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="for each figure")
    parser.add_argument("--out", type=Path, help="the record, without suffix")
    trainers.add_option(parser)
    args = parser.parse_args(arguments)
    trainer = trainers.chosen(parser, args)
    sides: dict[str, tuple[object, str]] = {NATIVE: (NATIVE, "wasmi")}
    for plugin in args.plugins:
        for engine in args.engines.split(",") if plugin.suffix == ".wasm" else [""]:
            sides[f"{plugin.name} {engine}".strip()] = (plugin, engine or "wasmi")
    rounds: Rounds = {side: [] for side in sides}
    for _ in range(args.rounds):
        for side, (env, engine) in sides.items():
            rounds[side].append(rate(trainer, env, engine, args.seconds))
    print(page(rounds), end="")
    if args.out:
        record.write(args.out, "plugins", arguments, {"steps_per_second": rounds}, page(rounds))
    return 0
