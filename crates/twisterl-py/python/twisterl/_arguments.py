"""Checks of user arguments before they are passed to Rust."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisterl.errors import UsageError


def whole(name: str, value: Any) -> int:
    """Return a whole number."""
    try:
        return operator.index(value)
    except TypeError as error:
        raise UsageError(f"{name}: expected a whole number, found {value!r:.100}") from error


def flag(name: str, value: Any) -> bool:
    """Return a bool; None is False."""
    try:
        return bool(value)
    except Exception as error:
        raise UsageError(f"{name}: expected True or False, found {type(value).__name__}") from error


def word(name: str, value: Any) -> str:
    """Return valid Unicode text."""
    if not isinstance(value, str):
        raise UsageError(f"{name}: expected text, found {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{name}: expected Unicode text, found {value!r:.100}") from error
    return value


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


def options(given: Mapping[str, Any]) -> dict[str, str]:
    """Return options as command-line text, without those that are None or False."""
    written = {}
    for name, value in given.items():
        if value is None or value is False:
            continue
        if value is True:
            written[name] = ""
        elif isinstance(value, str):
            written[name] = word(name, value)
        elif isinstance(value, int | float) or hasattr(value, "__float__"):
            written[name] = f"{value}"
        else:
            raise UsageError(f"{name}: expected a number or a word, found {value!r:.100}")
    return written
