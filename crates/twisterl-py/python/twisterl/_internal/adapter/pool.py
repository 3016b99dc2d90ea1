"""The environments that a factory makes: used by one batch after the other, and each closed once."""

from __future__ import annotations

import atexit
import warnings
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from twisterl import _core
from twisterl._internal.adapter.env_adapter import EnvAdapter

# The time in which environments are closed when the interpreter exits, all of them together.
_SECONDS = 1.0
_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


class Pool:
    """The environments of a problem.

    A batch takes environments and gives them back when it ends. All are closed when the problem is no longer used, or
    else when the interpreter exits. That waits for a second at most, and leaves out those whose calls were left behind
    after Ctrl-C.
    """

    def __init__(self, name: str, make: Callable[[], EnvAdapter]) -> None:
        self._name = name
        self._make = make
        self._free: list[EnvAdapter] = []
        self._retired = False
        # Those that were made and are not closed yet, by identity.
        self._open: dict[int, Any] = {}
        # Those of calls that were left behind and have not returned since, by identity.
        self._left: set[int] = set()
        _pools.add(self)
        weakref.finalize(self, _close_all, name, self._open).atexit = False

    def make(self) -> EnvAdapter:
        """Return a new environment."""
        return self.add(self._make())

    def add(self, made: EnvAdapter) -> EnvAdapter:
        """Take charge of an environment that is in use, and return it."""
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
        self._left.discard(id(env.env))
        if env.is_copy:
            if env.owns_resources:
                close_env(self._name, env.env)
        elif self._retired:
            self.close(env)
        else:
            self._free.append(env)

    def close(self, env: EnvAdapter) -> None:
        """Close an environment that was made here and is not used again."""
        if self.forget(env):
            close_env(self._name, env.env)

    def forget(self, env: EnvAdapter) -> bool:
        """Let nothing here close an environment. Return False if it is closed already, or was not made here."""
        return self._open.pop(id(env.env), None) is not None

    def abandon(self) -> None:
        """Note that calls into environments were left behind: into some of those that are in use now."""
        free = {id(env.env) for env in list(self._free)}
        self._left |= set(self._open) - free

    def take_rest(self) -> list[tuple[str, Any]]:
        """Return the environments that are to be closed when the interpreter exits, with their name, and forget all."""
        rest = [(self._name, env) for key, env in list(self._open.items()) if key not in self._left]
        self._open.clear()
        return rest

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


@atexit.register
def _close_at_exit() -> None:
    """Close all environments, on a thread that may be left behind: no close() keeps the interpreter from exiting."""
    rest = [item for pool in list(_pools) for item in pool.take_rest()]
    count = len(rest)
    under_way = ""

    def close_rest() -> None:
        nonlocal under_way
        while rest:
            under_way, env = rest.pop()
            close_env(under_way, env)

    if rest and not _core.call_within(_SECONDS, close_rest):
        others = f"; of {count} environments, {len(rest)} are not closed" if rest else ""
        text = f"environment {under_way}: close() had not returned {_SECONDS:.0f} s after the interpreter began to exit"
        warnings.warn(f"{text}{others}", stacklevel=2)


def _close_all(name: str, environments: dict[int, Any]) -> None:
    while environments:
        close_env(name, environments.popitem()[1])
