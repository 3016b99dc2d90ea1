"""Copies of environments, for tree search and for users.

Not every way of copying works for every environment, or gives independent copies. The first copy of an environment
tries them in order: its methods `clone`, `copy` and `__copy__`, then `copy.deepcopy`, then another environment that
plays the same episode. The first one is taken whose copies look like the original, do the same, and leave the original
alone.
"""

from __future__ import annotations

import copy
import sys
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisterl._internal.adapter.episodes.randomness import restored, seeded
from twisterl._internal.adapter.episodes.replay import Episode, compare, play
from twisterl.errors import EnvError

if TYPE_CHECKING:
    from types import FrameType

    from twisterl._internal.adapter.env_adapter import EnvAdapter
    from twisterl._internal.adapter.problem import Problem

_REPLAY = "playing the episode again"
# Episodes in which copies are compared with each other, and the most steps of each.
_ROUNDS, _STEPS = 8, 8


class Copying:
    """Copies the environments of a problem."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._way: _Way | None = None
        self._finding = threading.RLock()

    def copy(self, env: EnvAdapter) -> EnvAdapter:
        """Return an independent copy at the same point of the episode.

        Raises:
            EnvError: the environment cannot be copied.
        """
        way = self._way
        if way is None:
            with self._finding:
                way = self._way = self._way or self._find(env)
        return way.copy(env)

    def _find(self, env: EnvAdapter) -> _Way:
        """Return the first way that works, tried with another environment at the start of the same episode."""
        failures: dict[str, str] = {}
        # A way whose copies are independent but differ, as those of an environment with randomness of its own do.
        loose: _Way | None = None
        trial = self._problem.pool.take()
        try:
            for way in self._ways(trial):
                trial.replay(env.start())
                try:
                    failure = self._failure(way, trial)
                except _NoCopyError:
                    continue
                except _OtherStartError:
                    failure = _OTHER_START
                except EnvError:
                    if isinstance(way, _Replay):
                        raise  # it is not the copy that cannot be read
                    failure = "a copy cannot be read"
                except Exception as error:
                    failure = f"{type(error).__name__}: {error}"
                if failure is None:
                    self._warn(way, failures)
                    return way
                failures[way.name] = failure
                if failure is _DIFFERENT and way.name not in ("__copy__()", _REPLAY):
                    loose = loose or way
        finally:
            self._problem.pool.give_back(trial)
        if loose is not None:
            return loose
        raise EnvError(
            f"{self._problem.place()}: expected one that can be copied, as tree search requires, found none of these "
            f"ways to work: {_listed(failures)}. Give {type(_base(trial.env)).__name__} a method clone() that "
            "returns an independent copy, or let all of its randomness come from the seed of reset()"
        )

    def _ways(self, env: EnvAdapter) -> list[_Way]:
        base = _base(env.env)
        names = [name for name in ("clone", "copy") if callable(getattr(base, name, None))]
        names += ["__copy__"] if hasattr(type(base), "__copy__") else []
        ways = [_Way(f"{name}()", _by_method(name)) for name in names]
        return [*ways, _Way("copy.deepcopy", copy.deepcopy), _Replay(self._problem)]

    def _failure(self, way: _Way, env: EnvAdapter) -> str | None:
        """Return what is wrong with the copies of an environment that are made in this way."""
        problem = self._problem
        before = problem.view(env)
        copies = [way.first_copy(env)]
        try:
            if problem.view(env) != before:
                return _DIFFERENT  # observations that change by themselves tell nothing
            if problem.view(copies[0]) != before:
                return "a copy shows another observation than its original"
            if env.is_over():
                return None
            for seed in range(_ROUNDS):
                first = self._played(copies[-1], seed)
                if problem.view(env) != before:
                    return "stepping a copy changes its original"
                copies.append(way.copy(env))
                second = self._played(copies[-1], seed, first)
                copies.append(way.copy(env))
                if compare(first, second) is not None:
                    return _DIFFERENT
            return None
        finally:
            for twin in copies:
                problem.pool.give_back(twin)

    def _played(self, env: EnvAdapter, seed: int, like: Episode | None = None) -> Episode:
        """Play some steps, with the same randomness outside of the environment each time."""
        with restored(), seeded(seed):
            return play(self._problem, env, False, seed, None if like is None else like.actions, _STEPS)

    def _warn(self, way: _Way, failures: dict[str, str]) -> None:
        if isinstance(way, _Replay):
            text = (
                f"cannot be copied ({_listed(failures)}), so that tree search plays its episodes again for every copy, "
                "which takes long; a method clone() that returns an independent copy avoids that"
            )
        elif failures:
            text = f"is copied by {way.name}, since its own way does not work ({_listed(failures)})"
        else:
            return
        warnings.warn(f"{self._problem.place()} {text}", stacklevel=2)


_OTHER_START = "its resets cannot be repeated, and set_state does not lead to the start of the episode"
_DIFFERENT = "two copies do not do the same, or they share what they change"


class _NoCopyError(Exception):
    """A method of this name does something else than copying."""


class _OtherStartError(EnvError):
    """An episode cannot be begun again."""


class _Way:
    """A way of copying.

    Attributes:
        name: its name in messages.
    """

    def __init__(self, name: str, duplicate: Callable[[Any], Any]) -> None:
        self.name = name
        self._duplicate = duplicate
        self._owns_resources = False

    def copy(self, env: EnvAdapter) -> EnvAdapter:
        """Return a copy."""
        twin = env.twin(self._duplicate(env.env))
        twin.is_copy, twin.owns_resources = True, self._owns_resources
        return twin

    def first_copy(self, env: EnvAdapter) -> EnvAdapter:
        """Return a copy, and note whether it has resources of its own: whether copying runs the constructor."""
        built: set[int] = set()

        def look(frame: FrameType, event: str, _: Any) -> None:
            code = frame.f_code
            if event == "call" and code.co_name == "__init__" and code.co_argcount:
                built.add(id(frame.f_locals.get(code.co_varnames[0])))

        profile = sys.getprofile()
        sys.setprofile(look)
        try:
            twin = self.copy(env)
        finally:
            sys.setprofile(profile)
        copied, original = _base(twin.env), _base(env.env)
        twin.owns_resources = self._owns_resources = id(copied) in built and not _share(copied, original)
        return twin


class _Replay(_Way):
    """Another environment that plays the same episode: of those that the factory makes."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(_REPLAY, lambda _: None)
        self._repeats: bool | None = None
        self._problem = problem

    def copy(self, env: EnvAdapter) -> EnvAdapter:
        twin = self._problem.pool.take()
        twin.replay(env.start())
        known = env.start_states()
        if known and not self._resets_repeat(twin, env) and not any(_begins_at(twin, state, env) for state in known):
            self._problem.pool.give_back(twin)
            raise _OtherStartError(f"{self._problem.place()}: {_REPLAY}: {_OTHER_START}")
        twin.go_on_like(env)
        return twin

    first_copy = copy

    def _resets_repeat(self, twin: EnvAdapter, env: EnvAdapter) -> bool:
        """Return True if a reset with the seed of an episode leads to its start: found out by several of them."""
        if self._repeats is None:
            begun = []
            for _ in range(_ROUNDS):
                begun.append(twin.begins_like(env))
                twin.replay(env.start())
            self._repeats = all(begun)
        return self._repeats


def _begins_at(twin: EnvAdapter, state: list[float], env: EnvAdapter) -> bool:
    """Begin an episode at a state. Return True if it begins like that of the other environment."""
    try:
        twin.begin(None, 0, state)
        return twin.begins_like(env)
    except Exception:  # of a state that it cannot take
        return False
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of an extension written in Rust
            raise
        return False


def _by_method(name: str) -> Callable[[Any], Any]:
    """Return the function that copies an environment by this method, with the wrappers around it."""

    def duplicate(env: Any) -> Any:
        base = _base(env)
        twin = getattr(base, name)()
        if twin is base or type(twin) is not type(base):
            raise _NoCopyError
        return twin if base is env else copy.deepcopy(env, {id(base): twin})

    return duplicate


def _base(env: Any) -> Any:
    """Return the environment below its wrappers."""
    return getattr(env, "unwrapped", env)


def _share(copied: Any, original: Any) -> bool:
    """Return True if a copy has something that can be closed in common with its original."""
    theirs = getattr(original, "__dict__", {})
    return any(
        theirs.get(name) is value and any(callable(getattr(value, method, None)) for method in ("close", "release"))
        for name, value in getattr(copied, "__dict__", {}).items()
        if not isinstance(value, type)
    )


def _listed(failures: dict[str, str]) -> str:
    return "; ".join(f"{name}: {failure}" for name, failure in failures.items())
