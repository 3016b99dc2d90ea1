"""The time spent in each phase of an iteration, stacked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .curves import STEPS, x_axis
from .runs import Group, History, PlotError, value
from .style import GREY, hide_unused, note_below, styled, subplots

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    _Array = NDArray[np.float64]

Row = tuple[float, float, list[float]]  # environment steps so far, steps of this iteration, seconds per phase
NO_PHASES = ("total", "steps_per_second", "elapsed")
OTHER = "other"  # time outside the phases: curriculum, metrics, checkpoints
BINS = 30
# Shades of one hue would suggest a ranking of the phases, so each has its own hue, muted for areas.
COLOURS = {"collect": "#6CA6CD", "targets": "#E0C27A", "update": "#D98B5F", "evaluate": "#7FB59B", OTHER: "#C8C8C8"}
MORE = ("#B59BC4", "#A0A67A", "#8C8C8C")


def phase_names(groups: Sequence[Group]) -> list[str]:
    """Return all phases that take time, in the order of an iteration."""
    found = [name for group in groups for run in group.runs for name in run.names("time") if name not in NO_PHASES]
    known = [name for name in COLOURS if name in found]
    return [*known, *dict.fromkeys(name for name in found if name not in COLOURS), OTHER]


def seconds(run: History, names: Sequence[str]) -> list[Row]:
    """Return the rows of a run's records, without records that lack steps or times."""
    rows, before, count = [], 0.0, -1.0
    for record in run.records:
        at, total = value(record, STEPS), value(record, "time.total")
        iteration = value(record, "iteration")
        if at is None or total is None:
            continue
        spent = [value(record, f"time.{name}") or 0.0 for name in names if name != OTHER]
        # With log_freq above 1, a record's steps cover all iterations since the last record, its times only its own.
        iterations = max(1.0, iteration - count) if iteration is not None else 1.0
        rows.append((at, (at - before) / iterations, [*spent, max(0.0, total - sum(spent))]))
        before, count = at, iteration if iteration is not None else count + 1
    return rows


def costs(runs: Sequence[Sequence[Row]]) -> tuple[_Array, _Array, _Array]:
    """Bin the rows of runs by environment steps.

    Returns the edges ``[bin + 1]``, the seconds per million steps ``[phase, bin]``, and the share of each phase.
    """
    import numpy as np

    rows = [row for run in runs for row in run]
    at, steps, spent = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    bins = max(1, min(BINS, min(len(run) for run in runs if run)))
    edges = np.linspace(0, at.max() or 1.0, bins + 1)
    index = np.clip(np.searchsorted(edges, at, side="left") - 1, 0, bins - 1)
    made = np.bincount(index, steps, bins)
    in_bins = np.stack([np.bincount(index, phase, bins) for phase in spent.T])
    per_million = np.divide(1e6 * in_bins, made, out=np.zeros_like(in_bins), where=made > 0)
    return edges, per_million, spent.sum(axis=0) / (spent.sum() or 1.0)


def time_per_phase(groups: Sequence[Group]) -> Figure:
    """Draw the seconds per million environment steps of each phase, stacked, over training; one panel per group.

    Values are means over the group's runs. A line above each panel gives the share of each phase in the whole training.
    """
    names = phase_names(groups)
    spent_by = [(group, [part for run in group.runs if (part := seconds(run, names))]) for group in groups]
    timed = [(group, spent) for group, spent in spent_by if spent]
    if names == [OTHER] or not timed:
        raise PlotError("expected runs with times of their phases, found none")
    groups = [group for group, _ in timed]
    columns = min(2, len(groups))
    rows = -(-len(groups) // columns)
    figure, axes = subplots(rows, columns, 0.85 + 2.1 * rows, width=7.0 if columns == 2 else 4.8)
    flat = list(axes.flat)
    import numpy as np
    from matplotlib.patches import Patch

    colours, exits = [colour(names, i) for i in range(len(names))], False
    with styled():
        for place, (group, spent) in zip(flat, timed, strict=False):
            place.set_title(group.title, pad=15)
            edges, per_million, share = costs(spent)
            stacked = np.hstack([per_million, per_million[:, -1:]])
            place.stackplot(edges, stacked, colors=colours, step="post", linewidth=0)
            shown = [f"{name} {100 * part:.0f} %" for name, part in zip(names, share, strict=True) if part >= 0.005]
            place.annotate(
                "   ".join(shown), (0, 1), (0, 4), "axes fraction", textcoords="offset points", size=8, color=GREY
            )
            x_axis(place, [group], STEPS, log=False)
            # The limit ignores peaks: the first bin may be a hundred times as high as the rest.
            top = float(np.quantile(per_million.sum(axis=0), 0.9))
            limit = 1.25 * top if top > 0 else 1
            place.set_ylim(0, limit)
            place.grid(visible=False)
            place.set_ylabel("s per million steps")
            for i in np.flatnonzero(per_million.sum(axis=0) > limit):
                place.plot((edges[i] + edges[i + 1]) / 2, limit, "^", color=GREY, markersize=4, clip_on=False)
                exits = True
        handles = [Patch(color=shade) for shade in colours]
        figure.legend(handles, names, loc="outside upper left", ncols=len(names), handlelength=1.0, handleheight=0.9)
    hide_unused(flat, len(groups))
    note = "Wall-clock time of each phase, mean over seeds; above each panel its share of the whole training."
    note_below(figure, note + " Triangles: higher than the frame." * exits)
    return figure


def colour(names: Sequence[str], i: int) -> Any:
    """Return the colour of a phase: its own, or a spare one for an unknown phase."""
    unknown = [name for name in names if name not in COLOURS]
    return COLOURS.get(names[i]) or MORE[unknown.index(names[i]) % len(MORE)]
