"""Circuits to be routed, and what was routed as the circuit that it was made of."""

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Clbit
from qiskit.transpiler import PassManager
from twisterl.quantum.compiler.routing import RouteByModels


def random_circuit(num_qubits, gates, seed):
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(num_qubits, global_phase=0.5)
    for _ in range(gates):
        a, b = rng.choice(num_qubits, 2, replace=False).tolist()
        circuit.cx(a, b)
        circuit.rz(0.1, a)
    return circuit


def routed(circuit, coupling, folder, **options):
    """Return the circuit of the pass, and its properties."""
    manager = PassManager([RouteByModels(coupling, folder, seed=1, **options)])
    return manager.run(circuit), manager.property_set


def unrouted(circuit, made, properties):
    """Return the circuit that a routed one is, without its SWAPs. The given one has none."""
    start = properties["layout"]
    at = {qubit: i for i, qubit in enumerate(circuit.qubits)}
    if start is not None:
        at = {qubit: start[qubit] for qubit in circuit.qubits}
    holds = {place: qubit for qubit, place in at.items()}
    found = circuit.copy_empty_like()
    for each in made.data:
        places = [made.find_bit(qubit).index for qubit in each.qubits]
        if each.operation.name == "swap":
            a, b = places
            holds[a], holds[b] = holds[b], holds[a]
        else:
            found.append(each.operation, [holds[place] for place in places], each.clbits)
    return found


def pairs_of(circuit):
    """Return the pairs of qubits with gates."""
    gates = (each for each in circuit.data if each.operation.name != "barrier")
    places = (sorted(circuit.find_bit(qubit).index for qubit in each.qubits) for each in gates)
    return {tuple(pair) for pair in places if len(pair) == 2}


def everything():
    """A circuit with barriers, measurements, resets, and classical bits that are used twice."""
    circuit = random_circuit(5, 6, 0)
    circuit.add_bits([Clbit() for _ in range(3)])
    circuit.barrier(0, 1, 2)
    circuit.cx(0, 4)
    circuit.measure(3, 0)
    circuit.measure(1, 0)  # after the one before, since it writes to the same bit
    circuit.barrier(1, 3)
    circuit.reset(1)
    circuit.delay(10, 2)
    circuit.compose(random_circuit(5, 6, 1), inplace=True)
    circuit.barrier()
    circuit.measure([0, 4], [1, 2])
    return circuit
