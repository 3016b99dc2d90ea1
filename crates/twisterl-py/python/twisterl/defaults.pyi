"""The default configs of the PyPI package; the module is `twisterl._internal.peer.defaults`."""

from twisterl._internal.peer.defaults import (
    ALGO_CONFIG,
    AZ_CONFIG,
    BASE_EVAL_CONFIG,
    EVALS_CONFIG,
    LEARNING_CONFIG,
    LOGGING_CONFIG,
    POLICY_CONFIG,
    PPO_CONFIG,
    make_config,
)

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
