"""Rewards and flags."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twisterl._internal.adapter.reading.bounded import LONGEST
from twisterl._internal.adapter.reading.misread import MisreadError, Text
from twisterl._internal.masked import is_masked

# The greatest number of single precision, in which rewards are kept.
LARGEST_REWARD = float(np.finfo(np.float32).max)


def reward(value: Any, source: str) -> float:
    """Return a reward: a real number, or an array of exactly one.

    Raises:
        MisreadError: it is something else, or not finite in single precision.
    """
    number = _number(value)
    if number is None:
        raise MisreadError(source, "a real number", value)
    if not -LARGEST_REWARD <= number <= LARGEST_REWARD:
        raise MisreadError(source, "a finite number of single precision", value)
    return number


def flag(value: Any, source: str) -> bool:
    """Return a flag: True or False, 1 or 0, or an array of exactly one of them.

    Raises:
        MisreadError: it is something else.
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    number = _number(value)
    if number not in (0.0, 1.0):
        raise MisreadError(source, "True or False", value)
    return number == 1.0


def whole(value: Any) -> int | None:
    """Return a whole number of any type, or an array of exactly one, as an int; None for anything else."""
    if type(value) is int or isinstance(value, np.integer):
        return int(value)
    number = _number(value)
    if number is None or not number.is_integer():
        return None
    return int(value) if isinstance(value, int) else int(number)


def positive(value: Any, source: str) -> int:
    """Return a positive whole number, of choices or of values.

    Raises:
        MisreadError: it is something else.
    """
    number = whole(value)
    if number is None or number < 1 or isinstance(value, bool):
        raise MisreadError(source, "a positive whole number", value)
    if number > LONGEST:
        raise MisreadError(source, f"a whole number up to {LONGEST}", value)
    return number


def shape(value: Any, source: str) -> list[int]:
    """Return a shape: a positive whole number, or a sequence of them.

    Raises:
        MisreadError: it is something else.
    """
    sizes = [value] if whole(value) is not None and np.ndim(value) == 0 else value
    is_row = isinstance(sizes, (list, tuple)) or (isinstance(sizes, np.ndarray) and sizes.ndim > 0)
    if not is_row or not len(sizes):
        raise MisreadError(source, "a sequence of positive whole numbers", value)
    made = [positive(size, source) for size in sizes]
    if math.prod(made) > LONGEST:
        raise MisreadError(source, f"a shape of at most {LONGEST} values", value)
    return made


def outcome(value: Any) -> tuple[Any, Any, Any, Any, dict[Any, Any]]:
    """Return what `step()` of Gymnasium's interface returns: observation, reward, terminated, truncated and info.

    Raises:
        MisreadError: it is something else.
    """
    expected = "an observation, a reward, terminated, truncated and a dict"
    if not isinstance(value, (tuple, list)):
        raise MisreadError("step()", expected, value)
    if len(value) != 5:
        advice = "return terminated and truncated in the place of done" if len(value) == 4 else ""
        raise MisreadError("step()", expected, Text(f"{len(value)} values"), advice)
    seen, earned, terminated, truncated, info = value
    if not isinstance(info, dict):
        raise MisreadError("step()", "a dict as its last value", info)
    return seen, earned, terminated, truncated, info


def beginning(value: Any) -> tuple[Any, dict[Any, Any]]:
    """Return what `reset()` of Gymnasium's interface returns: observation and info.

    Raises:
        MisreadError: it is something else.
    """
    if not (isinstance(value, (tuple, list)) and len(value) == 2 and isinstance(value[1], dict)):
        advice = "reset() of the old package gym returns the observation alone; return (observation, {})"
        raise MisreadError("reset()", "an observation and a dict", value, advice)
    return value[0], value[1]


def _number(value: Any) -> float | None:
    """Return a real number, or an array of exactly one, as a float; None for anything else."""
    if isinstance(value, (str, bytes, bytearray, complex)):
        return None
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind is not None:
        if kind not in "biuf" or getattr(value, "size", 1) != 1 or is_masked(value):
            return None
        value = value.item()
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None
