"""Environment classes written in Python, by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from twisterl.errors import UnknownEnvError


def resolve(name: str) -> Callable[..., Any] | None:
    """Return the class or function at a dotted path, or None if its module does not exist."""
    module, _, attribute = name.replace(":", ".").rpartition(".")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module + ".").startswith(error.name + "."):
            return None
        raise
    made: Callable[..., Any] | None = getattr(found, attribute, None)
    if not callable(made):
        raise UnknownEnvError(f"env_cls: expected a class or function in module {module}, found no {attribute}")
    return made
