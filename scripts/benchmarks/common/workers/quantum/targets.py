"""Uniformly random targets of circuits, with what is known of them, for `benchmark.py quantum_training`.

    python targets.py ENV PARAMETERS COUNT SEED

Runs in an interpreter that has Qiskit. PARAMETERS are those of the environment, as JSON. Prints one JSON object:
`states`, for `evaluate --states`; `optimal`, the fewest actions of each, or null where the group is too large; and
`anchors`, for each method of Qiskit that takes the coupling map its mean number of gates and of milliseconds on the
same targets. A SWAP counts as three CX, except among permutations, where gates are SWAPs. Targets of PauliNetwork
and PauliNetworkCoset are products of random rotations without a Clifford behind them: of `difficulty` rotations where
the environment has evolutions.
"""

import json
import sys
import time

import distances
import numpy as np
from qiskit.circuit.library import PauliEvolutionGate, PermutationGate
from qiskit.quantum_info import Pauli, SparsePauliOp, random_clifford
from qiskit.synthesis import (
    synth_clifford_depth_lnn,
    synth_clifford_greedy,
    synth_cnot_count_full_pmh,
    synth_cnot_depth_line_kms,
)
from qiskit.transpiler import CouplingMap
from qiskit.transpiler.passes.synthesis.hls_plugins import (
    PauliEvolutionSynthesisDefault,
    PauliEvolutionSynthesisRustiq,
    TokenSwapperSynthesisPermutation,
)

ROTATIONS = 8  # of a Pauli network whose scrambles are no evolutions


def edges_of(parameters):
    """Return the edges of the coupling map, each once, the smaller qubit first."""
    n = parameters["num_qubits"]
    given = parameters.get("coupling_map") or [gate[1] for gate in parameters.get("gateset") or []]
    given = given or [(i, i + 1) for i in range(n - 1)]
    return sorted({(min(pair), max(pair)) for pair in given if len(pair) == 2})


def cost(circuit):
    """Return the CX gates of a circuit, those within its larger gates included."""
    counts = {1: lambda gate: 0, 2: lambda gate: 3 if gate.name == "swap" else 1}
    return sum(counts.get(len(gate.qubits), lambda gate: cost(gate.operation.definition))(gate) for gate in circuit)


class Targets:
    """Random targets of an environment, in Qiskit's form."""

    def __init__(self, parameters, rng):
        self.n, self.edges, self.rng = parameters["num_qubits"], edges_of(parameters), rng
        self.parameters = parameters
        self.line = self.edges == [(i, i + 1) for i in range(self.n - 1)]
        self.full = len(self.edges) == self.n * (self.n - 1) // 2

    def group(self):
        """Return the group with exact distances, None where it is too large."""


class Permutations(Targets):
    def draw(self):
        return self.rng.permutation(self.n)

    def state(self, target):
        return np.argsort(target)

    def group(self):
        return distances.permutations(self.n, self.edges) if self.n <= 9 else None

    def anchors(self):
        plugin = TokenSwapperSynthesisPermutation()
        coupling, qubits = CouplingMap([*self.edges, *((b, a) for a, b in self.edges)]), list(range(self.n))

        def swaps(target):
            gate = PermutationGate(target)
            found = plugin.run(gate, coupling_map=coupling, target=None, qubits=qubits, trials=50, seed=0)
            return found.size()

        return {"token_swapper of 50 trials": swaps}


class LinearFunctions(Targets):
    def draw(self):
        while True:
            matrix = self.rng.integers(0, 2, (self.n, self.n))
            if round(np.linalg.det(matrix)) % 2:
                return matrix.astype(bool)

    def state(self, target):
        inverse = np.round(np.linalg.inv(target) * np.linalg.det(target)).astype(int) % 2
        return inverse.ravel()

    def group(self):
        return distances.linear_functions(self.n, self.edges) if self.n <= 5 else None

    def anchors(self):
        found = {}
        if self.line:
            found["kms"] = lambda target: cost(synth_cnot_depth_line_kms(target))
        if self.full:
            found["pmh"] = lambda target: cost(synth_cnot_count_full_pmh(target))
        return found


class Cliffords(Targets):
    def draw(self):
        return random_clifford(self.n, seed=int(self.rng.integers(2**31)))

    def state(self, target):
        return target.adjoint().tableau[:, :-1].T.astype(int).ravel()

    def group(self):
        gates = self.parameters.get("gateset")
        return distances.cliffords(self.n, gates) if gates and self.n <= 3 else None

    def anchors(self):
        found = {}
        if self.line:
            found["lnn"] = lambda target: cost(synth_clifford_depth_lnn(target))
        if self.full:
            found["greedy"] = lambda target: cost(synth_clifford_greedy(target))
        return found


class Cosets(Cliffords):
    def group(self):
        return distances.cosets(self.n, self.edges) if self.n <= 4 else None


class PauliNetworks(Targets):
    def draw(self):
        count = self.parameters["difficulty"] if self.parameters.get("evolutions") else ROTATIONS
        numbers = self.rng.integers(1, 4**self.n, count)  # of all Paulis but the identity
        return numbers[:, None] >> 2 * np.arange(self.n) & 3

    def state(self, target):
        rotations = [number for column, letters in enumerate(target) for number in (column, *letters)]
        return [len(target), *np.eye(2 * self.n, dtype=int).ravel(), *rotations]

    def anchors(self):
        def by(plugin, **options):
            return lambda target: cost(plugin.run(evolution(target), **options))

        def evolution(target):
            terms = [SparsePauliOp(Pauli(((letters & 2) > 0, (letters & 1) > 0))) for letters in target]
            return PauliEvolutionGate(terms, 0.1)

        rustiq = PauliEvolutionSynthesisRustiq()
        found = {
            "rustiq": by(rustiq),
            "rustiq in any order": by(rustiq, preserve_order=False),
            "default": by(PauliEvolutionSynthesisDefault()),
        }
        return found if self.full else {}


KINDS = {
    "Permutation": Permutations,
    "LinearFunction": LinearFunctions,
    "Clifford": Cliffords,
    "CliffordCoset": Cosets,
    "PauliNetwork": PauliNetworks,
    "PauliNetworkCoset": PauliNetworks,
}


def timed(method, targets):
    """Return the mean number of gates and of milliseconds."""
    begun = time.perf_counter()
    gates = [method(target) for target in targets]
    spent = time.perf_counter() - begun
    return {"mean": float(np.mean(gates)), "milliseconds": 1000 * spent / len(targets)}


def main():
    """Draw the targets, and print what is known of them."""
    env, parameters, count, seed = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    kind = KINDS[env](parameters, np.random.default_rng(seed))
    targets = [kind.draw() for _ in range(count)]
    states = [[int(number) for number in kind.state(target)] for target in targets]
    group = kind.group()
    optimal = [group.distance(state) for state in states] if group else None
    anchors = {name: timed(method, targets) for name, method in kind.anchors().items()}
    print(json.dumps({"states": states, "optimal": optimal, "anchors": anchors}))


if __name__ == "__main__":
    main()
