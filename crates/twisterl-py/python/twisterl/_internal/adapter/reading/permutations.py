"""Symmetries of plain environments: permutations of the observation, and of the actions."""

from __future__ import annotations

from typing import Any

import numpy as np

from twisterl import _core
from twisterl._internal.adapter.reading.misread import MisreadError, Text
from twisterl._internal.adapter.reading.scalars import whole
from twisterl._internal.masked import is_masked


def twists(value: Any, size: int, count: int, source: str) -> tuple[list[list[int]], list[list[int]]]:
    """Return symmetries but the identity.

    Args:
        value: permutations of the observation, and as many of the actions, or none of the actions, which then stay
            where they are.
        size: the number of values of an observation.
        count: the number of actions.
        source: the method that returned them.

    Raises:
        MisreadError: they are something else.
    """
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise MisreadError(source, "a pair: permutations of the observation, and of the actions", value)
    seen = _indices(value[0], size, f"{source}[0]")
    _check(seen, value[0], size, f"{source}[0]")
    acted = _indices(value[1], count, f"{source}[1]") or [list(range(count))] * len(seen)
    if len(seen) != len(acted):
        found = Text(f"{len(seen)} and {len(acted)}")
        raise MisreadError(source, "as many permutations of the observation as of the actions", found)
    acted = _core.permute_equal_actions(list(zip(seen, acted, strict=True)))
    _check(acted, value[1], count, f"{source}[1]")
    same = list(range(size)), list(range(count))
    other = [pair for pair in zip(seen, acted, strict=True) if pair != same]
    return [pair[0] for pair in other], [pair[1] for pair in other]


def _indices(value: Any, length: int, source: str) -> list[list[int]]:
    """Return rows of indices below `length`; an empty row for what is none."""
    if value is None:
        return []
    if not _is_row(value):
        raise MisreadError(source, "a list of permutations", value)
    rows = []
    for row in value:
        numbers = [_index(number) for number in row] if _is_row(row) and len(row) == length else []
        fits = not is_masked(row) and all(0 <= number < length for number in numbers)
        rows.append(numbers if fits else [])
    return rows


def _check(rows: list[list[int]], given: Any, length: int, source: str) -> None:
    for i, row in enumerate(rows):
        if sorted(row) != list(range(length)):
            raise MisreadError(f"{source}[{i}]", f"a permutation of 0 to {length - 1}", given[i])


def _is_row(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _index(value: Any) -> int:
    """Return a whole number that is no boolean; -1 for anything else."""
    number = None if isinstance(value, (bool, np.bool_)) else whole(value)
    return -1 if number is None else number
