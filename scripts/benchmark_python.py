#!/usr/bin/env python3
"""Time the Python package against the published one (the peer), alternately, in one go.

    scripts/benchmark_python.py --peer-python PEER/bin/python --repeats 5 --out benches/records/python

Each side runs in a process of its own with the same checkpoint, states and environment; what is printed are medians and
the spread over the repeats. Install our package as users would before (`pip install .`): a debug build says nothing.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKER = ROOT / "scripts/python_worker.py"
# What is measured: its unit, and whether more is better.
UNITS = {
    "predict": ("us a call", False),
    "predict_batch": ("k rows/s", True),
    "env_step": ("us a step", False),
    "python_env": ("k steps/s", True),
}


def measure(python: str, side: str, seconds: float) -> dict[str, float]:
    """Run one side once."""
    command = [python, str(WORKER), side, str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        sys.exit(f"{side}: {done.stderr.strip()[-800:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--peer-python", metavar="PYTHON", help="interpreter that has the peer; without it only ours runs"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure")
    parser.add_argument("--out", type=Path, help="write OUT.json and OUT.md")
    args = parser.parse_args()
    pythons = {"ours": sys.executable} | ({"peer": args.peer_python} if args.peer_python else {})
    runs: dict[str, list[dict[str, float]]] = {side: [] for side in pythons}
    for number in range(args.repeats):
        for side, python in pythons.items():
            runs[side].append(measure(python, side, args.seconds))
            print(f"repeat {number + 1}/{args.repeats} {side}: {runs[side][-1]}", file=sys.stderr)
    lines = ["| what | unit | " + " | ".join(pythons) + " | ratio |", "|---|---|" + "---:|" * (len(pythons) + 1)]
    for name, (unit, more) in UNITS.items():
        figures = {side: [run[name] for run in runs[side]] for side in pythons}
        cells = [f"{statistics.median(f):.3g} ({min(f):.3g} to {max(f):.3g})" for f in figures.values()]
        medians = [statistics.median(f) for f in figures.values()]
        ratio = "" if len(medians) < 2 else f"{medians[0] / medians[1] if more else medians[1] / medians[0]:.1f} x"
        lines.append(f"| {name} | {unit} | " + " | ".join(cells) + f" | {ratio} |")
    table = "\n".join(lines) + "\n"
    print(table, end="")
    if args.out:
        args.out.with_suffix(".md").write_text(table)
        args.out.with_suffix(".json").write_text(json.dumps(runs, indent=1) + "\n")


if __name__ == "__main__":
    main()
