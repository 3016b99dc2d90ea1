"""Environments with Gymnasium's interface."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisterl._internal.adapter.codec import Codec
from twisterl._internal.adapter.env_adapter import EnvAdapter
from twisterl._internal.adapter.episodes.randomness import seeded
from twisterl._internal.adapter.reading import masks, scalars
from twisterl._internal.adapter.reading.difficulty import reads_option
from twisterl._internal.adapter.reading.misread import MisreadError
from twisterl._internal.adapter.reading.parameters import check_call, parameters_of, takes_seed
from twisterl.errors import StateError

if TYPE_CHECKING:
    from twisterl._internal.adapter.problem import Problem


class GymnasiumEnv(EnvAdapter):
    """An environment with Gymnasium's interface."""

    def __init__(self, problem: Problem, env: Any) -> None:
        super().__init__(problem, env)
        from twisterl._internal.adapter import spaces

        spaces.check_size(env.action_space, "action_space", problem)
        spaces.check_size(env.observation_space, "observation_space", problem)
        self.actions, action = spaces.action(env.action_space, problem)
        key, rest = spaces.mask_within(env.observation_space, sum(self.choice_counts()))
        observation = spaces.observation(rest, problem)
        self.is_declared = True
        self._read_by(Codec(observation, action, key))
        self._decode = self.codec.decode
        self.mask_way = masks.find(env, self.mask_reader)
        self._seen: Any = None
        self._encoded: Any = None
        self._mask: list[Any] | None = None
        self._has_mask = False
        self._info: dict[Any, Any] = {}
        self._solved = False
        check_call(env.step, "step", "a method with one argument, the action", None)
        self._bind()

    def unshare(self) -> None:
        self._encoded = copy.copy(self._encoded)
        with contextlib.suppress(Exception):  # what cannot be copied is not a mask
            self._seen, self._info = copy.deepcopy((self._seen, self._info))

    def _bind(self) -> None:
        super()._bind()
        self._takes_seed = takes_seed(self.env.reset, if_unknown=True)

    def difficulty(self) -> int:
        return max(super().difficulty(), 1)

    def reset(self, difficulty: int, seed: int) -> None:
        by_position, given = self.with_difficulty(self.env.reset, difficulty)
        if self._takes_seed:
            outcome = self.env.reset(*by_position, seed=seed, **given)
        else:
            with seeded(seed):  # of the global generators, and of the one that Gymnasium gives to each environment
                unwrapped = getattr(self.env, "unwrapped", self.env)
                if hasattr(unwrapped, "np_random"):
                    from gymnasium.utils.seeding import np_random

                    unwrapped.np_random = np_random(seed)[0]
                outcome = self.env.reset(*by_position, **given)
        self._take(*scalars.beginning(outcome))

    def set_state(self, state: list[float]) -> None:
        """Begin an episode at an observation, by its numbers: by a method `set_state` or by an option of `reset`."""
        try:
            wanted = self.codec.observation_of(state)
        except MisreadError as error:
            raise StateError(str(error)) from error
        setter = self._setter()
        if setter is not None:
            self.reset(self.difficulty(), 0)
            found = setter(wanted)
        elif reads_option(self.env, self.env.reset, "state"):
            found = self.env.reset(seed=0, options={"state": wanted})
        else:
            raise StateError(
                "state: expected an environment that begins at an observation, by a method set_state(observation) or a "
                f"reset that reads options['state'], found {self.problem.name} with neither"
            )
        is_pair = isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], dict)
        seen, info = found if is_pair else (found, {})
        if seen is None and self.mask_key is not None:
            raise StateError("state: expected set_state to return the observation with its mask, found None")
        self._take(wanted if seen is None else seen, info)
        numbers = [self.codec.numbers(seen) for seen in (self._seen, wanted)]
        if numbers[0] != numbers[1]:
            raise StateError(f"state: expected an episode that begins at {state}, found one at {numbers[0]}")

    def _setter(self) -> Callable[[Any], Any] | None:
        """Return the method that begins at an observation, of the environment or of one that it wraps."""
        for holder in masks.wrapped(self.env):
            found = getattr(holder, "set_state", None)
            if callable(found):
                needed = [p for p in parameters_of(found) or () if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
                # Some take positions and velocities.
                return found if len(needed) == 1 else None
        return None

    def read_reward(self, reward: Any) -> float:
        return scalars.reward(reward, "the reward of step()")

    def step(self, action: Any) -> tuple[Any, bool, bool]:
        outcome = self.env.step(self._decode(action))
        if type(outcome) is not tuple or len(outcome) != 5 or not isinstance(outcome[4], dict):
            outcome = scalars.outcome(outcome)
        seen, reward, terminated, truncated, info = outcome
        self._take(seen, info)
        # The usual types are told first, because collection spends its time here.
        if type(terminated) is not bool:
            terminated = scalars.flag(terminated, "terminated of step()")
        if type(truncated) is not bool:
            truncated = scalars.flag(truncated, "truncated of step()")
        return reward, terminated, truncated

    def _take(self, seen: Any, info: dict[Any, Any]) -> None:
        self._seen = seen
        self._encoded = self.encode(seen)
        self._info = info
        self._has_mask = False
        solved = info.get("is_success") if info else None
        self._solved = False
        if solved is not None:
            self._solved = scalars.flag(solved, "info['is_success']")
            self.problem.measures_success = True

    def observe(self) -> Any:
        return self._encoded

    def mask(self) -> list[Any] | None:
        # Read once, since it may be an iterator.
        if not self._has_mask:
            self._mask, self._has_mask = self._given_mask(), True
        return self._masker() if self._mask is None and self._masker is not None else self._mask

    def _given_mask(self) -> list[Any] | None:
        """Return the mask that came with the last observation, None if none did."""
        if self.mask_key is not None:
            return self.mask_reader(self._seen[self.mask_key], f"observation[{self.mask_key!r}]")
        if self._info:
            for key in masks.INFO_MASKS:
                if key in self._info:
                    return self.mask_reader(self._info[key], f"info[{key!r}]")
            if self.is_one_choice():
                for key in masks.INFO_ACTIONS:
                    if key in self._info:
                        return self.mask_reader.of_actions(self._info[key], f"info[{key!r}]")
        return None

    def solved(self) -> bool:
        return self._solved

    def render(self) -> str:
        if getattr(self.env, "render_mode", None) == "ansi":
            return str(self.env.render())
        return str(self._seen)
