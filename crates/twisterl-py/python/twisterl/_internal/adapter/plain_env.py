"""Environments with the methods of the PyPI package `twisterl`."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisterl._internal.adapter.env_adapter import MAX_STEPS, EnvAdapter
from twisterl._internal.adapter.randomness import seeded

if TYPE_CHECKING:
    from twisterl._internal.adapter.problem import Problem


class PlainEnv(EnvAdapter):
    """An environment with the methods of the PyPI package `twisterl`."""

    sparse = True

    def __init__(self, problem: Problem, env: Any) -> None:
        super().__init__(problem, env)
        self.shape = [int(n) for n in self._method("obs_shape")()]
        self.size = math.prod(self.shape)
        self.actions = [(int(self._method("num_actions")()), [], [], [])]
        self._bind()
        self._takes = _keywords(self._reset)

    def _method(self, *names: str) -> Callable[..., Any]:
        for name in names:
            method = getattr(self.env, name, None)
            if callable(method):
                found: Callable[..., Any] = method
                return found
        expected = " or ".join(f"{name}()" for name in names)
        raise self.problem.broken(f"has a method {expected}", type(self.env).__name__)

    def _bind(self) -> None:
        # Looked up once, because they are called at every step.
        self._reset = self._method("reset")
        # In the PyPI package, a class with `next` moves by `next`, any other class by `step`.
        self._step = self._method("next", "step")
        self._reward = self._method("value", "reward")
        self._final = self._method("is_final")
        self.observe = self._method("observe")
        self.masks = getattr(self.env, "masks", None)  # type: ignore[assignment]
        self.masked = callable(self.masks)
        self._success = getattr(self.env, "success", None) or getattr(self.env, "solved", None)
        self._truncated = getattr(self.env, "truncated", None)

    def difficulty(self) -> int:
        difficulty = getattr(self.env, "difficulty", 1)
        return int(difficulty) if isinstance(difficulty, int) else 1

    def reset(self, difficulty: int, seed: int) -> None:
        if isinstance(getattr(self.env, "difficulty", None), int):
            self.env.difficulty = difficulty
        given = {"seed": seed, "difficulty": difficulty}
        given = {name: value for name, value in given.items() if name in self._takes}
        if "seed" in given:
            self._reset(**given)
            return
        with seeded(seed):  # it can only use the global generators
            self._reset(**given)

    def move(self, action: Any) -> tuple[float, bool, bool, bool]:
        # The same as `EnvAdapter.move`, with as few calls as possible: collection spends its time here.
        self._steps += 1
        self._history.append(action)
        self._step(action)
        truncated = self._steps >= MAX_STEPS or (self._truncated is not None and bool(self._truncated()))
        if not self._final():
            return self._reward(), False, truncated, False
        return self._reward(), not truncated, truncated, self.solved()

    def solved(self) -> bool:
        if self._success is not None:
            return bool(self._success())
        return bool(self._final()) and self._reward() > 0

    def state(self) -> list[float]:
        get_state = getattr(self.env, "get_state", None)
        if get_state is None:
            return super().state()
        return [float(number) for number in get_state()]

    def set_state(self, state: list[float]) -> None:
        setter = getattr(self.env, "set_state", None)
        if setter is None:
            super().set_state(state)
        else:
            setter([int(number) if float(number).is_integer() else number for number in state])

    def is_over(self) -> bool:
        return bool(self._final())

    def twists(self) -> tuple[list[list[int]], list[list[int]]]:
        twists = getattr(self.env, "twists", None)
        if twists is None:
            return [], []
        bits, actions = twists()
        count = self.actions[0][0]
        pairs = [
            ([int(i) for i in b], [int(a) for a in c])
            for b, c in zip(bits, actions or [range(count)] * len(bits), strict=False)
        ]
        other = [(b, c) for b, c in pairs if b != list(range(len(b))) or c != list(range(count))]
        return [b for b, _ in other], [c for _, c in other]

    def render(self) -> str:
        if callable(getattr(self.env, "render", None)):
            shown = self.env.render()
            if isinstance(shown, str):
                return shown
        return str(self.state())


def _keywords(function: Callable[..., Any]) -> set[str]:
    """Return those of `seed` and `difficulty` that a function accepts."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return set()
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return {"seed", "difficulty"} & ({*parameters} | {"seed"})
    return {"seed", "difficulty"} & set(parameters)
