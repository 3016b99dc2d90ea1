"""The program of a worker process."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import warnings
from typing import Any

from twisterl import _core
from twisterl._internal.processes import carried, spawning


def main() -> None:
    """Answer requests until the process that started this one hangs up."""
    spawning.is_worker = True
    # Whoever started this process ends it. Programs that environments start would inherit SIG_IGN.
    signal.signal(signal.SIGINT, lambda *_: None)
    faulthandler.enable()
    # What environments print must not wait for the end.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True)
    warnings.showwarning = _carry
    if not _core.serve_worker(spawning.open_described):
        # An environment does not return.
        os._exit(1)


def _carry(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Have a warning issued by the process that started this one."""
    _core.warn_of_worker(carried.packed_warning(message, category))
