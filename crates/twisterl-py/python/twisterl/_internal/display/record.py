"""Episodes of a policy as moving pictures in files."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import itertools
import math
import os
import uuid
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisterl._internal.display import raster
from twisterl._internal.display.episode import Frame, frames
from twisterl._internal.display.painter import Painter
from twisterl._internal.display.scene import Label, Rect, Scene, between, moves
from twisterl.errors import FileError, MissingError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

    from twisterl.policy import Policy, Solution

FORMATS = (".gif", ".png", ".webp", ".mp4")
# A picture and the time for which it is shown, in milliseconds.
Timed = tuple["Image", int]
_SIZES, _RATES = (16, 4096), (0.1, 100.0)
_MAX_FRAMES = 20_000
# Seconds for which the start and the end of a solution are shown.
_HOLD_START, _HOLD_END = 0.8, 2.0
_STRIP, _INK, _PAPER = 30.0, "#202830", "#ffffff"
# Steps that are shown at most this often a second have pictures between them, while something moves.
_SLOW, _BETWEEN = 8.0, 4
# Pictures a second, as many as the eye needs: of faster episodes, only some of the steps are shown.
_MAX_RATE = 30.0
# Pictures by which the palette of a GIF is chosen.
_SAMPLES, _COLOURS, _NEAR = 40, 128, 8


def record(policy: Policy, path: str | os.PathLike[str], options: dict[str, Any]) -> Solution:
    """Write an episode of a policy as a moving picture; see `Policy.record`."""
    file = Path(path)
    writer = _writer(file)
    if not file.parent.is_dir():
        raise MissingError(f"{file}: expected a folder {file.parent}, found none")
    size = _within("size", options["size"], *_SIZES, whole=True)
    fps = _within("fps", options["fps"], *_RATES)
    painter = Painter(policy.spec)
    solution = _episode(policy, painter, options)
    if len(solution) > _MAX_FRAMES:
        raise UsageError(f"max_steps: expected an episode of at most {_MAX_FRAMES} steps, found {len(solution)}")
    pictures = _pictures(solution, painter, painter.fps if fps is None else fps, size)
    _whole(file, lambda partial: writer(partial, pictures))
    return solution


def _within(name: str, value: Any, low: float, high: float, whole: bool = False) -> Any:
    if value is None:
        return None
    kind = "a whole number" if whole else "a number"
    fits = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    if not fits or (whole and value != int(value)):
        raise UsageError(f"{name}: expected {kind} from {low:g} to {high:g}, found {value!r:.60}")
    return value


def _episode(policy: Policy, painter: Painter, options: dict[str, Any]) -> Solution:
    """Play the episode to be shown."""
    search = options["search"]
    played = _play(policy, painter, options, search or "greedy")
    # A policy may go round in circles where sampled play gets out. Success is None where there is no goal.
    if search is None and played.success is False:
        other = _play(policy, painter, {**options, "state": played.start}, None)
        return max(played, other, key=lambda solution: solution.rank())
    return played


def _play(policy: Policy, painter: Painter, options: dict[str, Any], search: str | None) -> Solution:
    given = {"search": search, "seed": options["seed"], "max_steps": options["max_steps"]}
    if options["state"] is not None:
        return policy.solve(options["state"], **given)
    difficulty = options["difficulty"]
    drawing = painter.drawing
    if difficulty is None and drawing is not None and drawing.scramble is not None:
        difficulty = drawing.scramble(policy.env_params)
    return policy.solve_scramble(difficulty, **given)


def _pictures(solution: Solution, painter: Painter, fps: float, size: int | None) -> Iterator[Timed]:
    """Yield the pictures of an episode."""
    fits: float | None = None
    before: Scene | None = None
    every = math.ceil(fps / _MAX_RATE)
    pause = round(1000 * every / fps)
    starts, ends = (round(1000 * hold) if fps <= _SLOW else 500 for hold in (_HOLD_START, _HOLD_END))
    for frame in frames(solution, painter, strict=True, every=every):
        scene = _captioned(frame, solution)
        if fits is None:
            longest = max(scene.width, scene.height)
            fits = 1.0 if size is None else size / longest
            space = (scene.width, scene.height)
        scene = replace(scene, width=space[0], height=space[1])
        is_last = frame.number == len(solution)
        if before is not None and fps <= _SLOW and moves(before, scene):
            for i in range(1, _BETWEEN):
                yield raster.image(between(before, scene, i / _BETWEEN), fits), pause // 8
        yield raster.image(scene, fits), ends if is_last else starts if before is None else pause
        before = scene


def _captioned(frame: Frame, solution: Solution) -> Scene:
    """Return the scene of a frame above a strip that tells the step, and the action or, without a goal, the return."""
    scene = frame.scene
    width = max(scene.width, 200.0)
    shift = (width - scene.width) / 2
    count = len(solution)
    left = f"{frame.number} / {count}" if frame.number else "start"
    right = f"return {frame.total:.4g}" if solution.success is None else frame.action or ""
    if frame.number == count and solution.success:
        right = "solved"
    strip = scene.height + _STRIP / 2
    shapes = [
        *(_shifted(shape, shift) for shape in (Rect(0, 0, scene.width, scene.height, scene.background), *scene.shapes)),
        Label(10, strip, left, 13, _INK, "start"),
        Label(width - 10, strip, right, 13, _INK, "end"),
    ]
    return Scene(width, scene.height + _STRIP, tuple(shapes), _PAPER)


def _shifted(shape: Any, shift: float) -> Any:
    if not shift:
        return shape
    if hasattr(shape, "points"):
        return replace(shape, points=tuple((x + shift, y) for x, y in shape.points))
    return replace(shape, x=shape.x + shift)


def _whole(file: Path, write: Callable[[Path], None]) -> None:
    """Write a file under another name, and rename it: it is whole or not there."""
    partial = file.with_name(f".{uuid.uuid4().hex}.partial{file.suffix}")
    try:
        write(partial)
        partial.replace(file)
    except OSError as error:
        raise FileError(f"{file}: cannot write: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _writer(file: Path) -> Callable[[Path, Iterator[Timed]], None]:
    """Return the function that writes files of this name.

    Raises:
        UsageError: there is none, or the library that it needs is not installed.
    """
    ending = file.suffix.lower()
    if ending not in FORMATS:
        raise UsageError(f"{file}: expected a name that ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    if importlib.util.find_spec("PIL") is None:
        raise UsageError(f"{file}: recording {raster.NEEDS_PILLOW}")
    if ending == ".mp4":
        if importlib.util.find_spec("imageio_ffmpeg") is None:
            raise UsageError(
                f"{file}: MP4 needs imageio-ffmpeg: pip install imageio-ffmpeg; GIF, PNG and WebP need only Pillow"
            )
        return _write_mp4
    return {".gif": _write_gif, ".png": _write_png, ".webp": _write_webp}[ending]


def _write_gif(file: Path, pictures: Iterator[Timed]) -> None:
    """Write a GIF whose frames share one palette, so that each stores what changed."""
    from PIL import Image

    kept = [(_Kept(picture), pause) for picture, pause in pictures]
    chosen = [kept[round(i * (len(kept) - 1) / _SAMPLES)][0].picture() for i in range(_SAMPLES + 1)]
    palette = _palette(chosen)
    reduced = (picture.picture().quantize(palette=palette, dither=Image.Dither.NONE) for picture, _ in kept)
    pauses = _hundredths([pause for _, pause in kept])
    next(reduced).save(file, "gif", save_all=True, append_images=reduced, duration=pauses, loop=0, optimize=False)


class _Kept:
    """A picture in little memory."""

    def __init__(self, picture: Image) -> None:
        self._size = picture.size
        self._data = zlib.compress(picture.tobytes(), 1)

    def picture(self) -> Image:
        """Return the picture."""
        from PIL import Image

        return Image.frombytes("RGB", self._size, zlib.decompress(self._data))


def _hundredths(pauses: list[int]) -> list[int]:
    """Return pauses in whole hundredths of a second, with the same sum as far as that goes.

    Viewers play pauses of less than two hundredths slowly.
    """
    rounded, late = [], 0
    for pause in pauses:
        rounded.append(10 * max(round((pause + late) / 10), 2))
        late += pause - rounded[-1]
    return rounded


def _palette(pictures: list[Image]) -> Image:
    """Return an image with the palette of some pictures: their large areas keep their colours."""
    from PIL import Image

    width, height = pictures[0].size
    sheet = Image.new("RGB", (width, height * len(pictures)))
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (0, i * height))
    counts: Any = sorted(sheet.getcolors(sheet.width * sheet.height) or [], reverse=True)
    large = [colour for count, colour in counts[: _COLOURS // 2] if count > sheet.width * sheet.height / 2000]
    values = sheet.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT).getpalette() or []
    chosen: list[tuple[int, ...]] = []
    for colour in [*large, *zip(values[0::3], values[1::3], values[2::3], strict=True)]:
        # Pillow takes a colour nearby for the nearest.
        if all(max(map(_distance, other, colour)) > _NEAR for other in chosen):
            chosen.append(colour)
    palette = Image.new("P", (1, 1))
    palette.putpalette(list(itertools.chain.from_iterable(chosen[:_COLOURS])))
    return palette


def _distance(first: int, second: int) -> int:
    return abs(first - second)


def _write_png(file: Path, pictures: Iterator[Timed]) -> None:
    _write_animated(file, pictures, "png", {})


def _write_webp(file: Path, pictures: Iterator[Timed]) -> None:
    _write_animated(file, pictures, "webp", {"lossless": True})


def _write_animated(file: Path, pictures: Iterator[Timed], kind: str, options: dict[str, Any]) -> None:
    kept = [(_Kept(picture), pause) for picture, pause in pictures]
    first, *again = (picture.picture() for picture, _ in kept)
    more = {"append_images": again, "duration": [pause for _, pause in kept], "loop": 0}
    first.save(file, kind, save_all=True, **more, **options)


def _write_mp4(file: Path, pictures: Iterator[Timed]) -> None:
    imageio_ffmpeg: Any = importlib.import_module("imageio_ffmpeg")

    # A video has one rate: pictures are repeated for as long as they are shown.
    rate, shown, due = 50, 0, 0.0
    first, rest = _peeked(pictures, 1)
    size = tuple(side + side % 2 for side in first[0][0].size)  # as the codec needs it
    output = imageio_ffmpeg.write_frames(str(file), size, fps=rate, macro_block_size=1, quality=8)
    output.send(None)
    with contextlib.closing(output):
        for picture, pause in rest:
            due += pause * rate / 1000
            while shown < due:
                output.send(_padded(picture, size).tobytes())
                shown += 1
    # The codec does not tell that it failed, as on a full disk.
    try:
        written, _ = imageio_ffmpeg.count_frames_and_secs(str(file))
    except RuntimeError as error:
        raise OSError("the codec wrote no video that can be read") from error
    if written < shown:
        raise OSError(f"the codec wrote {written} of {shown} pictures")


def _padded(picture: Image, size: tuple[int, ...]) -> Image:
    from PIL import Image

    if picture.size == size:
        return picture
    padded = Image.new("RGB", (size[0], size[1]), _PAPER)
    padded.paste(picture)
    return padded


def _peeked(pictures: Iterator[Timed], most: int) -> tuple[list[Timed], Iterator[Timed]]:
    """Return the first pictures, and all of them."""
    first = list(itertools.islice(pictures, most))
    return first, itertools.chain(first, pictures)
