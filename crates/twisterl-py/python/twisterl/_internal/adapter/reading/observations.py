"""Observations of plain environments: the indices of the ones, or one number for each value."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twisterl._internal.adapter.reading.bounded import LONGEST
from twisterl._internal.adapter.reading.misread import MisreadError, Text
from twisterl._internal.adapter.reading.scalars import whole
from twisterl._internal.masked import UNMASKED, is_masked

SOURCE = "observe()"
DECLARE = "declare `obs_sparse = True` for indices or `obs_sparse = False` for one number a value in the class"


def is_sparse(seen: Any, shape: list[int]) -> bool | None:
    """Return True if an observation consists of indices, False if of one number a value, None if it could be either.

    Floats and booleans are values, and so are rows as long as the shape and arrays of several axes. Other whole numbers
    are indices, as in the PyPI package `twisterl`. A row that contains each index once could be either.

    Raises:
        MisreadError: it is neither.
    """
    if isinstance(seen, (set, frozenset)):
        return True
    row = _array(seen, "a list of indices, or an array of numbers")
    if row.ndim == 1 and not row.size:
        return True
    if row.ndim != 1 or row.dtype.kind not in "iu" or _has_bool(seen):
        return False
    size = int(np.prod(shape))
    if row.size != size:
        return True
    return None if sorted(row.tolist()) == list(range(size)) else False


class Indices:
    """Reads the indices of the ones."""

    def __init__(self, size: int, source: str = SOURCE) -> None:
        self.expected = f"a list of different indices below {size}"
        self.size = size
        self.source = source

    def __call__(self, seen: Any) -> list[int]:
        """Return the indices.

        Raises:
            MisreadError: they are not whole numbers within the size, each at most once.
        """
        if isinstance(seen, (set, frozenset)):
            seen = sorted(seen)
        row = _array(seen, self.expected, self.source)
        if row.ndim != 1 or _has_bool(seen):
            raise self._misread(seen)
        indices = [index for index in map(whole, row.tolist()) if index is not None and 0 <= index < self.size]
        if not row.size == len(indices) == len({*indices}):
            raise self._misread(seen)
        return indices

    def _misread(self, seen: Any) -> MisreadError:
        advice = DECLARE if self.source.startswith(SOURCE) and np.size(seen) == self.size else ""
        return MisreadError(self.source, self.expected, seen, advice)


class Values:
    """Reads one number for each value, flat or in the declared shape."""

    def __init__(self, shape: list[int], source: str = SOURCE) -> None:
        self.shape = tuple(shape)
        self.size = int(np.prod(shape))
        self.source = source

    def __call__(self, seen: Any) -> NDArray[Any]:
        """Return the numbers as a flat array.

        Raises:
            MisreadError: they are not real numbers, or of another shape.
        """
        if type(seen) is np.ndarray and seen.shape == self.shape and seen.dtype.kind in "fiub":
            return seen.ravel()
        expected = f"numbers of shape {self.shape}"
        row = _array(seen, expected, self.source)
        if row.shape not in (self.shape, (self.size,)) and not (self.size == 1 == row.size):
            advice = DECLARE if self.source.startswith(SOURCE) and row.ndim == 1 else ""
            raise MisreadError(self.source, expected, seen, advice)
        return row.ravel()


def _array(seen: Any, expected: str, source: str = SOURCE) -> NDArray[Any]:
    """Return numbers as an array.

    Raises:
        MisreadError: they are not numbers, not all of one shape, in no order, or some are masked.
    """
    if isinstance(seen, dict):
        keys = ", ".join(repr(key) for key in list(seen)[:8])
        raise MisreadError(source, expected, Text(f"a dict with the keys {keys}"))
    if isinstance(seen, (str, bytes, set, frozenset)) or not (hasattr(seen, "__len__") or hasattr(seen, "dtype")):
        raise MisreadError(source, expected, seen)
    if is_masked(seen):
        raise MisreadError(source, f"{expected}, {UNMASKED}", seen)
    try:
        # A length that is not that of a list may be a lie.
        trusted = isinstance(seen, (list, tuple)) or hasattr(seen, "dtype")
        row = np.asarray(seen if trusted else list(islice(seen, LONGEST)))
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise MisreadError(source, expected, seen) from error
    if row.dtype.kind not in "biuf" and row.size:
        raise MisreadError(source, expected, seen)
    return row


def _has_bool(seen: Any) -> bool:
    """Return True if there are booleans among the numbers of a list, which an array of them no longer tells."""
    if isinstance(seen, (list, tuple)):
        return any(isinstance(item, (bool, np.bool_)) for item in seen)
    return getattr(getattr(seen, "dtype", None), "kind", None) == "b"
