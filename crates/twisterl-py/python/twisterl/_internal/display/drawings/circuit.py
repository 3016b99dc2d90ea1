"""Circuits that wait to be executed: a line for each qubit of a map, and the gates between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisterl._internal.display.scene import Circle, Label, Path, Rect, Scene, Shape

_FRAME, _FLOOR, _LINE, _TEXT = "#cfd6df", "#f5f7fa", "#9aa5b1", "#39424e"
# Gates between neighbours on the drawing, and others.
_NEAR, _FAR = "#009e73", "#0072b2"
_PAD, _MARGIN = 4.0, 34.0
_MAX_GATES = 60


def routing(state: Sequence[float], params: dict[str, Any]) -> Scene:
    """Return the first gates of a circuit on the qubits of the map, each of which is labelled with what it holds."""
    count = int(params.get("num_qubits", len(state)))
    cell = min(240.0 / count, 30.0)
    layout, rest = state[:count], state[count : count + 2 * _MAX_GATES]
    gates, columns = _placed(layout, rest, count)
    width, height = _MARGIN + (columns + 0.5) * cell + 2 * _PAD, count * cell + 2 * _PAD
    ys = [_PAD + (qubit + 0.5) * cell for qubit in range(count)]
    shapes: list[Shape] = [
        Rect(0, 0, width, height, _FRAME, 6),
        Rect(_PAD, _PAD, width - 2 * _PAD, height - 2 * _PAD, _FLOOR),
    ]
    shapes += [Path(((_MARGIN, y), (width - _PAD, y)), _LINE, 1.0) for y in ys]
    for qubit, place in enumerate(layout):
        if place in range(count):
            name = f"q{qubit}"
            shapes.append(Label(_PAD + 4, ys[int(place)], name, cell * 0.4, _TEXT, "start", key=name))
    for first, second, column in gates:
        x = _MARGIN + (column + 0.5) * cell
        colour = _NEAR if abs(first - second) == 1 else _FAR
        shapes.append(Path(((x, ys[first]), (x, ys[second])), colour, cell * 0.1))
        shapes += [Circle(x, ys[qubit], cell * 0.18, colour) for qubit in (first, second)]
    return Scene(width, height, tuple(shapes))


def _placed(layout: Sequence[float], rest: Sequence[float], count: int) -> tuple[list[tuple[int, int, int]], int]:
    """Return the places and the column of each gate, and the number of columns: no two gates cross."""
    ends = [0] * count
    gates = []
    for pair in zip(rest[::2], rest[1::2], strict=False):
        places = [layout[int(qubit)] for qubit in pair if qubit in range(len(layout))]
        if len(places) == 2 and all(place in range(count) for place in places):
            first, second = sorted(map(int, places))
            column = max(ends[first : second + 1])
            ends[first : second + 1] = [column + 1] * (second + 1 - first)
            gates.append((first, second, column))
    return gates, max(ends, default=0)
