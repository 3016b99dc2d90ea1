"""Answers: gates as a circuit that makes its target, which is checked before it is returned."""

from __future__ import annotations

import cmath
from collections.abc import Sequence
from typing import Any

import numpy as np

from twisterl.errors import EnvError
from twisterl.quantum._qiskit import module
from twisterl.quantum.circuits import PHASE_QUBITS, Gate, circuit_of_solution
from twisterl.quantum.coupling import Coupling
from twisterl.quantum.pauli import Network, network_of
from twisterl.quantum.targets import Target

__all__ = ["answer"]

# States whose overlap differs from 1 by this much are different ones.
_TOLERANCE = 1e-6


def answer(target: Target, gates: Sequence[Gate], coupling: Coupling | None = None) -> Any:
    """Return the circuit of some gates, with the Paulis and the global phase that the target asks for.

    Args:
        target: the target.
        gates: the gates in their order in time.
        coupling: the edges, in their directions, that gates on two qubits may use; SWAP and CZ have none.

    Raises:
        EnvError: the circuit does not make the target, or leaves the map. It is never returned.
    """
    network = target.value if isinstance(target.value, Network) else None
    angles = [] if network is None else [rotation.angle for rotation in network.rotations]
    circuit = circuit_of_solution(gates, target.num_qubits, angles)
    if network is not None:
        _append_paulis(circuit, network_of(circuit, executed=True).clifford, network.clifford)
    elif target.kind.name == "clifford":
        _append_paulis(circuit, module("qiskit.quantum_info").Clifford(circuit), target.value)
    if not target.is_made_by(circuit):
        raise EnvError(f"circuit: expected one that makes the {target.kind.title}, found another one")
    source = _source_in_order(target, circuit)
    if source is not None and target.num_qubits <= PHASE_QUBITS:
        circuit.global_phase += _phase_between(circuit, source) + (0.0 if network is None else network.phase)
    edges = None if coupling is None else set(coupling.edges)
    for gate in gates:
        if edges is None or len(gate.qubits) < 2 or gate.qubits in edges:
            continue
        if gate.name == "CX" or gate.qubits[::-1] not in edges:
            found = f"{gate.name} on {list(gate.qubits)}"
            raise EnvError(f"circuit: expected gates along the edges of the map, found {found}")
    return circuit


def _append_paulis(circuit: Any, found: Any, wanted: Any) -> None:
    """Append the Paulis by which the Clifford of a circuit, `found`, differs from another one."""
    rest = found.adjoint().compose(wanted)
    for qubit in range(found.num_qubits):
        x_changes, z_changes = bool(rest.destab_phase[qubit]), bool(rest.stab_phase[qubit])
        if x_changes and z_changes:
            circuit.y(qubit)
        elif z_changes:
            circuit.x(qubit)
        elif x_changes:
            circuit.z(qubit)


def _source_in_order(target: Target, circuit: Any) -> Any:
    """Return the circuit that a target was read from, with its rotations as in another one if their order is free."""
    if target.source is None or not isinstance(target.value, Network) or target.value.preserve_order:
        return target.source
    network = target.value
    order = network.order_in(network_of(circuit, executed=True)) or []
    made = network.circuit(order)
    made.global_phase += _phase_between(network.circuit(range(len(order))), target.source)
    return made


def _phase_between(circuit: Any, source: Any) -> float:
    """Return the phase that a circuit lacks. It does not depend on the values of parameters."""
    vectors = []
    for each in (circuit, source):
        names = sorted(each.parameters, key=lambda parameter: str(parameter.name))
        bound = each.assign_parameters({parameter: 0.1 + 0.01 * i for i, parameter in enumerate(names)})
        vectors.append(module("qiskit.quantum_info").Statevector(bound).data)
    product = complex(np.vdot(vectors[0], vectors[1]))
    if abs(abs(product) - 1) > _TOLERANCE:
        raise EnvError(f"circuit: expected one that makes the target, found an overlap of {abs(product):.6g} of states")
    return cmath.phase(product)
