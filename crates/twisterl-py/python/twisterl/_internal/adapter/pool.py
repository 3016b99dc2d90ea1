"""The environments that a factory makes: used by one batch after the other, and each closed once."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from twisterl._internal.adapter.env_adapter import EnvAdapter


class Pool:
    """The environments of a problem.

    A batch takes environments and gives them back when it ends. All are closed when the problem is no longer used, or
    else when the interpreter exits.
    """

    def __init__(self, name: str, make: Callable[[], EnvAdapter]) -> None:
        self._name = name
        self._make = make
        self._free: list[EnvAdapter] = []
        self._retired = False
        # Those that were made and are not closed yet, by identity.
        self._open: dict[int, Any] = {}
        weakref.finalize(self, _close_all, name, self._open)

    def make(self) -> EnvAdapter:
        """Return a new environment."""
        made = self._make()
        self._open[id(made.env)] = made.env
        return made

    def take(self) -> EnvAdapter:
        """Return an environment that is free, or else a new one."""
        try:
            return self._free.pop()
        except IndexError:
            return self.make()

    def give_back(self, env: EnvAdapter) -> None:
        """Take an environment back, to be used again. A copy is dropped instead.

        A copy is closed if copying ran its constructor, since it then has files and the like of its own. Any other copy
        is left to Python, which frees what belongs to the copy alone: closing it could close what it shares with its
        original.
        """
        if env.is_copy:
            if env.owns_resources:
                close_env(self._name, env.env)
        elif self._retired:
            self.close(env)
        else:
            self._free.append(env)

    def close(self, env: EnvAdapter) -> None:
        """Close an environment that was made here and is not used again."""
        if self._open.pop(id(env.env), None) is not None:
            close_env(self._name, env.env)

    def retire(self) -> None:
        """Close all environments; those in use, when they are given back."""
        self._retired = True
        with ExitStack() as stack:  # all of them, whatever is raised
            while self._free:
                stack.callback(self.close, self._free.pop())


def close_env(name: str, env: Any) -> None:
    """Close an environment. What its `close` raises becomes a warning, since it must not hide the result of a run."""
    close = getattr(env, "close", None)
    if not callable(close):
        return
    try:
        close()
    except (Exception, SystemExit, GeneratorExit) as error:
        warnings.warn(f"environment {name}: close() raised {type(error).__name__}: {error}", stacklevel=2)


def _close_all(name: str, environments: dict[int, Any]) -> None:
    while environments:
        close_env(name, environments.popitem()[1])
