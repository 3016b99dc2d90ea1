"""Environments with Gymnasium's interface."""

from __future__ import annotations

import contextlib
import copy
import inspect
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from twisterl._internal.adapter.env_adapter import EnvAdapter
from twisterl._internal.adapter.randomness import seeded

if TYPE_CHECKING:
    from twisterl._internal.adapter.problem import Problem


class GymnasiumEnv(EnvAdapter):
    """An environment with Gymnasium's interface."""

    masked = True

    def __init__(self, problem: Problem, env: Any) -> None:
        super().__init__(problem, env)
        from twisterl._internal.adapter import spaces

        self.sparse, self.shape, self._encode = spaces.observation(env.observation_space, problem)
        self.actions, self._decode = spaces.action(env.action_space, problem)
        self.size = math.prod(self.shape)
        self._width = sum(n * math.prod(shape) for n, _, _, shape in self.actions if n > 0)
        self.masked = self._width > 0
        self._seen: Any = None
        self._info: Any = {}
        self._solved = False
        self._bind()

    def unshare(self) -> None:
        self._seen = copy.copy(self._seen)
        with contextlib.suppress(Exception):  # what cannot be copied is not a mask
            self._info = copy.deepcopy(self._info)

    def _bind(self) -> None:
        self._takes_seed = _takes_seed(self.env.reset)
        self._unwrapped = getattr(self.env, "unwrapped", self.env)
        self._masker = getattr(self.env, "action_masks", None) or getattr(self._unwrapped, "action_masks", None)

    def difficulty(self) -> int:
        difficulty = getattr(self._unwrapped, "difficulty", 1)
        return difficulty if isinstance(difficulty, int) and difficulty > 0 else 1

    def reset(self, difficulty: int, seed: int) -> None:
        if isinstance(getattr(self._unwrapped, "difficulty", None), int):
            self._unwrapped.difficulty = difficulty
        if self._takes_seed:
            outcome = self.env.reset(seed=seed)
        else:
            with seeded(seed):  # of the global generators, and of the one that Gymnasium gives to each environment
                if hasattr(self._unwrapped, "np_random"):
                    from gymnasium.utils.seeding import np_random

                    self._unwrapped.np_random = np_random(seed)[0]
                outcome = self.env.reset()
        if not (isinstance(outcome, tuple) and len(outcome) == 2):
            raise self.problem.broken("reset() returns an observation and a dict", outcome)
        self._take(*outcome)

    def step(self, action: Any) -> tuple[float, bool, bool]:
        outcome = self.env.step(self._decode(action))
        if not (isinstance(outcome, tuple) and len(outcome) == 5):
            raise self.problem.broken(
                "step() returns an observation, a reward, terminated, truncated and a dict", outcome
            )
        seen, reward, terminated, truncated, info = outcome
        self._take(seen, info)
        return float(reward), bool(terminated), bool(truncated)

    def _take(self, seen: Any, info: Any) -> None:
        self._info = info
        self._seen = self._encode(seen)
        self._solved = isinstance(info, dict) and bool(info.get("is_success", False))

    def observe(self) -> Any:
        return self._seen

    def masks(self) -> Iterable[bool]:
        mask = self._info.get("action_mask") if isinstance(self._info, dict) else None
        if mask is None and self._masker is not None:
            mask = self._masker()
        if mask is None:
            return [True] * self._width
        found: Iterable[bool] = mask
        return found

    def solved(self) -> bool:
        return self._solved

    def render(self) -> str:
        if getattr(self.env, "render_mode", None) == "ansi":
            return str(self.env.render())
        return str(self._seen)


def _takes_seed(reset: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(reset).parameters.values()
    except (TypeError, ValueError):
        return True  # of a compiled function, which cannot be asked
    return any(p.name == "seed" or p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
