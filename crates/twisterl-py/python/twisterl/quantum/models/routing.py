"""Models that route: the config of their training, and their figures."""

from __future__ import annotations

import time
from typing import Any

from twisterl.quantum.coupling import Coupling
from twisterl.quantum.models.model import Model

__all__ = ["config_of_routing", "measured_routing", "random_gates"]

# The gates of a random circuit that figures are of, a qubit.
_GATES = 10
# The greatest number of SWAPs of an episode of the environment.
_MOST_SWAPS = 1_000_000


def config_of_routing(coupling: Coupling, iterations: int, seed: int = 0) -> dict[str, Any]:
    """Return the config of a training on random circuits by AlphaZero."""
    n = coupling.num_qubits
    width = 128 if n <= 10 else 256
    gates = 3 * n
    return {
        "env_cls": "Routing",
        "env": {
            "num_qubits": n,
            "coupling_map": [list(pair) for pair in coupling.pairs],
            "difficulty": gates,
            "depth_slope": 2 * coupling.diameter,
            "max_depth": _MOST_SWAPS,
            "num_layers": 4,
        },
        "policy_cls": "BasicPolicy",
        "policy": {"embedding_size": width, "common_layers": [width], "symmetry": "canonical"},
        "algorithm_cls": "AZ",
        "algorithm": {
            "collecting": {
                "num_episodes": 192 if n <= 10 else 64,
                "num_mcts_searches": 16,
                "gamma": 0.99,
                "selection": "gumbel",
                "replay_iterations": 6,
            },
            "training": {"num_epochs": 1, "minibatch_size": 1024, "vf_coef": 0.5, "max_grad_norm": 1.0},
            "optimizer": {"lr": 0.002, "lr_final": 0.00005, "schedule": "cosine", "averaging": 0.95},
            "learning": {"diff_start": gates, "diff_max": gates, "diff_metric": "greedy"},
            "evals": {
                "greedy": {"num_episodes": 200, "deterministic": True, "every": max(1, min(20, iterations // 4))}
            },
            "logging": {"log_freq": 1, "checkpoint_freq": max(1, min(20, iterations // 4))},
        },
        "seed": seed,
        "num_iterations": iterations,
    }


def random_gates(model: Model, rng: Any) -> list[tuple[int, int]]:
    """Return the gates of a random circuit, each on two random qubits."""
    n = model.coupling.num_qubits
    pairs = (rng.choice(n, 2, replace=False).tolist() for _ in range(_GATES * n))
    return [(a, b) for a, b in pairs]


def measured_routing(model: Model, count: int, seed: int) -> dict[str, float]:
    """Return figures of a model on random circuits: the share solved, SWAPs a gate, and milliseconds a circuit."""
    import numpy as np

    n, rng = model.coupling.num_qubits, np.random.default_rng(seed)
    states = [[*range(n), *(qubit for gate in random_gates(model, rng) for qubit in gate)] for _ in range(count)]
    begun = time.monotonic()
    found = [solution for solution in model.policy.solve_batch(states, search="beam=16") if solution.success]
    spent = 1000 * (time.monotonic() - begun) / count
    figures = {"targets": float(count), "solved": len(found) / count, "milliseconds": round(spent, 2)}
    swaps = sum(map(len, found))
    return figures | ({"swaps_per_gate": round(swaps / (len(found) * _GATES * n), 3)} if found else {})
