"""The training of a model for a map."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from twisterl._internal.arguments import path as valid_path
from twisterl._internal.arguments import within
from twisterl.errors import FileError, UsageError
from twisterl.policy import Policy
from twisterl.quantum._qiskit import module
from twisterl.quantum.circuits import two_qubit_gates
from twisterl.quantum.coupling import Coupling, coupling_of
from twisterl.quantum.models.model import Model
from twisterl.quantum.models.networks import config_of_networks
from twisterl.quantum.models.routing import config_of_routing, measured_routing
from twisterl.quantum.targets import Kind, ModelKind, Target, model_kind_named, target_of
from twisterl.run import Run, train

__all__ = ["config_of", "train_model"]

# Parameters by kind: the gates that models are made of, where these are not all that the environment has, and
# observations of both ends.
_PARAMETERS = {"linear_function": {"basis_gates": ["CX"], "dual": True}}
# Iterations that tell how long one takes.
_TRIAL = 3
# The rotations of random Pauli networks.
_ROTATIONS = 6


def config_of(kind: ModelKind, coupling: Coupling, iterations: int, seed: int = 0) -> dict[str, Any]:
    """Return the config of a training.

    For targets, it has walks away from the identity, whose steps back the policy learns; for Pauli networks see
    `config_of_networks`, for routing `config_of_routing`. Sizes grow with the number of gates that random targets need.
    """
    if kind.name == "routing":
        return config_of_routing(coupling, iterations, seed)
    if kind.name == "pauli_network":
        return config_of_networks(coupling, iterations, seed, _stretch(coupling))
    n = coupling.num_qubits
    length = _walk_length(kind, coupling)
    width = 64 if n <= 2 else 128 if n <= 3 else 256 if n <= 7 else 512
    return {
        "env_cls": kind.env_classes[-1],
        "env": {
            **_PARAMETERS.get(kind.name, {}),
            "num_qubits": n,
            "coupling_map": [list(edge) for edge in coupling.edges],
            "difficulty": 1000,
            "max_depth": 2 * length + 16,
            "metrics_weights": {"n_cnots": 0.02, "n_gates": 0.0},
        },
        "policy_cls": "BasicPolicy",
        "policy": {"embedding_size": width, "common_layers": [width], "symmetry": "canonical", "backtracking": False},
        "algorithm_cls": "BackwardScramble",
        "algorithm": {
            "collecting": {
                "num_walks": 256 if n <= 3 else 512,
                "walk_length": length,
                "walk_window": 2 if kind.name == "clifford" else 4,
                "gamma": 1.0,
            },
            "training": {
                "num_epochs": 1,
                "minibatch_size": 1024 if n <= 3 else 2048,
                "vf_coef": 1.0,
                "max_grad_norm": 1.0,
            },
            "learning": {"diff_metric": "uniform"},
            "optimizer": {"lr": 0.002, "lr_final": 0.00002, "schedule": "cosine", "averaging": 0.99},
            "evals": {
                "uniform": {
                    "start": "uniform",
                    "num_episodes": 200,
                    "deterministic": True,
                    "every": max(1, min(50, iterations // 4)),
                }
            },
            "logging": {"log_freq": 1, "checkpoint_freq": max(1, min(50, iterations // 4))},
        },
        "seed": seed,
        "num_iterations": iterations,
    }


def _walk_length(kind: ModelKind, coupling: Coupling) -> int:
    """Return the length of walks, about twice that of shortest solutions of random targets."""
    n = coupling.num_qubits
    if kind.name == "permutation":
        # Half the sum of distances is a bound of the number of SWAPs, and the mean distance that of a random place.
        return max(4, math.ceil(1.2 * n * _mean_distance(coupling)))
    growth = {"linear_function": 1.4, "clifford": 1.0}[kind.name]
    return max(4, math.ceil(growth * n * n * _stretch(coupling)))


def _stretch(coupling: Coupling) -> float:
    """Return about the length of solutions on a map over that on one with all edges."""
    return min(1.6, max(1.0, _mean_distance(coupling) / 1.6))


def _mean_distance(coupling: Coupling) -> float:
    total = 0
    for start in range(coupling.num_qubits):
        seen, border, far = {start}, {start}, 0
        while border:
            far += 1
            border = {other for qubit in border for other in coupling.neighbours[qubit]} - seen
            seen |= border
            total += far * len(border)
    return total / coupling.num_qubits**2


# long function: most of it describes the arguments
def train_model(
    coupling_map: Any,
    kind: str,
    output: str | os.PathLike[str],
    *,
    iterations: int | None = None,
    minutes: float | None = None,
    seed: int = 0,
    run_path: str | os.PathLike[str] | None = None,
    quiet: bool = False,
    callback: Callable[[dict[str, Any]], Any] | None = None,
) -> Model:
    """Train a model for a map, and write it into a folder.

    Args:
        coupling_map: a connected map in any form that `coupling_of` takes. Its directions are dropped.
        kind: `permutation`, `linear_function`, `clifford`, `pauli_network` or `routing`.
        output: the folder of the model, which must be new or empty.
        iterations: the number of iterations; by default by the number of qubits.
        minutes: the time for training in place of `iterations`, which are as many as fit into it.
        seed: random seed.
        run_path: a folder for the run, with its metrics; by default a temporary one.
        quiet: show no progress.
        callback: called with the metrics of each iteration; returning False ends the training.

    Raises:
        UsageError: the map is not connected, or has too few or too many qubits for the kind.
    """
    chosen, coupling = model_kind_named(kind), coupling_of(coupling_map).both_ways()
    within("coupling_map: number of qubits", coupling.num_qubits, 2, chosen.max_qubits)
    coupling.check_connected()
    folder = valid_path("output", output)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: expected a new or empty folder, found one with files in it")
    if iterations is not None and minutes is not None:
        raise UsageError("minutes: expected minutes or iterations, found both")
    if minutes is not None and not 0 < minutes <= 100_000:
        raise UsageError(f"minutes: expected a number above 0, at most 100000, found {minutes!r:.40}")
    count = 100 * coupling.num_qubits if iterations is None else within("iterations", iterations, 1, 10**9)
    try:
        folder.mkdir(parents=True, exist_ok=True)  # before the time is spent
    except OSError as error:
        raise FileError(f"{error.filename}: cannot write: {error.strerror}") from error
    with tempfile.TemporaryDirectory(prefix="twisterl-") as temporary:
        if minutes is not None:
            count = _iterations_in(60 * minutes, chosen, coupling, seed, Path(temporary) / "trial")
        place = Path(temporary) / "run" if run_path is None else valid_path("run_path", run_path)
        begun = time.monotonic()
        run = _trained(config_of(chosen, coupling, count, seed), place, quiet, callback)
        seconds = time.monotonic() - begun
        # Greedy evaluations do not tell which policy of walks is best for beams over networks.
        last = chosen.name == "pauli_network"
        trained = Policy(place / "checkpoint_last") if last else run.policy
        policy = Policy(data=trained.to_bytes())
    made = {"iterations": count, "seconds": round(seconds, 1), "seed": seed}
    model = Model(folder, chosen, policy, training=made)
    measure = measured_routing if chosen.name == "routing" else measured
    model.figures = measure(model, 20 if chosen.name == "pauli_network" else 100, seed)
    model.save()
    return model


def _trained(config: dict[str, Any], place: Path, quiet: bool, callback: Any) -> Run:
    try:
        return train(config, place, quiet=quiet, callback=callback)
    except KeyboardInterrupt:
        if not (place / "checkpoint_last").is_dir():
            raise
        return Run(place)


def _iterations_in(seconds: float, kind: ModelKind, coupling: Coupling, seed: int, place: Path) -> int:
    """Return the number of iterations that fit into a time, as far as a short trial tells."""
    run = train(config_of(kind, coupling, _TRIAL, seed), place, quiet=True)
    rows = run.iterations()
    each = (rows[-1]["time"]["elapsed"] - rows[0]["time"]["elapsed"]) / max(len(rows) - 1, 1)
    return max(1, min(10**9, int(0.9 * seconds / max(each, 1e-4))))


def measured(model: Model, count: int, seed: int) -> dict[str, float]:
    """Return figures of a model on random targets: the share solved, gates on two qubits, and milliseconds a target."""
    rng = np.random.default_rng(seed)
    solved, gates, begun = 0, 0, time.monotonic()
    # Searches for solutions of networks end late where there are none.
    limits: dict[str, Any] = {"seconds": 1.0} if model.kind.name == "pauli_network" else {}
    for _ in range(count):
        found = model.solve(random_target(model, rng), **limits)
        if found is not None:
            solved += 1
            gates += two_qubit_gates(found)
    spent = 1000 * (time.monotonic() - begun) / count
    figures = {"targets": float(count), "solved": solved / count, "milliseconds": round(spent, 2)}
    return figures | ({"two_qubit_gates": round(gates / solved, 3)} if solved else {})


def random_target(model: Model, rng: Any) -> Target:
    """Return a random target of a model: uniform, or nearly so; for Pauli networks, an evolution of random Paulis."""
    if not isinstance(model.kind, Kind):
        raise UsageError(f"{model.path}: expected a model of targets, found one of {model.kind.name}")
    n, seed = model.coupling.num_qubits, int(rng.integers(2**31))
    if model.kind.name == "permutation":
        given: Any = rng.permutation(n).tolist()
    elif model.kind.name == "linear_function":
        given = module("qiskit.synthesis.linear").random_invertible_binary_matrix(n, seed=seed)
    elif model.kind.name == "clifford":
        given = module("qiskit.quantum_info").random_clifford(n, seed=seed)
    else:
        letters = rng.integers(4**n - 1, size=_ROTATIONS) + 1
        labels = ["".join("IXYZ"[number >> 2 * qubit & 3] for qubit in range(n)) for number in letters.tolist()]
        operator = module("qiskit.quantum_info").SparsePauliOp(labels, rng.uniform(0.1, 1.0, _ROTATIONS))
        given = module("qiskit.circuit.library").PauliEvolutionGate(operator)
    return target_of(given, model.kind, n)
