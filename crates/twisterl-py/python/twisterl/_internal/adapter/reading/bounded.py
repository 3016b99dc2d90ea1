"""Values of unknown size, before numpy or `repr` look at all of them, and arrays that hide some of their entries."""

from __future__ import annotations

import sys
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = 32
"""The most levels of nested lists."""
LONGEST = 1 << 28
"""The most values of an observation, and choices of an action."""
UNMASKED = "none of them masked"
"""The rule that an array of `numpy.ma` with masked entries breaks."""


def array(value: Any, most: int) -> NDArray[Any]:
    """Return numbers as an array.

    Raises:
        ValueError: there are more than `most` numbers and lists, they are nested deeply, or some are masked.
    """
    made: NDArray[Any] = np.asarray(_plain(value, [most], LEVELS))
    return made


def is_small(value: Any, most: int) -> bool:
    """Return True if there are at most `most` items in lists, dicts and arrays, over all levels."""
    left, waiting = most, [value]
    while waiting and left >= 0:
        item = waiting.pop()
        if isinstance(item, np.ndarray):
            left -= item.size
        elif isinstance(item, (list, tuple, set, frozenset, dict)):
            waiting += islice(item.values() if isinstance(item, dict) else item, left + 1)
        left -= 1
    return left >= 0


def is_masked(value: Any) -> bool:
    """Return True for an array of `numpy.ma` with masked entries, and for a list that contains one.

    Conversions show what is behind a mask, which may be anything.
    """
    ma = sys.modules.get("numpy.ma")
    if ma is None:
        return False  # there is no such array
    waiting, known = [value], {0}
    while waiting:
        item = waiting.pop()
        if isinstance(item, ma.MaskedArray):
            if ma.is_masked(item):
                return True
        elif isinstance(item, (list, tuple)) and id(item) not in known:
            known.add(id(item))
            if any(issubclass(kind, (list, tuple, ma.MaskedArray)) for kind in {*map(type, item)}):
                waiting += item
    return False


def _plain(value: Any, left: list[int], levels: int) -> Any:
    """Return a value with at most `left[0]` items and lists as arrays, lists of them and single values; counts them."""
    is_array = hasattr(value, "dtype")
    left[0] -= int(np.size(value)) if is_array else 1
    if left[0] < 0:
        raise ValueError("too many items")
    if is_array and is_masked(value):
        raise ValueError("masked items")
    if is_array or isinstance(value, (str, bytes, dict)) or not hasattr(value, "__iter__"):
        return value
    if levels == 0:
        raise ValueError(f"more than {LEVELS} nested levels")
    # One more than may come is enough to see that there are too many, even of an iterator without end.
    return [_plain(item, left, levels - 1) for item in islice(value, left[0] + 1)]
