"""Boards as scenes: the sliding puzzle, lights and mazes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from twisterl._internal.display.scene import Circle, Label, Path, Rect, Scene, Shape

# The longest side of a board.
_SIDE = 240.0
_FRAME, _FLOOR = "#cfd6df", "#e3e8ee"
_AWAY, _HOME = "#0072b2", "#009e73"
_LIT, _DARK = "#ffc425", "#39424e"
_WALL, _WALKER, _GOAL = "#39424e", "#0072b2", "#d55e00"


def puzzle(state: Sequence[float], params: dict[str, Any]) -> Scene:
    """Return a sliding puzzle. Tiles in their places are green, others blue."""
    width, height = int(params["width"]), int(params["height"])
    shift = 1 if params.get("goal") == "blank_last" else 0
    cell, pad = _cell(width, height), 4.0
    shapes: list[Shape] = [Rect(0, 0, width * cell + 2 * pad, height * cell + 2 * pad, _FRAME, 6)]
    size = cell * (0.44 if width * height <= 10 else 0.38)
    for place, tile in enumerate(map(int, state)):
        if tile == 0:
            continue
        row, column = divmod(place, width)
        x, y = pad + column * cell, pad + row * cell
        colour = _HOME if tile - shift == place else _AWAY
        key = str(tile)
        shapes.append(Rect(x + 1.5, y + 1.5, cell - 3, cell - 3, colour, cell * 0.09, key))
        shapes.append(Label(x + cell / 2, y + cell / 2, key, size, "#ffffff", bold=True, key=key))
    return Scene(width * cell + 2 * pad, height * cell + 2 * pad, tuple(shapes))


def lights_out(state: Sequence[float], params: dict[str, Any]) -> Scene:
    """Return the lights of a board."""
    width, height = int(params["width"]), int(params["height"])
    cell, pad = _cell(width, height), 4.0
    floor = Rect(0, 0, width * cell + 2 * pad, height * cell + 2 * pad, _FRAME, 6)
    lights = (
        Rect(pad + x + 2, pad + y + 2, cell - 4, cell - 4, _LIT if lit else _DARK, cell * 0.16)
        for lit, (x, y) in zip(state, _places(width, cell), strict=False)
    )
    return Scene(floor.width, floor.height, (floor, *lights))


def maze(state: Sequence[float], params: dict[str, Any]) -> Scene:
    """Return a maze with its walls, the goal as a diamond and the walker as a disc."""
    width, height = int(params["width"]), int(params["height"])
    cell, pad = _cell(width, height), 4.0
    walker, goal, walls = int(state[0]), int(state[1]), state[2:]
    shapes: list[Shape] = [
        Rect(0, 0, width * cell + 2 * pad, height * cell + 2 * pad, _FRAME, 6),
        Rect(pad, pad, width * cell, height * cell, _FLOOR),
    ]
    for wall, (x, y) in zip(walls, _places(width, cell), strict=False):
        if wall:
            shapes.append(Rect(pad + x + 0.5, pad + y + 0.5, cell - 1, cell - 1, _WALL, cell * 0.08))
    x, y = ((place + 0.5) * cell + pad for place in (goal % width, goal // width))
    reach = cell * 0.4
    shapes.append(Path(((x - reach, y), (x, y - reach), (x + reach, y), (x, y + reach)), fill=_GOAL))
    x, y = ((place + 0.5) * cell + pad for place in (walker % width, walker // width))
    shapes.append(Circle(x, y, cell * 0.28, _WALKER, key="walker"))
    return Scene(width * cell + 2 * pad, height * cell + 2 * pad, tuple(shapes))


def _cell(width: int, height: int) -> float:
    return min(_SIDE / max(width, height), 64.0)


def _places(width: int, cell: float) -> Iterator[tuple[float, float]]:
    """Yield the upper left corners of the cells, row by row."""
    place = 0
    while True:
        yield place % width * cell, place // width * cell
        place += 1
