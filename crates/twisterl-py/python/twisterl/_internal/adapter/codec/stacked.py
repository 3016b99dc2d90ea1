"""Batches of observations as vector environments of Gymnasium stack them, one by one."""

from __future__ import annotations

from typing import Any

from twisterl._internal.adapter.codec.encoding import Description, keys_of, listed, parts
from twisterl._internal.adapter.reading.misread import MisreadError, Text

SOURCE = "observations"


def rows(space: Description, mask: str | None, batch: Any) -> list[Any] | None:
    """Return the observations of a stacked batch, None if the batch is not stacked but a sequence of observations.

    A dict of arrays is a stacked batch of dicts, and a tuple of arrays one of tuples. Batches of other spaces are
    sequences in any case.

    Raises:
        MisreadError: its parts are not there, or have different lengths.
    """
    if isinstance(batch, dict):
        if space["type"] != "dict":
            raise MisreadError(SOURCE, "a sequence of observations, or an array of them", keys_of(batch))
        keys = [key for key, _ in parts(space)] + ([] if mask is None else [mask])
        if not {*keys} <= batch.keys():
            raise MisreadError(SOURCE, f"a dict of stacked arrays with the keys {listed(keys)}", keys_of(batch))
    elif not (isinstance(batch, tuple) and space["type"] == "tuple"):
        return None
    lengths: list[tuple[str, int]] = []
    split = _split(space, batch, SOURCE, lengths)
    if mask is not None:
        masks = _leaf(batch[mask], f"{SOURCE}[{mask!r}]", lengths)
        split = [{**row, mask: masks[i]} for i, row in enumerate(split)] if len(masks) == len(split) else split
    first = lengths[0]
    other = next((found for found in lengths if found[1] != first[1]), None)
    if other is not None:
        raise MisreadError(other[0], f"{first[1]} rows, as {first[0]} has", Text(f"{other[1]}"))
    return split


def _split(space: Description, batch: Any, source: str, lengths: list[tuple[str, int]]) -> list[Any]:
    """Return the rows of a part, as many as its shortest array has, and add the lengths of its arrays by name."""
    below = parts(space)
    if space["type"] == "dict":
        if not isinstance(batch, dict) or not {key for key, _ in below} <= batch.keys():
            raise MisreadError(source, f"a dict with the keys {listed(key for key, _ in below)}", keys_of(batch))
    elif space["type"] == "tuple":
        if not isinstance(batch, (tuple, list)) or len(batch) != len(below):
            raise MisreadError(source, f"a tuple of {len(below)} stacked parts", batch)
    else:
        return _leaf(batch, source, lengths)
    split = [_split(part, batch[key], f"{source}[{key!r}]", lengths) for key, part in below]
    together = zip(*split, strict=False)
    if space["type"] == "dict":
        keys = [key for key, _ in below]
        return [dict(zip(keys, row, strict=True)) for row in together]
    return list(together)


def _leaf(batch: Any, source: str, lengths: list[tuple[str, int]]) -> list[Any]:
    if isinstance(batch, (str, bytes, dict)) or not hasattr(batch, "__len__") or getattr(batch, "ndim", 1) == 0:
        raise MisreadError(source, "an array with one row for each observation", batch)
    lengths.append((source, len(batch)))
    return [batch[i] for i in range(len(batch))]
