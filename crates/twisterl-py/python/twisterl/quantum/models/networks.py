"""The training of models of Pauli networks."""

from __future__ import annotations

from typing import Any

from twisterl.quantum.coupling import Coupling

__all__ = ["config_of_networks"]


def config_of_networks(coupling: Coupling, iterations: int, seed: int = 0, hardest: bool = False) -> dict[str, Any]:
    """Return the config of a training by PPO, on scrambles that become harder as they are solved.

    CX gates cannot be undone, since they may execute a rotation: there are no walks away from the identity.

    Args:
        coupling: the map.
        iterations: the number of iterations.
        seed: random seed.
        hardest: begin with the greatest difficulty, whose iterations take the longest.
    """
    n = coupling.num_qubits
    width = 128 if n <= 2 else 256 if n <= 4 else 512
    # About as many gates as a random Clifford needs, all of which are of the set.
    most = 4 * n * n
    every = max(1, min(50, iterations // 4))
    return {
        "env_cls": "PauliNetwork",
        "env": {
            "num_qubits": n,
            "coupling_map": [list(edge) for edge in coupling.edges],
            "basis_gates": ["H", "S", "SX", "CX"],
            "difficulty": 1,
            "depth_slope": 4,
            "max_depth": 4 * most,
            "max_rotations": 2 * n,
            "final_pauli_layers": 3 * n,
            "pauli_diff_scale": 2,
            "metrics_weights": {"n_cnots": 0.02, "n_gates": 0.001},
        },
        "policy_cls": "BasicPolicy",
        "policy": {"embedding_size": width, "common_layers": [width], "symmetry": "canonical"},
        "algorithm_cls": "PPO",
        "algorithm": {
            "collecting": {"num_episodes": 256, "gamma": 0.995, "lambda": 0.995},
            "training": {
                "num_epochs": 4,
                "minibatch_size": 1024,
                "vf_coef": 0.8,
                "ent_coef": 0.01,
                "clip_ratio": 0.2,
                "normalize_advantage": True,
                "max_grad_norm": 1.0,
            },
            "learning": {
                "diff_start": most if hardest else 1,
                "diff_threshold": 0.75,
                "diff_max": most,
                "diff_metric": "greedy",
            },
            "optimizer": {"lr": 0.001, "lr_final": 0.0001},
            "evals": {"greedy": {"num_episodes": 100, "deterministic": True}},
            "logging": {"log_freq": 1, "checkpoint_freq": every},
        },
        "seed": seed,
        "num_iterations": iterations,
    }
