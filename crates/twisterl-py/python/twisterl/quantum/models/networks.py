"""The training of models of Pauli networks."""

from __future__ import annotations

import math
from typing import Any

from twisterl.quantum.coupling import Coupling

__all__ = ["config_of_networks"]

# The rotations of the evolutions that evaluations solve, and those that observations show.
_ROTATIONS, _SHOWN = 10, 12


def config_of_networks(coupling: Coupling, iterations: int, seed: int = 0, stretch: float = 1.0) -> dict[str, Any]:
    """Return the config of a training by walks away from the identity, with rotations on the way.

    Args:
        coupling: the map.
        iterations: the number of iterations.
        seed: random seed.
        stretch: the length of solutions on the map over that on one with all edges.
    """
    n = coupling.num_qubits
    every = max(1, min(50, iterations // 4))
    return {
        "env_cls": "PauliNetworkCoset",
        "env": {
            "num_qubits": n,
            "coupling_map": [list(edge) for edge in coupling.edges],
            "evolutions": True,
            "difficulty": _ROTATIONS,
            "depth_slope": math.ceil(2 * n * stretch),
            "max_depth": math.ceil(n * _ROTATIONS * stretch),
            "max_rotations": _SHOWN,
            "metrics_weights": {"n_cnots": 0.02, "n_gates": 0.0},
        },
        "policy_cls": "BasicPolicy",
        "policy": {"embedding_size": 128 if n <= 2 else 512, "common_layers": [128 if n <= 2 else 256]},
        "algorithm_cls": "BackwardScramble",
        "algorithm": {
            "collecting": {
                "num_walks": 256 if n <= 4 else 128,
                "walk_length": math.ceil(6 * n * stretch),
                "walk_window": 0,
                "gamma": 1.0,
            },
            "training": {"num_epochs": 1, "minibatch_size": 2048, "vf_coef": 1.0, "max_grad_norm": 1.0},
            "learning": {"diff_metric": "evolutions"},
            "optimizer": {"lr": 0.002, "lr_final": 0.00002, "schedule": "cosine", "averaging": 0.99},
            "evals": {"evolutions": {"num_episodes": 100, "deterministic": True, "every": every}},
            "logging": {"log_freq": 1, "checkpoint_freq": every},
        },
        "seed": seed,
        "num_iterations": iterations,
    }
