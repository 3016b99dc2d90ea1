"""Regular files in folders of anyone's making: bounded reads of JSON, and writes. Limits: docs/security.md."""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

MAX_CONFIG = 1 << 20
MAX_EVALUATION = 1 << 25
MAX_CHECKPOINT_STATE = 1 << 28
MAX_METRICS = 1 << 30
MAX_LINE = 1 << 24
"""The longest line of metrics, in bytes."""

# Flags of `open` for an entry itself, which is not waited for; other systems have neither.
_AS_IT_IS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_MARKS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)


class FormatError(ValueError):
    """A file is of another kind, too long, or not JSON; the message says what was expected and found."""


class NotRegularError(Exception):
    """Something else is in place of a file that is to be written; the message names it."""


class _Repeated(dict[str, Any]):
    """An object that repeats ``key``."""

    key = ""


def read(path: Path, limit: int) -> bytes:
    """Read a regular file of at most ``limit`` bytes.

    Raises ``OSError`` if it cannot be read, and ``FormatError`` if it is of another kind or longer.
    """
    with _opened(path, limit) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise FormatError(f"expected a file of at most {limit} bytes, found more")
    return content


def _opened(path: Path, limit: int) -> io.BufferedReader:
    # Without waiting: a pipe that nobody writes to would block.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise FormatError(f"expected a regular file, found {_kind(found.st_mode)}")
        if found.st_size > limit:
            raise FormatError(f"expected a file of at most {limit} bytes, found {found.st_size} bytes")
        return open(descriptor, "rb")  # noqa: PTH123 - closed by the caller
    except BaseException:
        os.close(descriptor)
        raise


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_ISDIR(mode):
        return "a folder"
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    return "a device" if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else "another kind of file"


def text(content: bytes) -> str:
    """Return the text of a file without its byte-order mark. Raises ``FormatError`` if it is not UTF-8."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            raise FormatError(f"expected JSON in UTF-8, found {encoding} (save the file as UTF-8)")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"expected JSON in UTF-8, found other bytes at offset {error.start}") from error


def parse(content: bytes | str, what: str = "JSON", **options: Any) -> Any:
    """Parse JSON, ``what`` in messages.

    Raises:
        FormatError: it is not JSON, or a key, whose path the message has, is repeated.
    """
    if isinstance(content, bytes):
        content = text(content)
    content = content.removeprefix("\ufeff")
    repeated = False

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        entries = dict(pairs)
        if len(entries) == len(pairs):
            return entries
        repeated = True
        keys: set[str] = set()
        marked = _Repeated(entries)
        marked.key = next(key for key, _ in pairs if key in keys or keys.add(key))  # type: ignore[func-returns-value]
        return marked

    try:
        value = json.loads(content, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        found = "deeply nested values" if isinstance(error, RecursionError) else str(error)
        raise FormatError(f"expected {what}, found {found}") from error
    if repeated:
        raise FormatError(f"expected each key once, found `{_path(value) or ''}` twice")
    # A second time with the hooks of the caller, which may replace objects.
    return json.loads(content, **options) if options else value


def _path(value: Any) -> str | None:
    """Return the path of the first repeated key."""
    if isinstance(value, _Repeated):
        return value.key
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        below = _path(inner)
        if below is not None:
            dot = "" if below.startswith("[") else "."
            return f"[{key}]{dot}{below}" if isinstance(value, list) else f"{key}{dot}{below}"
    return None


def read_object(path: Path, limit: int) -> dict[str, Any]:
    """Read a JSON object of at most ``limit`` bytes.

    Raises as ``read`` and ``parse`` do, and ``FormatError`` for another value.
    """
    found = parse(read(path, limit), "a JSON object")
    if not isinstance(found, dict):
        raise FormatError(f"expected a JSON object, found {_name(found)}")
    return found


def _name(value: object) -> str:
    names = {list: "a list", str: "a string", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")


def lines(path: Path, limit: int = MAX_METRICS) -> Iterator[str]:
    """Return the lines of a regular file of at most ``limit`` bytes, without their ends.

    Raises as ``read`` does, and ``FormatError`` for a line of more than ``MAX_LINE`` bytes.
    """
    with _opened(path, limit) as file:
        number = 0
        while content := file.readline(MAX_LINE + 1):
            number += 1
            if len(content) > MAX_LINE:
                raise FormatError(f"line {number}: expected at most {MAX_LINE} bytes, found more")
            line = content.decode("utf-8-sig" if number == 1 else "utf-8", errors="replace")
            yield line.rstrip("\r\n")


def create(path: Path) -> TextIO:
    """Open a new or empty file for writing; links are not followed, and nothing but a regular file is opened."""

    def opener(name: str, flags: int) -> int:
        try:
            kind = stat.S_IFMT(os.lstat(name).st_mode)
        except FileNotFoundError:
            kind = stat.S_IFREG
        if kind != stat.S_IFREG:
            raise NotRegularError(f"{path}: expected a regular file, found {_kind(kind)}")
        # It may have been replaced since.
        descriptor = os.open(name, flags & ~os.O_TRUNC | _AS_IT_IS, 0o666)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            os.close(descriptor)
            raise NotRegularError(f"{path}: expected a regular file with no other name, found {found.st_nlink} links")
        os.ftruncate(descriptor, 0)
        return descriptor

    return open(path, "w", encoding="utf-8", opener=opener)


def write(path: Path, text: str) -> None:
    """Write a file as `create` opens it."""
    with create(path) as file:
        file.write(text)
