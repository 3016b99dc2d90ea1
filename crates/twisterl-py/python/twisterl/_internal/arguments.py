"""Checks of user arguments before they are passed to Rust."""

from __future__ import annotations

import operator
import os
from itertools import islice
from pathlib import Path
from typing import Any

from twisterl.errors import UsageError

MAX_ROWS = 1 << 24
"""The most rows of a batch, as in Rust."""


def whole(name: str, value: Any) -> int:
    """Return a whole number."""
    try:
        return operator.index(value)
    except TypeError as error:
        raise UsageError(f"{name}: expected a whole number, found {value!r:.100}") from error


def rows(name: str, value: Any) -> list[Any]:
    """Return the rows of a batch, of which there are as many as its length says and at most `MAX_ROWS`."""
    try:
        count = len(value)
        given = iter(value)
    except TypeError as error:
        raise UsageError(f"{name}: expected a list, found {type(value).__name__}") from error
    except OverflowError:
        count = MAX_ROWS + 1
    if count > MAX_ROWS:
        raise UsageError(f"{name}: expected at most {MAX_ROWS} rows, found more")
    return list(islice(given, count))


def path(name: str, value: str | os.PathLike[str]) -> Path:
    """Return a valid path, whether or not it exists."""
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
