"""The encoding of observations, by the description of the space that the environment declares.

Training encodes by it what environments return, and a policy what its caller gives. Descriptions are plain data, which
policies carry (docs/policies.md): Gymnasium is not needed to read them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twisterl._internal.adapter.reading.misread import MisreadError, Text, shown
from twisterl._internal.adapter.reading.observations import Indices, Values
from twisterl._internal.adapter.reading.scalars import whole
from twisterl._internal.masked import is_masked

# A space as policies describe it; or `{"type": "other", "space": ..., "size": ...}` for one of which only Gymnasium
# knows how it is flattened.
Description = dict[str, Any]
# Returns the indices of the ones, or a flat array.
Encode = Callable[[Any], Any]
_Write = Callable[[Any, NDArray[np.float32]], None]
# The messages do not name a method: observations come from reset() and step(), or from the caller of a policy.
SOURCE = "observation"


def size(space: Description) -> int:
    """Return the number of values of an encoded observation."""
    match space["type"]:
        case "discrete":
            return int(space["n"])
        case "multi_discrete":
            return sum(space["nvec"])
        case "text":
            return int(space["max_length"])
        case "tuple" | "dict":
            return sum(size(part) for _, part in parts(space))
        case "other":
            return int(space["size"])
    return math.prod(space["shape"])


def parts(space: Description) -> list[tuple[Any, Description]]:
    """Return the parts of a composite space with their keys, those of a tuple by position."""
    if space["type"] == "dict":
        return [(entry["key"], entry["space"]) for entry in space["entries"]]
    return list(enumerate(space.get("parts", ())))


def is_encoded(space: Description) -> bool:
    """Return True for a space whose elements are in the trainer's form already."""
    # As a list, two bits could be two indices. One number may come without a list around it.
    least = {"multi_binary": 3, "box": 2}.get(space["type"])
    return space["type"] in ("indices", "values") or (least is not None and size(space) >= least)


def encoder(space: Description, source: str = SOURCE) -> tuple[bool, list[int], Encode]:
    """Return whether observations are sparse, their shape, and the function that encodes one.

    Choices are one-hot encoded, arrays are unchanged, and composite spaces are flattened. The function raises
    `MisreadError` for what is not in the space, but for bounds of real numbers.
    """
    match space["type"]:
        case "discrete":
            index = _index(space, source)
            return True, [size(space)], lambda seen: [index(seen)]
        case "multi_binary":
            bits = _bits(space["shape"], source)
            return True, list(space["shape"]) or [1], lambda seen: np.flatnonzero(bits(seen)).tolist()
        case "multi_discrete" if len(space["shape"]) == 1:
            indices = _indices(space, source)
            return True, [size(space)], lambda seen: indices(seen).tolist()
        case "box":
            shape = list(space["shape"]) or [1]
            return False, shape, _values(shape, source)
        case "indices":
            return True, list(space["shape"]), Indices(size(space), source)
        case "values":
            return False, list(space["shape"]), Values(space["shape"], source)
    width = size(space)
    write = _flat(space, source)

    def encode(seen: Any) -> NDArray[np.float32]:
        row = np.zeros(width, np.float32)
        write(seen, row)
        return row

    return False, [width], encode


def encoder_beside_mask(space: Description, mask: str | None, source: str = SOURCE) -> tuple[bool, list[int], Encode]:
    """Return the same for observations that have an entry `mask`, which is not in the space, besides.

    A single other entry stands for itself.
    """
    if mask is None:
        return encoder(space, source)
    keys = [key for key, _ in parts(space)]
    needed = {*keys, mask}
    single = keys[0] if len(keys) == 1 else None
    sparse, shape, encode = (
        encoder(space, source) if single is None else encoder(parts(space)[0][1], f"{source}[{single!r}]")
    )

    def of_rest(seen: Any) -> Any:
        if not isinstance(seen, dict) or not needed <= seen.keys():
            raise MisreadError(source, f"a dict with the keys {listed([*keys, mask])}", keys_of(seen))
        return encode(seen if single is None else seen[single])

    return sparse, shape, of_rest


def listed(keys: Any) -> str:
    """Return keys as text."""
    return ", ".join(repr(key) for key in keys)


def keys_of(seen: Any) -> Text:
    """Return a value as text, a dict by its keys."""
    return Text(f"a dict with the keys {listed(list(seen)[:16])}" if isinstance(seen, dict) else shown(seen))


def _values(shape: list[int], source: str) -> Callable[[Any], NDArray[Any]]:
    values = Values(shape, source)
    if values.size != 1:
        return values

    def number(seen: Any) -> NDArray[Any]:
        # A space of shape () or (1,) has arrays of one as well as single numbers.
        is_single = isinstance(seen, (int, float)) or getattr(seen, "ndim", None) == 0
        return values(np.reshape(seen, 1) if is_single else seen)

    return number


def _bits(shape: list[int], source: str) -> Callable[[Any], NDArray[Any]]:
    values = Values(list(shape) or [1], source)

    def bits(seen: Any) -> NDArray[Any]:
        row: NDArray[Any] = values(seen)
        if not ((row == 0) | (row == 1)).all():
            raise MisreadError(source, "zeros and ones", seen)
        return row

    return bits


def _index(space: Description, source: str) -> Callable[[Any], int]:
    start, n = space.get("start", 0), space["n"]

    def index(seen: Any) -> int:
        number = whole(seen)
        if number is None or not 0 <= number - start < n:
            raise MisreadError(source, f"a whole number from {start} to {start + n - 1}", seen)
        return int(number - start)

    return index


def _indices(space: Description, source: str) -> Callable[[Any], NDArray[Any]]:
    """Return the function that gives the position of each one in the one-hot encodings, one after the other."""
    digits = digits_of(space, source)
    first = np.concatenate(([0], np.cumsum(np.asarray(space["nvec"], np.int64))[:-1])).astype(np.int64)

    def indices(seen: Any) -> NDArray[Any]:
        positions: NDArray[Any] = digits(seen) + first
        return positions

    return indices


def digits_of(space: Description, source: str) -> Callable[[Any], NDArray[np.int64]]:
    """Return the function that reads the numbers of a MultiDiscrete space, flat and counted from 0."""
    sizes = np.asarray(space["nvec"], np.int64)
    starts = np.asarray(space["start"], np.int64)
    values = Values(space["shape"], source)
    ends = (starts + sizes - 1).tolist()
    ranges = [f"{low} to {high}" for low, high in zip(starts.tolist()[:8], ends, strict=False)]
    expected = f"whole numbers from {', '.join(ranges)}{', ...' if len(ends) > 8 else ''}"

    def digits(seen: Any) -> NDArray[np.int64]:
        row = values(seen) - starts
        if not ((row >= 0) & (row < sizes) & (row == np.floor(row))).all():
            raise MisreadError(source, expected, seen)
        return row.astype(np.int64)

    return digits


def _flat(space: Description, source: str) -> _Write:
    """Return the function that writes an observation into a row of zeros, in the order of Gymnasium's `flatten`."""
    match space["type"]:
        case "discrete":
            index = _index(space, source)
            return lambda seen, row: row.__setitem__(index(seen), 1)
        case "multi_discrete":
            indices = _indices(space, source)
            return lambda seen, row: row.__setitem__(indices(seen), 1)
        case "multi_binary":
            bits = _bits(space["shape"], source)
            return lambda seen, row: row.__setitem__(slice(None), bits(seen))
        case "box" | "values":
            values = _values(list(space["shape"]) or [1], source)
            return lambda seen, row: row.__setitem__(slice(None), values(seen))
        case "indices":
            ones = Indices(size(space), source)
            return lambda seen, row: row.__setitem__(ones(seen), 1)
        case "text":
            return _text(space, source)
        case "other":
            return _by_gymnasium(space["space"], source)
    return _flat_parts(space, source)


def _flat_parts(space: Description, source: str) -> _Write:
    named, below = space["type"] == "dict", parts(space)
    keys = {key for key, _ in below}
    ends = np.cumsum([size(part) for _, part in below]).tolist()
    writers = [
        (key, first, end, _flat(part, f"{source}[{key!r}]"))
        for (key, part), first, end in zip(below, [0, *ends], ends, strict=False)
    ]

    def write(seen: Any, row: NDArray[np.float32]) -> None:
        if named and not (isinstance(seen, dict) and keys <= seen.keys()):
            raise MisreadError(source, f"a dict with the keys {listed(key for key, _ in below)}", keys_of(seen))
        if not named and not (isinstance(seen, (tuple, list)) and len(seen) == len(writers)):
            raise MisreadError(source, f"a tuple of {len(writers)} parts", seen)
        for key, first, end, write_part in writers:
            write_part(seen[key], row[first:end])

    return write


def _text(space: Description, source: str) -> _Write:
    places = {character: place for place, character in enumerate(space["characters"])}
    longest = space["max_length"]

    def write(seen: Any, row: NDArray[np.float32]) -> None:
        if not isinstance(seen, str) or len(seen) > longest or not places.keys() >= {*seen}:
            some = "".join(list(places)[:40])
            raise MisreadError(source, f"a text of at most {longest} of the characters {some!r}", seen)
        row[:] = len(places)
        row[: len(seen)] = [places[character] for character in seen]

    return write


def _by_gymnasium(space: Any, source: str) -> _Write:
    from gymnasium.spaces import flatten

    def write(seen: Any, row: NDArray[np.float32]) -> None:
        if is_masked(seen) or not space.contains(seen):
            raise MisreadError(source, f"an element of {space}", seen)
        row[:] = np.asarray(flatten(space, seen), np.float32)

    return write
