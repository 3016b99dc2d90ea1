"""Labels of points, placed so that they overlap neither each other nor points, and stay inside the frame."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from math import cos, hypot, inf, pi, sin
from typing import TYPE_CHECKING, Any, NamedTuple

from ..style import GREY, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FONT = 8.0  # points
PAD = 1.0  # between a label and what is around it, in points
MARKER = 3.5  # half the side of a marker's box, in points
DISTANCES = (5.0, 9.0, 14.0, 20.0, 28.0, 38.0, 50.0)  # of a label from its point, in points
DIRECTIONS = 16
LEADER = 12.0  # distance from which on a thin line leads from a label to its point
ROUNDS = 3


class Box(NamedTuple):
    """A rectangle, in points."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: Box) -> float:
        """Return the area that two rectangles share."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return width * height if width > 0 and height > 0 else 0.0

    @property
    def area(self) -> float:
        """The area."""
        return (self.right - self.left) * (self.top - self.bottom)


class Labels(NamedTuple):
    """The points of a panel with their labels, and a line that the labels should not hide."""

    axes: Axes
    points: Sequence[tuple[float, float]]
    texts: Sequence[str]
    colours: Sequence[str]
    line: Sequence[tuple[float, float]] = ()


def add_labels(figure: Figure, panels: Sequence[Labels]) -> list[list[Any]]:
    """Add the labels to finished panels, and return them as ``Annotation`` objects by panel."""
    with styled():
        figure.draw_without_rendering()  # the layout decides how large the panels are
        return [_panel(figure, labels) for labels in panels]


def _panel(figure: Figure, labels: Labels) -> list[Any]:
    scale = 72 / figure.dpi  # points per pixel
    to_points = labels.axes.transData.transform
    points = [tuple(scale * at for at in to_points(point)) for point in labels.points]
    line = [tuple(scale * at for at in to_points(point)) for point in labels.line]
    window = labels.axes.get_window_extent()
    frame = Box(*(scale * end for end in (window.x0, window.y0, window.x1, window.y1)))
    sizes = [_size(labels.axes, text, scale) for text in labels.texts]
    offsets = place(points, sizes, frame, line)
    added = []
    rows = zip(labels.points, labels.texts, labels.colours, sizes, offsets, strict=True)
    for point, text, colour, size, (x, y) in rows:
        far = _is_far((x, y), size)
        leader = {"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3} if far else None
        note = labels.axes.annotate(
            text,
            point,
            (x, y),
            textcoords="offset points",
            ha="center",
            va="center_baseline",
            size=FONT,
            color=colour,
            arrowprops=leader,
            parse_math=False,
        )
        note.set_in_layout(False)
        added.append(note)
    return added


def _is_far(offset: tuple[float, float], size: tuple[float, float]) -> bool:
    """Return True for a label so far from its point that a line has to lead there."""
    return hypot(max(abs(offset[0]) - size[0] / 2, 0), max(abs(offset[1]) - size[1] / 2, 0)) > LEADER


def _size(axes: Axes, text: str, scale: float) -> tuple[float, float]:
    probe = axes.text(0, 0, text, size=FONT, parse_math=False)
    extent = probe.get_window_extent()
    probe.remove()
    return scale * extent.width, scale * extent.height


def place(
    points: Sequence[Any], sizes: Sequence[tuple[float, float]], frame: Box, line: Sequence[Any] = ()
) -> list[tuple[float, float]]:
    """Return the offset of each label's centre from its point, all in points.

    Each label takes the best of many places around its point, given those of the others; a few rounds of this settle
    crowded places.
    """
    markers = [Box(x - MARKER, y - MARKER, x + MARKER, y + MARKER) for x, y in points]
    candidates = [list(_candidates(size)) for size in sizes]
    chosen: list[tuple[float, float] | None] = [None] * len(points)

    def box(i: int, offset: tuple[float, float]) -> Box:
        (x, y), (width, height) = points[i], sizes[i]
        x, y = x + offset[0], y + offset[1]
        return Box(x - width / 2 - PAD, y - height / 2 - PAD, x + width / 2 + PAD, y + height / 2 + PAD)

    def cost(i: int, offset: tuple[float, float]) -> float:
        own = box(i, offset)
        others = [box(j, other) for j, other in enumerate(chosen) if other is not None and j != i]
        outside = own.area - own.overlap(frame)
        hidden = sum(own.overlap(other) for other in others) + sum(own.overlap(marker) for marker in markers)
        crossed = sum(_crosses(own, a, b) for a, b in pairwise(line))
        if _is_far(offset, sizes[i]):
            end = (points[i][0] + offset[0], points[i][1] + offset[1])
            around = [*others, *(marker for j, marker in enumerate(markers) if j != i and points[j] != points[i])]
            crossed += sum(_crosses(other, points[i], end) for other in around)
        # A line that leads to this point should not be hidden by the label of another one.
        led = (j for j, other in enumerate(chosen) if j != i and other is not None and _is_far(other, sizes[j]))
        crossed += sum(_crosses(own, points[j], _end(points[j], chosen[j])) for j in led)
        return 1000 * outside + 100 * hidden + 8 * crossed

    for _ in range(ROUNDS):
        before = list(chosen)
        for i in range(len(points)):
            best = inf
            for distance, offset in candidates[i]:
                if distance >= best:  # no place farther away can be better
                    break
                total = distance + cost(i, offset)
                if total < best:
                    best, chosen[i] = total, offset
        if chosen == before:
            break
    return [offset or (0.0, 0.0) for offset in chosen]


def _candidates(size: tuple[float, float]) -> Any:
    """Yield distances from the point and offsets of a label of this size, above and to the right first."""
    width, height = size
    for distance, step in product(DISTANCES, range(DIRECTIONS)):
        angle = pi / 4 + 2 * pi * step / DIRECTIONS
        x, y = cos(angle), sin(angle)
        yield (
            distance,
            (
                distance * x + width / 2 * max(-1.0, min(1.0, 1.5 * x)),
                distance * y + height / 2 * max(-1.0, min(1.0, 1.5 * y)),
            ),
        )


def _end(point: Any, offset: tuple[float, float] | None) -> tuple[float, float]:
    x, y = offset or (0.0, 0.0)
    return point[0] + x, point[1] + y


def _crosses(box: Box, a: Any, b: Any) -> bool:
    """Return True if the segment from ``a`` to ``b`` passes through the box (clipping by Liang and Barsky, 1984)."""
    enters, leaves = 0.0, 1.0
    sides = ((a[0], b[0] - a[0], box.left, box.right), (a[1], b[1] - a[1], box.bottom, box.top))
    for start, change, low, high in sides:
        if change == 0:
            if not low <= start <= high:
                return False
            continue
        first, second = sorted(((low - start) / change, (high - start) / change))
        enters, leaves = max(enters, first), min(leaves, second)
        if enters > leaves:
            return False
    return True
