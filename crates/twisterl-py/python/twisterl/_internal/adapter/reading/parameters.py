"""Parameters of the methods of environments."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """Return the parameters of a function; None of one without a signature, such as a compiled one."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None


def takes_seed(reset: Callable[..., Any], if_unknown: bool) -> bool:
    """Return True if a reset takes a seed by name, and `if_unknown` if it has no signature."""
    parameters = parameters_of(reset)
    if parameters is None:
        return if_unknown
    return any(p.name == "seed" or p.kind is p.VAR_KEYWORD for p in parameters)
