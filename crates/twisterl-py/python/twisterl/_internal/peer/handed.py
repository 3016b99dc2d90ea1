"""Environments that scripts hand over as objects, as the trainer needs them: a name, parameters, and a factory."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from twisterl import _core
from twisterl._internal.adapter.reading.difficulty import own
from twisterl._internal.environments import path_of
from twisterl._internal.prototypes import Copies, duplicate
from twisterl._internal.written import written
from twisterl.errors import UsageError


class Handed:
    """An environment object.

    Attributes:
        env: the object.
        entry: `env_cls` and `env`, as in a config.
    """

    def __init__(self, env: Any, whole: Mapping[str, Any] | None = None) -> None:
        """Take an environment over.

        Args:
            env: the object, which is left alone: the trainer plays copies of it, or others of its kind.
            whole: the config of which the object was made, if any.
        """
        self.env = env
        self.by_name = whole is not None or isinstance(env, _core.EnvBatch)
        if whole is not None:
            self.entry = {"env_cls": whole["env_cls"], "env": whole.get("env", {})}
        elif isinstance(env, _core.EnvBatch):
            self.entry = {"env_cls": env.spec.env_cls, "env": json.loads(env.spec.params_json)}
        elif callable(getattr(env, "num_actions", None)) or hasattr(env, "action_space"):
            self.entry = {"env_cls": path_of(type(env)), "env": {}}
        else:
            expected = "an environment with the methods of twisterl or Gymnasium"
            raise UsageError(f"env: expected {expected}, found {type(env).__name__}")

    def factory(self) -> Callable[..., Any] | None:
        """Return a function that makes such environments; None if the entry says enough."""
        if isinstance(self.env, _core.EnvBatch):
            made = self.env.spec.__reduce__()[1][0]
            return made if callable(made) else None
        return None if self.by_name else Copies(self.env)

    def spec(self) -> _core.EnvSpec:
        """Return the environment as the trainer has it."""
        if isinstance(self.env, _core.EnvBatch):
            return self.env.spec
        env = Copies(self.env) if not self.by_name else self.entry["env_cls"]
        return _core.EnvSpec(env, written(self.entry["env"]))

    @property
    def difficulty(self) -> int | None:
        """The difficulty that the object has; None if it has none."""
        return own(self.env)

    @difficulty.setter
    def difficulty(self, value: int) -> None:
        found = own(self.env)
        if found is None or found == value:
            return
        method = getattr(self.env, "set_difficulty", None)
        if callable(method):
            method(value)
        else:
            self.env.difficulty = value


class FromHere(Copies):
    """A factory of environments whose resets lead to where an environment is now."""

    def __call__(self, **_: Any) -> Any:
        """Return a copy that stays where it is when it is reset."""
        if hasattr(type(self._prototype), "__twisterl_here__"):
            return self._prototype.__twisterl_here__()
        return _Paused(self._prototype)


class _Paused:
    """An environment that a reset takes back to its state at the beginning."""

    def __init__(self, env: Any) -> None:
        self._env = env
        self.env = duplicate(env)

    def reset(self, **_: Any) -> Any:
        self.env = duplicate(self._env)

    def copy(self) -> _Paused:
        made = _Paused.__new__(_Paused)
        made._env, made.env = self._env, duplicate(self.env)
        return made

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in _HIDDEN:
            raise AttributeError(name)
        found = getattr(self.env, name)
        if not callable(found):
            return found
        # A reset replaces the environment below.
        return lambda *args, **kwargs: getattr(self.env, name)(*args, **kwargs)


# Other ways to begin an episode or to copy, and the interface of Gymnasium, whose resets return an observation.
_HIDDEN = {
    "_env",
    "env",
    "clone",
    "difficulty",
    "get_difficulty",
    "set_difficulty",
    "get_state",
    "set_state",
    "observation_space",
    "action_space",
    "unwrapped",
}
