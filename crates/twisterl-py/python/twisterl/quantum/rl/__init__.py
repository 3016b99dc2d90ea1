"""`RLSynthesis` and its configs, with the interface of `qiskit-gym`."""

from twisterl.quantum.rl.configs import (
    ALGORITHMS,
    POLICIES,
    AlphaZeroConfig,
    BasicPolicyConfig,
    Conv1dPolicyConfig,
    PPOConfig,
)
from twisterl.quantum.rl.synthesis import RLSynthesis

__all__ = [
    "ALGORITHMS",
    "POLICIES",
    "AlphaZeroConfig",
    "BasicPolicyConfig",
    "Conv1dPolicyConfig",
    "PPOConfig",
    "RLSynthesis",
]
