"""An environment written in Python as a problem for the trainer, and batches of it."""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from twisterl._internal.adapter.env_adapter import EnvAdapter
from twisterl._internal.adapter.episodes import replay
from twisterl._internal.adapter.episodes.copying import Copying
from twisterl._internal.adapter.gymnasium_env import GymnasiumEnv
from twisterl._internal.adapter.layout import Layout
from twisterl._internal.adapter.plain_env import PlainEnv
from twisterl._internal.adapter.pool import Pool, close_env
from twisterl._internal.adapter.reading.kinds import is_gymnasium
from twisterl._internal.adapter.reading.misread import MisreadError, Text
from twisterl._internal.adapter.reading.observations import Indices
from twisterl._internal.adapter.reading.scalars import whole
from twisterl._internal.adapter.vectors import SubEnvironments, asks_for_number, is_vector
from twisterl._internal.environments import native_functions
from twisterl.errors import EnvError

# The longest episode that an environment can declare.
MAX_LIMIT = 2**31
_RAISED_IN = "raised in "


class Problem:
    """The properties of an environment that are known before it is played, and a factory of its batches."""

    def __init__(self, name: str, make: Callable[..., Any], params: str) -> None:
        self.name = name
        self.layout: Layout | None = None
        self._make = make
        self._params: dict[str, Any] = json.loads(params) or {}
        self._warned = False
        self._kind = ""
        self.pool = Pool(name, self.new)
        self.copying = Copying(self)
        made = self._made()
        with self.explained():
            self.native = native_functions(made, self._params)
        if self.native is not None:
            # Nothing else is asked for, such as the spaces, which only Gymnasium can describe.
            close_env(name, made)
            return
        first = self.pool.add(self._adapted(made))
        try:
            self.sparse, self.shape, self.layout = first.sparse, first.shape, first.layout
            self.actions = first.actions
            with self.explained():
                self.twists, self.difficulty = first.twists(), first.difficulty()
            self.curriculum = first.has_curriculum()
            # True once an environment has told that an episode is solved or not.
            self.measures_success = first.measures_success(self.curriculum)
            self.max_steps = _declared_limit(first.env)
            self.is_endless = _is_endless(first.env)
            self.codec = first.codec
            self.spaces = first.codec.to_json() if first.is_declared else None
            self.has_histories = first.has_history_states()
            self.has_raw_masks = first.raw_mask is not None
        except BaseException:
            self.pool.close(first)
            raise
        self.pool.give_back(first)

    def new(self) -> EnvAdapter:
        """Return a new environment."""
        return self._adapted(self._made())

    def _made(self) -> Any:
        """Return a new environment as it is given."""
        with self.explained():
            make = functools.partial(self._make, **self._params)
            env = make(num_envs=1) if asks_for_number(make) else make()
            if is_vector(env):
                self._make = SubEnvironments(env, make)
                env = self._make()
            return env

    def _adapted(self, env: Any) -> EnvAdapter:
        """Return an environment by the methods that batches call, or close it if it cannot be read."""
        try:
            self._kind = type(getattr(env, "unwrapped", env)).__name__
            with self.explained():
                return GymnasiumEnv(self, env) if is_gymnasium(env) else PlainEnv(self, env)
        except BaseException:
            close_env(self.name, env)
            raise

    def batch(self, length: int) -> Batch:
        """Return a batch of `length` environments, each of which is made when its first episode begins."""
        return Batch(self, [None] * length)

    def retire(self) -> None:
        """Close the environments: those in use when their batches end, the others now."""
        self.pool.retire()

    def abandon(self) -> None:
        """Note that calls into the environments were left behind after Ctrl-C."""
        self.pool.abandon()

    def check_replay(self) -> str | None:
        """Play an episode again. Return a warning if it differs."""
        found = replay.difference(self)
        if found is None:
            return None
        return (
            f"{self.place()}: an episode that was played again with the same seed and actions differs: {found}. "
            "Runs with it do not repeat, and episodes under way begin afresh when a run is resumed. To avoid that, let "
            "all of its randomness come from the seed of reset()"
        )

    def view(self, env: EnvAdapter) -> tuple[Any, tuple[bool, ...] | None]:
        """Return the observation and the mask of an environment, to be compared with others."""
        seen, _ = Batch(self, [env]).observe([0])
        with self.explained(env):
            mask = env.read_mask()
        observation = tuple(seen[1]) if self.sparse else seen.tobytes()
        return observation, None if mask is None else tuple(map(bool, mask))

    def broken(self, source: str, expected: str, found: object) -> EnvError:
        """Return the error for an environment that cannot be read."""
        return self.misread(MisreadError(source, expected, found))

    def misread(self, error: MisreadError, env: EnvAdapter | None = None) -> EnvError:
        """Return the error for what an environment returned, with its name and the step of its episode."""
        return EnvError(f"{self.place(env)}: {error}")

    def explain(self, error: Exception, env: EnvAdapter | None = None) -> None:
        """Raise the error of what was misread; otherwise add the environment and the step to the exception."""
        if isinstance(error, MisreadError):
            raise self.misread(error, env) from error.__cause__
        known = any(note.startswith(_RAISED_IN) for note in getattr(error, "__notes__", ()))
        if not known and not isinstance(error, EnvError) and hasattr(error, "add_note"):
            error.add_note(f"{_RAISED_IN}{self.place(env)}")

    @contextmanager
    def explained(self, env: EnvAdapter | None = None) -> Iterator[None]:
        """Explain what an environment raises within the context."""
        try:
            yield
        except Exception as error:
            self.explain(error, env)
            raise

    def place(self, env: EnvAdapter | None = None) -> str:
        """Return the name of the environment and the step of an episode, for messages."""
        name = self.name if self.name.endswith(self._kind) else f"{self.name} ({self._kind})"
        step = "" if env is None else f", step {env.steps}" if env.steps else ", reset"
        return f"environment {name}{step}"

    def warn_of_difficulty(self, level: int) -> None:
        """Warn, once, that the environment cannot be given a difficulty."""
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{self.place()}: difficulty {level} is asked for (algorithm.learning.diff_start and diff_max, or an "
                "evaluation), but the environment has no attribute, method or argument of reset to set it; all "
                "episodes have the same difficulty",
                stacklevel=2,
            )


def _current(slots: list[int], rest: Iterator[int]) -> int:
    """Return the last of some slots that an iterator over them has returned."""
    return slots[len(slots) - len(list(rest)) - 1]


def _declared_limit(env: Any) -> int:
    """Return the longest episode of an environment by its Gymnasium spec, 0 if that does not tell."""
    steps = whole(getattr(getattr(env, "spec", None), "max_episode_steps", None))
    return 0 if steps is None else min(max(steps, 0), MAX_LIMIT)


def _is_endless(env: Any) -> bool:
    """Return True if the Gymnasium spec of an environment tells that no episode is limited."""
    return getattr(getattr(env, "spec", None), "max_episode_steps", 0) is None


class Batch:
    """A batch of environments, one per slot."""

    def __init__(self, problem: Problem, envs: list[EnvAdapter | None]) -> None:
        self._problem = problem
        # A slot is empty until an episode begins in it, or one is copied to it.
        self._envs: list[Any] = envs

    def begin(self, slot: int, difficulty: int | None, seed: int, state: list[float] | None) -> bool:
        """Begin an episode, and return True if it is already solved."""
        env = self._envs[slot]
        if env is None:
            env = self._envs[slot] = self._problem.pool.take()
        with self._problem.explained(env):
            solved: bool = env.begin(difficulty, seed, state)
        return solved

    def observe(self, slots: list[int]) -> tuple[Any, list[Any] | None]:
        """Return the observations of some slots, and their masks.

        Sparse observations are the lengths and the concatenated indices of their rows, dense ones an array
        `[slot, value]`. Masks are as the environments return them, one a slot: the caller checks the usual ones, and
        has `mask` read any other. There are None if the environments have none.
        """
        envs, slot = self._envs, 0
        try:
            if self._problem.sparse:
                lengths, indices = [], []
                for slot in slots:
                    env = envs[slot]
                    ones = env.observe()
                    if type(ones) is not list:
                        ones = env.encode(ones)
                    lengths.append(len(ones))
                    indices.extend(ones)
                return (lengths, indices), self._masks(slots)
            import numpy as np

            rows = np.empty((len(slots), envs[0].size if slots else 0), np.float32)
            for row, slot in zip(rows, slots, strict=True):
                row[:] = envs[slot].observe()
            return rows, self._masks(slots)
        except Exception as error:
            self._problem.explain(error, envs[slot])
            raise

    def _masks(self, slots: list[int]) -> list[Any] | None:
        """Return the masks of some slots as the environments return them; None if there are none."""
        envs, rest = self._envs, iter(slots)
        try:
            masks = [env.read_mask() if env.raw_mask is None else env.raw_mask() for env in map(envs.__getitem__, rest)]
        except Exception as error:
            self._problem.explain(error, envs[_current(slots, rest)])
            raise
        if self._problem.has_raw_masks:
            return masks
        if masks.count(None) == len(masks):
            return None
        everything = [True] * envs[slots[0]].mask_reader.width
        return [everything if mask is None else mask for mask in masks]

    def mask(self, slot: int, mask: Any) -> list[Any]:
        """Return the mask of a slot as zeros and ones, or raise the error that tells what is wrong with it."""
        env = self._envs[slot]
        with self._problem.explained(env):
            checked: list[Any] = env.check_mask(mask)
        return checked

    def reward(self, slot: int, reward: Any) -> float:
        """Return the reward of a slot as a number, or raise the error that tells what is wrong with it."""
        env = self._envs[slot]
        with self._problem.explained(env):
            number: float = env.read_reward(reward)
        return number

    def step(self, slots: list[int], actions: list[Any]) -> tuple[list[float], list[bool], list[bool], list[bool]]:
        """Step each slot, and return rewards, terminated, truncated and solved, each `[slot]`.

        The caller checks that rewards are numbers, and has `reward` read any others.
        """
        envs, rest = self._envs, iter(slots)
        try:
            outcomes = [envs[slot].move(action) for slot, action in zip(rest, actions, strict=True)]
        except Exception as error:
            self._problem.explain(error, envs[_current(slots, rest)])
            raise
        rewards, terminated, truncated, solved = zip(*outcomes, strict=True) if outcomes else ((), (), (), ())
        return list(rewards), list(terminated), list(truncated), list(solved)

    def reread(self, slots: list[int], lengths: list[int], indices: list[Any]) -> tuple[list[int], list[int]]:
        """Return the indices of some slots, checked one by one, or raise the error that tells what is wrong."""
        rows, first = [], 0
        for slot, length in zip(slots, lengths, strict=True):
            env = self._envs[slot]
            with self._problem.explained(env):
                rows.append(Indices(env.size)(indices[first : first + length]))
            first += length
        return [len(row) for row in rows], [index for row in rows for index in row]

    def not_finite(self, slot: int, position: int, value: float) -> None:
        """Raise the error for an observation of a slot that has a value which is not finite."""
        found = Text(f"{value} at position {position}")
        raise self._problem.misread(MisreadError("observation", "finite numbers", found), self._envs[slot])

    def state(self, slot: int) -> list[float]:
        """Return the state, or the history that leads to it."""
        env = self._envs[slot]
        with self._problem.explained(env):
            state: list[float] = env.state()
        return state

    def inverse_state(self, slot: int) -> list[float] | None:
        """Return the state of the inverse problem, None if there is none."""
        env = self._envs[slot]
        with self._problem.explained(env):
            state: list[float] | None = env.inverse_state()
        return state

    def invert_solution(self, slot: int, actions: list[int]) -> list[int] | None:
        """Return the actions that solve a slot, given those that solve its inverse problem."""
        env = self._envs[slot]
        with self._problem.explained(env):
            inverse: list[int] | None = env.invert_solution(actions)
        return inverse

    def copy(self, pairs: list[tuple[int, int]]) -> None:
        """Copy environments between slots, for each pair (origin, target)."""
        for origin, target in pairs:
            if origin != target:
                self._release(target)
                with self._problem.explained(self._envs[origin]):
                    self._envs[target] = self._problem.copying.copy(self._envs[origin])

    def duplicate(self) -> Batch:
        """Return a batch of copies."""
        twins: list[EnvAdapter | None] = []
        for env in self._envs:
            twin = None
            if env is not None:
                with self._problem.explained(env):
                    twin = self._problem.copying.copy(env)
                    twin.unshare()
            twins.append(twin)
        return Batch(self._problem, twins)

    def release(self) -> None:
        """Give the environments back. The batch is not used any more."""
        with ExitStack() as stack:  # all of them, whatever is raised
            for slot in range(len(self._envs)):
                stack.callback(self._release, slot)

    def close(self) -> None:
        """Close the environments, and raise what that raises. The batch is not used any more."""
        with ExitStack() as stack:  # all of them, whatever is raised
            for slot in range(len(self._envs)):
                stack.callback(self._close, slot)

    def _close(self, slot: int) -> None:
        env, self._envs[slot] = self._envs[slot], None
        if env is None or env.is_copy:
            if env is not None:
                self._problem.pool.give_back(env)
            return
        close = getattr(env.env, "close", None)
        if self._problem.pool.forget(env) and callable(close):
            with self._problem.explained(env):
                close()

    def _release(self, slot: int) -> None:
        env, self._envs[slot] = self._envs[slot], None
        if env is not None:
            self._problem.pool.give_back(env)

    def render(self, slot: int) -> str:
        """Return the state as text."""
        env = self._envs[slot]
        with self._problem.explained(env):
            text: str = env.render()
        return text
