"""The difficulty of an environment: where it is found, and how it is set before a reset."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

from twisterl._internal.adapter.reading.masks import wrapped
from twisterl._internal.adapter.reading.parameters import parameters_of
from twisterl._internal.adapter.reading.scalars import whole

NAME = "difficulty"
_NONE = object()


class Difficulty:
    """The ways in which one environment is given a difficulty.

    In this order: a method `set_difficulty`, else an attribute or property `difficulty`, also one that the code of the
    class mentions but that is not there yet; and an argument of `reset`, by name, by position, or in `options`.

    Attributes:
        settable: True if there is a way.
    """

    def __init__(self, env: Any, reset: Callable[..., Any]) -> None:
        self._env = env
        self._holder: Any = None
        holder = _holder(env)
        value = None if holder is None else getattr(holder, NAME, None)
        # Names of difficulties and the like are not for a curriculum.
        is_other = value is not None and not callable(value) and whole(value) is None
        self._method = None if is_other else _method(env, "set_difficulty")
        if self._method is None and holder is not None and _is_settable(holder):
            self._holder = holder
        self._by_keyword, self._by_position = _argument(reset)
        by_argument = self._by_keyword or self._by_position
        self._by_options = not by_argument and reads_option(env, reset, NAME)
        if holder is None and self._method is None and not by_argument and not self._by_options:
            # In the PyPI package, the attribute is set whether it is there or not.
            self._holder = next((inner for inner in wrapped(env) if _mentions(type(inner))), None)
        direct = self._method is not None or self._holder is not None
        self.settable = direct or by_argument or self._by_options

    def set(self, level: int) -> bool:
        """Set the difficulty of the resets that follow. Return False if the environment refuses it."""
        if self._method is not None:
            if own(self._env) != level:
                self._method(level)
        elif self._holder is not None:
            try:
                setattr(self._holder, NAME, level)
            except (AttributeError, TypeError):
                return self._by_keyword or self._by_position or self._by_options
        return True

    def arguments(self, level: int) -> tuple[tuple[int, ...], dict[str, Any]]:
        """Return the arguments of `reset` that give it the difficulty, by position and by name."""
        if self._by_keyword:
            return (), {NAME: level}
        if self._by_position:
            return (level,), {}
        return (), {"options": {NAME: level}} if self._by_options else {}


def own(env: Any) -> int | None:
    """Return the difficulty that an environment has by itself; None if it says none."""
    for holder in wrapped(env):
        value = getattr(holder, NAME, None)
        if value is not None and not callable(value):
            return whole(value)
    get = _method(env, "get_difficulty")
    return None if get is None else whole(get())


def _method(env: Any, name: str) -> Callable[..., Any] | None:
    for holder in wrapped(env):
        found = getattr(holder, name, None)
        if callable(found):
            method: Callable[..., Any] = found
            return method
    return None


def _holder(env: Any, depth: int = 4) -> Any:
    """Return the object whose attribute `difficulty` is; None if there is none."""
    for holder in wrapped(env):
        if NAME in getattr(holder, "__dict__", ()) or inspect.getattr_static(type(holder), NAME, None) is not None:
            return holder
        value = getattr(holder, NAME, _NONE)
        if value is not _NONE:
            return _behind(holder, value, depth)
    return None


def _behind(holder: Any, value: Any, depth: int) -> Any:
    """Return the object to which `__getattr__` of `holder` forwards `difficulty`."""
    if "__setattr__" in (name for base in type(holder).__mro__[:-1] for name in vars(base)) or depth == 0:
        return holder  # which forwards the assignment itself, or gets an attribute of its own
    for inner in getattr(holder, "__dict__", {}).values():
        if hasattr(inner, "__dict__") and getattr(inner, NAME, _NONE) is value:
            return _holder(inner, depth - 1)
    return holder


def _is_settable(holder: Any) -> bool:
    declared = inspect.getattr_static(type(holder), NAME, None)
    if isinstance(declared, property) and declared.fset is None:
        return False
    value = getattr(holder, NAME, None)
    return value is None or (not callable(value) and whole(value) is not None)


def _argument(reset: Callable[..., Any]) -> tuple[bool, bool]:
    """Return whether `reset` takes the difficulty by name, and whether by position."""
    parameters = parameters_of(reset) or []
    named = next((p for p in parameters if p.name == NAME), None)
    if named is not None:
        positional = named.kind is named.POSITIONAL_ONLY and parameters[0] is named
        return named.kind in (named.KEYWORD_ONLY, named.POSITIONAL_OR_KEYWORD), positional
    # In the PyPI package, it is the only argument, whatever its name.
    required = [
        p
        for p in parameters
        if p.default is p.empty
        and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        and p.name not in ("seed", "options")
    ]
    return False, len(required) == 1 and parameters[0] is required[0]


def reads_option(env: Any, reset: Callable[..., Any], name: str) -> bool:
    """Return True if `reset` takes options and reads the one of this name."""
    if not any(p.name == "options" or p.kind is p.VAR_KEYWORD for p in parameters_of(reset) or ()):
        return False
    return any(
        name in code.co_consts and "options" in (*code.co_varnames, *code.co_consts)
        for inner in wrapped(env)
        for code in _code(getattr(type(inner), "reset", None))
    )


def _mentions(kind: type) -> bool:
    """Return True if the methods of a class read or write an attribute `difficulty`."""
    members = (value for base in kind.__mro__ for value in vars(base).values())
    return any(NAME in code.co_names or NAME in code.co_consts for member in members for code in _code(member))


def _code(member: Any) -> Iterator[CodeType]:
    """Return the code of a function, a method or a property, and of the functions within it."""
    for function in (member, getattr(member, "__func__", None), getattr(member, "fget", None)):
        code = getattr(function, "__code__", None)
        if isinstance(code, CodeType):
            yield code
            yield from (inner for inner in code.co_consts if isinstance(inner, CodeType))
