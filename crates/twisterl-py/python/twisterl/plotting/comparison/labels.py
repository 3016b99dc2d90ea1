"""Labels of points, placed so that they overlap neither each other nor points, and stay inside the frame."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise, product
from math import cos, hypot, pi, sin
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
    for point, text, size, (x, y) in zip(labels.points, labels.texts, sizes, offsets, strict=True):
        far = hypot(max(abs(x) - size[0] / 2, 0), max(abs(y) - size[1] / 2, 0)) > LEADER
        leader = {"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 3} if far else None
        note = labels.axes.annotate(
            text,
            point,
            (x, y),
            textcoords="offset points",
            ha="center",
            va="center_baseline",
            size=FONT,
            arrowprops=leader,
        )
        note.set_in_layout(False)
        added.append(note)
    return added


def _size(axes: Axes, text: str, scale: float) -> tuple[float, float]:
    probe = axes.text(0, 0, text, size=FONT)
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
        return 1000 * outside + 100 * hidden + 8 * crossed + hypot(*offset)

    for _ in range(ROUNDS):
        for i in range(len(points)):
            chosen[i] = min(candidates[i], key=partial(cost, i))
    return [offset or (0.0, 0.0) for offset in chosen]


def _candidates(size: tuple[float, float]) -> Any:
    """Yield offsets at which a label of this size touches a circle around its point, above and to the right first."""
    width, height = size
    for distance, step in product(DISTANCES, range(DIRECTIONS)):
        angle = pi / 4 + 2 * pi * step / DIRECTIONS
        x, y = cos(angle), sin(angle)
        yield (
            distance * x + width / 2 * max(-1.0, min(1.0, 1.5 * x)),
            distance * y + height / 2 * max(-1.0, min(1.0, 1.5 * y)),
        )


def _crosses(box: Box, a: Any, b: Any, steps: int = 24) -> int:
    """Return 1 if the segment from ``a`` to ``b`` passes through the box."""
    for i in range(steps + 1):
        x, y = a[0] + (b[0] - a[0]) * i / steps, a[1] + (b[1] - a[1]) * i / steps
        if box.left <= x <= box.right and box.bottom <= y <= box.top:
            return 1
    return 0
