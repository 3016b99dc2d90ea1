"""Quality against cost: how well methods solve, and the time and the evaluations that they take."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..runs import PlotError
from ..style import COLOURS, GREY, MARKERS, cost_axis, log_axis_with_zero, note_below, styled, subplots
from ..terminal import counted, escape_controls
from .labels import Labels, add_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Result = Mapping[str, Any]
# Larger amounts are drawn by no axis.
MAX_AMOUNT = 1e30
# With more points, labels are numbers, which a list below the panels explains.
MAX_NAMED = 12
# With a longer list, or more points, labels are names again; only those of the front if there are more points.
MAX_LIST = 600
MAX_LABELS = 40
MAX_NAME = 60


@dataclass(frozen=True)
class Cost:
    """A cost per problem, drawn from left to right."""

    key: str
    label: str
    unit: str


@dataclass(frozen=True)
class Quality:
    """A measure of solutions, drawn from bottom to top."""

    key: str
    label: str
    higher: bool  # True if more is better
    scale: float = 1.0  # of the axis
    of_solved: bool = False  # a mean over the solved problems, so that methods that solve fewer are not comparable


COSTS = (
    Cost("seconds_per_state", "time per problem", "s"),
    Cost("nodes_per_state", "states evaluated per problem", ""),
)
SOLVED = Quality("success", "solved (%)", higher=True, scale=100)
OPTIMAL = Quality("optimal_fraction", "solved optimally (%)", higher=True, scale=100)
GAP = Quality("relative_gap", "moves above optimal (%)", higher=False, scale=100, of_solved=True)
MOVES = Quality("mean_length", "moves of the solved", higher=False, of_solved=True)
RETURN = Quality("mean_reward", "return", higher=True)


def front(points: Sequence[tuple[float, float]], higher: bool) -> list[int]:
    """Return the points ``(cost, quality)`` that no other point beats, by growing cost.

    A point is beaten if another one costs no more and is no worse, and is better in one of the two.
    """
    sign = 1 if higher else -1
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -sign * points[i][1]))
    best: list[int] = []
    for i in order:
        if not best or sign * points[i][1] > sign * points[best[-1]][1] or points[i] == points[best[-1]]:
            best.append(i)
    return best


def qualities(results: Sequence[Result]) -> list[Quality]:
    """Return the measures that tell these results apart; problems that cannot be solved have a return only."""
    solved = [_number(result, "success") or 0.0 for result in results]
    if not any(solved):
        return [RETURN] if any(_number(result, RETURN.key) is not None for result in results) else [SOLVED]
    known = any(_number(result, GAP.key) is not None for result in results)
    chosen = [OPTIMAL, GAP] if known else [MOVES]
    return chosen if min(solved) == 1.0 else [SOLVED, *chosen]


def compare_figure(results: Sequence[Result], title: str = "") -> Figure:
    """Draw the quality of each result against its time and its evaluations, with the Pareto front.

    Args:
        results: those of ``compare --json``: dicts with ``policy``, ``search`` and the figures of an evaluation.
        title: a line above the panels.
    """
    if not results:
        raise PlotError("expected at least one result, found none")
    rows = qualities(results)
    policies = list(dict.fromkeys(_name(result["policy"]) for result in results))
    figure, axes = subplots(len(rows), len(COSTS), 0.9 + 2.35 * len(rows))
    panels, numbers = [], _numbers(results)
    with styled():
        for quality, line in zip(rows, axes, strict=True):
            panels += [
                _panel(panel, results, (policies, numbers), cost, quality)
                for cost, panel in zip(COSTS, line, strict=True)
            ]
        if len(policies) > 1:
            _legend(figure, policies)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    listed = f"{_list(numbers)}. " if numbers else ""
    note_below(figure, listed + _note(results, rows))
    add_labels(figure, panels)
    return figure


def _number(result: Result, key: str) -> float | None:
    """Return a figure of a result; None if it has none that can be drawn."""
    value = result.get(key)
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not -MAX_AMOUNT <= value <= MAX_AMOUNT:
        return None
    return float(value)


def _name(value: Any) -> str:
    """Return a name in one short line."""
    shown = escape_controls(value).encode("utf-8", "backslashreplace").decode()
    return shown if len(shown) <= MAX_NAME else shown[: MAX_NAME - 1] + "…"


def _numbers(results: Sequence[Result]) -> dict[str, int]:
    """Return the number of each search in the labels; none if the labels are the names of the searches."""
    searches = dict.fromkeys(_name(result["search"]) for result in results)
    numbers = {search: number for number, search in enumerate(searches, 1)}
    return numbers if MAX_NAMED < len(results) <= MAX_LABELS and len(_list(numbers)) <= MAX_LIST else {}


def _list(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number}: {search}" for search, number in numbers.items())


def _panel(
    axes: Axes,
    results: Sequence[Result],
    names: tuple[Sequence[str], Mapping[str, int]],
    cost: Cost,
    quality: Quality,
) -> Labels:
    """Draw a panel, and return its labels. The names are those of the policies, and the numbers of the searches."""
    (policies, numbers), drawn = names, []
    for result in results:
        x, y = _number(result, cost.key), _number(result, quality.key)
        if x is not None and y is not None and x >= 0:
            drawn.append((result, (x, quality.scale * y)))
    points = [point for _, point in drawn]
    if not points:
        raise PlotError(f"{quality.key}: expected a number in at least one result, found none")
    solved = [_number(result, "success") or 0.0 for result, _ in drawn]
    fair = [i for i, share in enumerate(solved) if share == max(solved) or not quality.of_solved]
    best = [fair[i] for i in front([points[i] for i in fair], quality.higher)]
    stairs = [points[i] for i in best]
    axes.plot(*zip(*stairs, strict=True), drawstyle="steps-post", color=GREY, linewidth=0.9, zorder=1)
    for i, (result, point) in enumerate(drawn):
        number = policies.index(_name(result["policy"]))
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(
            *point,
            MARKERS[number % len(MARKERS)],
            color=colour,
            markersize=5.5,
            markerfacecolor=colour if i in best else "white",
            markeredgewidth=1.1,
            clip_on=False,
            zorder=3,
        )
    cost_axis(axes, [x for x, _ in points], cost.unit)
    axes.set_xlabel(cost.label)
    axes.set_ylabel(quality.label)
    values = [y for _, y in points]
    if quality is GAP and min(values) >= 0 and max(values) > 0:
        log_axis_with_zero(axes, values)
    else:
        axes.margins(y=0.15)
    texts = [
        str(numbers.get(_name(result["search"]), _name(result["search"])))
        + (f" ({100 * share:.3g} % solved)" if quality.of_solved and share < max(solved) else "")
        for (result, _), share in zip(drawn, solved, strict=True)
    ]
    corners = [corner for (_, y), (x, end) in itertools.pairwise(stairs) for corner in ((x, y), (x, end))]
    owners = [policies.index(_name(result["policy"])) for result, _ in drawn]
    colours = [COLOURS[owner % len(COLOURS)] if len(policies) > 1 else "#202020" for owner in owners]
    labelled = range(len(points)) if len(points) <= MAX_LABELS else best[:MAX_LABELS]
    points, texts, colours = [points[i] for i in labelled], [texts[i] for i in labelled], [colours[i] for i in labelled]
    return Labels(axes, points, texts, colours, stairs[:1] + corners)


def _legend(figure: Figure, policies: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="", marker=MARKERS[i % len(MARKERS)], color=COLOURS[i % len(COLOURS)], markersize=5.5)
        for i in range(len(policies))
    ]
    fit = max(1, int(figure.get_figwidth() / (0.065 * max(map(len, policies)) + 0.4)))
    figure.legend(handles, policies, loc="outside upper left", ncols=min(fit, len(policies)), handletextpad=0.2)


def _note(results: Sequence[Result], rows: Sequence[Quality]) -> str:
    counts = {int(count) for result in results if (count := _number(result, "count")) is not None}
    problems = f"{counted(counts.pop(), 'problem')}. " if len(counts) == 1 else ""
    solved = [_number(result, "success") for result in results]
    every = "All results solve every problem. " if SOLVED not in rows and RETURN not in rows else ""
    some = any(quality.of_solved for quality in rows) and len(set(solved)) > 1
    fair = " The front of moves has only those that solve the most problems." if some else ""
    return f"{problems}{every}Filled, line: the Pareto front, which no result beats in both quality and cost.{fair}"
