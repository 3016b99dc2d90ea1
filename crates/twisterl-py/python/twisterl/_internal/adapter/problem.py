"""An environment written in Python as a problem for the trainer, and batches of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisterl._internal.adapter import replay
from twisterl._internal.adapter.copying import Copying
from twisterl._internal.adapter.env_adapter import EnvAdapter
from twisterl._internal.adapter.gymnasium_env import GymnasiumEnv
from twisterl._internal.adapter.plain_env import PlainEnv
from twisterl._internal.adapter.pool import Pool, close_env
from twisterl.errors import EnvError


class Problem:
    """The properties of an environment that are known before it is played, and a factory of its batches."""

    def __init__(self, name: str, make: Callable[..., Any], params: str) -> None:
        self.name = name
        self._make = make
        self._params: dict[str, Any] = json.loads(params) or {}
        self.pool = Pool(name, self.new)
        self.copying = Copying(self)
        first = self.pool.take()
        try:
            self.sparse, self.shape, self.masked = first.sparse, first.shape, first.masked
            self.actions, self.twists, self.difficulty = first.actions, first.twists(), first.difficulty()
            self.max_steps = _declared_limit(first.env)
        except BaseException:
            self.pool.close(first)
            raise
        self.pool.give_back(first)

    def new(self) -> EnvAdapter:
        """Return a new environment."""
        env = self._make(**self._params)
        try:
            is_gymnasium = hasattr(env, "observation_space") and hasattr(env, "action_space")
            return GymnasiumEnv(self, env) if is_gymnasium else PlainEnv(self, env)
        except BaseException:
            close_env(self.name, env)
            raise

    def batch(self, length: int) -> Batch:
        """Return a batch of `length` environments, each of which is made when its first episode begins."""
        return Batch(self, [None] * length)

    def retire(self) -> None:
        """Close the environments: those in use when their batches end, the others now."""
        self.pool.retire()

    def check_replay(self) -> str | None:
        """Play an episode again. Return a warning if it differs."""
        found = replay.difference(self)
        if found is None:
            return None
        return (
            f"environment {self.name}: an episode that was played again with the same seed and actions differs: {found}. "
            "Runs with it do not repeat, and episodes under way begin afresh when a run is resumed. To avoid that, let "
            "all of its randomness come from the seed of reset()"
        )

    def view(self, env: EnvAdapter) -> tuple[Any, tuple[bool, ...] | None]:
        """Return the observation and the mask of an environment, to be compared with others."""
        seen, masks = Batch(self, [env]).observe([0])
        observation = tuple(seen[1]) if self.sparse else seen.tobytes()
        return observation, None if masks is None else tuple(map(bool, masks))

    def broken(self, rule: str, found: object) -> EnvError:
        """Return the error for an environment that breaks a rule."""
        return EnvError(f"environment {self.name}: {rule}: found {found!r}")


def _declared_limit(env: Any) -> int:
    """Return the longest episode of an environment by its Gymnasium spec, 0 if that does not tell."""
    steps = getattr(getattr(env, "spec", None), "max_episode_steps", None)
    return steps if isinstance(steps, int) and steps > 0 else 0


class Batch:
    """A batch of environments, one per slot."""

    def __init__(self, problem: Problem, envs: list[EnvAdapter | None]) -> None:
        self._problem = problem
        # A slot is empty until an episode begins in it, or one is copied to it.
        self._envs: list[Any] = envs
        self._masked = problem.masked

    def begin(self, slot: int, difficulty: int | None, seed: int, state: list[float] | None) -> bool:
        """Begin an episode, and return True if it is already solved."""
        env = self._envs[slot]
        if env is None:
            env = self._envs[slot] = self._problem.pool.take()
        solved: bool = env.begin(difficulty, seed, state)
        return solved

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
        state: list[float] = self._envs[slot].state()
        return state

    def copy(self, pairs: list[tuple[int, int]]) -> None:
        """Copy environments between slots, for each pair (origin, target)."""
        for origin, target in pairs:
            if origin != target:
                self._release(target)
                self._envs[target] = self._problem.copying.copy(self._envs[origin])

    def duplicate(self) -> Batch:
        """Return a batch of copies."""
        twins: list[EnvAdapter | None] = []
        for env in self._envs:
            twin = None if env is None else self._problem.copying.copy(env)
            if twin is not None:
                twin.unshare()
            twins.append(twin)
        return Batch(self._problem, twins)

    def release(self) -> None:
        """Give the environments back. The batch is not used any more."""
        for slot in range(len(self._envs)):
            self._release(slot)

    def _release(self, slot: int) -> None:
        env, self._envs[slot] = self._envs[slot], None
        if env is not None:
            self._problem.pool.give_back(env)

    def render(self, slot: int) -> str:
        """Return the state as text."""
        text: str = self._envs[slot].render()
        return text
