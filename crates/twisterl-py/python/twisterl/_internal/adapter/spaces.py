"""Conversion of Gymnasium's observation and action spaces to the trainer's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from twisterl._internal.adapter.env_adapter import Component

if TYPE_CHECKING:
    from twisterl._internal.adapter.problem import Problem


def observation(space: gym.Space[Any], problem: Problem) -> tuple[bool, list[int], Callable[[Any], Any]]:
    """Return whether observations are sparse, their shape, and the function that encodes one.

    Choices are one-hot encoded, arrays are unchanged, and composite spaces are flattened.
    """
    if isinstance(space, gym.spaces.Discrete):
        low, n = int(space.start), int(space.n)
        return True, [n], lambda seen: [_within(int(seen) - low, n, problem)]
    if isinstance(space, gym.spaces.MultiBinary):
        shape = [int(n) for n in np.atleast_1d(space.shape)]
        return True, shape, lambda seen: np.flatnonzero(_shaped(seen, shape, problem)).tolist()
    if isinstance(space, gym.spaces.MultiDiscrete) and space.nvec.ndim == 1:
        sizes = [int(n) for n in space.nvec]
        offsets = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        starts = np.asarray(getattr(space, "start", np.zeros(len(sizes), int)))

        def encode(seen: Any) -> list[int]:
            digits = _shaped(seen, [len(sizes)], problem).astype(int) - starts
            for digit, size in zip(digits, sizes, strict=True):
                _within(int(digit), size, problem)
            return [int(index) for index in digits + offsets]

        return True, [sum(sizes)], encode
    if isinstance(space, gym.spaces.Box):
        shape = [int(n) for n in space.shape] or [1]
        return False, shape, lambda seen: _shaped(seen, shape, problem).ravel()
    try:
        size = int(gym.spaces.flatdim(space))
    except (NotImplementedError, ValueError) as error:
        raise problem.broken("has an observation space that can be flattened", space) from error
    return False, [size], lambda seen: _shaped(gym.spaces.flatten(space, seen), [size], problem)


def action(space: gym.Space[Any], problem: Problem) -> tuple[list[Component], Callable[[Any], Any]]:
    """Return the components of an action, and the function that decodes an action.

    The function takes an index if the action is a single choice, and otherwise a list of choices and a list of real
    numbers.
    """
    if isinstance(space, gym.spaces.Discrete):
        start = int(space.start)
        return [(int(space.n), [], [], [])], lambda index: index + start
    components, decode = _composed(space, problem)

    def of_parts(parts: tuple[Sequence[int], Sequence[float]]) -> Any:
        return decode(iter(parts[0]), iter(parts[1]))

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
    raise problem.broken("has an action space of Discrete, MultiDiscrete, MultiBinary and Box", space)


def _shaped(seen: Any, shape: list[int], problem: Problem) -> NDArray[np.float32]:
    try:
        array = np.asarray(seen, np.float32)
    except (TypeError, ValueError) as error:
        raise problem.broken(f"observations are numbers of shape {tuple(shape)}", seen) from error
    if array.size != int(np.prod(shape)) or (array.shape != tuple(shape) and array.ndim > 1):
        raise problem.broken(f"observations are of shape {tuple(shape)}", array.shape)
    return array


def _within(index: int, size: int, problem: Problem) -> int:
    if not 0 <= index < size:
        raise problem.broken(f"observations are one of {size}", index)
    return index
