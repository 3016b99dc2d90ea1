"""Checks of user arguments before they are passed to Rust."""

from __future__ import annotations

import operator
import os
from pathlib import Path
from typing import Any

from twisterl.errors import UsageError


def whole(name: str, value: Any) -> int:
    """Return a whole number."""
    try:
        return operator.index(value)
    except TypeError as error:
        raise UsageError(f"{name}: expected a whole number, found {value!r:.100}") from error


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
