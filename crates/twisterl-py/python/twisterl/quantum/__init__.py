"""Quantum circuits for Qiskit: synthesis by trained policies, alone or in Qiskit's compiler.

    >>> from twisterl.quantum import RLSynthesis
    >>> synthesis = RLSynthesis.from_config_json("perm_square_3x3.json", "perm_square_3x3.pt")
    >>> circuit = synthesis.synth([8, 7, 6, 5, 4, 3, 2, 1, 0])

It needs the extra `[qiskit]`, which is imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisterl.quantum.circuits import circuit_of, gates_of, two_qubit_count
    from twisterl.quantum.compiler.passes import ResynthesizeBlocks
    from twisterl.quantum.compiler.routing.passes import RouteByModels
    from twisterl.quantum.coupling import Coupling, coupling_of
    from twisterl.quantum.envs.synthesis import CliffordGym, LinearFunctionGym, PauliGym, PermutationGym
    from twisterl.quantum.models.library import Library
    from twisterl.quantum.models.model import Model, load_model
    from twisterl.quantum.models.training import train_model
    from twisterl.quantum.pauli import Network, network_of
    from twisterl.quantum.rl.configs import (
        AlphaZeroConfig,
        BasicPolicyConfig,
        Conv1dPolicyConfig,
        EvalConfig,
        PPOConfig,
    )
    from twisterl.quantum.rl.synthesis import RLSynthesis
    from twisterl.quantum.targets import Target, target_of

__all__ = [
    "AlphaZeroConfig",
    "BasicPolicyConfig",
    "CliffordGym",
    "Conv1dPolicyConfig",
    "Coupling",
    "EvalConfig",
    "Library",
    "LinearFunctionGym",
    "Model",
    "Network",
    "PPOConfig",
    "PauliGym",
    "PermutationGym",
    "RLSynthesis",
    "ResynthesizeBlocks",
    "RouteByModels",
    "Target",
    "circuit_of",
    "coupling_of",
    "gates_of",
    "load_model",
    "network_of",
    "target_of",
    "train_model",
    "two_qubit_count",
]

_HOMES = {
    **dict.fromkeys(("circuit_of", "gates_of", "two_qubit_count"), "circuits"),
    **dict.fromkeys(("Coupling", "coupling_of"), "coupling"),
    **dict.fromkeys(("CliffordGym", "LinearFunctionGym", "PauliGym", "PermutationGym"), "envs.synthesis"),
    **dict.fromkeys(
        ("AlphaZeroConfig", "BasicPolicyConfig", "Conv1dPolicyConfig", "EvalConfig", "PPOConfig"), "rl.configs"
    ),
    "Library": "models.library",
    **dict.fromkeys(("Model", "load_model"), "models.model"),
    **dict.fromkeys(("Network", "network_of"), "pauli"),
    "RLSynthesis": "rl.synthesis",
    "ResynthesizeBlocks": "compiler.passes",
    "RouteByModels": "compiler.routing.passes",
    "train_model": "models.training",
    **dict.fromkeys(("Target", "target_of"), "targets"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'twisterl.quantum' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"twisterl.quantum.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
