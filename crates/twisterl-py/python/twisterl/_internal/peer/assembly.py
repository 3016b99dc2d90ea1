"""Algorithms from configs of the PyPI package, class by class as they are named in it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from twisterl import _core, envs, rl
from twisterl._internal import environments
from twisterl._internal.peer.tensors import handed_out
from twisterl.errors import ConfigError
from twisterl.nn.policy import BasicPolicy


def algorithm_of(config: Mapping[str, Any], run_path: Any, load_checkpoint_path: Any) -> Any:
    """Return the algorithm of a config, with its environment and its policy.

    If the config names the classes of the policy and of the algorithm by paths, as the PyPI package requires, they are
    looked up, and objects of them are made. Otherwise, it is a config of this package.
    """
    if not isinstance(config, Mapping):
        raise ConfigError(f"config: expected a dict, found {type(config).__name__}")
    algorithm = _class(config, "algorithm_cls", rl.CLASSES, rl.Algorithm)
    policy = _class(config, "policy_cls", {}, BasicPolicy)
    if policy is None or (algorithm not in (rl.PPO, rl.AZ) and not issubclass(algorithm, (rl.PPO, rl.AZ))):
        return algorithm(dict(config), run_path, load_checkpoint_path)
    env = _environment(config)
    if not _has_one_choice(env):
        return algorithm(dict(config), run_path, load_checkpoint_path)
    obs_perms, act_perms = env.twists() if callable(getattr(env, "twists", None)) else ([], [])
    made = policy(
        env.obs_shape(),
        env.num_actions(),
        **{"embedding_size": 512, **config.get("policy", {})},
        obs_perms=obs_perms,
        act_perms=act_perms,
        seed=config.get("seed", 0),
    )
    if load_checkpoint_path is not None:
        tensors = _core.read_tensors(load_checkpoint_path)
        made.load_state_dict({name: handed_out(values) for name, values in tensors.items()})
    return algorithm._of_parts(env, made, config, run_path)


def _class(config: Mapping[str, Any], key: str, known: Mapping[str, type], base: type) -> Any:
    """Return the class that a config names by its path, or else by one of the known names."""
    name = config.get(key)
    path, _, short = str(name).rpartition(".")
    if not path:
        if not known:
            return None
        if name is not None and name not in known:
            raise ConfigError(f"{key}: expected one of {', '.join(known)}, found {name!r:.100}")
        return known["PPO" if name is None else str(name)]
    try:
        found = getattr(importlib.import_module(path), short)
    except (ImportError, AttributeError) as error:
        names = ", ".join(known) if known else "twisterl.nn.BasicPolicy or twisterl.nn.Conv1dPolicy"
        raise ConfigError(f"{key}: expected one of {names}, found {name!r:.100} ({error})") from error
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ConfigError(
            f"{key}: expected {base.__name__} or a class derived from it, found {name!r:.100} (classes of PyTorch "
            "cannot be used, since networks and gradients are those of the trainer)"
        )
    return found


def _environment(config: Mapping[str, Any]) -> Any:
    """Return the environment of a config: an object of its class."""
    name, params = config.get("env_cls"), dict(config.get("env", {}))
    if not isinstance(name, str) or not name:
        raise ConfigError(f"env_cls: expected the name of an environment, found {name!r:.100}")
    module, _, short = name.rpartition(".")
    ours = not module or module.partition(".")[0] == "twisterl"
    if ours and short == "PyEnv":
        return envs.PyEnv(**params)
    if name not in environments._registered and (ours or not environments._exists(module)):
        return envs.make(short, config.get("seed", 0), **params)
    factory = environments._registered.get(name) or getattr(importlib.import_module(module), short, None)
    if factory is None:
        raise ConfigError(f"env_cls: expected a class, found nothing at {name}")
    return factory(**params)


def _has_one_choice(env: Any) -> bool:
    """Return True for an environment with the methods of the PyPI package whose actions are one choice."""
    if isinstance(env, _core.EnvBatch):
        components = env.action_components
        return len(components) == 1 and components[0][0] > 0 and not components[0][3]
    return callable(getattr(env, "obs_shape", None)) and callable(getattr(env, "num_actions", None))
