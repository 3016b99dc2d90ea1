"""The reading of a plain environment's observations, decided once, when it is opened."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisterl._internal.adapter.codec import Codec
from twisterl._internal.adapter.codec.encoding import Description, encoder
from twisterl._internal.adapter.reading.masks import OBSERVED_MASKS, PERHAPS_MASKS
from twisterl._internal.adapter.reading.misread import MisreadError, shown
from twisterl._internal.adapter.reading.observations import DECLARE, SOURCE, is_sparse
from twisterl._internal.adapter.reading.scalars import flag

if TYPE_CHECKING:
    from twisterl._internal.adapter.plain_env import PlainEnv
    from twisterl._internal.adapter.problem import Problem

# Observations that are looked at to tell how they are to be read, if the first could be read in two ways.
LOOKS = 64


@dataclass(frozen=True)
class Layout:
    """The reading of observations.

    Attributes:
        codec: encodes them.
        is_list: True if a list that the environment returns consists of indices.
        is_declared: True if the class declares the space of its observations.
    """

    codec: Codec
    is_list: bool = False
    is_declared: bool = False


def layout_of_space(space: Any, action: Description, problem: Problem) -> Layout:
    """Return the layout that a plain environment declares by Gymnasium's `observation_space`."""
    from twisterl._internal.adapter import spaces

    spaces.check_size(space, "observation_space", problem)
    described = spaces.observation(space, problem)
    return Layout(Codec(described, action), is_declared=True)


def find_layout(env: PlainEnv, shape: list[int], action: Description) -> Layout:
    """Return the layout of an environment whose shape is known.

    The attribute `obs_sparse` decides, where there is one. Otherwise the first observation does; and if that could be
    read in two ways, the first of those that follow which could not.

    Raises:
        MisreadError: no observation tells.
    """
    declared = getattr(env.env, "obs_sparse", None)
    sparse = None if declared is None or callable(declared) else flag(declared, "obs_sparse")
    env.begin(None, 0, None)
    seen = env.seen()
    mask_key = _mask_key(seen)
    other = None if mask_key is None else next(key for key in seen if key != mask_key)
    if other is not None:
        seen = seen[other]
    if sparse is None:
        sparse = is_sparse(seen, shape)
    if sparse is None:
        sparse = _by_playing(env, shape, other)
    if sparse is None:
        raise MisreadError(SOURCE, "indices or one number a value", seen, f"{shown(seen)} could be both; {DECLARE}")
    values = _values(sparse, shape)
    if other is None:
        return Layout(Codec(values, action, source=SOURCE), is_list=sparse)
    beside = {"type": "dict", "entries": [{"key": other, "space": values}]}
    return Layout(Codec(beside, action, mask_key, SOURCE), is_declared=True)


def _values(sparse: bool, shape: list[int]) -> Description:
    return {"type": "indices" if sparse else "values", "shape": shape}


def _mask_key(seen: Any) -> str | None:
    """Return the entry of an observation that is its action mask, if it is a dict with one and another entry."""
    if not isinstance(seen, dict) or len(seen) != 2:
        return None
    return next((name for name in (*OBSERVED_MASKS, *PERHAPS_MASKS) if name in seen), None)


def _by_playing(env: PlainEnv, shape: list[int], key: Any) -> bool | None:
    """Return whether observations are sparse, by those of some episodes; None if none of them tells."""
    count, episode = env.actions[0][0], 0
    for look in range(LOOKS):
        if env.is_over():
            episode += 1
            env.begin(None, episode, None)
        else:
            mask = env.read_mask() or [True] * count
            allowed = [action for action in range(count) if mask[action]]
            env.move(allowed[look % len(allowed)])
        seen = env.seen() if key is None else env.seen()[key]
        sparse = is_sparse(seen, shape)
        if sparse is not None:
            encoder(_values(sparse, shape), SOURCE)[2](seen)  # which refuses what is neither
            return sparse
    # One bit that is always set is an index, as in the PyPI package.
    return True if math.prod(shape) == 1 else None
