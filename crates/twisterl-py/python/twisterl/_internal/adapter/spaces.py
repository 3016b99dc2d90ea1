"""Conversion of Gymnasium's observation and action spaces to the trainer's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from twisterl._internal.adapter.env_adapter import Component
from twisterl._internal.adapter.reading.bounded import LONGEST
from twisterl._internal.adapter.reading.masks import OBSERVED_MASKS, PERHAPS_MASKS, Choices
from twisterl._internal.adapter.reading.misread import MisreadError, Text, shown
from twisterl._internal.adapter.reading.observations import Values
from twisterl._internal.adapter.reading.scalars import whole

if TYPE_CHECKING:
    from twisterl._internal.adapter.problem import Problem

# Returns the indices of the ones, or a flat array.
Encode = Callable[[Any], Any]
# The messages do not name a method: observations come from reset() and step().
SOURCE = "observation"


def check_size(space: gym.Space[Any], name: str, problem: Problem) -> None:
    """Refuse a space of more values and choices than memory can hold."""
    if _size(space) > LONGEST:
        raise problem.broken(name, f"a space of at most {LONGEST} values", space)


def _size(space: gym.Space[Any]) -> float:
    """Return the number of values, and of choices; 0 of spaces of other kinds."""
    spaces = gym.spaces
    if isinstance(space, spaces.Discrete):
        return float(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return float(space.nvec.sum(dtype=float))
    if isinstance(space, (spaces.MultiBinary, spaces.Box)):
        return float(np.prod(space.shape, dtype=float))
    if isinstance(space, (spaces.Tuple, spaces.Dict)):
        return sum(_size(part) for part in (space.spaces.values() if isinstance(space, spaces.Dict) else space.spaces))
    return 0.0


def observation(space: gym.Space[Any], problem: Problem) -> tuple[bool, list[int], Encode]:
    """Return whether observations are sparse, their shape, and the function that encodes one.

    Choices are one-hot encoded, arrays are unchanged, and composite spaces are flattened. The function raises
    `MisreadError` for what is not in the space, but for bounds of real numbers.
    """
    spaces = gym.spaces
    if isinstance(space, spaces.Discrete):
        index = _index(space)
        return True, [int(space.n)], lambda seen: [index(seen)]
    if isinstance(space, spaces.MultiBinary):
        shape = [int(n) for n in np.atleast_1d(space.shape)]
        bits = _bits(shape)
        return True, shape, lambda seen: np.flatnonzero(bits(seen)).tolist()
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.ndim == 1:
        indices = _indices(space)
        return True, [int(space.nvec.sum())], lambda seen: indices(seen).tolist()
    if isinstance(space, spaces.Box):
        shape = [int(n) for n in space.shape] or [1]
        return False, shape, _values(shape)
    try:
        size = int(spaces.flatdim(space))
    except (NotImplementedError, ValueError) as error:
        raise problem.broken("observation_space", "a space that can be flattened", space) from error
    write = _flat(space)

    def encode(seen: Any) -> NDArray[np.float32]:
        row = np.zeros(size, np.float32)
        write(seen, row)
        return row

    return False, [size], encode


def is_plain(space: gym.Space[Any]) -> bool:
    """Return True for a space whose elements are in the trainer's form already."""
    if isinstance(space, gym.spaces.MultiBinary):
        # As a list, two bits could be two indices.
        return int(np.prod(space.shape)) > 2
    # One number may come without a list around it.
    return isinstance(space, gym.spaces.Box) and int(np.prod(space.shape)) > 1


def mask_within(space: gym.Space[Any], width: int) -> tuple[str | None, gym.Space[Any]]:
    """Return the entry of a Dict space that is the action mask, and the space of the rest.

    Entries `action_mask` and `action_masks` are masks. Those of an ambiguous name are, if they are as long as one. A
    single entry that is left stands for itself.
    """
    if not isinstance(space, gym.spaces.Dict):
        return None, space
    fits = [n for n in PERHAPS_MASKS if n in space.spaces and np.prod(space[n].shape or (0,)) == width > 0]
    name = next((n for n in (*OBSERVED_MASKS, *fits) if n in space.spaces), None)
    if name is None or len(space.spaces) == 1:
        return None, space
    rest = {key: part for key, part in space.spaces.items() if key != name}
    return name, next(iter(rest.values())) if len(rest) == 1 else gym.spaces.Dict(rest)


def without_mask(space: gym.spaces.Dict, name: str, encode: Encode) -> Encode:
    """Return the function that encodes an observation without the entry `name`."""
    keys = [key for key in space.spaces if key != name]

    def of_rest(seen: Any) -> Any:
        if not isinstance(seen, dict) or not space.spaces.keys() <= seen.keys():
            raise MisreadError(SOURCE, f"a dict with the keys {_listed(space.spaces)}", _keys(seen))
        return encode(seen[keys[0]] if len(keys) == 1 else seen)

    return of_rest


def _values(shape: list[int]) -> Callable[[Any], NDArray[Any]]:
    values = Values(shape, SOURCE)
    if values.size != 1:
        return values

    def number(seen: Any) -> NDArray[Any]:
        # A space of shape () or (1,) has arrays of one as well as single numbers.
        is_single = isinstance(seen, (int, float)) or getattr(seen, "ndim", None) == 0
        return values(np.reshape(seen, 1) if is_single else seen)

    return number


def _bits(shape: list[int]) -> Callable[[Any], NDArray[Any]]:
    values = Values(shape, SOURCE)

    def bits(seen: Any) -> NDArray[Any]:
        row: NDArray[Any] = values(seen)
        if not ((row == 0) | (row == 1)).all():
            raise MisreadError(SOURCE, "zeros and ones", seen)
        return row

    return bits


def _index(space: gym.spaces.Discrete) -> Callable[[Any], int]:
    start, n = int(space.start), int(space.n)

    def index(seen: Any) -> int:
        number = whole(seen)
        if number is None or not 0 <= number - start < n:
            raise MisreadError(SOURCE, f"a whole number from {start} to {start + n - 1}", seen)
        return number - start

    return index


def _indices(space: gym.spaces.MultiDiscrete) -> Callable[[Any], NDArray[Any]]:
    """Return the function that gives the position of each one in the one-hot encodings, one after the other."""
    sizes = space.nvec.ravel().astype(np.int64)
    first = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    starts = np.asarray(getattr(space, "start", np.zeros(space.nvec.shape, int))).ravel()
    values = Values(list(space.nvec.shape), SOURCE)

    def indices(seen: Any) -> NDArray[Any]:
        digits = values(seen) - starts
        if not ((digits >= 0) & (digits < sizes) & (digits == np.floor(digits))).all():
            raise MisreadError(SOURCE, f"elements of {space}", seen)
        positions: NDArray[Any] = digits.astype(np.int64) + first
        return positions

    return indices


def _flat(space: gym.Space[Any]) -> Callable[[Any, NDArray[np.float32]], None]:
    """Return the function that writes an observation into a row of zeros, in the order of Gymnasium's `flatten`."""
    spaces = gym.spaces
    if isinstance(space, spaces.Discrete):
        index = _index(space)
        return lambda seen, row: row.__setitem__(index(seen), 1)
    if isinstance(space, spaces.MultiDiscrete):
        indices = _indices(space)
        return lambda seen, row: row.__setitem__(indices(seen), 1)
    if isinstance(space, (spaces.MultiBinary, spaces.Box)):
        shape = [int(n) for n in space.shape] or [1]
        read = _bits(shape) if isinstance(space, spaces.MultiBinary) else _values(shape)
        return lambda seen, row: row.__setitem__(slice(None), read(seen))
    if isinstance(space, (spaces.Tuple, spaces.Dict)):
        return _flat_parts(space)

    def other(seen: Any, row: NDArray[np.float32]) -> None:
        if not space.contains(seen):
            raise MisreadError(SOURCE, f"an element of {space}", seen)
        row[:] = np.asarray(spaces.flatten(space, seen), np.float32)

    return other


def _flat_parts(space: gym.Space[Any]) -> Callable[[Any, NDArray[np.float32]], None]:
    named = isinstance(space, gym.spaces.Dict)
    items: dict[Any, gym.Space[Any]] = {}
    if isinstance(space, gym.spaces.Dict):
        items.update(space.spaces)
    elif isinstance(space, gym.spaces.Tuple):
        items.update(enumerate(space.spaces))
    ends = np.cumsum([gym.spaces.flatdim(part) for part in items.values()]).tolist()
    parts = [
        (key, first, end, _flat(part)) for (key, part), first, end in zip(items.items(), [0, *ends], ends, strict=False)
    ]

    def write(seen: Any, row: NDArray[np.float32]) -> None:
        if named and not (isinstance(seen, dict) and items.keys() <= seen.keys()):
            raise MisreadError(SOURCE, f"a dict with the keys {_listed(items)}", _keys(seen))
        if not named and not (isinstance(seen, (tuple, list)) and len(seen) == len(parts)):
            raise MisreadError(SOURCE, f"a tuple of {len(parts)} parts", seen)
        for key, first, end, write_part in parts:
            write_part(seen[key], row[first:end])

    return write


def _listed(keys: Any) -> str:
    return ", ".join(repr(key) for key in keys)


def _keys(seen: Any) -> Text:
    return Text(f"a dict with the keys {_listed(seen)}" if isinstance(seen, dict) else shown(seen))


def choices(space: gym.Space[Any]) -> Choices:
    """Return the choices of which a mask of an action space consists, part by part."""
    if isinstance(space, gym.spaces.Discrete):
        return Choices(int(space.n))
    if isinstance(space, gym.spaces.MultiDiscrete):
        return Choices.of([Choices(int(n)) for n in np.ravel(space.nvec)])
    if isinstance(space, gym.spaces.MultiBinary):
        return Choices.of([Choices(2)] * int(np.prod(space.shape)))
    if isinstance(space, gym.spaces.Tuple):
        return Choices.of([choices(part) for part in space.spaces])
    if isinstance(space, gym.spaces.Dict):
        return Choices.of([choices(part) for part in space.spaces.values()], list(space.spaces))
    return Choices(0)


def action(space: gym.Space[Any], problem: Problem) -> tuple[list[Component], Callable[[Any], Any]]:
    """Return the components of an action, and the function that decodes an action.

    The function takes an index if the action is a single choice, and otherwise a list of choices and a list of real
    numbers.
    """
    if isinstance(space, gym.spaces.Discrete):
        start = int(space.start)
        return [(int(space.n), [], [], [])], lambda index: index + start
    components, decode = _composed(space, problem)

    def of_parts(parts: int | tuple[Sequence[int], Sequence[float]]) -> Any:
        choices, values = ([parts], []) if isinstance(parts, int) else parts
        return decode(iter(choices), iter(values))

    return components, of_parts


def _composed(space: gym.Space[Any], problem: Problem) -> tuple[list[Component], Callable[[Any, Any], Any]]:
    if isinstance(space, gym.spaces.Discrete):
        start = int(space.start)
        return [(int(space.n), [], [], [])], lambda choices, _: next(choices) + start
    if isinstance(space, gym.spaces.MultiDiscrete):
        sizes, dtype = np.asarray(space.nvec), space.dtype
        starts = np.asarray(getattr(space, "start", np.zeros(sizes.shape, int)))
        components: list[Component] = [(int(n), [], [], []) for n in sizes.ravel()]
        return components, lambda choices, _: (
            np.array([next(choices) for _ in components]).reshape(sizes.shape) + starts
        ).astype(dtype)
    if isinstance(space, gym.spaces.MultiBinary):
        count, shape = int(np.prod(space.shape)), space.shape
        return [(2, [], [], [count])], lambda choices, _: np.array(
            [next(choices) for _ in range(count)], np.int8
        ).reshape(shape)
    if isinstance(space, gym.spaces.Box):
        low, high = (np.asarray(bound, np.float32).ravel().tolist() for bound in (space.low, space.high))
        shape, dtype = space.shape, space.dtype
        return [(0, low, high, [int(n) for n in shape] or [1])], lambda _, values: np.array(
            [next(values) for _ in low], dtype
        ).reshape(shape)
    if isinstance(space, gym.spaces.Tuple):
        parts = [_composed(part, problem) for part in space.spaces]
        return [c for components, _ in parts for c in components], lambda choices, values: tuple(
            decode(choices, values) for _, decode in parts
        )
    if isinstance(space, gym.spaces.Dict):
        named = {name: _composed(part, problem) for name, part in space.spaces.items()}
        return [c for components, _ in named.values() for c in components], lambda choices, values: {
            name: decode(choices, values) for name, (_, decode) in named.items()
        }
    raise problem.broken("action_space", "a space of Discrete, MultiDiscrete, MultiBinary and Box", space)
