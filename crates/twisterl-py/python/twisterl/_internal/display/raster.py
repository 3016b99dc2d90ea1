"""Scenes as pixels, by Pillow, which matplotlib brings."""

from __future__ import annotations

from pathlib import Path as File
from typing import TYPE_CHECKING, Any

from twisterl._internal.display.scene import Circle, Label, Path, Picture, Rect, Scene, clip
from twisterl.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

# Drawn larger by this factor, and reduced: so edges are smooth.
_SMOOTH = 3
# By size, and whether they are monospaced and bold.
_fonts: dict[tuple[int, bool, bool], Any] = {}
NEEDS_PILLOW = "needs Pillow: pip install pillow"


def image(scene: Scene, scale: float = 1.0) -> Image:
    """Return a scene as an image, `scale` pixels for each of its units.

    Raises:
        UsageError: Pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise UsageError(f"drawing pixels {NEEDS_PILLOW}") from error
    size = (max(round(scene.width * scale), 1), max(round(scene.height * scale), 1))
    large = Image.new("RGB", (size[0] * _SMOOTH, size[1] * _SMOOTH), scene.background)
    canvas = _Canvas(large, ImageDraw.Draw(large), scale * _SMOOTH)
    for shape in scene.shapes:
        canvas.draw(shape)
    return large.resize(size, Image.Resampling.BOX)


class _Canvas:
    def __init__(self, image: Image, pen: ImageDraw, scale: float) -> None:
        self._image = image
        self._pen = pen
        self._scale = scale

    def _at(self, *values: float) -> list[float]:
        return [clip(value) * self._scale for value in values]

    def draw(self, shape: Any) -> None:
        """Draw a shape."""
        if isinstance(shape, Rect):
            x, y, width, height, radius = self._at(shape.x, shape.y, shape.width, shape.height, shape.radius)
            self._pen.rounded_rectangle((x, y, x + width - 1, y + height - 1), radius, shape.fill)
        elif isinstance(shape, Circle):
            self._disc(shape.x, shape.y, shape.radius, shape.fill)
        elif isinstance(shape, Path):
            self._path(shape)
        elif isinstance(shape, Picture):
            self._picture(shape)
        elif isinstance(shape, Label):
            self._label(shape)

    def _disc(self, x: float, y: float, radius: float, fill: str) -> None:
        x, y, radius = self._at(x, y, radius)
        self._pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill)

    def _path(self, path: Path) -> None:
        points = [tuple(self._at(*point)) for point in path.points]
        if path.fill is not None and len(points) > 2:
            self._pen.polygon(points, path.fill)
        if path.stroke is None:
            return
        width = max(round(path.width * self._scale), 1)
        self._pen.line(points, path.stroke, width, joint="curve")
        for x, y in (path.points[0], path.points[-1]):
            self._disc(x, y, path.width / 2, path.stroke)

    def _picture(self, picture: Picture) -> None:
        from PIL import Image

        x, y, width, height = map(round, self._at(picture.x, picture.y, picture.width, picture.height))
        pixels = Image.fromarray(picture.pixels)
        # Pixels that are enlarged stay squares.
        way = Image.Resampling.NEAREST if width > pixels.width * _SMOOTH else Image.Resampling.LANCZOS
        self._image.paste(pixels.resize((max(width, 1), max(height, 1)), way), (x, y))

    def _label(self, label: Label) -> None:
        font = _font(max(round(label.size * self._scale), 1), label.advance is not None, label.bold)
        x, y = self._at(label.x, label.y)
        # The middle of capital letters, as in SVG.
        baseline = y + 0.36 * label.size * self._scale
        if label.advance is None:
            anchor = {"start": "ls", "middle": "ms", "end": "rs"}[label.anchor]
            self._pen.text((x, baseline), label.text, label.fill, font, anchor)
            return
        for i, character in enumerate(label.text):
            self._pen.text((x + i * label.advance * self._scale, baseline), character, label.fill, font, "ls")


def _font(size: int, mono: bool, bold: bool) -> Any:
    """Return a font that is the same on every machine: of matplotlib if there is one, or else of Pillow."""
    found = _fonts.get((size, mono, bold))
    if found is None:
        found = _fonts[size, mono, bold] = _load_font(size, mono, bold)
    return found


def _load_font(size: int, mono: bool, bold: bool) -> Any:
    from PIL import ImageFont

    try:
        import matplotlib as mpl
    except ImportError:
        return ImageFont.load_default(size)
    name = f"DejaVuSans{'Mono' if mono else ''}{'-Bold' if bold else ''}.ttf"
    return ImageFont.truetype(str(File(mpl.get_data_path()) / "fonts" / "ttf" / name), size)
