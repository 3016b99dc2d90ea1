"""The layers of a policy's network as a scene: the trunk, then the heads of actions and value side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from twisterl._internal.display.scene import Label, Path, Rect, Scene, Shape
from twisterl.plotting.terminal import counted

_BOX, _GAP, _TALL = (168.0, 34.0), 22.0, 8
_INK, _EDGE = "#202830", "#8a95a3"
_COLOURS = {"common": "#cfe3f1", "action": "#fbdcc4", "value": "#cdeadf", "end": "#e3e8ee"}


def network_scene(network: Mapping[str, Any], observation: str, action: str) -> Scene:
    """Return the layers of a network, from top to bottom.

    Args:
        network: the description in the policy's file: `common`, `action` and `value` are lists of layers.
        observation: the observation space in words.
        action: the action space in words.
    """
    layers = {part: [_words(layer) for layer in network.get(part) or []] for part in ("common", "action", "value")}
    trunk = [("observation", observation, "end"), *((*words, "common") for words in _short(layers["common"]))]
    heads = {
        "action": [*((*words, "action") for words in _short(layers["action"])), ("action", action, "end")],
        "value": [*((*words, "value") for words in _short(layers["value"])), ("value", "1 number", "end")],
    }
    width, pitch = 2 * _BOX[0] + 3 * _GAP, _BOX[1] + _GAP
    shapes: list[Shape] = []
    for row, box in enumerate(trunk):
        shapes += _box(width / 2, _GAP / 2 + row * pitch, *box)
        if row:
            shapes.append(_arrow((width / 2, _GAP / 2 + row * pitch - _GAP), (width / 2, _GAP / 2 + row * pitch)))
    base = _GAP / 2 + len(trunk) * pitch
    for place, boxes in zip((0.25, 0.75), heads.values(), strict=True):
        x = _GAP * 0.75 + (width - 1.5 * _GAP) * place
        shapes.append(_arrow((width / 2, base - _GAP), (x, base)))
        for row, box in enumerate(boxes):
            shapes += _box(x, base + row * pitch, *box)
            if row:
                shapes.append(_arrow((x, base + row * pitch - _GAP), (x, base + row * pitch)))
    height = base + max(map(len, heads.values())) * pitch - _GAP / 2
    text = " -> ".join(f"{title} {line}" for title, line, _ in [*trunk, *heads["action"]])
    return Scene(width, height, tuple(shapes), "#ffffff", text)


def _short(boxes: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the boxes, those in the middle as one if there are many."""
    if len(boxes) <= _TALL:
        return list(boxes)
    left_out = len(boxes) - _TALL + 1
    return [*boxes[: _TALL // 2], ("…", counted(left_out, "more layer")), *boxes[len(boxes) - _TALL // 2 + 1 :]]


def _words(layer: Any) -> tuple[str, str]:
    """Return the type of a layer, and its sizes."""
    if not isinstance(layer, Mapping):
        return "layer", ""
    title = str(layer.get("type", "layer"))
    activation = layer.get("activation")
    if activation not in (None, "identity"):
        title += f" + {activation}"
    sizes = [_size(layer[key]) for key in ("inputs", "outputs") if key in layer]
    if sizes:
        return title, " → ".join(sizes)
    rest = [f"{key} {_size(value)}" for key, value in layer.items() if key not in ("type", "name", "activation")]
    return title, ", ".join(rest)


def _size(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return (
            f"{len(value)} parts" if any(isinstance(part, Mapping) for part in value) else " x ".join(map(str, value))
        )
    return f"{value:,}" if isinstance(value, int) else str(value)


def _box(x: float, y: float, title: str, line: str, kind: str) -> list[Shape]:
    width, height = _BOX
    left = x - width / 2
    shapes: list[Shape] = [Rect(left, y, width, height, _COLOURS[kind], 5)]
    heights = (y + height * 0.32, y + height * 0.72) if line else (y + height / 2,)
    for text, middle, size, bold in zip((title, line), heights, (11.5, 11.0), (True, False), strict=False):
        shapes.append(Label(x, middle, _cut(text, 24), size, _INK, bold=bold))
    return shapes


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> Path:
    # A line that ends in a head: one path, so that a scene stays small.
    turn = math.atan2(end[1] - start[1], end[0] - start[0])
    tip = (end[0] - 2 * math.cos(turn), end[1] - 2 * math.sin(turn))
    sides = [
        (tip[0] - 5 * math.cos(turn + side), tip[1] - 5 * math.sin(turn + side)) for side in (-math.pi / 6, math.pi / 6)
    ]
    return Path((start, tip, sides[0], tip, sides[1], tip), _EDGE, 1.4)
