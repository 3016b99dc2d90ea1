"""Reinforcement learning for problems where a short sequence of moves must be found fast.

    >>> import twisterl
    >>> run = twisterl.train("examples/ppo_puzzle8_v1.json")
    >>> run.policy.solve([8, 7, 5, 3, 2, 0, 4, 6, 1])

Everything that takes time runs in Rust. Heavy modules are imported on first use.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
from typing import TYPE_CHECKING, Any

from twisterl._core import __version__, forget_locks
from twisterl._internal import errors
from twisterl._internal.errors import (
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
    WorkerError,
)
from twisterl._internal.peer import defaults

if TYPE_CHECKING:
    from twisterl._internal.bundles.agent import Agent
    from twisterl._internal.bundles.bundle import bundle
    from twisterl._internal.environments import register
    from twisterl._internal.processes import spread as spread
    from twisterl.envs import CheckReport, Env, check_env, make
    from twisterl.policy import Policy, Solution, load_policy
    from twisterl.run import Run, load_run, resume, train

__all__ = [
    "ActionError",
    "Agent",
    "CheckReport",
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
    "WorkerError",
    "__version__",
    "bundle",
    "check_env",
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
    "Agent": "_internal.bundles.agent",
    "bundle": "_internal.bundles.bundle",
    "CheckReport": "envs",
    "Env": "envs",
    "check_env": "envs",
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
_MODULES = {
    "defaults",
    "envs",
    "errors",
    "gym",
    "nn",
    "plotting",
    "policy",
    "quantum",
    "rl",
    "run",
    "train",
    "twisterl",
    "utils",
}
# Modules whose files are elsewhere, and imported on first use.
_ELSEWHERE = {"spread": "_internal.processes.spread"}


class _Compiled(types.ModuleType):
    """The name of the compiled module of the PyPI package, with what scripts use of it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module("twisterl._internal.peer.native"), name)

    def __dir__(self) -> list[str]:
        return ["collector", "env", "nn"]


# Modules whose files are elsewhere.
sys.modules["twisterl.errors"] = errors
sys.modules["twisterl.defaults"] = defaults
sys.modules["twisterl.twisterl"] = _Compiled("twisterl.twisterl", "The submodules `nn`, `env` and `collector`.")


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        found = getattr(importlib.import_module(f"twisterl.{_HOMES[name]}"), name)
        globals()[name] = found
        return found
    if name in _MODULES:
        return importlib.import_module(f"twisterl.{name}")
    if name in _ELSEWHERE:
        return importlib.import_module(f"twisterl.{_ELSEWHERE[name]}")
    raise AttributeError(f"module 'twisterl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES, *_ELSEWHERE})
