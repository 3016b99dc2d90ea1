"""Values of unknown size, before numpy or `repr` look at all of them."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twisterl._internal.masked import is_masked

LEVELS = 32
"""The most levels of nested lists."""
LONGEST = 1 << 28
"""The most values of an observation, and choices of an action."""


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
