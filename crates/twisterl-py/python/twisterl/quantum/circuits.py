"""Circuits: what can be read of them, and lists of gates as circuits."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from twisterl import _core
from twisterl.errors import UsageError
from twisterl.quantum._qiskit import module

__all__ = ["ONE_QUBIT", "TWO_QUBIT", "Gate", "circuit_of", "gates_of", "two_qubit_count"]

ONE_QUBIT = ("H", "S", "Sdg", "SX", "SXdg")
TWO_QUBIT = ("CX", "CZ", "SWAP")
# Circuits of at most this many qubits answer with their global phase, which takes a vector of 2^n amplitudes.
PHASE_QUBITS = 12
# The greatest number of gates of a circuit to be read.
MAX_GATES = 1_000_000
_CLIFFORDS = {
    *("id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg"),
    *("cx", "cy", "cz", "swap", "iswap", "ecr", "dcx"),
}
_ROTATIONS = {"rx", "ry", "rz", "p", "u1"}
# Angles this near to a multiple of a quarter turn are one.
_TOLERANCE = 1e-10
# Instructions that do nothing to the state.
IDLE = {"barrier"}
_NO_GATES = {"measure", "reset", "initialize", "delay", "store"}


class Gate(NamedTuple):
    """A gate of an environment.

    Attributes:
        name: the name in configs, such as `CX`; of a rotation `RX`, `RY` or `RZ`.
        qubits: one qubit, or two of them.
        rotation: the number of the rotation of the state that it executes, None if it is a gate of the set.
        negative: True if the rotation is by minus its angle.
    """

    name: str
    qubits: tuple[int, ...]
    rotation: int | None = None
    negative: bool = False


def gates_of_solution(spec: _core.EnvSpec, state: Sequence[int], actions: Sequence[int]) -> list[Gate]:
    """Return the gates of a solution in their order in time."""
    operations = _core.circuit(spec, [float(number) for number in state], list(actions))
    names = {**_KNOWN, "rx": "RX", "ry": "RY", "rz": "RZ"}
    return [Gate(names[name], tuple(qubits), index, negative) for name, qubits, index, negative in operations]


def two_qubit_gates(gates: Iterable[Gate]) -> int:
    """Return the number of gates on two qubits, a SWAP counted as three of them."""
    return sum(3 if gate.name == "SWAP" else 1 for gate in gates if len(gate.qubits) == 2)


def circuit_of_solution(gates: Iterable[Gate], num_qubits: int, angles: Sequence[Any] = ()) -> Any:
    """Return the circuit of the gates of a solution, given the angles of its rotations."""
    circuit = module("qiskit.circuit").QuantumCircuit(num_qubits)
    for gate in gates:
        add = getattr(circuit, gate.name.lower())
        if gate.rotation is None:
            add(*gate.qubits)
        else:
            angle = angles[gate.rotation]
            add(-angle if gate.negative else angle, *gate.qubits)
    return circuit


_KNOWN = {name.lower(): name for name in (*ONE_QUBIT, *TWO_QUBIT)}


def circuit_of(gates: Iterable[tuple[str, Sequence[int]]], num_qubits: int) -> Any:
    """Return a circuit of Qiskit from gates in their order in time, each as its name and its qubits.

    Raises:
        UsageError: a gate is unknown, or its qubits are out of range, too few, too many or not different.
    """
    circuit = module("qiskit.circuit").QuantumCircuit(num_qubits)
    for i, (name, qubits) in enumerate(gates):
        known = _KNOWN.get(str(name).lower())
        if known is None:
            expected = ", ".join(_KNOWN.values())
            raise UsageError(f"gates[{i}]: expected one of the gates {expected}, found {name!r:.40}")
        count = 1 if known in ONE_QUBIT else 2
        if len(qubits) != count or len(set(qubits)) != count or not all(0 <= q < num_qubits for q in qubits):
            expected = f"{'a qubit' if count == 1 else 'two different qubits'} below {num_qubits}"
            raise UsageError(f"gates[{i}]: expected {expected} for {known}, found {list(qubits)!r:.60}")
        getattr(circuit, known.lower())(*map(int, qubits))
    return circuit


def gates_of(circuit: Any) -> list[tuple[str, tuple[int, ...]]]:
    """Return the gates of a circuit in their order in time, each as its name in Qiskit and its qubits."""
    check_unitary(circuit)
    return [(inst.operation.name, places(circuit, inst)) for inst in circuit.data if inst.operation.name not in IDLE]


def places(circuit: Any, instruction: Any) -> tuple[int, ...]:
    """Return the numbers of the qubits of an instruction."""
    return tuple(circuit.find_bit(qubit).index for qubit in instruction.qubits)


def two_qubit_count(circuit: Any) -> int:
    """Return the number of gates on two qubits, a SWAP counted as three of them."""
    count = 0
    for instruction in circuit.data:
        if instruction.operation.name not in IDLE and len(instruction.qubits) == 2:
            count += 3 if instruction.operation.name == "swap" else 1
        elif instruction.operation.name not in IDLE and len(instruction.qubits) > 2:
            raise UsageError(f"circuit: expected gates on one or two qubits, found {instruction.operation.name!r:.40}")
    return count


def is_clifford(operation: Any) -> bool:
    """Return True for a gate that is a Clifford."""
    if operation.name in _CLIFFORDS:
        return True
    if operation.name in _ROTATIONS and isinstance(operation.params[0], (int, float)):
        turns = operation.params[0] / (math.pi / 2)
        return math.isfinite(turns) and abs(turns - round(turns)) < _TOLERANCE
    return False


def check_unitary(circuit: Any, parameters: bool = False) -> None:
    """Raise an error for a circuit that is more than gates: measurements, branches, or parameters if not allowed."""
    if len(circuit.data) > MAX_GATES:
        raise UsageError(f"circuit: expected at most {MAX_GATES} gates, found {len(circuit.data)}")
    branching = module("qiskit.circuit").ControlFlowOp
    for i, instruction in enumerate(circuit.data):
        operation, name = instruction.operation, instruction.operation.name
        if isinstance(operation, branching):
            found = f"the control flow {name}"
        elif instruction.clbits or getattr(operation, "condition", None) is not None:
            found = f"{name}, which uses classical bits"
        elif name in _NO_GATES:
            found = name
        elif not parameters and any(getattr(value, "parameters", None) for value in getattr(operation, "params", ())):
            found = f"{name} with a parameter without a value; assign_parameters gives it one"
        else:
            continue
        raise UsageError(f"{place(circuit, i)}: expected a gate, found {found:.200}")


def place(circuit: Any, index: int) -> str:
    """Return the place of an instruction in words."""
    qubits = places(circuit, circuit.data[index])
    shown = ", ".join(map(str, qubits[:8])) + (", ..." if len(qubits) > 8 else "")
    return f"circuit.data[{index}] on {'qubit' if len(qubits) == 1 else 'qubits'} {shown}"
