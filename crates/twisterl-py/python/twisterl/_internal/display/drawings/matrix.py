"""States that are matrices: linear circuits as square matrices of bits, permutations as their matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

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
    return _scene(rows)


def permutation(state: Sequence[float], params: dict[str, Any]) -> Scene:
    """Return the matrix of a permutation, whose state may be followed by other numbers."""
    count = int(params.get("num_qubits", len(state)))
    return _scene([[column == value for column in range(count)] for value in state[:count]])


def tableau(state: Sequence[float], params: dict[str, Any]) -> Scene:
    """Return a square matrix of bits, whose state may be followed by fewer numbers than two of its rows have."""
    side = math.isqrt(len(state))
    return _scene([[bit == 1 for bit in state[row * side : (row + 1) * side]] for row in range(side)])


def pauli_network(state: Sequence[float], params: dict[str, Any]) -> Scene:
    """Return a tableau, with a column behind it for each of the first rotations: X above Z."""
    qubits = int(params.get("num_qubits", 1))
    side = 2 * qubits
    rows = [[bit == 1 for bit in state[1 + row * side : 1 + (row + 1) * side]] for row in range(side)]
    numbers = state[1 + side * side :]
    # The slacks of qubits may follow.
    count = min(max(state[0], 0), _MAX_ROWS) if math.isfinite(state[0]) else 0
    for first in range(0, len(numbers) - qubits, qubits + 1)[: int(count)]:
        letters = numbers[first + 1 : first + 1 + qubits]
        for qubit, letter in enumerate(letters):
            rows[qubit].append(letter in (1, 3))
            rows[qubits + qubit].append(letter in (2, 3))
    return _scene(rows)


def _scene(rows: Sequence[Sequence[bool]]) -> Scene:
    """Return the scene of a matrix; of a large one only the ones."""
    cell = min(_SIDE / len(rows), 40.0)
    width, side = (count * cell + 2 * _PAD for count in (max(map(len, rows)), len(rows)))
    gap = min(cell * 0.06, 1.5)
    shapes: list[Shape] = [Rect(0, 0, width, side, _FRAME, 6)]
    if len(rows) > _MAX_ROWS:
        shapes.append(Rect(_PAD, _PAD, width - 2 * _PAD, side - 2 * _PAD, _FLOOR))
    for i, row in enumerate(rows):
        for j, bit in enumerate(row):
            if bit or len(rows) <= _MAX_ROWS:
                colours = (_HOME, _HOME_FLOOR) if i == j else (_AWAY, _FLOOR)
                place = (_PAD + j * cell + gap, _PAD + i * cell + gap)
                shapes.append(Rect(*place, cell - 2 * gap, cell - 2 * gap, colours[0 if bit else 1], cell * 0.08))
    return Scene(width, side, tuple(shapes))


def _rows(state: Sequence[float]) -> list[list[bool]] | None:
    count = len(state)
    side = math.isqrt(count)
    if side >= 2 and side * side == count and side <= _MAX_ROWS and all(value in (0, 1) for value in state):
        bits = [value == 1 for value in state]
        return [bits[first : first + side] for first in range(0, count, side)]
    if 2 <= count <= _MAX_ROWS and sorted(state) == list(range(count)):
        return [[column == value for column in range(count)] for value in state]
    return None
