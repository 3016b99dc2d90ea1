"""Circuits of rotations about Paulis and Cliffords, as networks of Paulis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from twisterl.errors import UsageError
from twisterl.quantum._qiskit import module
from twisterl.quantum.circuits import IDLE, check_unitary, is_clifford, place, places

__all__ = ["MAX_QUBITS", "ROTATIONS", "Network", "Rotation", "network_of", "tableau_of"]

# The most qubits of a tableau of the environments.
MAX_QUBITS = 32

# The Paulis of rotations by their names in Qiskit, that of the first qubit first.
ROTATIONS = {"rx": "X", "ry": "Y", "rz": "Z", "rxx": "XX", "ryy": "YY", "rzz": "ZZ", "rzx": "ZX"}
# Gates that are rotations about Z and a phase of half the angle.
_PHASES = ("p", "u1", "t", "tdg")
_ANGLES = {"t": math.pi / 4, "tdg": -math.pi / 4}
_MAX_ROTATIONS = 1024
# The greatest depth of definitions within definitions.
_DEPTH = 50


@dataclass(frozen=True)
class Rotation:
    """A rotation exp(-i angle/2 P).

    Attributes:
        x: for each qubit whether P has X or Y there, `[qubits]`.
        z: for each qubit whether P has Z or Y there, `[qubits]`.
        angle: a number or a parameter.
    """

    x: Any
    z: Any
    angle: Any

    def commutes(self, other: Rotation) -> bool:
        """Return True if the Paulis of two rotations commute."""
        return not (np.count_nonzero(self.x & other.z) + np.count_nonzero(self.z & other.x)) % 2

    def is_same(self, other: Rotation) -> bool:
        """Return True for the same Pauli and angle."""
        paulis = bool((self.x == other.x).all() and (self.z == other.z).all())
        return paulis and bool(self.angle == other.angle)


@dataclass(frozen=True)
class Network:
    """Rotations, and a Clifford after them.

    Attributes:
        rotations: the rotations in their order in time.
        clifford: the `Clifford`.
        source: the circuit that it was read from, without definitions and `phase`; None if there is none.
        phase: what the circuit's global phase has from gates and definitions, a number or of parameters.
        preserve_order: True if rotations that do not commute stay in their order.
    """

    rotations: tuple[Rotation, ...]
    clifford: Any
    source: Any = None
    phase: Any = 0.0
    preserve_order: bool = True

    @property
    def num_qubits(self) -> int:
        """The number of qubits."""
        return int(self.clifford.num_qubits)

    def state(self) -> list[int]:
        """Return the state of `PauliNetwork`: the number of rotations, the tableau, and each rotation."""
        state = [len(self.rotations), *tableau_of(self.clifford)]
        for column, rotation in enumerate(self.rotations):
            state += [column, *(int(x) + 2 * int(z) for x, z in zip(rotation.x, rotation.z, strict=True))]
        return state

    def order_in(self, made: Network) -> list[int] | None:
        """Return which of the rotations each rotation of another network is; None unless it is the same unitary.

        Rotations that do not commute have to be in the same order, unless their order is free.
        """
        if made.clifford != self.clifford or len(made.rotations) != len(self.rotations):
            return None
        left, order = list(range(len(self.rotations))), list[int]()
        for rotation in made.rotations:
            mine = next((i for i in left if self.rotations[i].is_same(rotation)), None)
            if mine is None:
                return None
            waits_for = left[: left.index(mine)] if self.preserve_order else []
            if not all(rotation.commutes(self.rotations[i]) for i in waits_for):
                return None
            left.remove(mine)
            order.append(mine)
        return order

    def relabelled(self, order: Sequence[int]) -> Network:
        """Return the network whose qubit `i` is qubit `order[i]` of this one, without its source."""
        lines = [*order, *(qubit + self.num_qubits for qubit in order)]
        table = self.clifford.tableau[lines][:, [*lines, 2 * self.num_qubits]]
        clifford = module("qiskit.quantum_info").Clifford(table, validate=False)
        places = list(order)
        rotations = tuple(replace(each, x=each.x[places], z=each.z[places]) for each in self.rotations)
        return replace(self, rotations=rotations, clifford=clifford, source=None, phase=0.0)

    def circuit(self, order: Iterable[int]) -> Any:
        """Return a circuit of the rotations in some order and of the Clifford, up to a phase that no order changes."""
        made = module("qiskit.circuit").QuantumCircuit(self.num_qubits)
        info, gate = module("qiskit.quantum_info"), module("qiskit.circuit.library").PauliEvolutionGate
        for index in order:
            rotation = self.rotations[index]
            pauli = info.Pauli((rotation.z, rotation.x))
            made.compose(gate(pauli, rotation.angle / 2).definition, inplace=True)
        return made.compose(self.clifford.to_circuit())


def tableau_of(clifford: Any) -> list[int]:
    """Return the state of a Clifford: the transposed tableau of its inverse, without phases."""
    return [int(bit) for bit in clifford.adjoint().tableau[:, :-1].T.ravel()]


def network_of(given: Any, num_qubits: int | None = None, *, executed: bool = False) -> Network:
    """Return the network of a circuit, a gate such as `PauliEvolutionGate`, or a `Clifford`.

    Gates are Cliffords, rotations about Paulis, by parameters too, T, and those that are defined by them. Rotations of
    one qubit by quarter turns count as Cliffords.

    Args:
        given: the circuit, gate or `Clifford`.
        num_qubits: the number of qubits that is expected.
        executed: whether all rotations are those of a network, quarter turns too.

    Raises:
        UsageError: there is another gate, or there are too many qubits or rotations.
    """
    circuits, info = module("qiskit.circuit"), module("qiskit.quantum_info")
    most = MAX_QUBITS
    size = getattr(given, "num_qubits", None)
    if not isinstance(size, int):
        raise UsageError(f"network: expected a circuit, a gate or a Clifford, found {type(given).__name__}")
    if (num_qubits is not None and size != num_qubits) or not 1 <= size <= most:
        expected = f"1 to {most}" if num_qubits is None else str(num_qubits)
        raise UsageError(f"network: expected {expected} qubits, found {size}")
    if isinstance(given, info.Clifford):
        return Network((), given)
    if isinstance(given, circuits.QuantumCircuit):
        return _parsed(given, executed)
    if isinstance(given, circuits.Instruction):
        whole = circuits.QuantumCircuit(size)
        whole.append(given, range(size))
        return _parsed(whole, executed)
    raise UsageError(f"network: expected a circuit, a gate or a Clifford, found {type(given).__name__}")


def pauli_rotation(label: str) -> Any:
    """Return a circuit of a rotation about a Pauli, by an angle of 1, of its label in Qiskit, such as `IXZ`."""
    try:
        pauli = module("qiskit.quantum_info").Pauli(label)
    except (module("qiskit.exceptions").QiskitError, TypeError) as error:
        raise UsageError(f"rotations: expected the label of a Pauli such as IXZ, found {label!r:.60}") from error
    if not (pauli.x | pauli.z).any() or pauli.phase % 2:
        raise UsageError(f"rotations: expected a Pauli other than the identity, found {label!r:.60}")
    sign = -0.5 if pauli.phase == 2 else 0.5
    made = module("qiskit.circuit").QuantumCircuit(pauli.num_qubits)
    pauli.phase = 0
    gate = module("qiskit.circuit.library").PauliEvolutionGate(pauli, sign)
    made.append(gate, range(pauli.num_qubits))
    return made


def _parsed(circuit: Any, executed: bool) -> Network:
    check_unitary(circuit, parameters=True)
    reader = _Reader(circuit.num_qubits, executed)
    reader.phase = circuit.global_phase
    for i, instruction in enumerate(circuit.data):
        reader.read(instruction.operation, places(circuit, instruction), place(circuit, i))
    return Network(tuple(reader.rotations), reader.clifford, reader.flat, reader.phase)


class _Reader:
    """The rotations of a circuit moved before its Cliffords, which turns their Paulis."""

    def __init__(self, num_qubits: int, executed: bool) -> None:
        self._executed = executed
        self.clifford = module("qiskit.quantum_info").Clifford(np.eye(2 * num_qubits, dtype=bool))
        self.rotations: list[Rotation] = []
        self.flat = module("qiskit.circuit").QuantumCircuit(num_qubits)
        self.phase: Any = 0.0

    def read(self, operation: Any, qubits: Sequence[int], where: str, depth: int = 0) -> None:
        """Read an operation and what it is defined by."""
        name = operation.name
        if name in IDLE:
            return
        definition = getattr(operation, "definition", None)
        if is_clifford(operation) and not (self._executed and name in ROTATIONS):
            self.clifford = self._composed(operation, qubits, where)
        elif name in _PHASES:
            # Rotations with a phase that may be one of parameters.
            angle = _ANGLES[name] if name in _ANGLES else operation.params[0]
            self._rotate("Z", qubits, angle, where)
            self.flat.rz(angle, *qubits)
            self.phase += angle / 2
            return
        elif name in ROTATIONS:
            self._rotate(ROTATIONS[name], qubits, operation.params[0], where)
        elif name in ("u", "u3"):
            theta, phi, lam = operation.params
            for turn, letter, angle in (("rz", "Z", lam), ("ry", "Y", theta), ("rz", "Z", phi)):
                self._rotate(letter, qubits, angle, where)
                getattr(self.flat, turn)(angle, *qubits)
            self.phase += (phi + lam) / 2
            return
        elif definition is not None and depth < _DEPTH:
            self._define(definition, qubits, where, depth)
            return
        elif any(getattr(value, "parameters", None) for value in getattr(operation, "params", ())):
            raise UsageError(f"{where}: expected a rotation about a Pauli or a Clifford gate, found {name:.60}")
        else:
            self.clifford = self._composed(operation, qubits, where)
        self.flat.append(operation, qubits)

    def _define(self, definition: Any, qubits: Sequence[int], where: str, depth: int) -> None:
        check_unitary(definition, parameters=True)
        self.phase += definition.global_phase
        for inner in definition.data:
            self.read(inner.operation, [qubits[at] for at in places(definition, inner)], where, depth + 1)

    def _composed(self, operation: Any, qubits: Sequence[int], where: str) -> Any:
        try:
            return self.clifford.compose(operation, list(qubits))
        except (module("qiskit.exceptions").QiskitError, TypeError, ValueError) as error:
            expected = "a rotation about a Pauli or a Clifford gate"
            raise UsageError(f"{where}: expected {expected}, found {operation.name:.60}") from error

    def _rotate(self, letters: str, qubits: Sequence[int], angle: Any, where: str) -> None:
        if len(self.rotations) >= _MAX_ROTATIONS:
            raise UsageError(f"{where}: expected at most {_MAX_ROTATIONS} rotations, found more")
        if isinstance(angle, (int, float)) and angle == 0:
            return
        if isinstance(angle, (int, float)) and not math.isfinite(angle):
            raise UsageError(f"{where}: expected a finite angle, found {angle}")
        size = self.clifford.num_qubits
        text = ["I"] * size
        for letter, qubit in zip(letters, qubits, strict=True):
            text[size - 1 - qubit] = letter
        pauli = module("qiskit.quantum_info").Pauli("".join(text)).evolve(self.clifford, frame="h")
        # The phase is a power of -i: 0 or 2, since the Pauli is Hermitian.
        self.rotations.append(Rotation(pauli.x.copy(), pauli.z.copy(), -angle if pauli.phase == 2 else angle))
