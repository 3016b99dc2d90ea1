"""Parameters of the methods of environments, and whether they can be called as they will be."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from twisterl._internal.adapter.reading.misread import MisreadError, Text

WITHOUT_ARGUMENTS = "a method without arguments"


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """Return the parameters of a function; None of one without a signature, such as a compiled one."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None


def accepts(function: Callable[..., Any], *given: Any, **named: Any) -> bool:
    """Return True if a function can be called with these arguments, or has no signature."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(*given, **named)
    except TypeError:
        return False
    return True


def check_call(function: Callable[..., Any], name: str, expected: str, *given: Any, **named: Any) -> None:
    """Check that a method can be called with these arguments.

    Raises:
        MisreadError: it cannot.
    """
    if not accepts(function, *given, **named):
        raise MisreadError(f"{name}()", expected, Text(f"{name}{inspect.signature(function)}"))


def takes_seed(reset: Callable[..., Any], if_unknown: bool) -> bool:
    """Return True if a reset takes a seed by name, and `if_unknown` if it has no signature."""
    parameters = parameters_of(reset)
    if parameters is None:
        return if_unknown
    return any(p.name == "seed" or p.kind is p.VAR_KEYWORD for p in parameters)
