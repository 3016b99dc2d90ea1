"""Text as scenes: every character in its place, frames and blocks drawn, so that no font is needed for them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from twisterl._internal.display.scene import Label, Path, Rect, Scene, Shape

_INK, _PAPER, _RULE, _MARK = "#202830", "#f5f7fa", "#6b7683", "#f6c8a4"
# Width and height of a character, and the size of the font.
_ADVANCE, _LINE, _SIZE = 8.5, 17.0, 14.0
# Longer text is cut, with a mark.
_MAX_COLUMNS, _MAX_LINES = 160, 80
# The arms of frames: left, up, right, down.
_ARMS = {
    **dict(zip("─│┌┐└┘├┤┬┴┼", ("lr", "ud", "rd", "ld", "ur", "lu", "urd", "lud", "lrd", "lur", "lurd"), strict=True)),
    **dict(zip("━┃┏┓┗┛┣┫┳┻╋", ("lr", "ud", "rd", "ld", "ur", "lu", "urd", "lud", "lrd", "lur", "lurd"), strict=True)),
    **dict(zip("═║╔╗╚╝╠╣╦╩╬", ("lr", "ud", "rd", "ld", "ur", "lu", "urd", "lud", "lrd", "lur", "lurd"), strict=True)),
}
_BLOCKS = {"█": (0.0, 1.0, None), "■": (0.1, 0.8, None), "□": (0.1, 0.8, _PAPER)}


def text_scene(text: str) -> Scene:
    """Return lines of monospaced text. What terminals would colour has a background."""
    plain, marked = _without_escapes(text)
    lines = [_cut(line, _MAX_COLUMNS) for line in plain.splitlines()] or [""]
    if len(lines) > _MAX_LINES:
        lines = [*lines[: _MAX_LINES - 1], "…"]
    width = max(max(map(len, lines)), 4) * _ADVANCE + 20
    shapes: list[Shape] = [
        Rect(10 + column * _ADVANCE, 10 + row * _LINE, _ADVANCE, _LINE, _MARK)
        for row, column in marked
        if row < len(lines) and column < len(lines[row])
    ]
    shapes += [shape for row, line in enumerate(lines) for shape in _line(line, 10.0, 10 + row * _LINE)]
    return Scene(width, len(lines) * _LINE + 20, tuple(shapes), _PAPER, plain)


def _without_escapes(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return text without escape sequences of terminals, and the rows and columns that they colour."""
    plain: list[str] = []
    marked: list[tuple[int, int]] = []
    row = column = 0
    coloured = False
    for piece in re.split(r"(\x1b\[[0-9;?]*[A-Za-z])", text.expandtabs(4)):
        if piece.startswith("\x1b["):
            coloured = piece.endswith("m") and any(code not in ("", "0", "00") for code in piece[2:-1].split(";"))
            continue
        for character in piece:
            if character == "\n":
                row, column = row + 1, 0
            else:
                marked += [(row, column)] if coloured else []
                column += 1
        plain.append(piece)
    return "".join(plain), marked


def _cut(line: str, most: int) -> str:
    return line if len(line) <= most else line[: most - 1] + "…"


def _line(line: str, left: float, top: float) -> Iterator[Shape]:
    """Yield the shapes of one line: runs of plain characters, and frames and blocks one by one."""
    column = 0
    for drawn, run in itertools.groupby(line, key=lambda c: c in _ARMS or c in _BLOCKS):
        characters = "".join(run)
        x = left + column * _ADVANCE
        column += len(characters)
        if not drawn:
            start = len(characters) - len(characters.lstrip())
            if plain := characters.strip():
                place = x + start * _ADVANCE
                yield Label(place, top + _LINE / 2, plain, _SIZE, _INK, "start", advance=_ADVANCE)
            continue
        for i, character in enumerate(characters):
            yield from _drawn(character, x + i * _ADVANCE, top)


def _drawn(character: str, x: float, y: float) -> Iterator[Shape]:
    if character in _BLOCKS:
        pad, share, inner = _BLOCKS[character]
        side = (_ADVANCE * share, (_LINE if share == 1 else _ADVANCE) * share)
        corner = (x + pad * _ADVANCE, y + (_LINE - side[1]) / 2)
        yield Rect(*corner, *side, _INK)
        if inner is not None:
            yield Rect(corner[0] + 1, corner[1] + 1, side[0] - 2, side[1] - 2, inner)
        return
    middle = (x + _ADVANCE / 2, y + _LINE / 2)
    ends = {"l": (x, middle[1]), "r": (x + _ADVANCE, middle[1]), "u": (middle[0], y), "d": (middle[0], y + _LINE)}
    for arm in _ARMS[character]:
        yield Path((middle, ends[arm]), _RULE, 1.2)
