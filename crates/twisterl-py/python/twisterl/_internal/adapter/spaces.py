"""Descriptions of Gymnasium's spaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

from twisterl._internal.adapter.codec.encoding import Description
from twisterl._internal.adapter.env_adapter import Component
from twisterl._internal.adapter.reading.bounded import LONGEST
from twisterl._internal.adapter.reading.masks import OBSERVED_MASKS, PERHAPS_MASKS

if TYPE_CHECKING:
    from twisterl._internal.adapter.problem import Problem


def observation(space: gym.Space[Any], problem: Problem) -> Description:
    """Return the description of an observation space."""
    try:
        return _describe(space)
    except (NotImplementedError, ValueError) as error:
        raise problem.broken("observation_space", "a space that can be flattened", space) from error


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


def _describe(space: gym.Space[Any]) -> Description:
    """Return the description of a space.

    Raises:
        NotImplementedError, ValueError: it cannot be flattened.
    """
    spaces = gym.spaces
    if isinstance(space, spaces.Discrete):
        return {"type": "discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        starts = getattr(space, "start", np.zeros(space.nvec.shape, int))
        flat = {"nvec": np.ravel(space.nvec).tolist(), "start": np.ravel(starts).tolist()}
        return {"type": "multi_discrete", "shape": _shape(space.nvec.shape), **flat, "dtype": str(space.dtype)}
    if isinstance(space, spaces.MultiBinary):
        return {"type": "multi_binary", "shape": _shape(space.shape)}
    if isinstance(space, spaces.Box):
        return {"type": "box", "shape": _shape(space.shape), "dtype": str(space.dtype)}
    if isinstance(space, spaces.Text):
        characters = sorted(space.character_set, key=space.character_index)
        return {"type": "text", "max_length": int(space.max_length), "characters": characters}
    if isinstance(space, spaces.Tuple):
        return {"type": "tuple", "parts": [_describe(part) for part in space.spaces]}
    if isinstance(space, spaces.Dict):
        entries = [{"key": key, "space": _describe(part)} for key, part in space.spaces.items()]
        return {"type": "dict", "entries": entries}
    return {"type": "other", "space": space, "size": int(spaces.flatdim(space))}


def _shape(shape: Any) -> list[int]:
    return [int(n) for n in shape]


def mask_within(space: gym.Space[Any], width: int) -> tuple[str | None, gym.Space[Any]]:
    """Return the entry of a Dict space that is the action mask, and the space of the rest.

    Entries `action_mask` and `action_masks` are masks. Those of an ambiguous name are, if they are as long as one.
    """
    if not isinstance(space, gym.spaces.Dict):
        return None, space
    fits = [n for n in PERHAPS_MASKS if n in space.spaces and np.prod(space[n].shape or (0,)) == width > 0]
    name = next((n for n in (*OBSERVED_MASKS, *fits) if n in space.spaces), None)
    if name is None or len(space.spaces) == 1:
        return None, space
    rest = {key: part for key, part in space.spaces.items() if key != name}
    return name, gym.spaces.Dict(rest)


def action(space: gym.Space[Any], problem: Problem) -> tuple[list[Component], Description]:
    """Return the components of an action, and the description of the action space."""
    return _components(space, problem), _describe(space)


def _components(space: gym.Space[Any], problem: Problem) -> list[Component]:
    if isinstance(space, gym.spaces.Discrete):
        return [(int(space.n), [], [], [])]
    if isinstance(space, gym.spaces.MultiDiscrete):
        return [(int(n), [], [], []) for n in np.ravel(space.nvec)]
    if isinstance(space, gym.spaces.MultiBinary):
        return [(2, [], [], [int(np.prod(space.shape))])]
    if isinstance(space, gym.spaces.Box):
        low, high = (np.asarray(bound, np.float32).ravel().tolist() for bound in (space.low, space.high))
        return [(0, low, high, _shape(space.shape) or [1])]
    if isinstance(space, (gym.spaces.Tuple, gym.spaces.Dict)):
        parts = space.spaces.values() if isinstance(space, gym.spaces.Dict) else space.spaces
        return [component for part in parts for component in _components(part, problem)]
    raise problem.broken("action_space", "a space of Discrete, MultiDiscrete, MultiBinary and Box", space)
