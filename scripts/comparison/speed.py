"""Compares the speed of two trainers, which take turns.

    scripts/compare.py speed OLD NEW --rounds 10 --seconds 20 --out speed.json

Each round runs both binaries, in an order that alternates: `twisterl-train benchmark`, and training by two examples. A
ratio is the time of NEW by that of OLD in the same round, so 1.02 is 2 % slower; the table shows median, least and
greatest over the rounds. Training has two rows: seconds on the clock, and processor seconds of all threads, which
depend less on what else the machine does. Exit code 1 if the median of a row is above `--most`, 2 if a command failed.

The machine must have nothing else to do. The rows of products and of the triad measure the machine itself: where they
differ from 1, so does the rest by as much, and the figures mean nothing. `compare.py speed OLD OLD` shows the noise.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from comparison.cases import ROOT
from comparison.record import processor

Times = dict[str, float]  # seconds by the name of the row
EXAMPLES = ("ppo_puzzle8_v1:400", "az_puzzle8_v1:12")


class CommandError(Exception):
    """A command failed; the message holds it and its error."""


def timed(command: list[str]) -> tuple[float, float, str]:
    """Runs a command and returns its seconds on the clock, its processor seconds, and its standard output."""
    begun = time.monotonic()
    with tempfile.TemporaryFile("w+") as errors, tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begun
        errors.seek(0)
        output.seek(0)
        if process.returncode != 0:
            raise CommandError(f"{' '.join(command)}: exit code {process.returncode}: {errors.read().strip()}")
        return seconds, usage.ru_utime + usage.ru_stime, output.read()


def benchmark(binary: Path, seconds: int, threads: list[str]) -> Times:
    """Returns the seconds of one unit of each work of `twisterl-train benchmark`."""
    command = [str(binary), "benchmark", "--json", "--quiet", "--seconds", str(seconds), *threads]
    works = json.loads(timed(command)[2])["works"]
    return {work["name"]: 1 / work["median"] for work in works}


def training(binary: Path, example: str, threads: list[str]) -> Times:
    """Returns the seconds that training by an example takes, given as NAME:ITERATIONS."""
    name, _, iterations = example.partition(":")
    with tempfile.TemporaryDirectory(prefix="compare-speed-") as folder:
        command = [str(binary), str(ROOT / "examples" / f"{name}.json"), "--quiet", "--num-steps", iterations]
        clock, used, _ = timed([*command, "--run-path", f"{folder}/run", *threads])
    return {f"train {name}": clock, f"train {name}, processor": used}


def measure(binary: Path, args: argparse.Namespace) -> Times:
    """Returns all times of a binary, once each."""
    threads = ["--num-cores", str(args.num_cores)] if args.num_cores else []
    times = benchmark(binary, args.seconds, threads) if args.seconds else {}
    for example in args.train:
        times |= training(binary, example, threads)
    return times


def rounds(args: argparse.Namespace) -> list[tuple[Times, Times]]:
    """Returns the times of OLD and NEW of each round; both may be one binary, which shows the noise."""
    found = []
    for number in range(args.rounds):
        if number % 2 == 0:
            old, new = measure(args.old, args), measure(args.new, args)
        else:
            new, old = measure(args.new, args), measure(args.old, args)
        found.append((old, new))
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr, flush=True)
    return found


def ratios(found: list[tuple[Times, Times]]) -> dict[str, list[float]]:
    """Returns the ratios of each row, one a round, sorted; rows that only one side has are left out."""
    names = [name for name in found[0][0] if all(name in side for pair in found for side in pair)]
    return {name: sorted(new[name] / old[name] for old, new in found) for name in names}


def unmatched(found: list[tuple[Times, Times]]) -> list[str]:
    """Returns the rows that only one side has."""
    old, new = found[0]
    return sorted(old.keys() ^ new.keys())


def table(rows: dict[str, list[float]]) -> str:
    """Returns a table of the ratios."""
    lines = ["| NEW / OLD | median | least | greatest |", "|---|---:|---:|---:|"]
    for name, values in rows.items():
        lines.append(f"| {name} | {statistics.median(values):.3f} | {values[0]:.3f} | {values[-1]:.3f} |")
    return "\n".join(lines)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        "compare.py speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path, metavar="OLD", help="a trainer, built with --release")
    parser.add_argument("new", type=Path, metavar="NEW", help="the trainer to compare with it")
    parser.add_argument("--rounds", type=int, default=10, metavar="N", help="default: %(default)s")
    parser.add_argument("--seconds", type=int, default=20, metavar="S", help="of each benchmark; 0: none (default: 20)")
    parser.add_argument(
        "--train", nargs="*", default=EXAMPLES, metavar="EXAMPLE:N", help="examples and their iterations (default: two)"
    )
    parser.add_argument("--num-cores", type=int, metavar="N", help="upper bound on threads")
    parser.add_argument("--most", type=float, default=1.03, metavar="R", help="greatest median (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all times as JSON")
    args = parser.parse_args(arguments)
    if args.rounds < 1:
        parser.error(f"--rounds: expected at least 1, found {args.rounds}")
    args.old, args.new = args.old.resolve(), args.new.resolve()
    return args


def main(arguments: list[str]) -> int:
    """Measures, prints the table and returns the exit code."""
    args = parse(arguments)
    try:
        found = rounds(args)
    except (CommandError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    rows = ratios(found)
    print(table(rows))
    if alone := unmatched(found):
        print(f"measured on one side only: {', '.join(alone)}")
    if args.out:
        record = {"processor": processor(), "rounds": [{"old": old, "new": new} for old, new in found]}
        args.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    slow = [name for name, values in rows.items() if statistics.median(values) > args.most]
    if slow:
        print(f"slower than {args.most}: {', '.join(slow)}")
    return int(bool(slow))
