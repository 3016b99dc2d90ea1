"""Problems to train on, in each form in which a user gives them: configs, names, classes, factories, environments."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisterl import _core
from twisterl._internal import arguments, environments, prototypes
from twisterl._internal.adapter import vectors
from twisterl._internal.adapter.reading.misread import MisreadError
from twisterl.errors import ConfigError, UsageError


def config_of(config: Any, env: Any) -> tuple[dict[str, Any], str]:
    """Return the config that the user gives, perhaps incomplete, and the name of its run.

    Args:
        config: a dict, the path of a JSON file, or what `env` may be.
        env: a name, an id of Gymnasium, a class, a factory, or an environment; None if `config` names it.
    """
    if isinstance(config, os.PathLike) and environments.is_plugin(os.fspath(config)):
        config = os.fspath(config)
    if env is None and config is None:
        raise ConfigError("config: expected a config or an environment, found neither")
    if env is None and not isinstance(config, Mapping) and not _is_file(config):
        if not isinstance(config, str) and not callable(config) and not hasattr(config, "reset"):
            expected = "a dict, the path of a JSON file, or an environment by its name, class, factory or as an object"
            raise ConfigError(f"config: expected {expected}, found {type(config).__name__} {config!r:.60}")
        config, env = None, config
    given, name = ({}, "") if config is None else _read(config)
    if env is None:
        environments.forget_object(str(given.get("env_cls")))
        return given, name
    entry, short = _entry(env)
    return {**given, **entry}, name or short


def read_json(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file."""
    found: dict[str, Any] = json.loads(_core.read_config(file))
    return found


def file_of(config: Any) -> Path | None:
    """Return the file that a config comes from; None for one that is not in a file."""
    return Path(config) if not isinstance(config, Mapping) and _is_file(config) else None


def _is_file(config: Any) -> bool:
    """Return True for a path; a text is one unless it can only be the name of an environment."""
    if not isinstance(config, str):
        return isinstance(config, os.PathLike)
    if environments.is_plugin(config):
        return False
    if Path(config).exists():
        return True
    return Path(config).suffix == ".json" or (os.sep in config and not environments.is_gymnasium_id(config))


def _read(config: Any) -> tuple[dict[str, Any], str]:
    if isinstance(config, Mapping):
        return dict(config), "run"
    if isinstance(config, (str, os.PathLike)):
        file = arguments.path("config", config)
        return read_json(file), file.stem
    raise ConfigError(f"config: expected a dict or the path of a JSON file, found {type(config).__name__}")


def _entry(env: Any) -> tuple[dict[str, Any], str]:
    """Return the fields of a config that name an environment, which is registered if need be, and a short name."""
    if isinstance(env, str) and environments.is_plugin(env):
        return {"env_cls": env}, Path(env.removeprefix("wasm:")).stem
    if isinstance(env, str):
        environments.forget_object(env)
        return {"env_cls": env}, env.rpartition("/")[2].rpartition(".")[2]
    if isinstance(env, type) and not environments.is_environment(env):
        raise UsageError(f"env: expected a class with the methods reset and step, found {env.__name__}")
    if callable(env) and (isinstance(env, type) or not hasattr(env, "step")):
        name, factory = environments.path_of(env), env
    elif vectors.is_vector(env):
        name, factory = environments.path_of(type(env)), _sub_environments(env)
    elif callable(getattr(env, "reset", None)) and callable(getattr(env, "step", getattr(env, "next", None))):
        made = _by_gymnasium(env)
        if made is not None:
            return {"env_cls": "gymnasium.make", "env": made}, made["id"].rpartition("/")[2]
        name = environments.path_of(type(env))
        environments.register_object(name, prototypes.Copies(env))
        return {"env_cls": name}, type(env).__name__
    else:
        expected = "the name of an environment, a class, a function that makes one, or an environment"
        raise UsageError(f"env: expected {expected}, found {type(env).__name__} {env!r:.60}")
    environments.register(name, factory)
    return {"env_cls": name}, name.rpartition(".")[2].strip("<>")


def _sub_environments(env: Any) -> vectors.SubEnvironments:
    try:
        return vectors.SubEnvironments(env)
    except MisreadError as error:
        raise UsageError(f"env: {error}") from error


def _by_gymnasium(env: Any) -> dict[str, Any] | None:
    """Return the arguments with which `gymnasium.make` makes such an environment, None if it takes more than them."""
    gymnasium = sys.modules.get("gymnasium")
    spec = getattr(env, "spec", None)
    if gymnasium is None or spec is None or not isinstance(env, gymnasium.Env):
        return None
    usual = gymnasium.registry.get(spec.id)
    if usual is None or spec.additional_wrappers or spec.vector_entry_point != usual.vector_entry_point:
        return None
    given: dict[str, Any] = {"id": spec.id, **(spec.kwargs or {})}
    if spec.max_episode_steps != usual.max_episode_steps:
        given["max_episode_steps"] = spec.max_episode_steps
    try:
        json.dumps(given)
    except (TypeError, ValueError):
        return None
    return given
