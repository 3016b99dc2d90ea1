"""An environment written in Python as a problem for the trainer, and batches of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisterl._internal.adapter.env_adapter import EnvAdapter
from twisterl._internal.adapter.gymnasium_env import GymnasiumEnv
from twisterl._internal.adapter.plain_env import PlainEnv
from twisterl.errors import EnvError


class Problem:
    """The properties of an environment that are known before it is played, and a factory of its batches."""

    def __init__(self, name: str, make: Callable[..., Any], params: str) -> None:
        self.name = name
        self._make = make
        self._params: dict[str, Any] = json.loads(params) or {}
        env = self.new()
        is_gymnasium = hasattr(env, "observation_space") and hasattr(env, "action_space")
        self._adapter: type[EnvAdapter] = GymnasiumEnv if is_gymnasium else PlainEnv
        first = self._adapter(self, env)
        self.sparse, self.shape = first.sparse, first.shape
        self.actions, self.twists, self.difficulty = first.actions, first.twists(), first.difficulty()

    def new(self) -> Any:
        """Return a new environment."""
        return self._make(**self._params)

    def batch(self, length: int) -> Batch:
        """Return a batch of `length` new environments."""
        return Batch(self, [self._adapter(self, self.new()) for _ in range(length)])

    def broken(self, rule: str, found: object) -> EnvError:
        """Return the error for an environment that breaks a rule."""
        return EnvError(f"environment {self.name}: {rule}: found {found!r}")


class Batch:
    """A batch of environments, one per slot."""

    def __init__(self, problem: Problem, envs: list[EnvAdapter]) -> None:
        self._problem = problem
        self._envs = envs
        self._masked = any(env.masked for env in envs)

    def begin(self, slot: int, difficulty: int | None, seed: int, state: list[float] | None) -> bool:
        """Begin an episode, and return True if it is already solved."""
        return self._envs[slot].begin(difficulty, seed, state)

    def observe(self, slots: list[int]) -> tuple[Any, list[bool] | None]:
        """Return the observations of some slots, and their masks.

        Sparse observations are the lengths and the concatenated indices of their rows, dense ones an array
        `[slot, value]`. Masks are concatenated, and None if the environments have none.
        """
        envs = [self._envs[slot] for slot in slots]
        masks: list[bool] | None = None
        if self._masked:
            masks = []
            for env in envs:
                masks.extend(env.masks())
        if self._problem.sparse:
            lengths, indices = [], []
            for env in envs:
                ones = env.observe()
                lengths.append(len(ones))
                indices.extend(ones)
            return (lengths, indices), masks
        import numpy as np

        rows = np.empty((len(envs), envs[0].size if envs else 0), np.float32)
        for row, env in zip(rows, envs, strict=True):
            row[:] = env.observe()
        return rows, masks

    def step(self, slots: list[int], actions: list[Any]) -> tuple[list[float], list[bool], list[bool], list[bool]]:
        """Step each slot, and return rewards, terminated, truncated and solved, each `[slot]`."""
        envs = self._envs
        outcomes = [envs[slot].move(action) for slot, action in zip(slots, actions, strict=True)]
        rewards, terminated, truncated, solved = zip(*outcomes, strict=True) if outcomes else ((), (), (), ())
        return list(rewards), list(terminated), list(truncated), list(solved)

    def state(self, slot: int) -> list[float]:
        """Return the state, or the history that leads to it."""
        return self._envs[slot].state()

    def copy(self, pairs: list[tuple[int, int]]) -> None:
        """Copy environments between slots, for each pair (origin, target)."""
        for origin, target in pairs:
            if origin != target:
                self._envs[target] = self._envs[origin].clone()

    def render(self, slot: int) -> str:
        """Return the state as text."""
        return self._envs[slot].render()
