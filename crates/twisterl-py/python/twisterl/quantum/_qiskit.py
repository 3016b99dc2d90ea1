"""Qiskit, which is imported on first use."""

from __future__ import annotations

import importlib
from typing import Any


def module(name: str) -> Any:
    """Import a module of Qiskit, or of a package that comes with it.

    Raises:
        ImportError: it is not installed; the message names the extra that brings it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "twisterl" or not missing:
            raise
        raise ImportError(
            f"twisterl.quantum needs the package {missing}, which is not installed: pip install 'twisterl[qiskit]'",
            name=missing,
        ) from error
