"""Vector environments of Gymnasium, whose sub-environments are used one by one.

Episodes begin when the trainer asks for them, each with its seed, so that no autoreset mode is needed; the last
observation of an episode is its own, never that of the next one. Sub-environments that a vector environment makes by
functions (`SyncVectorEnv`, `AsyncVectorEnv`) are made by these. Any other vector environment is made with one
sub-environment each time, and its mode decides where the last observation is.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Sequence
from typing import Any

from twisterl._internal.adapter.reading.misread import MisreadError, Text
from twisterl._internal.adapter.reading.parameters import parameters_of

_ADVICE = (
    "give a function with the argument num_envs, which is called with num_envs=1, or the class or id of a single "
    "environment; algorithm.collecting.num_envs sets their number"
)


def is_vector(env: Any) -> bool:
    """Return True for a vector environment of Gymnasium."""
    gymnasium = sys.modules.get("gymnasium")
    return gymnasium is not None and isinstance(env, gymnasium.vector.VectorEnv)


def asks_for_number(make: Callable[..., Any]) -> bool:
    """Return True for a function that needs an argument `num_envs`, and will return a vector environment of so many."""
    return any(p.name == "num_envs" and p.default is p.empty for p in parameters_of(make) or ())


class SubEnvironments:
    """A factory of single environments: the sub-environments of a vector environment.

    The vector environment itself is closed.
    """

    def __init__(self, env: Any, make: Callable[..., Any] | None = None) -> None:
        """Take the sub-environments of `env`, which `make` made, if it is known.

        Raises:
            MisreadError: they cannot be used one by one.
        """
        self._functions = _functions(env, make)
        self._made = 0
        self.__module__, self.__qualname__ = type(env).__module__, type(env).__qualname__
        env.close()

    def __call__(self, **_: Any) -> Any:
        """Return the next sub-environment."""
        made = self._functions[self._made % len(self._functions)]()
        self._made += 1
        return made


def _functions(env: Any, make: Callable[..., Any] | None) -> Sequence[Callable[[], Any]]:
    """Return functions that make sub-environments."""
    from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv

    if type(env) in (SyncVectorEnv, AsyncVectorEnv):
        return list(env.env_fns)
    remade = _remaker(env, make)
    if remade is None:
        found = Text(f"vector environment {type(env).__name__} of {env.num_envs}")
        raise MisreadError("environment", "one whose sub-environments can be made one by one", found, _ADVICE)
    return [_Single(remade)]


class _Single:
    """Makes vector environments of one sub-environment, as single environments."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __call__(self) -> Any:
        from twisterl._internal.adapter.vectors.single import SingleEnv

        env = self._make()
        if not is_vector(env) or env.num_envs != 1:
            found = Text(f"{type(env).__name__} of {getattr(env, 'num_envs', '?')}")
            raise MisreadError("environment", "a vector environment of one, since num_envs=1 was given", found)
        return SingleEnv(env)


class _Call:
    """A call with one sub-environment."""

    def __init__(self, make: Callable[..., Any], *given: Any) -> None:
        self._make, self._given = make, given

    def __call__(self) -> Any:
        return self._make(*self._given, num_envs=1)


def _remaker(env: Any, make: Callable[..., Any] | None) -> Callable[[], Any] | None:
    """Return a function that makes such a vector environment with one sub-environment, None if there is none."""
    import gymnasium

    if make is not None:
        parameters = parameters_of(make) or []
        if any(p.name == "num_envs" or p.kind is p.VAR_KEYWORD for p in parameters):
            return _Call(make)
    spec = env.spec
    if isinstance(env, gymnasium.vector.VectorWrapper) or spec is None or spec.id not in gymnasium.registry:
        return None
    if spec.vector_entry_point != gymnasium.registry[spec.id].vector_entry_point:
        return None
    spec = copy.deepcopy(spec)
    spec.kwargs["num_envs"] = 1  # which goes before the argument
    return _Call(gymnasium.make_vec, spec)
