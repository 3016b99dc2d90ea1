"""The global random generators, which environments without a seed of their own draw from."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Held while an environment uses the global generators after they were seeded, so that no other thread draws from them.
_LOCK = threading.RLock()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators of Python and numpy, and keep other threads from them meanwhile."""
    with _LOCK:
        random.seed(seed)
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            numpy.random.seed(seed)
        yield


@contextmanager
def restored() -> Iterator[None]:
    """Restore the global generators at the end, so that what happens meanwhile leaves no trace in them."""
    with _LOCK:
        numpy = sys.modules.get("numpy")
        ours, theirs = random.getstate(), numpy.random.get_state() if numpy is not None else None
        try:
            yield
        finally:
            random.setstate(ours)
            if numpy is not None:
                numpy.random.set_state(theirs)
