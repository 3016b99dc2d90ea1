"""``twisterl plot`` and ``scripts/plot.py``: tables and figures of existing runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from .comparison.results import write_figure
from .report import shown, write_figures, write_table
from .runs import SEED_FOLDER, PlotError, load_groups
from .style import FORMATS
from .table import THRESHOLD
from .terminal import Parser, escape_controls, message, output

EPILOG = """\
Examples:
  %(prog)s runs/ppo_puzzle8_v1                               one run
  %(prog)s runs/puzzle8/seed-*                               one curve with a band over the seeds
  %(prog)s PPO=runs/ppo AlphaZero=runs/az --out comparison   two curves, named
  %(prog)s results.json                                      the results of a comparison
"""


def results_folder(first: str) -> Path:
    """Return the default output folder: ``results`` in the first run, or beside it if it is one of several seeds."""
    _, separator, named = first.partition("=")
    folder = Path(named if separator and not Path(first).exists() else first)
    return (folder.parent if SEED_FOLDER.fullmatch(folder.resolve().name) else folder) / "results"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a report, which ``scripts/run.py`` shares."""
    parser.add_argument(
        "--eval", metavar="NAME", help="evaluation in the table and the figures (default: one that all runs have)"
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=THRESHOLD,
        metavar="S",
        help="success rate for the columns `steps to` and `s to` of the table (default: %(default)s)",
    )
    parser.add_argument(
        "--formats", nargs="+", default=list(FORMATS), metavar="F", help="png, svg, pdf (default: png svg)"
    )
    parser.add_argument("--no-plot", action="store_true", help="write the table only")


def _draw_comparison(results: Path, folder: Path | None, formats: Sequence[str]) -> int:
    """Draw the results of ``compare`` beside their file, or in the folder."""
    out = (folder or results.parent) / results.stem
    for path in write_figure(results, out, formats):
        output(f"figure: {escape_controls(path)}")
    return 0


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Parse the command line, write the results, and return the exit code."""
    parser = Parser(
        prog=prog,
        description="Write the table of results and the figures of runs.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="[LABEL=]RUN",
        help="a run's folder, or one of runs seed-0, seed-1, ...; or results of compare --out, to draw them again",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="for the results (default: results in the first RUN)")
    add_options(parser)
    args = parser.parse_args(arguments)
    try:
        if len(args.runs) == 1 and args.runs[0].endswith(".json"):
            return _draw_comparison(Path(args.runs[0]), args.out, args.formats)
        out = args.out or results_folder(args.runs[0])
        if args.out is None and out.is_symlink():
            raise PlotError(f"{out}: expected a folder, found a symbolic link; give a folder with --out")
        groups = load_groups(args.runs)
        table = write_table(groups, out, args.eval, args.threshold)
        if not args.no_plot:
            write_figures(groups, out, args.eval, args.formats)
    except PlotError as error:
        message(f"{parser.prog}: {error}")
        return 1
    output(shown(table))
    output(f"{'table' if args.no_plot else 'table and figures'}: {escape_controls(out)}")
    return 0
