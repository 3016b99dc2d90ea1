"""The interruption of environments on threads other than the main one, to which Python delivers no signals."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable


def interrupt(threads: Iterable[int]) -> None:
    """Raise ``KeyboardInterrupt`` in the Python code that these threads are running."""
    for thread in threads:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))
