"""Inverse problems of environments, and solutions of them turned around."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from twisterl._internal.adapter.reading import states
from twisterl._internal.adapter.reading.misread import MisreadError, Text
from twisterl._internal.adapter.reading.parameters import WITHOUT_ARGUMENTS, check_call
from twisterl._internal.adapter.reading.scalars import whole


def state(env: Any) -> list[float] | None:
    """Return the state of the inverse problem, None if there is none.

    Raises:
        MisreadError: it is something else, or solutions of it cannot be turned around.
    """
    method = _method(env, "inverse_state")
    if method is None:
        return None
    check_call(method, "inverse_state", WITHOUT_ARGUMENTS)
    if _method(env, "invert_solution") is None and _method(env, "inverse") is None:
        found = Text(f"neither in {type(env).__name__}")
        raise MisreadError("inverse_state", "invert_solution(actions) or inverse(action) beside it", found)
    value = method()
    return None if value is None else states.state(value, "inverse_state()")


def solution(env: Any, actions: list[int], count: int) -> list[int] | None:
    """Return the actions that solve the current state, given those that solve its inverse problem.

    Args:
        env: the environment. Without a method `invert_solution`, they are the inverses in reverse order.
        actions: the actions.
        count: the number of actions that there are.

    Raises:
        MisreadError: they are no actions.
    """
    method = _method(env, "invert_solution")
    if method is not None:
        check_call(method, "invert_solution", "a method with one argument, a list of actions", actions)
        value = method(list(actions))
        if value is None:
            return None
        if not isinstance(value, (list, tuple, np.ndarray)):
            raise MisreadError("invert_solution()", "a list of actions", value)
        return [_action(action, count, f"invert_solution()[{i}]") for i, action in enumerate(value)]
    inverse = _method(env, "inverse")
    if inverse is None:
        return None
    undoing = [inverse(action) for action in reversed(actions)]
    if None in undoing:
        return None
    return [_action(action, count, "inverse()") for action in undoing]


def _method(env: Any, name: str) -> Callable[..., Any] | None:
    for holder in (env, getattr(env, "unwrapped", None)):
        found = getattr(holder, name, None)
        if callable(found):
            method: Callable[..., Any] = found
            return method
    return None


def _action(value: Any, count: int, source: str) -> int:
    number = None if isinstance(value, (bool, np.bool_)) else whole(value)
    if number is None or not 0 <= number < count:
        raise MisreadError(source, f"an action from 0 to {count - 1}", value)
    return number
