"""Shows that two builds of the Python package compute the same, bit for bit.

    OLD/bin/python scripts/compare.py packages record --out python.json
    NEW/bin/python scripts/compare.py packages compare python.json --expect expected.json

Runs in the interpreter whose `twisterl` is to be recorded. A record holds predictions, solutions and evaluations of
policies, steps of all environments, what PPO collects, and short runs through `twisterl.train` and `twisterl.rl`; times
are left out. scripts/comparison/package_cases.py lists the cases. Records are comparable on one kind of processor only.
Exit code 0 if all is the same or expected, 1 if anything differs, 2 if the record cannot be used.
"""

import argparse
import json
import sys
from pathlib import Path

import twisterl

from comparison import package_cases
from comparison.differences import ExpectationError, Verdict, differences, read_expectations


def main(arguments: list[str]) -> int:
    """Records or compares."""
    parser = argparse.ArgumentParser(
        "compare.py packages", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="record what the installed package computes")
    recording.add_argument("--out", type=Path, required=True, metavar="FILE", help="the record to write")
    comparing = commands.add_parser("compare", help="compare the installed package with a record")
    comparing.add_argument("before", type=Path, metavar="FILE", help="the record")
    comparing.add_argument(
        "--expect", type=Path, metavar="FILE", help="JSON: patterns of paths and why they may differ"
    )
    comparing.add_argument("--limit", type=int, default=20, metavar="N", help="differences shown a case (default: 20)")
    args = parser.parse_args(arguments)
    try:
        if args.command == "record":
            found = {"about": {"version": twisterl.__version__}, **package_cases.record()}
            args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            return 0
        expectations = read_expectations(args.expect) if args.expect else {}
        before = json.loads(args.before.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError, ExpectationError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    del before["about"]
    verdict = Verdict.of(list(differences(before, json.loads(json.dumps(package_cases.record())))), expectations)
    if report := verdict.report(expectations, args.limit):
        print(report)
    print(f"{len(verdict.unexpected)} differences that are not expected")
    return int(bool(verdict.unexpected))
