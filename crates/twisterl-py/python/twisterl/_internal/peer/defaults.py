"""The default configs of the PyPI package `twisterl`, under the same names."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from twisterl._internal.errors import ConfigError

__all__ = [
    "ALGO_CONFIG",
    "AZ_CONFIG",
    "BASE_EVAL_CONFIG",
    "EVALS_CONFIG",
    "LEARNING_CONFIG",
    "LOGGING_CONFIG",
    "POLICY_CONFIG",
    "PPO_CONFIG",
    "make_config",
]

_Config = dict[str, Any]

POLICY_CONFIG: _Config = {"embedding_size": 512, "common_layers": [256], "policy_layers": [], "value_layers": []}

BASE_EVAL_CONFIG: _Config = {
    "num_episodes": 100,
    "deterministic": True,
    "num_searches": 1,
    "num_mcts_searches": 0,
    "seed": 0,
    "num_cores": 32,
    "C": 1.41,
    "max_expand_depth": 1,
}

EVALS_CONFIG: dict[str, _Config] = {
    "ppo_deterministic": {"deterministic": True, "num_searches": 1},
    "ppo_1": {"deterministic": False, "num_searches": 1},
    "ppo_10": {"deterministic": False, "num_searches": 10},
    "mcts_100": {"deterministic": True, "num_searches": 1, "num_mcts_searches": 100},
}

_OPTIMIZER: _Config = {"lr": 0.0003}

PPO_CONFIG: dict[str, _Config] = {
    "collecting": {"num_cores": 32, "num_episodes": 16384, "lambda": 0.995, "gamma": 0.995},
    "training": {
        "num_epochs": 10,
        "vf_coef": 0.8,
        "ent_coef": 0.01,
        "clip_ratio": 0.1,
        "normalize_advantage": False,
    },
    "optimizer": dict(_OPTIMIZER),
}

AZ_CONFIG: dict[str, _Config] = {
    "collecting": {
        "num_cores": 32,
        "num_episodes": 512,
        "num_mcts_searches": 1000,
        "C": 1.41,
        "max_expand_depth": 1,
        "seed": 123,
    },
    "training": {"num_epochs": 10},
    "optimizer": dict(_OPTIMIZER),
}

ALGO_CONFIG: dict[str, dict[str, _Config]] = {"PPO": PPO_CONFIG, "AZ": AZ_CONFIG}

LEARNING_CONFIG: _Config = {"diff_threshold": 0.85, "diff_metric": "ppo_deterministic"}

LOGGING_CONFIG: _Config = {"log_freq": 1, "checkpoint_freq": 10}


def make_config(algo_name: str, input_config: Mapping[str, Any]) -> _Config:
    """Return the section `algorithm` of a config with the defaults of the PyPI package.

    A section that is given replaces the whole default one; only the entries of `evals` are completed field by field.

    Args:
        algo_name: "PPO" or "AZ".
        input_config: the sections that differ.

    Raises:
        ConfigError: there are no defaults for the algorithm. It is a `ValueError`.
    """
    if algo_name not in ALGO_CONFIG:
        raise ConfigError(f"algo_name: expected one of {', '.join(ALGO_CONFIG)}, found {algo_name!r:.100}")
    config: _Config = {
        "device": "cpu",
        "policy": POLICY_CONFIG,
        "evals": EVALS_CONFIG,
        "learning": LEARNING_CONFIG,
        "logging": LOGGING_CONFIG,
        **ALGO_CONFIG[algo_name],
        **input_config,
    }
    config = copy.deepcopy(config)
    config["evals"] = {name: {**BASE_EVAL_CONFIG, **entry} for name, entry in config["evals"].items()}
    return config
