"""Times the Python package against the published one (the peer), alternately, in one go.

    scripts/benchmark.py python --peer-python PEER/bin/python --repeats 5 --out benches/records/python

Each side runs in a process of its own with the same checkpoint, states and environment; what is printed are medians and
the spread over the repeats. Install our package as users would before (`pip install .`): a debug build says nothing.
"""

import argparse
import statistics
import sys
from pathlib import Path

from benchmarks.common import paths, record
from benchmarks.common.process import last_json, output
from benchmarks.common.table import table

WORKER = paths.WORKERS / "python.py"
# What is measured: its unit, and whether more is better.
UNITS = {
    "predict": ("us a call", False),
    "predict_batch": ("k rows/s", True),
    "env_step": ("us a step", False),
    "python_env": ("k steps/s", True),
    "slow_env": ("k steps/s", True),
    "slow_env_2_workers": ("k steps/s", True),
}
Runs = dict[str, list[dict[str, float]]]


def page(runs: Runs) -> str:
    """Returns medians and spreads in Markdown."""
    rows = []
    for name, (unit, more) in UNITS.items():
        figures = [[run[name] for run in side] for side in runs.values()]
        cells = [f"{statistics.median(f):.3g} ({min(f):.3g} to {max(f):.3g})" for f in figures]
        medians = [statistics.median(f) for f in figures]
        ratio = "" if len(medians) < 2 else f"{medians[0] / medians[1] if more else medians[1] / medians[0]:.1f} x"
        rows.append([name, unit, *cells, ratio])
    return table(["what", "unit", *runs, "ratio"], rows, 2)


def main(arguments: list[str]) -> int:
    """Measures, prints, and writes the record."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py python", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer-python", metavar="PYTHON", help="interpreter with the peer; without it only ours runs")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure")
    parser.add_argument("--out", type=Path, help="the record, without suffix")
    args = parser.parse_args(arguments)
    pythons = {"ours": sys.executable} | ({"peer": args.peer_python} if args.peer_python else {})
    runs: Runs = {side: [] for side in pythons}
    for number in range(args.repeats):
        for side, python in pythons.items():
            runs[side].append(last_json(output([python, WORKER, side, args.seconds], cwd=paths.ROOT)))
            print(f"repeat {number + 1}/{args.repeats} {side}: {runs[side][-1]}", file=sys.stderr)
    print(page(runs), end="")
    if args.out:
        record.write(args.out, "python", arguments, {"runs": runs}, page(runs))
    return 0
