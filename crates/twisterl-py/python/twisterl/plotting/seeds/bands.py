"""Curves over several seeds: the interquartile mean as a line, with its bootstrap interval as a band."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..runs import Group
from .stats import CONFIDENCE, trimmed

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    _Array = NDArray[np.float64]

POINTS = 200  # across a panel; denser records are averaged
RESAMPLES = 1000
LOGARITHMIC_FROM = 20.0  # ratio of the longest to the shortest group from which on the x-axis is logarithmic
LONGER = 1.02  # ratio to the shortest run of the group from which on the rest of a run is drawn
MARKED = 16  # curves of at most this many points get a dot per point
BAND = f"Line: interquartile mean over seeds. Band: its {100 * CONFIDENCE:g} % bootstrap interval."
THIN = "Thin: runs that went on longer than others of their group."
BINNED = f"Records of each iteration are averaged in {POINTS} bins."


def caption(groups: Sequence[Group], drawn: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return a caption that explains lines and bands. ``drawn`` lists an ``x`` path and a ``y`` path per group."""
    several = [group for group in groups if len(group.runs) > 1]
    ends = [[run.last(x) or 0.0 for run in group.runs] for group in several for x in ("env_steps", "time.elapsed")]
    said = [BAND] if several else []
    if any(max(known) > LONGER * min(known) for known in ends):
        said.append(THIN)
    dense = (
        len(run.series(x, path)[0]) > 2 * POINTS
        for x, paths in drawn
        for group, path in zip(groups, paths, strict=True)
        for run in group.runs
    )
    if any(dense):
        said.append(BINNED)
    return " ".join(said)


def logarithmic(groups: Sequence[Group], x: str) -> bool:
    """Return True if the groups differ so much in length that a linear axis would hide the short ones."""
    ends = [max(run.last(x) or 0.0 for run in group.runs) for group in groups]
    known = [end for end in ends if end > 0]
    return len(known) > 1 and max(known) > LOGARITHMIC_FROM * min(known)


def bins(x: _Array, y: _Array, log: bool, steps: bool) -> tuple[_Array, _Array]:
    """Average dense records in ``POINTS`` bins; for a step function (``steps``), keep the last value of each bin."""
    import numpy as np

    if len(x) <= 2 * POINTS:
        return x, y
    low = max(x[0], x[-1] * 1e-4) if log else x[0]
    edges = (np.geomspace if log else np.linspace)(low, x[-1], POINTS + 1)
    index = np.clip(np.searchsorted(edges, x, side="left") - 1, 0, POINTS - 1)
    count = np.bincount(index, minlength=POINTS)
    used = count > 0
    if steps:
        last = np.zeros(POINTS, dtype=np.int64)
        last[index] = np.arange(len(x))
        return x[last[used]], y[last[used]]

    def means(values: _Array) -> _Array:
        return np.bincount(index, weights=values, minlength=POINTS)[used] / count[used]

    return means(x), means(y)


def aggregate(values: _Array, seed: int = 0) -> tuple[_Array, _Array, _Array]:
    """Return the interquartile mean over the runs of ``[run, point]``, and the ends of its bootstrap interval."""
    import numpy as np

    def middle(sample: _Array) -> _Array:
        cut = trimmed(sample.shape[-2])
        kept: _Array = np.sort(sample, axis=-2)[..., cut : sample.shape[-2] - cut, :]
        return np.asarray(kept.mean(axis=-2))

    count = len(values)
    drawn = np.random.default_rng(seed).integers(count, size=(RESAMPLES, count))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(middle(values[drawn]), [tail, 1 - tail], axis=0)
    return middle(values), low, high


def draw(
    axes: Axes, group: Group, x: str, y: str, style: dict[str, Any], log: bool = False, steps: bool = False
) -> bool:
    """Draw the values at the path ``y`` of a group's runs against those at ``x``, and return True if there were any.

    The line and its band end where the shortest run ends. The rest of longer runs is drawn as thin lines, because a
    mean would jump where a run ends.
    """
    import numpy as np

    lines = []
    for run in group.runs:
        points = [np.array(numbers) for numbers in run.series(x, y)]
        if len(points[0]):
            lines.append(bins(points[0], points[1], log, steps))
    if not lines:
        return False
    look = {**style, "drawstyle": "steps-post" if steps else "default"}
    start, end = max(line[0][0] for line in lines), min(line[0][-1] for line in lines)
    if len(lines) == 1 or start >= end:
        for line in lines:
            axes.plot(*line, **look)
            if not steps:
                _mark(axes, line[0], line[1], style)
        return True
    # A grid finer than the records would show nothing new; if there are few records, use exactly their positions.
    grid = np.unique(np.concatenate([line[0] for line in lines]))
    grid = grid[(grid >= start) & (grid <= end)]
    if len(grid) > 2 * POINTS:
        grid = (np.geomspace if log and start > 0 else np.linspace)(start, end, 2 * POINTS)
    values = np.stack([_staircase(grid, *line) if steps else np.interp(grid, *line) for line in lines])
    middle, low, high = aggregate(values)
    axes.fill_between(grid, low, high, step="post" if steps else None, color=style["color"], alpha=0.18, linewidth=0)
    axes.plot(grid, middle, **look)
    count = min(len(line[0]) for line in lines)
    places = np.stack([line[0][:count] for line in lines])
    together = np.ptp(places, axis=0).max() < 0.03 * end  # otherwise the dots would be interpolated, not measured
    if not steps and together:
        _mark(axes, np.clip(places.mean(axis=0), start, end), (grid, middle), style)
    for line in lines:
        if line[0][-1] > LONGER * end:
            beyond = line[0] > end
            here = (_staircase if steps else np.interp)(np.array([end]), *line)
            rest = np.append(end, line[0][beyond]), np.append(here, line[1][beyond])
            axes.plot(*rest, **{**look, "linewidth": 0.7, "alpha": 0.7})
    return True


def _mark(axes: Axes, x: _Array, y: _Array | tuple[_Array, _Array], style: dict[str, Any]) -> None:
    """Mark the records of a curve with dots if there are few, since the line between them was not measured."""
    import numpy as np

    if len(x) <= MARKED:
        heights = np.interp(x, *y) if isinstance(y, tuple) else y
        axes.plot(x, heights, "o", color=style["color"], markersize=2.8, markeredgewidth=0)


def _staircase(grid: _Array, x: _Array, y: _Array) -> _Array:
    """Return the value of the last record at or before each point."""
    import numpy as np

    return y[np.clip(np.searchsorted(x, grid, side="right") - 1, 0, len(y) - 1)]
