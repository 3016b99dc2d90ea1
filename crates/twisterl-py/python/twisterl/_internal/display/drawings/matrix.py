"""States that are matrices: linear circuits as square matrices of bits, permutations as their matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence

from twisterl._internal.display.scene import Rect, Scene, Shape

_SIDE, _PAD = 240.0, 4.0
_FRAME, _FLOOR = "#cfd6df", "#f5f7fa"
# On the diagonal, where the identity has its ones, and off it.
_HOME, _AWAY, _HOME_FLOOR = "#009e73", "#0072b2", "#dcebe6"
_MAX_ROWS = 40


def matrix_scene(state: Sequence[float]) -> Scene | None:
    """Return the matrix of a state: of its bits, or of the permutation that it is; None if it is neither."""
    rows = _rows(state)
    if rows is None:
        return None
    cell = min(_SIDE / len(rows), 40.0)
    side = len(rows) * cell + 2 * _PAD
    gap = min(cell * 0.06, 1.5)
    shapes: list[Shape] = [Rect(0, 0, side, side, _FRAME, 6)]
    for i, row in enumerate(rows):
        for j, bit in enumerate(row):
            colours = (_HOME, _HOME_FLOOR) if i == j else (_AWAY, _FLOOR)
            place = (_PAD + j * cell + gap, _PAD + i * cell + gap)
            shapes.append(Rect(*place, cell - 2 * gap, cell - 2 * gap, colours[0 if bit else 1], cell * 0.08))
    return Scene(side, side, tuple(shapes))


def _rows(state: Sequence[float]) -> list[list[bool]] | None:
    count = len(state)
    side = math.isqrt(count)
    if side >= 2 and side * side == count and side <= _MAX_ROWS and all(value in (0, 1) for value in state):
        bits = [value == 1 for value in state]
        return [bits[first : first + side] for first in range(0, count, side)]
    if 2 <= count <= _MAX_ROWS and sorted(state) == list(range(count)):
        return [[column == value for column in range(count)] for value in state]
    return None
