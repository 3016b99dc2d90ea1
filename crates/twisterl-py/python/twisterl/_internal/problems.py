"""Problems to train on, in each form in which a user gives them: configs, names, classes, factories, environments."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisterl import _core
from twisterl._internal import arguments, environments, prototypes
from twisterl.errors import ConfigError, UsageError


def config_of(config: Any, env: Any) -> tuple[dict[str, Any], str]:
    """Return the config that the user gives, perhaps incomplete, and the name of its run.

    Args:
        config: a dict, the path of a JSON file, or what `env` may be.
        env: a name, an id of Gymnasium, a class, a factory, or an environment; None if `config` names it.
    """
    if env is None and config is None:
        raise UsageError("config: expected a config or an environment, found neither")
    if env is None and not isinstance(config, Mapping) and not _is_file(config):
        config, env = None, config
    given, name = ({}, "") if config is None else _read(config)
    if env is None:
        return given, name
    found = env if isinstance(env, str) else _registered(env)
    return {**given, "env_cls": found}, name or found.rpartition(".")[2].strip("<>")


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
    return Path(config).suffix == ".json" or "/" in config or os.sep in config or Path(config).exists()


def _read(config: Any) -> tuple[dict[str, Any], str]:
    if isinstance(config, Mapping):
        return dict(config), "run"
    if isinstance(config, (str, os.PathLike)):
        file = arguments.path("config", config)
        return read_json(file), file.stem
    raise ConfigError(f"config: expected a dict or the path of a JSON file, found {type(config).__name__}")


def _registered(env: Any) -> str:
    """Return the name under which a class, a factory or an environment is registered from now on."""
    if callable(env) and (isinstance(env, type) or not hasattr(env, "step")):
        if isinstance(env, type) and not environments.is_environment(env):
            raise UsageError(f"env: expected a class with the methods reset and step, found {env.__name__}")
        name, factory = environments.path_of(env), env
    elif callable(getattr(env, "reset", None)) and callable(getattr(env, "step", getattr(env, "next", None))):
        name, factory = environments.path_of(type(env)), prototypes.Copies(env)
    else:
        raise UsageError(
            f"env: expected the name of an environment, a class, a function that makes one, or an environment, "
            f"found {type(env).__name__}"
        )
    environments.register(name, factory)
    return name
