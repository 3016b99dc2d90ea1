"""Factories of copies of an environment that was handed over as an object, which itself is left alone."""

from __future__ import annotations

import copy
import random
import sys
from typing import Any

import numpy as np

from twisterl.errors import EnvError


class Copies:
    """A factory of copies of an environment as it is now."""

    def __init__(self, env: Any) -> None:
        self._prototype = duplicate(env)
        self._made = 0
        self.__module__, self.__qualname__ = type(env).__module__, type(env).__qualname__

    def __call__(self, **_: Any) -> Any:
        """Return another copy. Generators of random numbers that it holds are seeded with its number."""
        made = duplicate(self._prototype)
        self._made += 1
        _reseed(made, self._made)
        return made


def duplicate(env: Any) -> Any:
    """Return a copy of an environment.

    Raises:
        EnvError: it cannot be copied.
    """
    made = _remade(env)
    if made is not None:
        return made
    try:
        return copy.deepcopy(env)
    except Exception as error:
        for name in ("clone", "copy"):
            method = getattr(env, name, None)
            made = method() if callable(method) else None
            if made is not None and made is not env and type(made) is type(env):
                return made
        raise EnvError(
            f"env: expected an environment that can be copied, found {type(env).__name__}: {error!s:.200}; give its "
            "class or a function that makes one instead, or give it a method clone()"
        ) from error


def _remade(env: Any) -> Any:
    """Return the environment that Gymnasium makes as it made this one, None if it did not make it as it is."""
    gymnasium = sys.modules.get("gymnasium")
    if gymnasium is None or not isinstance(env, gymnasium.Env) or env.spec is None:
        return None
    try:
        return gymnasium.make(env.spec)
    except Exception:  # of a wrapper that does not record its arguments, for one
        return None


def _reseed(env: Any, number: int) -> None:
    """Give each generator that an environment holds another seed, since those of copies go on alike."""
    held = getattr(env, "__dict__", {})
    for name, value in held.items():
        if isinstance(value, random.Random):
            value.seed(number)
        elif isinstance(value, np.random.Generator):
            held[name] = np.random.default_rng(number)
        elif isinstance(value, np.random.RandomState):
            value.seed(number)
