"""Environments with the methods of the PyPI package `twisterl`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisterl._internal.adapter.env_adapter import MAX_STEPS, EnvAdapter
from twisterl._internal.adapter.episodes.randomness import seeded
from twisterl._internal.adapter.layout import Layout, find_layout, layout_of_space
from twisterl._internal.adapter.reading import masks, permutations, scalars, states
from twisterl._internal.adapter.reading.misread import MisreadError, Text
from twisterl._internal.adapter.reading.parameters import WITHOUT_ARGUMENTS, check_call, takes_seed
from twisterl._internal.adapter.reading.scalars import flag

if TYPE_CHECKING:
    from twisterl._internal.adapter.problem import Problem

# The methods of a step by their names, of which the first one counts, with their arguments.
_OF_A_STEP: tuple[tuple[tuple[str, ...], tuple[int, ...], str], ...] = (
    (("next", "step"), (0,), "a method with one argument, the action"),
    *((names, (), WITHOUT_ARGUMENTS) for names in (("value", "reward"), ("is_final",), ("observe",))),
    *((names, (), WITHOUT_ARGUMENTS) for names in (("success", "solved"), ("truncated",))),
)


class PlainEnv(EnvAdapter):
    """An environment with the methods of the PyPI package `twisterl`."""

    def __init__(self, problem: Problem, env: Any) -> None:
        super().__init__(problem, env)
        self._checked: set[str] = set()  # methods, by name
        count = scalars.positive(self._declared("num_actions"), "num_actions()")
        self.actions = [(count, [], [], [])]
        self._action = {"type": "discrete", "n": count, "start": 0}
        self.mask_reader = masks.MaskReader(masks.Choices(count), [count])
        self.mask_way = masks.find(env, self.mask_reader)
        self._last: Any = None
        self._first: tuple[list[int], list[float] | None] | None = None
        self._bind()
        self._check_methods()
        self._takes_seed = takes_seed(self._reset, if_unknown=False)
        self._read_as(problem.layout or self._layout())

    def _layout(self) -> Layout:
        """Return how observations are to be read: as the class declares it, or else as it begins."""
        space = getattr(self.env, "observation_space", None)
        if space is not None:
            return layout_of_space(space, self._action, self.problem)
        return find_layout(self, scalars.shape(self._declared("obs_shape"), "obs_shape()"), self._action)

    def _read_as(self, layout: Layout) -> None:
        self.layout = layout
        self.is_declared = layout.is_declared
        self._read_by(layout.codec)
        self._bind()

    def _declared(self, name: str) -> Any:
        """Return what a method, or an attribute, of this name says."""
        found = getattr(self.env, name, None)
        if found is None:
            expected = f"a method {name}(), or Gymnasium's observation_space and action_space"
            raise MisreadError("environment", expected, Text(type(self.env).__name__))
        if not callable(found):
            return found
        if name not in self._checked:
            check_call(found, name, WITHOUT_ARGUMENTS)
            self._checked.add(name)
        return found()

    def _method(self, *names: str) -> Callable[..., Any]:
        for name in names:
            method = getattr(self.env, name, None)
            if callable(method):
                found: Callable[..., Any] = method
                return found
        expected = " or ".join(f"{name}()" for name in names)
        raise MisreadError("environment", f"a method {expected}", Text(type(self.env).__name__))

    def _check_methods(self) -> None:
        """Check that the methods of every step can be called."""
        for names, given, expected in _OF_A_STEP:
            name = next((name for name in names if getattr(self.env, name, None) is not None), None)
            method = None if name is None else getattr(self.env, name)
            if callable(method):
                check_call(method, str(name), expected, *given)

    def _getter(self, name: str) -> Callable[[], Any] | None:
        """Return a method, or a function that returns an attribute; None if there is neither."""
        found = getattr(self.env, name, None)
        if found is None or callable(found):
            return found
        return lambda: getattr(self.env, name)

    def _bind(self) -> None:
        super()._bind()
        # Looked up once, because they are called at every step.
        self._reset = self._method("reset")
        # In the PyPI package, a class with `next` moves by `next`, any other class by `step`.
        self._step = self._method("next", "step")
        self._reward = self._method("value", "reward")
        self._final = self._method("is_final")
        self.seen = self._method("observe")
        if self.layout is not None and self.layout.is_list:
            # Lists of indices are checked with the batch.
            self.observe = self.seen  # type: ignore[method-assign]
        way = self.mask_way
        usual = way is not None and way.is_method and way.is_mask and self.mask_key is None
        self.raw_mask = self._method(way.name) if usual and way is not None else None
        self._success = self._getter("success") or self._getter("solved")
        self._truncated = self._getter("truncated")

    def begin(self, difficulty: int | None, seed: int, state: list[float] | None) -> bool:
        before = self._history, self.steps, self._over
        try:
            return super().begin(difficulty, seed, state)
        except Exception:
            # Where set_state refuses a state and changes nothing, the episode goes on.
            self._history, self.steps, self._over = before
            raise

    def has_history_states(self) -> bool:
        return getattr(self.env, "get_state", None) is None

    def reset(self, difficulty: int, seed: int) -> None:
        by_position, given = self.with_difficulty(self._reset, difficulty)
        if self._takes_seed:
            self._reset(*by_position, seed=seed, **given)
            return
        with seeded(seed):  # it can only use the global generators, unless it has one of its own
            self._reset(*by_position, **given)
        self._first = self._first_look()

    def _first_look(self) -> tuple[list[int], list[float] | None] | None:
        """Return the ones of the first observation of an episode, and the state if it is told; None if of no use."""
        if self.layout is None or not self.sparse or getattr(self.env, "set_state", None) is None:
            return None
        told = None if getattr(self.env, "get_state", None) is None else self.state()
        return sorted(self.encode(self.seen())), told

    def start_states(self) -> list[list[float]]:
        if self._first is None:
            return []
        ones, told = self._first
        return states.of_ones(ones, self.shape) if told is None else [told]

    def begins_like(self, other: EnvAdapter) -> bool:
        first = other._first if isinstance(other, PlainEnv) else None
        return first is None or self._first_look() == first

    def go_on_like(self, other: EnvAdapter) -> None:
        super().go_on_like(other)
        self._first = other._first if isinstance(other, PlainEnv) else None

    def observe(self) -> Any:
        self._last = seen = self.seen()
        return self.encode(seen)

    def mask(self) -> list[Any] | None:
        if self.mask_key is not None:
            return self.mask_reader(self._last[self.mask_key], f"observe()[{self.mask_key!r}]")
        return None if self._masker is None else self._masker()

    def move(self, action: Any) -> tuple[Any, bool, bool, bool]:
        # The same as `EnvAdapter.move`, with as few calls as possible: collection spends its time here.
        self.steps += 1
        self._history.append(action)
        self._step(action)
        truncated = self.steps >= MAX_STEPS or (self._truncated is not None and self._is_cut())
        final = self._final()
        reward = self._reward()
        if final is not False and (final is True or flag(final, "is_final()")):
            return reward, not truncated, truncated, self.solved()
        return reward, False, truncated, False

    def read_reward(self, reward: Any) -> float:
        return scalars.reward(reward, "value()" if callable(getattr(self.env, "value", None)) else "reward()")

    def measures_success(self, curriculum: bool) -> bool:
        # A reward at the end means success where there is a goal.
        return curriculum or self._success is not None

    def solved(self) -> bool:
        if self._success is not None:
            success = self._success()
            return success if type(success) is bool else flag(success, "success()")
        return flag(self._final(), "is_final()") and self.read_reward(self._reward()) > 0

    def state(self) -> list[float]:
        if getattr(self.env, "get_state", None) is None:
            return super().state()
        return states.state(self._declared("get_state"), "get_state()")

    def set_state(self, state: list[float]) -> None:
        self._first = None
        setter = getattr(self.env, "set_state", None)
        if setter is None:
            super().set_state(state)
        else:
            setter([int(number) if float(number).is_integer() else number for number in state])

    def is_over(self) -> bool:
        is_cut = self.steps >= MAX_STEPS or (self._truncated is not None and self._is_cut())
        return is_cut or flag(self._final(), "is_final()")

    def _is_cut(self) -> bool:
        return self._truncated is not None and flag(self._truncated(), "truncated()")

    def twists(self) -> tuple[list[list[int]], list[list[int]]]:
        if getattr(self.env, "twists", None) is None:
            return [], []
        return permutations.twists(self._declared("twists"), self.size, self.actions[0][0], "twists()")

    def render(self) -> str:
        if callable(getattr(self.env, "render", None)):
            shown = self.env.render()
            if isinstance(shown, str):
                return shown
        return str(self.state())
