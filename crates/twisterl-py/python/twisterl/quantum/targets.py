"""Targets: the permutation, linear function or Clifford that a circuit is to make, as a state of an environment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from twisterl._internal.arguments import whole
from twisterl.errors import UsageError
from twisterl.quantum._qiskit import module
from twisterl.quantum.circuits import ONE_QUBIT, TWO_QUBIT, check_unitary, place
from twisterl.quantum.pauli import MAX_QUBITS, Network, network_of, tableau_of

__all__ = ["KINDS", "ROUTING", "Kind", "ModelKind", "Target", "kind_named", "model_kind_named", "target_of"]

_SHORT = {"linear": "linear_function", "pauli": "pauli_network"}


@dataclass(frozen=True)
class ModelKind:
    """A kind of models.

    Attributes:
        name: its name, which is that of Qiskit's synthesis plugins for targets.
        env_classes: the environments of such models, which are trained on the last one.
        gates: the gates that the environment takes.
        max_qubits: the most qubits that the environment takes.
    """

    name: str
    env_classes: tuple[str, ...]
    gates: tuple[str, ...]
    max_qubits: int


@dataclass(frozen=True)
class Kind(ModelKind):
    """A kind of target.

    Attributes:
        read: returns the target's value from what a user has.
        state: returns the value of the inverse as the environment has it, whose solution are the gates in their order.
        is_made_by: returns True if a circuit makes the value.
    """

    read: Callable[[Any], Any]
    state: Callable[[Any], list[int]]
    is_made_by: Callable[[Any, Any], bool]

    @property
    def title(self) -> str:
        """The name in sentences."""
        return {"clifford": "Clifford", "pauli_network": "Pauli network"}.get(self.name, self.name.replace("_", " "))


@dataclass(frozen=True)
class Target:
    """The operation that a circuit makes.

    Attributes:
        kind: the kind.
        num_qubits: the number of qubits.
        value: the pattern of a permutation; the matrix of a linear function; a `Clifford`; a `Network`.
        source: the circuit that it was read from, whose global phase answers have; None if there is none.
    """

    kind: Kind
    num_qubits: int
    value: Any
    source: Any = None

    def state(self) -> list[int]:
        """Return the state of the environment that the gates of a circuit solve, in their order in time."""
        return self.kind.state(self.value)

    def is_made_by(self, circuit: Any) -> bool:
        """Return True if a circuit makes the target, signs of Paulis included."""
        return self.kind.is_made_by(self.value, circuit)

    def relabelled(self, order: Sequence[int]) -> Target:
        """Return the target whose qubit `i` is qubit `order[i]` of this one, without its source."""
        order, size, value = list(order), self.num_qubits, self.value
        if self.kind.name == "permutation":
            number = {qubit: i for i, qubit in enumerate(order)}
            return target_of([number[int(value[qubit])] for qubit in order], self.kind, size)
        if self.kind.name == "linear_function":
            return target_of(value[order][:, order], self.kind, size)
        network = value if isinstance(value, Network) else Network((), value)
        network = network.relabelled(order)
        return Target(self.kind, size, network if isinstance(value, Network) else network.clifford)


def kind_named(name: str) -> Kind:
    """Return a kind by its name; `linear` is short for `linear_function`, `pauli` for `pauli_network`."""
    found = KINDS.get(_SHORT.get(name, name).replace("-", "_")) if isinstance(name, str) else None
    if found is None:
        raise UsageError(f"kind: expected one of {', '.join(KINDS)}, found {name!r:.60}")
    return found


def model_kind_named(name: str) -> ModelKind:
    """Return a kind of models by its name: `routing`, or that of a kind of targets."""
    if name == ROUTING.name:
        return ROUTING
    try:
        return kind_named(name)
    except UsageError as error:
        raise UsageError(str(error).replace("expected one of ", f"expected one of {ROUTING.name}, ")) from None


def target_of(given: Any, kind: Kind, num_qubits: int | None = None) -> Target:
    """Return the target that a user gives.

    Args:
        given: of every kind a `QuantumCircuit`, a gate, a `Clifford`, a `LinearFunction` or a `PermutationGate` that is
            one of the kind; a permutation also as the list of its pattern; a linear function as its matrix; a Clifford
            as its tableau, `[2n, 2n]` or with a column of phases, as an `Operator` or a Pauli. A Pauli network is given
            as a `Network`, or as what `network_of` takes.
        kind: the kind.
        num_qubits: the number of qubits that is expected.

    Raises:
        UsageError: it is not of the kind, or has another number of qubits.
    """
    circuit_class = module("qiskit.circuit").QuantumCircuit
    size = getattr(given, "num_qubits", None)
    if size is None and isinstance(given, Iterable) and not isinstance(given, (str, bytes, dict)):
        given = given if isinstance(given, np.ndarray) else list(islice(iter(given), 2 * kind.max_qubits + 1))
        size = (given.shape[0] if given.ndim else 0) if isinstance(given, np.ndarray) else len(given)
        size = size if kind.name != "clifford" else (size + 1) // 2
    if isinstance(size, int):
        most, least = (kind.max_qubits, 1) if num_qubits is None else (num_qubits, num_qubits)
        if not least <= size <= most:
            expected = str(least) if least == most else f"1 to {most}"
            raise UsageError(f"{kind.title}: expected {expected} qubits, found {size}")
    if isinstance(given, circuit_class):
        check_unitary(given, parameters=kind.name == "pauli_network")
    value = kind.read(given)
    found = getattr(value, "num_qubits", None) or len(value)
    if num_qubits is not None and found != num_qubits:
        raise UsageError(f"{kind.title}: expected {num_qubits} qubits, found {found}")
    if isinstance(value, Network):
        return Target(kind, found, value, value.source)
    return Target(kind, found, value, given if isinstance(given, circuit_class) else None)


def _clifford(given: Any, kind: str = "clifford", other: str = "a tableau") -> Any:
    """Return a `Clifford`. Errors of what is none name a kind, and another form in which it is given."""
    info, circuits = module("qiskit.quantum_info"), module("qiskit.circuit")
    errors = (module("qiskit.exceptions").QiskitError, ValueError, TypeError, AttributeError)
    if isinstance(given, info.Clifford):
        return given
    if isinstance(given, (list, tuple, np.ndarray)):
        return _of_tableau(given)
    try:
        if isinstance(given, circuits.QuantumCircuit):
            return info.Clifford(given)
        if isinstance(given, info.Operator):
            return info.Clifford.from_operator(given)
        if isinstance(given, info.Pauli):
            return info.Clifford(given.to_instruction())
        if hasattr(given, "num_qubits"):
            return info.Clifford(given)
    except errors as error:
        if isinstance(given, circuits.QuantumCircuit):
            raise _first_of_another_kind(given, "Clifford", info.Clifford, errors) from error
        raise UsageError(f"clifford: expected a Clifford, found {_shown(given)} ({error!s:.120})") from error
    raise UsageError(
        f"{kind}: expected a circuit, a gate, a Clifford or {other}, found {type(given).__name__} {given!r:.60}"
    )


def _of_tableau(given: Any) -> Any:
    """Return the `Clifford` of a tableau, with or without phases."""
    table = _bits("clifford", given)
    rows, columns = table.shape
    if rows == 0 or rows % 2 or columns not in (rows, rows + 1):
        raise UsageError(f"clifford: expected a tableau [2n, 2n] or [2n, 2n + 1], found {list(table.shape)}")
    n = rows // 2
    swapped = np.roll(table[:, :rows], n, axis=1)
    products = table[:, :rows].astype(int) @ swapped.T.astype(int) % 2
    wrong = np.argwhere(products != np.roll(np.eye(rows, dtype=int), n, axis=1))
    if len(wrong):
        a, b = wrong[0].tolist()
        says = "anticommute" if products[a, b] else "commute"
        raise UsageError(f"clifford: expected a symplectic tableau, found rows {a} and {b}, which {says}")
    if columns == rows:
        table = np.hstack([table, np.zeros((rows, 1), bool)])
    return module("qiskit.quantum_info").Clifford(table, validate=False)


def _linear(given: Any, kind: str = "linear function", other: str = "a matrix") -> Any:
    """Return the invertible matrix of a linear function; see `_clifford` for errors."""
    library, circuits = module("qiskit.circuit.library"), module("qiskit.circuit")
    if isinstance(given, library.LinearFunction):
        matrix = np.asarray(given.linear, bool)
    elif isinstance(given, (list, tuple, np.ndarray)):
        matrix = _bits("linear function", given)
    elif isinstance(given, library.PermutationGate):
        matrix = np.eye(given.num_qubits, dtype=bool)[_pattern(given.pattern)]
    else:
        clifford = _clifford(given, kind, other)
        if clifford.phase.any() or clifford.destab_z.any() or clifford.stab_x.any():
            error = module("qiskit.exceptions").QiskitError
            if isinstance(given, circuits.QuantumCircuit):
                raise _first_of_another_kind(given, "linear", library.LinearFunction, (error,))
            raise UsageError(f"linear function: expected CX and SWAP gates alone, found {_shown(given)}")
        matrix = np.asarray(clifford.destab_x.T, bool)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise UsageError(f"linear function: expected a matrix [n, n], found {list(matrix.shape)}")
    if not module("qiskit.synthesis.linear").check_invertible_binary_matrix(matrix):
        raise UsageError("linear function: expected an invertible matrix over GF(2), found a singular one")
    return matrix


def _permutation(given: Any) -> Any:
    """Return the pattern of a permutation: the number of the qubit that arrives at each place."""
    if isinstance(given, module("qiskit.circuit.library").PermutationGate):
        return _pattern(given.pattern)
    if isinstance(given, (list, np.ndarray)) and np.ndim(given[0] if len(given) else 0) == 0:
        return _pattern(given)
    matrix = _linear(given, "permutation", "a list of qubits")
    if (matrix.sum(axis=1) != 1).any():
        row = int(np.flatnonzero(matrix.sum(axis=1) != 1)[0])
        raise UsageError(f"permutation: expected one 1 in each row, found row {row} with {matrix[row].sum()}")
    return matrix.argmax(axis=1)


def _pattern(given: Any) -> Any:
    pattern = [whole(f"permutation[{i}]", qubit) for i, qubit in enumerate(given)]
    first: dict[int, int] = {}
    for i, qubit in enumerate(pattern):
        if not 0 <= qubit < len(pattern):
            raise UsageError(f"permutation[{i}]: expected a qubit from 0 to {len(pattern) - 1}, found {qubit}")
        if qubit in first:
            raise UsageError(f"permutation[{i}]: expected each qubit once, found {qubit} at {first[qubit]} and {i}")
        first[qubit] = i
    return np.array(pattern, int)


def _bits(name: str, given: Any) -> Any:
    """Return a matrix of bits."""
    try:
        matrix = np.asarray(given)
        wrong: Any = np.argwhere((matrix != 0) & (matrix != 1)) if matrix.ndim == 2 else []
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name}: expected a matrix of 0 and 1, found {given!r:.60}") from error
    if matrix.ndim != 2 or matrix.dtype.kind not in "biuf":
        raise UsageError(f"{name}: expected a matrix of 0 and 1, found an array {list(matrix.shape)} of {matrix.dtype}")
    if len(wrong):
        row, column = wrong[0].tolist()
        raise UsageError(f"{name}[{row}][{column}]: expected 0 or 1, found {matrix[row, column]}")
    return matrix.astype(bool)


def _first_of_another_kind(circuit: Any, kind: str, read: Callable[[Any], Any], errors: Any) -> UsageError:
    """Return an error that names the first gate of a circuit that cannot be read."""
    tried: set[tuple[str, str]] = set()
    for i, instruction in enumerate(circuit.data):
        operation = instruction.operation
        key = (operation.name, repr(getattr(operation, "params", None)))
        if operation.name == "barrier" or key in tried:
            continue
        tried.add(key)
        try:
            alone = type(circuit)(len(instruction.qubits))
            alone.append(operation, range(len(instruction.qubits)))
            read(alone)
        except errors:
            return UsageError(f"{place(circuit, i)}: expected a {kind} gate, found {_shown(operation)}")
    return UsageError(f"circuit: expected a {kind} circuit, found gates that make none")


def _shown(operation: Any) -> str:
    name = str(getattr(operation, "name", None) or type(operation).__name__)
    values = [f"{value:.6g}" for value in getattr(operation, "params", ()) if isinstance(value, (int, float))]
    return f"{name}({', '.join(values)})" if values else name


def _inverse(matrix: Any) -> list[int]:
    inverse = module("qiskit.synthesis.linear").calc_inverse_matrix(matrix)
    return [int(bit) for bit in np.asarray(inverse).ravel()]


def _is_made(read: Callable[[Any], Any]) -> Callable[[Any, Any], bool]:
    """Return whether what is read of a circuit is equal to a value."""
    return lambda value, circuit: bool(np.all(read(circuit) == value))


def _network(given: Any) -> Network:
    return given if isinstance(given, Network) else network_of(given)


def _is_network(value: Network, circuit: Any) -> bool:
    return value.order_in(network_of(circuit, executed=True)) is not None


_CLIFFORD_GATES = (*ONE_QUBIT, *TWO_QUBIT)
# Circuits to route are no targets: there is no one operation that a routed circuit makes.
ROUTING = ModelKind("routing", ("Routing",), ("SWAP",), 256)
KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "permutation",
            ("Permutation",),
            ("SWAP",),
            256,
            _permutation,
            lambda pattern: [int(place) for place in np.argsort(pattern)],
            _is_made(_permutation),
        ),
        Kind("linear_function", ("LinearFunction",), ("CX", "SWAP"), 64, _linear, _inverse, _is_made(_linear)),
        Kind(
            "clifford",
            ("Clifford", "CliffordCoset"),
            _CLIFFORD_GATES,
            MAX_QUBITS,
            _clifford,
            tableau_of,
            _is_made(_clifford),
        ),
        Kind(
            "pauli_network",
            ("PauliNetwork", "PauliNetworkCoset"),
            _CLIFFORD_GATES,
            MAX_QUBITS,
            _network,
            Network.state,
            _is_network,
        ),
    )
}
