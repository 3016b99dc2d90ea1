"""``twisterl compare``: the native command, whose results are drawn here."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

from ..runs import PlotError
from ..style import NEEDS_MATPLOTLIB
from ..terminal import INTERRUPTED, escape_controls, message
from .results import load_results, write_figure

FIGURES = (".png", ".svg", ".pdf")


def main(arguments: Sequence[str], native: Callable[[list[str]], int], prog: str) -> int:
    """Run the command, draw its results if ``--out`` names a figure, and return the exit code.

    The results are written beside the figure, as JSON under its name. Only results are replaced there, since the name
    may be that of a config.
    """
    words = list(arguments)
    at = _figure(words)
    if at is None:
        return native(words)
    given, separator, path = words[at].rpartition("=") if words[at].startswith("--out=") else ("", "", words[at])
    figure = Path(path)
    results = figure.with_suffix(".json")
    if importlib.util.find_spec("matplotlib") is None:
        message(f"{prog}: {NEEDS_MATPLOTLIB}")
        return 1
    if results.exists() and not _has_results(results):
        message(f"{prog}: --out: expected a name beside which {results} can be written, found another file there")
        return 2
    words[at] = f"{given}{separator}{results}"
    before = _stamp(results)
    code = native(words)
    if code not in (0, INTERRUPTED) or _stamp(results) == before:
        return code
    try:
        write_figure(results, figure.with_suffix(""), [figure.suffix[1:]])
    except PlotError as error:
        message(f"{prog}: {error}")
        return 1
    message(f"figure: {escape_controls(figure)}, results: {escape_controls(results)}")
    return code


def _figure(words: Sequence[str]) -> int | None:
    """Return the position of the path of a figure in the arguments, if there is one."""
    for i, word in enumerate(words):
        if word.startswith("--out=") and word.endswith(FIGURES):
            return i
        if word == "--out" and i + 1 < len(words) and words[i + 1].endswith(FIGURES):
            return i + 1
    return None


def _has_results(path: Path) -> bool:
    try:
        load_results(path)
    except PlotError:
        return False
    return True


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from one that was written later."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
