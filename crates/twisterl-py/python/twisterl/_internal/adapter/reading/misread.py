"""The error for a value that breaks the rule by which it is read."""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np

from twisterl._internal.adapter.reading.bounded import is_small


class MisreadError(Exception):
    """A value that breaks the rule by which it is read.

    Attributes:
        source: the method or the entry that the value comes from, such as `reward()`.
        expected: the rule.
        found: the value as text.
        advice: a remedy, or an empty text.
    """

    def __init__(self, source: str, expected: str, found: object, advice: str = "") -> None:
        self.source = source
        self.expected = expected
        self.found = found if isinstance(found, Text) else Text(shown(found))
        self.advice = advice
        super().__init__(source, expected, found, advice)

    def __str__(self) -> str:
        advice = f" ({self.advice})" if self.advice else ""
        return f"{self.source}: expected {self.expected}, found {self.found}{advice}"


def _short(value: Any) -> str:
    return repr(value.tolist() if isinstance(value, np.ndarray) else value)


def _long(value: Any) -> str:
    """Return the beginning of a long value as text."""
    if isinstance(value, np.ndarray):
        return f"{value.flat[:8].tolist()!r:.100}"
    return reprlib.repr(value)


class Text(str):
    """A description of a value, to be shown as it is."""

    __slots__ = ()


def shown(value: Any) -> str:
    """Return a value as text: short ones as they are, long ones by their beginning, arrays with shape and type."""
    try:
        text = _short(value) if is_small(value, 512) else _long(value)
    except Exception:
        text = f"a {type(value).__name__}"
    text = " ".join(text.split())
    if len(text) > 120:
        text = f"{text[:100]}..."
    if isinstance(value, np.ndarray):
        return f"{text}, an array of {value.dtype} of shape {value.shape}"
    return text
