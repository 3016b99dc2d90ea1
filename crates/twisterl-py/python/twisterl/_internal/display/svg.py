"""Scenes as SVG, without scripts, style sheets and anything from elsewhere. Text is escaped."""

from __future__ import annotations

import base64
import html
import io
from typing import Any

from twisterl._internal.display.scene import Circle, Label, Path, Picture, Rect, Scene, Shape, clip

# Fonts that at least one of each system has; each glyph of monospaced text has its own place, whatever the font.
_SANS = "'DejaVu Sans',Verdana,'Segoe UI','Helvetica Neue',Arial,sans-serif"
_MONO = "'DejaVu Sans Mono',Menlo,Consolas,'Liberation Mono',monospace"
# The style of text in the HTML of notebooks.
TEXT_STYLE = "font:13px/1.5 system-ui,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
# From the baseline to the middle of capital letters, as a share of the font's size.
_MIDDLE = 0.36


def document(scene: Scene) -> str:
    """Return a scene as an SVG document."""
    return f"{opening(scene)}{''.join(elements(scene))}</svg>"


def data_uri(scene: Scene) -> str:
    """Return a scene as the source of an HTML image."""
    return "data:image/svg+xml;base64," + base64.b64encode(document(scene).encode()).decode()


def opening(scene: Scene) -> str:
    """Return the opening tag of a scene's SVG."""
    size = f'width="{_number(scene.width)}" height="{_number(scene.height)}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {_number(scene.width)} {_number(scene.height)}">'
    )


def elements(scene: Scene) -> list[str]:
    """Return the SVG elements of a scene, the background first."""
    return [element(Rect(0, 0, scene.width, scene.height, scene.background, 6)), *map(element, scene.shapes)]


def element(shape: Shape) -> str:
    """Return a shape as an SVG element."""
    if isinstance(shape, Rect):
        radius = f' rx="{_number(shape.radius)}"' if shape.radius else ""
        size = f'width="{_number(shape.width)}" height="{_number(shape.height)}"'
        return f'<rect x="{_number(shape.x)}" y="{_number(shape.y)}" {size}{radius} fill="{escaped(shape.fill)}"/>'
    if isinstance(shape, Circle):
        place = f'cx="{_number(shape.x)}" cy="{_number(shape.y)}" r="{_number(shape.radius)}"'
        return f'<circle {place} fill="{escaped(shape.fill)}"/>'
    if isinstance(shape, Path):
        return _path(shape)
    if isinstance(shape, Picture):
        place = f'x="{_number(shape.x)}" y="{_number(shape.y)}"'
        size = f'width="{_number(shape.width)}" height="{_number(shape.height)}"'
        # Pixels that are enlarged stay squares.
        look = ' style="image-rendering:pixelated"' if shape.width > shape.pixels.shape[1] else ""
        return f'<image {place} {size}{look} href="data:image/png;base64,{_png(shape.pixels)}"/>'
    return _label(shape)


def _path(path: Path) -> str:
    points = " ".join(f"{_number(x)},{_number(y)}" for x, y in path.points)
    fill = escaped(path.fill or "none")
    if path.stroke is None:
        return f'<polygon points="{points}" fill="{fill}"/>'
    stroke = f'stroke="{escaped(path.stroke)}" stroke-width="{_number(path.width)}"'
    rounded = 'stroke-linecap="round" stroke-linejoin="round"'
    return f'<polyline points="{points}" fill="{fill}" {stroke} {rounded}/>'


def _label(label: Label) -> str:
    y = _number(label.y + _MIDDLE * label.size)
    weight = ' font-weight="bold"' if label.bold else ""
    start, font = _number(label.x), _SANS
    if label.advance is not None:
        start = " ".join(_number(label.x + i * label.advance) for i in range(len(label.text)))
        font = _MONO
    look = f'font-family="{font}" font-size="{_number(label.size)}"{weight} fill="{escaped(label.fill)}"'
    anchor = "" if label.anchor == "start" else f' text-anchor="{escaped(label.anchor)}"'
    # Spaces at the beginning have their places, too.
    return f'<text x="{start}" y="{y}" {look}{anchor} xml:space="preserve">{escaped(label.text)}</text>'


def _png(pixels: Any) -> str:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).convert("P", palette=Image.Palette.ADAPTIVE, colors=64).save(file, "png", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def _number(value: float) -> str:
    return f"{round(clip(value), 2):g}" if abs(value) < 1e4 else f"{clip(value):.0f}"


def escaped(text: str) -> str:
    """Return text for HTML and XML, with the characters replaced that change the display or that XML lacks."""
    return html.escape("".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text))
