"""States of plain environments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twisterl._internal.adapter.reading import bounded
from twisterl._internal.adapter.reading.misread import MisreadError
from twisterl._internal.masked import UNMASKED, is_masked

_NUMBERS = frozenset((int, float))


def state(value: Any, source: str) -> list[float]:
    """Return a state as a list of numbers, row by row if it has several axes.

    Raises:
        MisreadError: it does not consist of finite numbers in an order.
    """
    if type(value) is list and _NUMBERS.issuperset(map(type, value)):  # the usual one
        numbers = _finite(value)
    else:
        numbers = _finite(_array(value))
    if numbers is None:
        expected = "finite numbers in a list, a tuple or an array"
        raise MisreadError(source, f"{expected}, {UNMASKED}" if is_masked(value) else expected, value)
    return numbers


def of_ones(ones: list[int], shape: list[int]) -> list[list[float]]:
    """Return the states that an observation of bits may stand for: the place of the one in each row, and the bits.

    Args:
        ones: the indices of the ones, in order.
        shape: the shape of the bits.
    """
    width, size = shape[-1], math.prod(shape)
    places = [[float(one % width) for one in ones]] if [one // width for one in ones] == [*range(size // width)] else []
    seen = frozenset(ones)
    return [*places, [float(index in seen) for index in range(size)]]


def _array(value: Any) -> list[Any]:
    """Return the numbers in a value; `[nan]` if it does not consist of numbers."""
    if isinstance(value, (bytes, bytearray)):
        value = list(value)
    is_row = hasattr(value, "dtype") or hasattr(value, "__iter__")
    if not is_row or isinstance(value, (str, dict, set, frozenset)):
        return [math.nan]
    try:
        array = bounded.array(value, bounded.LONGEST)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return [math.nan]
    return array.ravel().tolist() if array.ndim and (array.dtype.kind in "biuf" or not array.size) else [math.nan]


def _finite(numbers: list[Any]) -> list[float] | None:
    """Return numbers in double precision; None if it cannot hold one of them."""
    try:
        made = [float(number) for number in numbers]
    except OverflowError:
        return None
    return made if np.isfinite(made).all() else None
