"""Scenes: pictures as plain data, which SVG, pixels and other programs can be made from.

Coordinates are in units of about a pixel, x to the right and y downwards. Colours are `#rrggbb`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

# Coordinates beyond are cut off, since an environment may be in any state.
_FAR = 1e5

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Rect:
    """A rectangle by its upper left corner.

    Attributes:
        key: shapes of the same key in two scenes are one object that moved; None if it never moves.
    """

    x: float
    y: float
    width: float
    height: float
    fill: str
    radius: float = 0.0
    key: str | None = None


@dataclass(frozen=True)
class Circle:
    """A disc, by its centre."""

    x: float
    y: float
    radius: float
    fill: str
    key: str | None = None


@dataclass(frozen=True)
class Path:
    """A line through points, or the filled polygon between them."""

    points: tuple[Point, ...]
    stroke: str | None = None
    width: float = 1.0
    fill: str | None = None


@dataclass(frozen=True)
class Label:
    """One line of text.

    Attributes:
        y: the height of the middle of capital letters.
        anchor: `start`, `middle` or `end`: the part of the text at `x`.
        advance: the distance between characters, which are monospaced then; None for the font's own.
        key: see `Rect`.
    """

    x: float
    y: float
    text: str
    size: float
    fill: str
    anchor: str = "middle"
    bold: bool = False
    advance: float | None = None
    key: str | None = None


@dataclass(frozen=True)
class Picture:
    """Pixels, `[height, width, 3]` bytes, scaled to a rectangle."""

    x: float
    y: float
    width: float
    height: float
    pixels: Any = field(compare=False)


Shape: TypeAlias = Rect | Circle | Path | Label | Picture


@dataclass(frozen=True)
class Scene:
    """A picture: shapes on a background, the later ones above the earlier ones.

    Attributes:
        text: the same in words or characters, for readers who see no pictures.
    """

    width: float
    height: float
    shapes: tuple[Shape, ...]
    background: str = "#ffffff"
    text: str = ""


def clip(value: float) -> float:
    """Return a coordinate within the range that every format can hold; 0 for one that is not a number."""
    return 0.0 if math.isnan(value) else min(max(value, -_FAR), _FAR)


def between(first: Scene, second: Scene, share: float) -> Scene:
    """Return the scene after a share of the way from the first to the second, by moving shapes with keys."""
    starts = _movable(first)
    shapes: list[Shape] = []
    for shape in second.shapes:
        start = None if isinstance(shape, Path | Picture) else starts.get((type(shape), shape.key))
        if start is None or isinstance(shape, Path | Picture):
            shapes.append(shape)
        else:
            x, y = (a + (b - a) * share for a, b in ((start.x, shape.x), (start.y, shape.y)))
            shapes.append(replace(start, x=x, y=y))
    return replace(second, shapes=tuple(shapes))


def moves(first: Scene, second: Scene) -> bool:
    """Return True if a shape with a key is in both scenes at different places."""
    starts, ends = _movable(first), _movable(second)
    common = starts.keys() & ends.keys()
    return any((starts[key].x, starts[key].y) != (ends[key].x, ends[key].y) for key in common)


def _movable(scene: Scene) -> dict[tuple[type, str | None], Rect | Circle | Label]:
    """Return the shapes with keys."""
    return {
        (type(shape), shape.key): shape
        for shape in scene.shapes
        if not isinstance(shape, Path | Picture) and shape.key is not None
    }
