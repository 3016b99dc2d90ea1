"""Checks of user arguments before they are passed to Rust."""

from __future__ import annotations

import difflib
import operator
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twisterl import _core
from twisterl.errors import UsageError


def whole(name: str, value: Any) -> int:
    """Return a whole number."""
    try:
        return operator.index(value)
    except TypeError as error:
        raise UsageError(f"{name}: expected a whole number, found {value!r:.100}") from error


def within(name: str, value: Any, low: int, high: int) -> int:
    """Return a whole number from `low` to `high`."""
    number = whole(name, value)
    if not low <= number <= high:
        raise UsageError(f"{name}: expected a whole number from {low} to {high}, found {number}")
    return number


def text(name: str, value: Any) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise UsageError(f"{name}: expected a text, found {value!r:.60}")
    return value


def seed(value: Any) -> int:
    """Return a random seed."""
    return within("seed", value, 0, 2**64 - 1)


def difficulty(value: Any) -> int:
    """Return a difficulty."""
    return within("difficulty", value, 0, 1_000_000)


def drawn(count: Any, start: Any, level: Any, *, given: bool) -> tuple[int, str, int | None]:
    """Return the number, the kind and the difficulty of problems to draw, which is of no use beside `given` states."""
    if given and start != "scramble":
        raise UsageError(f"start: expected none beside given states, found {start!r:.60}")
    number = within("num_episodes", count, 1, 10_000_000)
    return number, text("start", start), None if level is None else difficulty(level)


def options(name: str, given: Any, known: Sequence[str]) -> Mapping[str, Any]:
    """Return a dict of options, all of which are known; None counts as an empty one."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise UsageError(f"{name}: expected a dict, found {type(given).__name__}")
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise UsageError(f"{name}: expected {' and '.join(map(repr, known))}, found {key!r:.60}{hint}")
    return given


def flag(name: str, value: Any) -> bool:
    """Return a flag: True or False, of Python or NumPy, or 1 or 0."""
    return _core.flag(name, value)


def optimal_length(name: str, value: Any) -> int | None:
    """Return the length of a shortest solution, which may be a float such as 20.0; None or NaN if it is not known."""
    if value is None or value != value:
        return None
    try:
        number = int(value)
        if number == value and 0 <= number < 2**32:
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise UsageError(f"{name}: expected a whole number of moves, 0 or more, found {value!r:.60}")


def path(name: str, value: str | os.PathLike[str]) -> Path:
    """Return a valid path, whether or not it exists."""
    if isinstance(value, (str, bytes)) and not value:
        raise UsageError(f"{name}: expected a path, found an empty text")
    try:
        made = Path(value)
        made.stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return made
    except TypeError as error:
        raise UsageError(f"{name}: expected a path, found {type(value).__name__}") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{name}: expected a path, found {value!r:.100} ({error!s:.100})") from error
    return made
