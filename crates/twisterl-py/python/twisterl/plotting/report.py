"""Reports of runs, as files: the table of results and all figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import files
from .curves import (
    evaluation_panels,
    evaluations,
    learning_curves,
    learning_panels,
    loss_panels,
    losses,
    overview,
    overview_panels,
    training_curves,
    training_panels,
)
from .lengths import anything_to_draw, solution_lengths
from .phases import OTHER, phase_names, time_per_phase
from .runs import Group, PlotError
from .style import FORMATS, save
from .table import THRESHOLD, Table, results_table
from .terminal import width

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figures(groups: Sequence[Group], evaluation: str | None = None) -> dict[str, Callable[[], Figure]]:
    """Return the figures that these groups have data for, as functions by name."""
    if not groups:
        raise PlotError("expected at least one group of runs, found none")
    chosen: dict[str, Callable[[], Figure]] = {}
    if overview_panels(groups, evaluation):
        chosen["overview"] = lambda: overview(groups, evaluation)
    if learning_panels(groups, evaluation):
        chosen["learning"] = lambda: learning_curves(groups, evaluation)
    if training_panels(groups):
        chosen["training"] = lambda: training_curves(groups)
    if len(evaluation_panels(groups)) > 1:
        chosen["evaluations"] = lambda: evaluations(groups)
    if loss_panels(groups):
        chosen["losses"] = lambda: losses(groups)
    if phase_names(groups) != [OTHER]:
        chosen["phases"] = lambda: time_per_phase(groups)
    if anything_to_draw(groups):
        chosen["lengths"] = lambda: solution_lengths(groups)
    return chosen


def write_table(
    groups: Sequence[Group], out: Path, evaluation: str | None = None, threshold: float = THRESHOLD
) -> Table:
    """Write ``results.csv``, ``results.md`` and ``results.json`` to the folder ``out``. Needs only Python."""
    table = results_table(groups, evaluation, threshold)
    texts = {"csv": table.to_csv(), "md": table.to_markdown(), "json": table.to_json()}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for suffix, text in texts.items():
            files.write(out / f"results.{suffix}", text)
    except (OSError, files.NotRegularError) as error:
        raise PlotError(f"{out}: the table cannot be written: {error}") from error
    return table


def shown(table: Table) -> str:
    """Return the table for standard output: fit to a terminal, and otherwise as Markdown."""
    columns = width()
    return table.to_markdown() if columns is None else table.to_text(columns)


def write_figures(
    groups: Sequence[Group], out: Path, evaluation: str | None = None, formats: Sequence[str] = FORMATS
) -> list[Path]:
    """Write all figures to the folder ``out`` in each of the formats, and return the files."""
    chosen = figures(groups, evaluation)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PlotError(f"{out}: cannot be made: {error}") from error
    return [path for name, make in chosen.items() for path in save(make(), out / name, formats)]
