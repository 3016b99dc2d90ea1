"""Reinforcement learning for problems where a short sequence of moves must be found fast.

    >>> import twisterl
    >>> run = twisterl.train("examples/ppo_puzzle8_v1.json")
    >>> run.policy.solve([8, 7, 5, 3, 2, 0, 4, 6, 1])

Everything that takes time runs in Rust. Heavy modules are imported on first use.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from twisterl._core import __version__, forget_locks
from twisterl.errors import (
    ActionError,
    CheckpointError,
    ConfigError,
    DivergedError,
    EnvError,
    FileError,
    MissingError,
    ObservationError,
    StateError,
    TwisteRLError,
    UnknownEnvError,
    UsageError,
)

if TYPE_CHECKING:
    from twisterl._internal.environments import register
    from twisterl.envs import Env, make
    from twisterl.policy import Policy, Solution, load_policy
    from twisterl.run import Run, load_run, resume, train

__all__ = [
    "ActionError",
    "CheckpointError",
    "ConfigError",
    "DivergedError",
    "Env",
    "EnvError",
    "FileError",
    "MissingError",
    "ObservationError",
    "Policy",
    "Run",
    "Solution",
    "StateError",
    "TwisteRLError",
    "UnknownEnvError",
    "UsageError",
    "__version__",
    "load_policy",
    "load_run",
    "make",
    "register",
    "resume",
    "train",
]

# Processes that an environment forks would hold a run's lock for as long as they live.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_locks)

_HOMES = {
    "Env": "envs",
    "make": "envs",
    "Policy": "policy",
    "Solution": "policy",
    "load_policy": "policy",
    "Run": "run",
    "load_run": "run",
    "register": "_internal.environments",
    "resume": "run",
}
# `train` is a callable module, because the PyPI package has a module of this name.
_MODULES = {"envs", "errors", "gym", "nn", "plotting", "policy", "rl", "run", "train", "utils"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        found = getattr(importlib.import_module(f"twisterl.{_HOMES[name]}"), name)
        globals()[name] = found
        return found
    if name in _MODULES:
        return importlib.import_module(f"twisterl.{name}")
    raise AttributeError(f"module 'twisterl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
