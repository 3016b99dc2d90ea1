"""Actions as the environment takes them, by the description of its action space, and as the trainer has them.

The trainer's form of an action that is one choice is its index. Other actions are the list of their choices, counted
from 0, and the list of their real numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from twisterl._internal.adapter.codec.encoding import Description, digits_of, keys_of, listed, parts
from twisterl._internal.adapter.reading.masks import Choices
from twisterl._internal.adapter.reading.misread import MisreadError
from twisterl._internal.adapter.reading.observations import Values
from twisterl._internal.adapter.reading.scalars import whole

_Decode = Callable[[Iterator[int], Iterator[float]], Any]
# Adds the choices and the real numbers of an action to two lists.
_Read = Callable[[Any, list[int], list[float]], None]
SOURCE = "action"


def choices(space: Description) -> Choices:
    """Return the choices of which a mask of an action space consists, part by part."""
    match space["type"]:
        case "discrete":
            return Choices(space["n"])
        case "multi_discrete":
            return Choices.of([Choices(n) for n in space["nvec"]])
        case "multi_binary":
            return Choices.of([Choices(2)] * math.prod(space["shape"]))
        case "tuple":
            return Choices.of([choices(part) for _, part in parts(space)])
        case "dict":
            return Choices.of([choices(part) for _, part in parts(space)], [key for key, _ in parts(space)])
    return Choices(0)


def counts(space: Description) -> list[int]:
    """Return the number of choices of each discrete value of an action."""
    match space["type"]:
        case "discrete":
            return [space["n"]]
        case "multi_discrete":
            return list(space["nvec"])
        case "multi_binary":
            return [2] * math.prod(space["shape"])
    return [n for _, part in parts(space) for n in counts(part)]


def decoder(space: Description) -> Callable[[Any], Any]:
    """Return the function that gives an action in the trainer's form as the environment takes it."""
    if space["type"] == "discrete":
        start = space.get("start", 0)
        return lambda index: index + start
    decode = _decoder(space)

    def of_parts(parts: int | tuple[Sequence[int], Sequence[float]]) -> Any:
        discrete, continuous = ([parts], []) if isinstance(parts, int) else parts
        return decode(iter(discrete), iter(continuous))

    return of_parts


def is_decoded(space: Description) -> bool:
    """Return True for a space whose actions the caller of a policy has without a description, too."""
    match space["type"]:
        case "discrete":
            return int(space.get("start", 0)) == 0
        case "multi_binary":
            return len(space["shape"]) == 1
        case "box":
            return bool(space["shape"]) and space["dtype"] == "float32"
    return False


def takes_indices(space: Description) -> bool:
    """Return True if no choice, counted from 0, has the number of another one in the environment."""
    if space["type"] == "discrete":
        return _are_apart(space.get("start", 0), space["n"])
    if space["type"] == "multi_discrete":
        # One digit is in an array, and one choice that is counted from 0 is not.
        return len(space["nvec"]) == 1 or all(map(_are_apart, space["start"], space["nvec"]))
    below = parts(space)
    return _is_one_choice(space) or all(takes_indices(part) for _, part in below)


def _is_one_choice(space: Description) -> bool:
    """Return True for a tuple or dict whose only part is one choice, or such a tuple or dict."""
    below = parts(space)
    if len(below) != 1:
        return False
    part = below[0][1]
    return part["type"] == "discrete" or len(part.get("nvec", ())) == 1 or _is_one_choice(part)


def _are_apart(start: int, n: int) -> bool:
    return start == 0 or abs(start) >= n


def first_number(space: Description) -> int:
    """Return the number of the first action, if an action is one choice."""
    start = space.get("start", 0)
    return int(start[0] if isinstance(start, list) else start)


def reader(space: Description) -> Callable[[Any], tuple[list[int], list[float]]]:
    """Return the function that gives the choices and the real numbers of an action of the environment.

    Raises:
        MisreadError: by the function, for what is not in the space, but for bounds of real numbers.
    """
    read = _reader(space, SOURCE)

    def parts_of(action: Any) -> tuple[list[int], list[float]]:
        discrete: list[int] = []
        continuous: list[float] = []
        read(action, discrete, continuous)
        return discrete, continuous

    return parts_of


def stack(space: Description, actions: list[Any]) -> Any:
    """Return actions as a vector environment of Gymnasium takes them: arrays with one row each, in tuples and dicts."""
    if space["type"] == "tuple":
        return tuple(stack(part, [action[key] for action in actions]) for key, part in parts(space))
    if space["type"] == "dict":
        return {key: stack(part, [action[key] for action in actions]) for key, part in parts(space)}
    if space["type"] == "discrete":
        return np.array(actions, np.int64)
    dtype = space.get("dtype", "int8")
    return np.array(actions, dtype).reshape((len(actions), *space["shape"]))


def columns(actions: list[Any]) -> tuple[Any, ...]:
    """Return actions of several components, each a tuple, as an array for each component."""
    return tuple(np.array(column) for column in zip(*actions, strict=True))


def _decoder(space: Description) -> _Decode:
    match space["type"]:
        case "discrete":
            start = space.get("start", 0)
            return lambda discrete, _: next(discrete) + start
        case "multi_discrete":
            shape, dtype, starts = space["shape"], np.dtype(space["dtype"]), np.asarray(space["start"], np.int64)
            count = len(space["nvec"])
            return lambda discrete, _: (
                (np.array([next(discrete) for _ in range(count)], np.int64) + starts).reshape(shape).astype(dtype)
            )
        case "multi_binary":
            count, bits = math.prod(space["shape"]), space["shape"]
            return lambda discrete, _: np.array([next(discrete) for _ in range(count)], np.int8).reshape(bits)
        case "box":
            count, box, kind = math.prod(space["shape"]), space["shape"], np.dtype(space["dtype"])
            return lambda _, continuous: np.array([next(continuous) for _ in range(count)], kind).reshape(box)
    below = [(key, _decoder(part)) for key, part in parts(space)]
    if space["type"] == "dict":
        return lambda discrete, continuous: {key: decode(discrete, continuous) for key, decode in below}
    return lambda discrete, continuous: tuple(decode(discrete, continuous) for _, decode in below)


def _reader(space: Description, source: str) -> _Read:
    match space["type"]:
        case "discrete":
            return _choice(space, source)
        case "multi_discrete":
            digits = digits_of(space, source)
            return lambda action, discrete, _: discrete.extend(digits(action).tolist())
        case "multi_binary":
            bits = digits_of({**space, **_two_of_each(space)}, source)
            return lambda action, discrete, _: discrete.extend(bits(action).tolist())
        case "box":
            values = Values(list(space["shape"]) or [1], source)

            def numbers(action: Any, _: list[int], continuous: list[float]) -> None:
                continuous.extend(values(np.reshape(action, 1) if np.ndim(action) == 0 else action).tolist())

            return numbers
    return _composed(space, source)


def _two_of_each(space: Description) -> Description:
    count = math.prod(space["shape"])
    return {"nvec": [2] * count, "start": [0] * count}


def _choice(space: Description, source: str) -> _Read:
    start, n = space.get("start", 0), space["n"]

    def choice(action: Any, discrete: list[int], _: list[float]) -> None:
        number = whole(action)
        if number is None or isinstance(action, (bool, np.bool_)) or not 0 <= number - start < n:
            raise MisreadError(source, f"a whole number from {start} to {start + n - 1}", action)
        discrete.append(number - start)

    return choice


def _composed(space: Description, source: str) -> _Read:
    named = space["type"] == "dict"
    below = [(key, _reader(part, f"{source}[{key!r}]")) for key, part in parts(space)]
    keys = [key for key, _ in below]

    def read(action: Any, discrete: list[int], continuous: list[float]) -> None:
        if named and isinstance(action, dict):
            if action.keys() != {*keys}:
                raise MisreadError(source, f"a dict with the keys {listed(keys)}", keys_of(action))
            given = [action[key] for key in keys]
        else:
            # The parts of a dict may also come in their order.
            given = list(action) if isinstance(action, (tuple, list)) else []
            if len(given) != len(keys):
                expected = f"a dict with the keys {listed(keys)}" if named else f"a tuple of {len(keys)} parts"
                raise MisreadError(source, expected, action)
        for (_, read_part), part in zip(below, given, strict=True):
            read_part(part, discrete, continuous)

    return read
