"""Circuits for benchmarks of Qiskit's compiler, and the check of routed ones."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit.library import PauliEvolutionGate, PermutationGate, QFTGate
from qiskit.converters import circuit_to_dag
from qiskit.quantum_info import SparsePauliOp, random_clifford
from qiskit.synthesis import LieTrotter


@contextmanager
def models_in(folder: Path) -> Iterator[None]:
    """Lets the compiler use the models of a folder."""
    before = os.environ.get("TWISTERL_QUANTUM_MODELS")
    os.environ["TWISTERL_QUANTUM_MODELS"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["TWISTERL_QUANTUM_MODELS"]
        else:
            os.environ["TWISTERL_QUANTUM_MODELS"] = before


def random_pairs(num_qubits: int, gates: int, seed: int) -> QuantumCircuit:
    """Returns a circuit of gates on two random qubits, with a rotation before each."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(num_qubits)
    for _ in range(gates):
        a, b = rng.choice(num_qubits, 2, replace=False).tolist()
        circuit.rx(float(rng.uniform(0.1, 3.0)), a)
        circuit.cx(a, b)
    return circuit


def is_routed(given: QuantumCircuit, made: QuantumCircuit, pairs: set[tuple[int, int]]) -> bool:
    """Returns True if a circuit is another one, which has no SWAPs, with SWAPs and at other places.

    Every gate on two qubits has to be on one of the pairs, and the final layout has to be that of the circuit.
    """
    start, end = made.layout.initial_index_layout(), made.layout.final_index_layout()
    holds = {place: wire for wire, place in enumerate(start)}
    found = given.copy_empty_like()
    for each in made.data:
        places = [made.find_bit(qubit).index for qubit in each.qubits]
        if len(places) == 2 and (min(places), max(places)) not in pairs:
            return False
        if each.operation.name == "swap":
            a, b = places
            holds[a], holds[b] = holds[b], holds[a]
        else:
            found.append(each.operation, [holds[place] for place in places], each.clbits)
    at = {wire: place for place, wire in holds.items()}
    same: bool = circuit_to_dag(found) == circuit_to_dag(given)
    return same and [at[wire] for wire in range(given.num_qubits)] == end


def _trotter(num_qubits: int, steps: int, ising: bool) -> QuantumCircuit:
    """Returns Trotter steps of the Ising or the Heisenberg chain."""
    pairs = [(i, i + 1) for i in range(num_qubits - 1)]
    letters = ["ZZ"] if ising else ["XX", "YY", "ZZ"]
    terms: list[Any] = [(pauli, pair, 0.5) for pauli in letters for pair in pairs]
    terms += [("X" if ising else "Z", [qubit], 0.3) for qubit in range(num_qubits)]
    operator = SparsePauliOp.from_sparse_list(terms, num_qubits)
    # The product itself: the operator of the gate is the exact evolution.
    return PauliEvolutionGate(operator, 0.1, synthesis=LieTrotter(reps=steps)).definition


def _layered(num_qubits: int, layers: int, seed: int) -> QuantumCircuit:
    """Returns layers of random Cliffords on one qubit and CX on random pairs, with T gates between them."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(num_qubits)
    for _ in range(layers):
        order = rng.permutation(num_qubits).tolist()
        for qubit in range(num_qubits):
            getattr(circuit, str(rng.choice(["h", "s", "sx", "x", "t"], p=[0.3, 0.2, 0.2, 0.2, 0.1])))(qubit)
        for a, b in zip(order[::2], order[1::2], strict=False):
            circuit.cx(a, b)
    return circuit


def suite(num_qubits: int) -> Iterator[tuple[str, QuantumCircuit]]:
    """Yields fifty circuits on 3 to `num_qubits` qubits, each with the name of its family."""
    sizes = [3 + i % (num_qubits - 2) for i in range(50)]
    for i in range(14):
        yield "random Clifford", random_clifford(sizes[i], seed=i).to_circuit()
    for i in range(10):
        circuit = QuantumCircuit(sizes[i])
        circuit.append(PermutationGate(np.random.default_rng(i).permutation(sizes[i])), range(sizes[i]))
        circuit.compose(random_clifford(3, seed=i).to_circuit(), range(3), inplace=True)
        yield "permutation and Clifford", circuit
    for i in range(8):
        circuit = QuantumCircuit(sizes[i])
        circuit.append(QFTGate(sizes[i]), range(sizes[i]))
        if i >= 4:  # with others after it
            circuit.compose(_layered(sizes[i], 3, i), inplace=True)
        yield "QFT", circuit
    for i in range(8):
        yield "Trotter", _trotter(sizes[i], 1 + i // 4, ising=i % 2 == 0)
    for i in range(10):
        yield "layers", _layered(sizes[i], 8, i)
