"""Arrays of `numpy.ma`, which hide some of their entries."""

from __future__ import annotations

import sys
from typing import Any

UNMASKED = "none of them masked"
"""The rule that an array with masked entries breaks."""


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
            # Subclasses may have an `__iter__` of their own, which never ends.
            stored = list(list.__iter__(item) if isinstance(item, list) else tuple.__iter__(item))
            if any(issubclass(kind, (list, tuple, ma.MaskedArray)) for kind in {*map(type, stored)}):
                waiting += stored
    return False
