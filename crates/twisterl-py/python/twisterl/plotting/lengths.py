"""Solution lengths compared with optimal lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .runs import EVALUATION, Group, History, PlotError
from .style import GREY, legend_above, line_style, note_below, percent_axis, styled, subplots
from .terminal import counted

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    _Array = NDArray[np.float64]

Triple = tuple[int | None, int | None, int]  # length (None: unsolved), optimal length (None: unknown), problems
MAX_BARS = 60


def triples(run: History) -> list[Triple]:
    """Return the number of problems by solution length and optimal length.

    Raises ``PlotError`` if ``lengths`` in the evaluation does not have the format of ``evaluate --json``.
    """
    where = f"{run.name}: evaluation"
    rows = (run.evaluation or {}).get("lengths")
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
        raise PlotError(
            f"{where}: expected a list under `lengths`, as the JSON output of `evaluate` has it, found {_kind(rows)}"
        )
    found: list[Triple] = []
    for i, row in enumerate(rows):
        row = row if isinstance(row, Mapping) else {}
        length, optimal, count = (row.get(key) for key in ("length", "optimal", "count"))
        if not (_whole(length, True) and _whole(optimal, True) and _whole(count, False)):
            raise PlotError(
                f"{where}: lengths[{i}]: expected whole numbers `length`, `optimal`, `count`, found {rows[i]!r}"
            )
        found.append((length, optimal, int(count or 0)))
    return found


def _whole(found: object, optional: bool) -> bool:
    whole = isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 10**9
    return whole or (optional and found is None)


def _kind(found: object) -> str:
    return "nothing" if found is None else "an empty list" if found == [] else f"a {type(found).__name__}"


def evaluated(groups: Sequence[Group]) -> list[tuple[int, Group]]:
    """Return the groups that have evaluated runs, reduced to those runs, with their index (for the colour)."""
    return [
        (i, Group(group.label, runs))
        for i, group in enumerate(groups)
        if (runs := [run for run in group.runs if run.evaluation is not None])
    ]


def anything_to_draw(groups: Sequence[Group]) -> bool:
    """Return False if no run was evaluated, or none solved a problem and no optimal lengths are known.

    Raises ``PlotError`` as ``triples`` does.
    """
    rows = (row for _, group in evaluated(groups) for run in group.runs for row in triples(run))
    return any(length is not None or optimal is not None for length, optimal, _ in rows)


def excess(rows: Sequence[Triple], up_to: int) -> list[float]:
    """Return the share of problems of known optimal length solved within 0, 1, ..., ``up_to`` extra moves."""
    counts = [0] * (up_to + 1)
    total = 0
    for length, optimal, count in rows:
        if optimal is None:
            continue
        total += count
        if length is not None and max(0, length - optimal) <= up_to:
            counts[max(0, length - optimal)] += count
    shares, solved = [], 0
    for count in counts:
        solved += count
        shares.append(solved / total if total else 0.0)
    return shares


def solution_lengths(groups: Sequence[Group]) -> Figure:
    """Draw the distributions of solution lengths and of optimal lengths, and the extra moves of the solutions.

    Runs without an ``evaluation`` are left out.
    """
    chosen = evaluated(groups)
    if not chosen:
        raise PlotError(f"expected runs with an evaluation in {EVALUATION}, the JSON output of `evaluate`, found none")
    if not anything_to_draw(groups):
        raise PlotError("expected runs that solved a problem of their evaluation, found none")
    data = [(i, group, [triples(run) for run in group.runs]) for i, group in chosen]
    known = any(row[1] is not None for _, _, runs in data for rows in runs for row in rows)
    figure, axes = subplots(1, 2 if known else 1, 2.9, width=7.0 if known else 4.2)
    with styled():
        _histogram(axes[0, 0], data)
        if known:
            _excess(axes[0, 1], data)
    order = {i: group.title for i, group, _ in data}
    legend_above(figure, [order.get(i, groups[i].title) for i in range(len(groups))])
    counts = {sum(row[2] for row in runs[0]) for _, _, runs in data}
    problems = counted(min(counts), "problem") if len(counts) == 1 else f"{min(counts):,} to {max(counts):,} problems"
    text = f"{problems}, each solved once by every seed."
    if known:
        text += " Right: the leftmost value is the share solved optimally."
        if any(len(runs) > 1 for _, _, runs in data):
            text += " Line: median over seeds; band: their range."
    note_below(figure, text)
    return figure


def _histogram(axes: Axes, data: Sequence[tuple[int, Group, list[list[Triple]]]]) -> None:
    import numpy as np

    everything = [row for _, _, runs in data for rows in runs for row in rows]
    solved = [(row[0], row[2]) for row in everything if row[0] is not None]
    # The optimal lengths of the first group; groups that solve the same problems share them.
    shortest = [(row[1], row[2]) for row in data[0][2][0] if row[1] is not None]
    best = max((length for length, _ in shortest), default=0)
    longest = max((length for length, _ in solved), default=0)
    end = max(_quantile(solved, 0.995), best)
    begin = min(_quantile(solved, 0.002), _quantile(shortest, 0.002) if best else end)
    width = -(-(end + 1 - begin) // MAX_BARS)
    edges = np.arange(begin, end + width + 1, width) - 0.5

    def shares(pairs: Sequence[tuple[int, int]], total: int) -> _Array:
        values = np.array([length for length, _ in pairs])
        counts = np.array([count for _, count in pairs])
        return np.histogram(np.clip(values, begin, end), bins=edges, weights=counts)[0] / max(1, total)

    if shortest:
        share = shares(shortest, sum(row[2] for row in data[0][2][0]))
        axes.stairs(
            share,
            edges,
            fill=True,
            color="#d4d4d4",
        )
        peak = int(np.argmax(share))
        side = "left" if 2 * peak < len(share) else "right"  # of the peak, so that the text stays inside
        axes.annotate(
            "shortest",
            (edges[peak] if side == "left" else edges[peak + 1], share[peak]),
            (0, 2),
            textcoords="offset points",
            color=GREY,
            ha=side,
        )
    for i, _, runs in data:
        rows = [row for run in runs for row in run]
        share = shares([(row[0], row[2]) for row in rows if row[0] is not None], sum(row[2] for row in rows))
        axes.stairs(share, edges, linewidth=1.3, **line_style(i))
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 1.15 * axes.get_ylim()[1])
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    about = [f"{width} by bar"] if width > 1 else []
    about += [f"more than {end} in the last"] if longest > end else []
    axes.set_xlabel("moves" + (f" ({', '.join(about)})" if about else ""))
    axes.set_ylabel("share of problems")
    axes.set_title("solutions by length")


def _quantile(counted: Sequence[tuple[int, int]], q: float) -> int:
    """Return the ``q``-quantile of counted values, used to keep outliers from squeezing a panel."""
    total, seen = sum(count for _, count in counted), 0
    for number, count in sorted(counted):
        seen += count
        if seen >= q * total:
            return number
    return 0


def _excess(axes: Axes, data: Sequence[tuple[int, Group, list[list[Triple]]]]) -> None:
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    above = [
        (length - optimal, count)
        for _, _, runs in data
        for rows in runs
        for length, optimal, count in rows
        if length is not None and optimal is not None
    ]
    end = max(4, _quantile(above, 0.995))
    x = np.arange(end + 2)
    for i, _, runs in data:
        shares = np.array([excess(rows, end) for rows in runs])
        shares = np.concatenate([shares, shares[:, -1:]], axis=1)
        style: dict[str, Any] = line_style(i)
        if len(runs) > 1:
            axes.fill_between(
                x, shares.min(axis=0), shares.max(axis=0), step="post", color=style["color"], alpha=0.18, linewidth=0
            )
        axes.plot(x, np.median(shares, axis=0), drawstyle="steps-post", **style)
    axes.set_xlim(0, end + 1)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    percent_axis(axes)
    axes.set_xlabel("moves above the shortest")
    axes.set_ylabel("share of problems")
    axes.set_title("solved within so many moves of the shortest")
