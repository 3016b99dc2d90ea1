"""The table of results: the median of each metric, and its interquartile mean with a bootstrap interval."""

from __future__ import annotations

import csv
import io
import json
import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .runs import Group, History, PlotError, chosen_evaluation, common_evaluation, metric, value
from .seeds.stats import CONFIDENCE, RESAMPLES, Summary, summarise
from .terminal import counted, escape_controls

THRESHOLD = 0.95  # success rate to which steps and seconds are counted


@dataclass(frozen=True)
class Column:
    """One column of the table: a metric of a run."""

    key: str
    title: str
    show: Callable[[float], str]


def _percent(number: float) -> str:
    return f"{100 * number:.1f} %"


def _count(number: float) -> str:
    """Format with three significant digits and a unit prefix: 24.6 M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(number) >= 0.9995 * size:
            return f"{float(f'{number / size:.3g}'):g} {unit}"
    return f"{float(f'{number:.3g}'):g}"


def _decimal(number: float) -> str:
    return f"{number:.2f}"


def _ratio(number: float) -> str:
    return f"{number:.3f}"


def columns(threshold: float) -> list[Column]:
    """Return all columns in order. A table leaves out columns without values."""
    share = f"{100 * threshold:g} %"
    return [
        Column("success", "solved", _percent),
        Column("best_success", "solved, best", _percent),
        Column("length", "moves", _decimal),
        Column("return", "return", _decimal),
        Column("difficulty", "difficulty", _count),
        Column("steps_to_threshold", f"steps to {share}", _count),
        Column("seconds_to_threshold", f"s to {share}", _count),
        Column("env_steps", "steps", _count),
        Column("seconds", "seconds", _count),
        Column("steps_per_second", "steps/s", _count),
        Column("states_solved", "states solved", _percent),
        Column("length_ratio", "moves / optimal", _ratio),
        Column("optimal_fraction", "solved optimally", _percent),
    ]


def run_figures(run: History, evaluation: str, threshold: float) -> dict[str, float]:
    """Return the metrics of one run, without those that it does not have.

    ``success``, ``length``, ``return`` and ``difficulty`` are the last known values, ``best_success`` the highest.
    Steps and seconds to the threshold are those at which ``evaluation`` first reached it, or infinity if it never did.
    """
    path = metric(evaluation, "success")
    scores = run.series("env_steps", path)[1]
    figures = {
        "success": scores[-1] if scores else None,
        "best_success": max(scores, default=None),
        "length": _last(run.series("env_steps", metric(evaluation, "length"))[1]),
        "return": _last(run.series("env_steps", metric(evaluation, "reward"))[1]),
        "difficulty": run.last("difficulty"),
        "env_steps": run.last("env_steps"),
        "seconds": run.last("time.elapsed"),
    }
    if scores:
        for key, x in (("steps_to_threshold", "env_steps"), ("seconds_to_threshold", "time.elapsed")):
            at, reached = run.series(x, path)
            figures[key] = next((a for a, score in zip(at, reached, strict=True) if score >= threshold), math.inf)
    steps, seconds = figures["env_steps"], figures["seconds"]
    if steps is not None and seconds:
        figures["steps_per_second"] = steps / seconds
    if run.evaluation is not None:
        found = {key: value(run.evaluation, key) for key in ("success", "mean_length", "mean_optimal")}
        figures["states_solved"] = found["success"]
        figures["optimal_fraction"] = value(run.evaluation, "optimal_fraction")
        if found["mean_length"] is not None and found["mean_optimal"]:
            figures["length_ratio"] = found["mean_length"] / found["mean_optimal"]
    return {key: figure for key, figure in figures.items() if figure is not None}


def _last(values: Sequence[float]) -> float | None:
    return values[-1] if values else None


@dataclass(frozen=True)
class Row:
    """The metrics of a group, or of one algorithm over several environments."""

    label: str
    algorithm: str | None
    environment: str | None
    evaluation: str
    runs: int
    figures: dict[str, Summary]


@dataclass(frozen=True)
class Table:
    """The results of groups of runs, for output as CSV, Markdown or JSON."""

    rows: Sequence[Row]
    threshold: float

    def columns(self) -> list[Column]:
        """Return the columns that have a value in any row."""
        return [column for column in columns(self.threshold) if any(column.key in row.figures for row in self.rows)]

    def to_csv(self) -> str:
        """Format as CSV, one line per group and metric; unreached values are ``inf``, missing intervals empty."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(
            ["label", "algorithm", "environment", "evaluation", "figure", "runs", "median", "iqm", "low", "high"]
        )
        for row in self.rows:
            for key, summary in row.figures.items():
                about = [row.label, row.algorithm or "", row.environment or "", row.evaluation, key]
                low, high = summary.interval or ("", "")
                about = [escape_controls(text) for text in about]
                writer.writerow([*about, len(summary.values), summary.median, summary.iqm, low, high])
        return text.getvalue()

    def to_markdown(self) -> str:
        """Format as Markdown, one line per group: median, interquartile mean and its interval for each metric."""
        shown = self.columns()
        lines = [
            "| " + " | ".join(["run", "seeds", *(column.title for column in shown)]) + " |",
            "|---|" + "---:|" * (len(shown) + 1),
        ]
        for row in self.rows:
            cells = [_escape(row.label), str(row.runs)]
            cells += [_cell(row.figures.get(column.key), column.show, row.runs) for column in shown]
            lines.append("| " + " | ".join(cells) + " |")
        return "\n".join([*lines, "", self.note(), ""])

    def note(self) -> str:
        """Return the explanation of the cells."""
        names = ", ".join(f"`{escape_controls(name)}`" for name in dict.fromkeys(row.evaluation for row in self.rows))
        return (
            f"Median over seeds / interquartile mean [its {100 * CONFIDENCE:g} % interval by stratified bootstrap, "
            f"{RESAMPLES:,} resamples]. "
            f"Solved, moves and return: last evaluation of {names}. "
            "n: number of runs with a value, if some have none. ∞: not reached."
        )

    def to_text(self, width: int) -> str:
        """Format for a terminal of ``width`` characters: as many columns side by side as fit, the others below them."""
        first = ["run", *(_short(escape_controls(row.label), max(8, width // 3)) for row in self.rows)]
        columns = [["seeds", *(str(row.runs) for row in self.rows)]]
        for column in self.columns():
            cells = (_cell(row.figures.get(column.key), column.show, row.runs) for row in self.rows)
            columns.append([column.title, *cells])
        blocks: list[list[list[str]]] = []
        room = 0
        for texts in columns:
            needed = 2 + max(map(len, texts))
            if needed > room or not blocks:
                blocks.append([])
                room = width - max(map(len, first))
            blocks[-1].append(texts)
            room -= needed
        parts = [_aligned(first, block) for block in blocks]
        return "\n\n".join([*parts, textwrap.fill(self.note(), width)]) + "\n"

    def to_json(self) -> str:
        """Format as JSON, including the values of each run; unreached values are ``null``."""
        rows = [
            {
                "label": row.label,
                "algorithm": row.algorithm,
                "environment": row.environment,
                "evaluation": row.evaluation,
                "runs": row.runs,
                "figures": {key: _plain(summary) for key, summary in row.figures.items()},
            }
            for row in self.rows
        ]
        about = {"confidence": CONFIDENCE, "resamples": RESAMPLES, "threshold": self.threshold}
        return json.dumps({**about, "rows": rows}, indent=2, allow_nan=False) + "\n"


def _plain(summary: Summary) -> dict[str, Any]:
    def finite(number: float) -> float | None:
        return number if math.isfinite(number) else None

    return {
        "median": finite(summary.median),
        "iqm": finite(summary.iqm),
        "interval": None if summary.interval is None else [finite(end) for end in summary.interval],
        "values": [finite(number) for number in summary.values],
    }


def _cell(summary: Summary | None, show: Callable[[float], str], runs: int) -> str:
    if summary is None:
        return "-"

    def text(number: float) -> str:
        return show(number) if math.isfinite(number) else "∞"

    of = f" (n = {len(summary.values)})" if len(summary.values) < runs else ""
    if summary.interval is None:
        return text(summary.iqm) + of
    median, middle, low, high = (text(number) for number in (summary.median, summary.iqm, *summary.interval))
    return (median if median == middle == low == high else f"{median} / {middle} [{low}, {high}]") + of


def _short(text: str, length: int) -> str:
    """Return the text, with dots in place of its middle if it is longer than ``length``."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[head + 1 - length :]}"


def _aligned(first: Sequence[str], columns: Sequence[Sequence[str]]) -> str:
    """Return rows of text: the first column to the left, the others to the right of their widths."""
    widths = [max(map(len, column)) for column in columns]
    margin = max(map(len, first))
    rows = zip(first, *columns, strict=True)
    lines = (
        "  ".join([row[0].ljust(margin), *(cell.rjust(wide) for cell, wide in zip(row[1:], widths, strict=True))])
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _escape(label: str) -> str:
    return escape_controls(label.replace("|", "\\|").replace("\n", " "))


def results_table(groups: Sequence[Group], evaluation: str | None = None, threshold: float = THRESHOLD) -> Table:
    """Summarise groups of runs.

    Success and length are taken from ``evaluation``; by default from one that all groups have, or else from the one
    that chose each group's best policy. An algorithm with groups in several environments gets a row over all of them,
    with the metrics that can be compared between environments: the success rates.
    """
    if not 0 < threshold <= 1:
        raise PlotError(f"threshold: expected a share above 0, at most 1, found {threshold}")
    wanted = evaluation or common_evaluation(groups)
    rows, found = [], []
    for group in groups:
        name = chosen_evaluation(group, wanted)
        runs = [run_figures(run, name, threshold) for run in group.runs]
        found.append(runs)
        figures = {
            column.key: summarise([scores])
            for column in columns(threshold)
            if (scores := [run[column.key] for run in runs if column.key in run])
        }
        rows.append(Row(group.label, group.algorithm, group.environment, name, len(runs), figures))
    return Table([*rows, *_over_environments(groups, rows, found)], threshold)


def _over_environments(
    groups: Sequence[Group], rows: Sequence[Row], found: Sequence[list[dict[str, float]]]
) -> list[Row]:
    """Return rows of algorithms over all their environments, with each environment as a stratum."""
    overall = []
    for algorithm in dict.fromkeys(group.algorithm for group in groups if group.algorithm):
        own = [i for i, group in enumerate(groups) if group.algorithm == algorithm]
        tasks = {groups[i].environment for i in own}
        if len(tasks) < 2 or len(tasks) < len(own):  # one environment, or several variants of the algorithm in one
            continue
        figures = {}
        for key in ("success", "best_success", "states_solved", "optimal_fraction"):
            strata = [[run[key] for run in found[i] if key in run] for i in own]
            if all(strata):
                figures[key] = summarise(strata)
        names = dict.fromkeys(rows[i].evaluation for i in own)
        count = sum(len(found[i]) for i in own)
        label = f"{algorithm}, {counted(len(tasks), 'environment')}"
        overall.append(Row(label, algorithm, None, " + ".join(names), count, figures))
    return overall
