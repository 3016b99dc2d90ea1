"""Observations as states: the plain numbers of all parts, one after the other, and back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from twisterl._internal.adapter.codec.encoding import Description, keys_of, listed, parts
from twisterl._internal.adapter.reading.misread import MisreadError
from twisterl._internal.masked import UNMASKED, is_masked

SOURCE = "state"


def numbers(space: Description, seen: Any, source: str = SOURCE) -> list[Any]:
    """Return the numbers of an observation.

    Raises:
        MisreadError: a part is missing or has another shape.
    """
    if space["type"] in ("tuple", "dict"):
        below = parts(space)
        keys = {key for key, _ in below}
        named = isinstance(seen, dict) and keys <= seen.keys()
        if space["type"] == "dict" and not named:
            raise MisreadError(source, f"a dict with the keys {listed(key for key, _ in below)}", keys_of(seen))
        if space["type"] == "tuple" and not (isinstance(seen, (tuple, list)) and len(seen) == len(below)):
            raise MisreadError(source, f"a tuple of {len(below)} parts", seen)
        return [number for key, part in below for number in numbers(part, seen[key], f"{source}[{key!r}]")]
    array = np.asarray(seen)
    if array.dtype.kind not in "biuf" or array.size != _count(space):
        raise MisreadError(source, f"{_count(space)} numbers", seen)
    if is_masked(seen):
        raise MisreadError(source, f"{_count(space)} numbers, {UNMASKED}", seen)
    row: list[Any] = array.ravel().tolist()
    return row


def observation(space: Description, state: list[float]) -> Any:
    """Return the observation of these numbers.

    Raises:
        MisreadError: there are more or fewer of them than an observation has.
    """
    count = _count(space)
    if count is None or len(state) != count:
        raise MisreadError(SOURCE, "an observation" if count is None else f"an observation of {count} numbers", state)
    return _observation(space, iter(state))


def _observation(space: Description, rest: Iterator[float]) -> Any:
    if space["type"] == "dict":
        return {key: _observation(part, rest) for key, part in parts(space)}
    if space["type"] == "tuple":
        return tuple(_observation(part, rest) for _, part in parts(space))
    if space["type"] == "discrete":
        return int(next(rest))
    shape, dtype = space["shape"], space.get("dtype", "int8")
    return np.array([next(rest) for _ in range(math.prod(shape))]).astype(dtype).reshape(shape)


def _count(space: Description) -> int | None:
    """Return how many numbers an observation consists of; None if it does not consist of numbers."""
    match space["type"]:
        case "discrete":
            return 1
        case "multi_discrete" | "multi_binary" | "box":
            return math.prod(space["shape"])
        case "tuple" | "dict":
            counts = [_count(part) for _, part in parts(space)]
            known = [count for count in counts if count is not None]
            return sum(known) if len(known) == len(counts) else None
    return None
