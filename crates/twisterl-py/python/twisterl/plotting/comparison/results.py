"""Results of ``compare``: read from a file, and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import files
from ..runs import PlotError
from ..style import FORMATS, save
from .pareto import compare_figure

# More points tell nothing in a figure of this size.
MAX_RESULTS = 1000


def load_results(path: Path) -> list[dict[str, Any]]:
    """Read the results that ``compare --json`` or ``--out`` wrote."""
    try:
        document = files.read_object(path, files.MAX_EVALUATION)
    except (OSError, ValueError, files.NotRegularError) as error:
        raise PlotError(f"{path}: cannot be read: {error}") from error
    results = document.get("results")
    if not isinstance(results, list) or not results:
        raise PlotError(f"{path}: expected an object with a list `results`, as written by `compare`")
    if len(results) > MAX_RESULTS:
        raise PlotError(f"{path}: results: expected at most {MAX_RESULTS}, found {len(results)}")
    for i, result in enumerate(results):
        missing = [key for key in ("policy", "search") if not isinstance(result, dict) or key not in result]
        if missing:
            raise PlotError(f"{path}: results[{i}]: expected an object with `policy` and `search`")
    return results


def write_figure(path: Path, out: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Draw the results in the file ``path`` to ``out`` with each of the formats as suffix, and return the files."""
    figure = compare_figure(load_results(path))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PlotError(f"{out.parent}: cannot be written: {error}") from error
    return save(figure, out, formats)
