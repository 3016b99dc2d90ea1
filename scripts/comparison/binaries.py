"""Shows that two trainers compute the same: weights, metrics and answers, bit for bit.

    scripts/compare.py binaries record OLD --out record.json
    scripts/compare.py binaries compare record.json NEW --expect expected.json
    scripts/compare.py binaries compare OLD NEW

A record holds, for every config in `examples/` and for variants with what no example uses, the checksum of each tensor
of both checkpoints and the metrics (times left out) after 20 iterations of a reduced run; the same for runs that are
resumed for 10 more; policies after `convert`; and what `solve` and `evaluate` answer on shared boards by each method
(seconds left out). scripts/comparison/cases.py lists the cases and the reductions.

Runs that are resumed, and policies that solve problems, are those of the first binary in all comparisons: they are kept
in `record-runs` beside `record.json`. So `compare` also shows that the second binary reads what the first one wrote.

Records are comparable on one kind of processor only, since the last bits of sums depend on its vector instructions.
Exit code 0 if all is the same or expected, 1 if anything differs, 2 if a command failed.
"""

import argparse
import fnmatch
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from comparison.differences import Difference, ExpectationError, Verdict, differences, read_expectations
from comparison.record import SECTIONS, Recorder, record
from comparison.trainer import Trainer, TrainerError


def runs_beside(file: Path) -> Path:
    """Returns the folder with the runs that belong to a record."""
    return file.with_name(f"{file.stem}-runs")


def record_to(binary: Path, out: Path, only: str, sections: tuple[str, ...]) -> None:
    """Records a binary, with its runs beside the record."""
    kept = runs_beside(out)
    if kept.exists():
        raise FileExistsError(f"{kept}: expected no such folder, since a record makes it; remove it first")
    kept.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="record-") as folder:
        found = record(Recorder(Trainer(binary), Path(folder), kept, only), sections, keep=True)
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def compare_with(file: Path, binary: Path, only: str, sections: tuple[str, ...]) -> list[Difference]:
    """Records a binary and returns the differences from a record."""
    before = json.loads(file.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        after = record(Recorder(Trainer(binary), Path(folder), runs_beside(file), only), sections)
    if before["about"]["processor"] != after["about"]["processor"]:
        print(
            f"warning: recorded on {before['about']['processor']}: last bits may differ for that reason",
            file=sys.stderr,
        )
    wanted = {section: _matching(before.get(section, {}), only) for section in sections}
    return list(differences(wanted, {section: after[section] for section in sections}))


def _matching(cases: dict[str, Any], only: str) -> dict[str, Any]:
    return {name: case for name, case in cases.items() if fnmatch.fnmatch(name, only)}


def compare(args: argparse.Namespace) -> int:
    """Compares, prints the differences and returns the exit code."""
    expectations = read_expectations(args.expect) if args.expect else {}
    with tempfile.TemporaryDirectory(prefix="record-") as folder:
        file = args.before
        if file.suffix != ".json":
            file = Path(folder) / "record.json"
            record_to(args.before, file, args.only, args.sections)
        found = compare_with(file, args.binary, args.only, args.sections)
    verdict = Verdict.of(found, expectations)
    if report := verdict.report(expectations, args.limit):
        print(report)
    print(f"{len(verdict.unexpected)} differences, {len(found) - len(verdict.unexpected)} more that are expected")
    return int(bool(verdict.unexpected))


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        "compare.py binaries", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="record what a binary computes")
    recording.add_argument("binary", type=Path, help="the trainer, twisterl-train")
    recording.add_argument("--out", type=Path, required=True, metavar="FILE", help="the record to write")
    comparing = commands.add_parser("compare", help="compare a binary with a record, or with another binary")
    comparing.add_argument("before", type=Path, metavar="FILE|BINARY", help="a record (.json), or a trainer")
    comparing.add_argument("binary", type=Path, help="the trainer to compare with it")
    comparing.add_argument(
        "--expect", type=Path, metavar="FILE", help="JSON: patterns of paths and why they may differ"
    )
    comparing.add_argument(
        "--limit", type=int, default=20, metavar="N", help="differences shown a case (default: %(default)s)"
    )
    for command in (recording, comparing):
        command.add_argument("--only", default="*", metavar="PATTERN", help="names of the cases, with wildcards")
        command.add_argument(
            "--sections",
            type=_sections,
            default=SECTIONS,
            metavar="NAMES",
            help=f"with commas (default: {','.join(SECTIONS)})",
        )
    return parser.parse_args(arguments)


def _sections(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if unknown := [name for name in names if name not in SECTIONS]:
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(SECTIONS)}, found {', '.join(unknown)}")
    return names


def main(arguments: list[str]) -> int:
    """Records or compares."""
    args = parse(arguments)
    try:
        if args.command == "record":
            record_to(args.binary, args.out, args.only, args.sections)
            return 0
        return compare(args)
    except (TrainerError, ExpectationError, OSError, json.JSONDecodeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
