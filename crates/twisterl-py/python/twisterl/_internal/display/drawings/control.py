"""Control environments as scenes, from their physical states."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from twisterl._internal.display.scene import Circle, Label, Path, Point, Rect, Scene, Shape, clip

_SKY, _GROUND, _INK = "#f5f7fa", "#b8c2cf", "#39424e"
_BODY, _ARM, _GOAL = "#0072b2", "#d55e00", "#009e73"


def cart_pole(state: Sequence[float], params: dict[str, Any]) -> Scene:
    """Return a cart with its pole, which is 1 m long, and the limits of the track."""
    position, _, angle, _ = map(clip, state)
    width, track, metre = 480.0, 156.0, 96.0
    x, y = width / 2 + position * metre, track - 20
    axle = (x, y - 8)
    tip = (axle[0] + metre * math.sin(angle), axle[1] - metre * math.cos(angle))
    limits = [width / 2 + side * 2.4 * metre for side in (-1, 1)]
    shapes: list[Shape] = [
        Path(((0, track), (width, track)), _GROUND, 3),
        *(Path(((limit, track - 8), (limit, track + 8)), _GROUND, 3) for limit in limits),
        Rect(x - 34, y - 12, 68, 24, _BODY, 4),
        Circle(x - 20, track - 5, 6, _INK),
        Circle(x + 20, track - 5, 6, _INK),
        Path((axle, tip), _ARM, 9),
        Circle(*axle, 4, _INK),
    ]
    return Scene(width, 182, tuple(shapes), _SKY)


def pendulum(state: Sequence[float], params: dict[str, Any]) -> Scene:
    """Return a pendulum; angle 0 is upright."""
    angle = clip(state[0])
    side, length = 240.0, 88.0
    centre = side / 2
    end = (centre + length * math.sin(-angle), centre - length * math.cos(angle))
    shapes: list[Shape] = [
        *_arc(centre, length),
        Path(((centre, centre), end), _ARM, 14),
        Circle(*end, 15, _BODY),
        Circle(centre, centre, 5, _INK),
    ]
    return Scene(side, side, tuple(shapes), _SKY)


def _arc(centre: float, length: float) -> list[Shape]:
    """Return marks around a centre, the upper one larger."""
    return [
        Circle(centre + length * math.sin(turn), centre - length * math.cos(turn), 4.5 if i == 0 else 2, _GROUND)
        for i, turn in ((i, i * math.pi / 8) for i in range(16))
    ]


def acrobot(state: Sequence[float], params: dict[str, Any]) -> Scene:
    """Return two links and the height that the tip has to reach; angles 0 hang down."""
    first, second = clip(state[0]), clip(state[1])
    side, length = 260.0, 56.0
    hinge = (side / 2, side / 2)
    elbow = (hinge[0] + length * math.sin(first), hinge[1] + length * math.cos(first))
    tip = (elbow[0] + length * math.sin(first + second), elbow[1] + length * math.cos(first + second))
    height = hinge[1] - length
    shapes: list[Shape] = [
        Path(((12, height), (side - 12, height)), _GOAL, 2.5),
        Path((hinge, elbow), _ARM, 12),
        Path((elbow, tip), _BODY, 12),
        Circle(*hinge, 5, _INK),
        Circle(*elbow, 5, _INK),
        Circle(*tip, 4, _INK),
    ]
    return Scene(side, side, tuple(shapes), _SKY)


def mountain_car(state: Sequence[float], params: dict[str, Any]) -> Scene:
    """Return a car in a valley, and the flag to reach."""
    return _valley(state, 0.5)


def mountain_car_continuous(state: Sequence[float], params: dict[str, Any]) -> Scene:
    """Return the same, with the flag of the continuous version."""
    return _valley(state, 0.45)


def _valley(state: Sequence[float], goal: float) -> Scene:
    width, height, low, high = 420.0, 230.0, -1.2, 0.6
    unit = width / (high - low)

    def ground(x: float) -> Point:
        return (x - low) * unit, height - 24 - (math.sin(3 * x) * 0.45 + 0.55) * unit * 0.64

    position = min(max(clip(state[0]), low), high)
    hill = [ground(low + (high - low) * i / 60) for i in range(61)]
    (x, y), (flag_x, flag_y) = ground(position), ground(goal)
    slope = math.atan2(-math.cos(3 * position) * 1.35 * 0.64, 1.0)

    def on_car(along: float, above: float) -> Point:
        return (
            x + along * math.cos(slope) + above * math.sin(slope),
            y + along * math.sin(slope) - above * math.cos(slope),
        )

    body = tuple(on_car(along, above) for along, above in ((-19, 6), (19, 6), (19, 13), (10, 20), (-12, 20), (-19, 13)))
    shapes: list[Shape] = [
        Path(((0, height), *hill, (width, height)), fill="#dde4ec"),
        Path(tuple(hill), _GROUND, 3),
        Path(((flag_x, flag_y), (flag_x, flag_y - 42)), _INK, 2.5),
        Path(((flag_x, flag_y - 42), (flag_x + 20, flag_y - 35), (flag_x, flag_y - 28)), fill=_GOAL),
        Path(body, fill=_BODY),
        *(Circle(*on_car(along, 5.5), 5.5, _INK) for along in (-11, 11)),
    ]
    return Scene(width, height, tuple(shapes), _SKY)


def journey(state: Sequence[float], params: dict[str, Any]) -> Scene:
    """Return the way home, the traveller on it, and the vehicles at hand."""
    distance = clip(state[0])
    width, line, reach = 420.0, 76.0, max(10.0, abs(distance))
    unit = (width / 2 - 30) / reach
    x = width / 2 + distance * unit
    vehicles = "walk" + "".join(f", {name}" for name, there in zip(("bike", "car"), state[1:], strict=False) if there)
    home = width / 2
    shapes: list[Shape] = [
        Path(((16, line), (width - 16, line)), _GROUND, 3),
        Rect(home - 12, line - 20, 24, 20, _GOAL),
        Path(((home - 17, line - 20), (home, line - 36), (home + 17, line - 20)), fill=_GOAL),
        Circle(x, line, 9, _BODY),
        Label(width / 2, line + 32, f"{distance:+.2f} from home: {vehicles}", 14, _INK),
    ]
    return Scene(width, 132, tuple(shapes), _SKY)
