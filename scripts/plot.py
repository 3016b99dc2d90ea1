#!/usr/bin/env python3
"""Draw the learning curves of one or more runs from their metrics.jsonl.

    scripts/plot.py runs/ppo_puzzle8_v1 --out curves.png
    scripts/plot.py runs/puzzle/seed-*                   # thin: each run; thick: the median over the runs

Needs matplotlib: pip install "twisterl[plot]".
"""

import argparse
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

NEEDS_MATPLOTLIB = 'drawing needs matplotlib: pip install "twisterl[plot]"'
# Okabe and Ito's colours, told apart by colour-blind eyes too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555", "#000000")
GRID_POINTS = 400  # of the median over runs, whose records fall on different step counts


class PlotError(Exception):
    """The runs cannot be drawn; the message says why."""


@dataclass(frozen=True)
class Panel:
    """One set of axes."""

    title: str
    curves: dict[str, str]  # label -> dotted path into a record
    percent: bool = False
    difficulty_like: bool = False  # whole numbers, drawn as steps


def read_metrics(run: Path) -> list[dict]:
    """Read the records of a run folder; a last line cut short by a kill is left out."""
    path = run / "metrics.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise PlotError(f"{path}: cannot be read: {error.strerror}") from error
    records = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise PlotError(f"{path}, line {number}: expected a JSON object, found {line[:40]!r}") from error
        if not isinstance(record, dict):
            raise PlotError(f"{path}, line {number}: expected a JSON object, found {line[:40]!r}")
        records.append(record)
    if not records:
        raise PlotError(f"{path}: expected at least one record, found none")
    return records


def value(record: dict, path: str) -> float | None:
    """Look up ``evals.ppo_1.success``; None where it is missing or no finite number."""
    found = record
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return float(found) if isinstance(found, int | float) and math.isfinite(found) else None


def series(records: list[dict], path: str) -> tuple[list[float], list[float]]:
    """Environment steps and the values at them, where both are known."""
    points = [(value(r, "env_steps"), value(r, path)) for r in records]
    known = [(x, y) for x, y in points if x is not None and y is not None]
    return [x for x, _ in known], [y for _, y in known]


def panels(runs: list[list[dict]]) -> list[Panel]:
    """Choose what to draw, from what the records hold."""
    records = [record for run in runs for record in run]
    evals = list(dict.fromkeys(name for record in records for name in record.get("evals", {})))
    losses = list(dict.fromkeys(name for record in records for name in record.get("losses", {})))
    diagnostics = ("entropy", "approx_kl", "clip_fraction", "explained_variance")
    return [
        Panel("Difficulty", {"difficulty": "difficulty"}, difficulty_like=True),
        Panel(
            "Solved",
            {name: f"evals.{name}.success" for name in evals} | {"rollout": "rollout.success"},
            percent=True,
        ),
        Panel(
            "Episode length",
            {f"{name} (solved)": f"evals.{name}.length" for name in evals} | {"rollout (all)": "rollout.length"},
        ),
        Panel("Losses", {name: f"losses.{name}" for name in losses if name.endswith("loss")}),
        Panel("Diagnostics", {name: f"losses.{name}" for name in diagnostics if name in losses}),
        Panel("Environment steps/s", {"steps/s": "time.steps_per_second"}),
    ]


def draw_curve(axes, runs, label, path, colour, steps) -> None:
    """Draw one curve of all runs: each run thin, and their median thick."""
    import numpy as np

    lines = [line for line in (series(run, path) for run in runs) if line[0]]
    if not lines:
        return
    style = {"color": colour, "drawstyle": "steps-post" if steps else "default"}
    if len(lines) == 1:
        axes.plot(*lines[0], label=label, linewidth=1.6, **style)
        return
    for line in lines:
        axes.plot(*line, linewidth=0.7, alpha=0.35, **style)
    # Only where all runs have been: beyond, the median would jump as runs drop out.
    grid = np.linspace(max(x[0] for x, _ in lines), min(x[-1] for x, _ in lines), GRID_POINTS)
    median = np.median([np.interp(grid, x, y) for x, y in lines], axis=0)
    axes.plot(grid, median, label=label, linewidth=1.8, **style)


def plot(runs: list[Path], out: Path, title: str) -> None:
    """Write the learning curves of ``runs`` to the picture ``out``."""
    metrics = [read_metrics(run) for run in runs]
    if not metrics:
        raise PlotError("nothing to draw: no run has logged an iteration")
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise PlotError(NEEDS_MATPLOTLIB) from error
    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter

    style = {
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "#e6e6e6",
        "axes.axisbelow": True,
        "axes.edgecolor": "#888888",
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "font.size": 9,
        "legend.frameon": False,
        "legend.fontsize": 8,
    }
    with plt.rc_context(style):
        figure, grid = plt.subplots(2, 3, figsize=(13, 6.6), sharex=True, layout="constrained")
        for axes, panel in zip(grid.flat, panels(metrics), strict=True):
            for (label, path), colour in zip(panel.curves.items(), COLOURS * len(panel.curves), strict=False):
                draw_curve(axes, metrics, label, path, colour, panel.difficulty_like)
            axes.set_title(panel.title)
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            if panel.percent:
                axes.set_ylim(-0.02, 1.02)
                axes.yaxis.set_major_formatter(PercentFormatter(1.0))
            elif panel.difficulty_like:
                axes.yaxis.set_major_locator(MaxNLocator(integer=True))
            elif panel.title.endswith("/s"):
                axes.set_ylim(bottom=0)
                axes.yaxis.set_major_formatter(EngFormatter(sep=""))
            if len(axes.get_legend_handles_labels()[1]) > 1:
                axes.legend(loc="best")
        for axes in grid[-1]:
            axes.set_xlabel("environment steps")
        figure.suptitle(title, fontsize=13, fontweight="bold", x=0.01, ha="left")
        try:
            figure.savefig(out, dpi=130)
        except (OSError, ValueError) as error:  # ValueError: a suffix that matplotlib does not know
            raise PlotError(f"{out}: cannot be written: {error}") from error
        finally:
            plt.close(figure)


def main() -> int:
    """Draw the runs named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    parser.add_argument("--out", type=Path, metavar="PNG", help="the picture (default: curves.png in the first RUN)")
    args = parser.parse_args()
    out = args.out or args.runs[0] / "curves.png"
    try:
        plot(args.runs, out, ", ".join(dict.fromkeys(run.resolve().name for run in args.runs)))
    except PlotError as error:
        print(f"plot.py: {error}", file=sys.stderr)
        return 1
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
