"""Targets of circuits, from all that users of Qiskit have, and what is refused of them."""

import itertools
import time

import numpy as np
import pytest

pytest.importorskip("qiskit")
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import LinearFunction, PermutationGate
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import Clifford, Operator, Pauli, random_clifford
from qiskit.synthesis.linear import random_invertible_binary_matrix
from qiskit.transpiler import CouplingMap, Target
from twisterl.errors import EnvError, UsageError
from twisterl.quantum import circuit_of, coupling_of, gates_of, target_of, two_qubit_count
from twisterl.quantum.answers import answer
from twisterl.quantum.circuits import Gate
from twisterl.quantum.targets import KINDS


def circuit(num_qubits, *gates):
    return circuit_of(gates, num_qubits)


# Coupling maps.


@pytest.mark.parametrize(
    ("given", "num_qubits", "num_pairs"),
    [
        ("line:5", 5, 4),
        ("ring:5", 5, 5),
        ("grid:3x3", 9, 12),
        ("star:5", 5, 4),
        ("full:4", 4, 6),
        ("line:1", 1, 0),
        # The sizes of IBM's machines, and of a heavy-hex code of distance 5.
        ("heavy-hex:5", 57, 64),
        ("falcon:27", 27, 28),
        ("hummingbird:65", 65, 72),
        ("eagle:127", 127, 144),
        ([(0, 1), (1, 2)], 3, 2),
        (CouplingMap.from_grid(2, 3), 6, 7),
        (GenericBackendV2(5, coupling_map=CouplingMap.from_line(5)), 5, 4),
        (Target.from_configuration(["cx", "rz", "sx"], 4, CouplingMap.from_ring(4)), 4, 4),
        (Target.from_configuration(["cx", "rz", "sx"], 4), 4, 6),
    ],
)
def test_maps_in_every_form(given, num_qubits, num_pairs):
    coupling = coupling_of(given)
    assert coupling.num_qubits == num_qubits
    assert len(coupling.pairs) == num_pairs
    coupling.check_connected()
    assert sorted(coupling.to_qiskit().get_edges()) == list(coupling.edges)


def test_the_eagle_has_degree_three_at_most_and_bridges_of_two():
    degrees = sorted(map(len, coupling_of("eagle:127").neighbours))
    # 144 edges; two ends of degree 1 in the shorter rows.
    assert sum(degrees) == 288
    assert set(degrees) == {1, 2, 3}
    assert degrees.count(1) == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("line", "expected a name such as line:5"),
        ("line:0", "expected sizes from 1 to 4096"),
        ("line:10000", "expected sizes from 1 to 4096, found 'line:10000'"),
        ("grid:5", "expected a name such as"),
        ("grid:4000x4000", "expected 1 to 4096 qubits, found 16000000"),
        ("full:4000", "at most 262144 edges"),
        ("ring:2", "a ring of 3 qubits or more"),
        ("heavy-hex:4", "an odd distance"),
        ("eagle:126", "expected eagle:127, found eagle:126"),
        ("torus:3x3", "found 'torus:3x3'"),
        ([(0, 0)], r"coupling_map\[0\]: expected two different qubits"),
        ([(0, 1), (1, 2, 3)], r"coupling_map\[1\]: expected two different qubits"),
        ([(0, -1)], "two different qubits below"),
        ([(0, 10_000)], "two different qubits below 4096"),
        ([(0, 0.5)], r"coupling_map\[0\]: expected a whole number, found 0.5"),
        ([5], r"coupling_map\[0\]: expected two qubits, found 5"),
        (7, "found int 7"),
        ({"line": 5}, "found dict"),
    ],
)
def test_impossible_maps_are_refused(given, message):
    with pytest.raises(UsageError, match=message):
        coupling_of(given)


def test_parts_of_a_map_that_are_not_connected_are_named():
    coupling = coupling_of([(0, 1), (3, 4)])
    with pytest.raises(UsageError, match=r"found 3 parts: \[0, 1\], \[2\], \[3, 4\]"):
        coupling.check_connected()


def test_an_induced_map_is_numbered_by_places_and_keeps_directions():
    directed = coupling_of([(0, 1), (1, 2), (3, 2)])
    assert directed.induced([3, 2, 1]).edges == ((0, 1), (2, 1))
    assert coupling_of("line:4").induced([3, 2, 1]).edges == coupling_of("line:3").edges
    with pytest.raises(UsageError, match="expected different ones from 0 to 3"):
        directed.induced([0, 0])


# Targets.

SWAPS = circuit(3, ("SWAP", (0, 1)), ("SWAP", (1, 2)))


@pytest.mark.parametrize(
    "given",
    [
        SWAPS,
        PermutationGate([1, 2, 0]),
        [1, 2, 0],
        np.array([1, 2, 0]),
        (1, 2, 0),
        Clifford(SWAPS),
        np.eye(3)[[1, 2, 0]],
    ],
)
def test_a_permutation_in_every_form(given):
    target = target_of(given, KINDS["permutation"])
    assert target.value.tolist() == [1, 2, 0]
    # argsort, as of qiskit-gym.
    assert target.state() == [2, 0, 1]
    assert target.is_made_by(SWAPS)
    assert not target.is_made_by(SWAPS.inverse())


@pytest.mark.parametrize("seed", range(5))
def test_a_linear_function_is_the_inverse_matrix(seed):
    matrix = random_invertible_binary_matrix(4, seed=seed)
    function = LinearFunction(matrix)
    for given in (matrix, matrix.astype(int).tolist(), function, Clifford(function)):
        target = target_of(given, KINDS["linear_function"])
        inverse = np.array(target.state()).reshape(4, 4)
        assert ((inverse @ matrix.astype(int)) % 2 == np.eye(4)).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_clifford_is_the_transposed_tableau_of_its_inverse(seed):
    clifford = random_clifford(3, seed=seed)
    state = clifford.adjoint().tableau[:, :-1].T.flatten().astype(int).tolist()
    for given in (clifford, clifford.to_circuit(), clifford.tableau, clifford.to_operator(), clifford.to_instruction()):
        assert target_of(given, KINDS["clifford"]).state() == state
    # Without phases, a tableau is that of the Clifford up to Paulis.
    assert target_of(clifford.tableau[:, :-1], KINDS["clifford"]).state() == state


def test_other_forms_of_cliffords():
    assert target_of(Pauli("XZ"), KINDS["clifford"]).value == Clifford(Pauli("XZ").to_instruction())
    assert target_of(PermutationGate([1, 0]), KINDS["clifford"]).value == Clifford(circuit(2, ("SWAP", (0, 1))))
    rotated = QuantumCircuit(1)
    rotated.rz(np.pi / 2, 0)
    assert target_of(rotated, KINDS["clifford"]).value == Clifford(circuit(1, ("S", (0,))))


def odd(change, num_qubits=3, num_clbits=1):
    made = QuantumCircuit(num_qubits, num_clbits)
    made.h(0)
    change(made)
    return made


def branch(made):
    with made.if_test((made.clbits[0], 1)):
        made.x(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.t(2), r"circuit.data\[1\] on qubit 2: expected a Clifford gate, found t"),
        (lambda c: c.rz(0.3, 1), r"circuit.data\[1\] on qubit 1: expected a Clifford gate, found rz\(0.3\)"),
        (lambda c: c.ccx(0, 1, 2), r"circuit.data\[1\] on qubits 0, 1, 2: expected a Clifford gate, found ccx"),
        (lambda c: c.rz(Parameter("a"), 1), "found rz with a parameter without a value"),
        (lambda c: c.measure(0, 0), r"circuit.data\[1\] on qubit 0: expected a gate, found measure"),
        (lambda c: c.reset(0), "expected a gate, found reset"),
        (lambda c: c.initialize([1, 0], 0), "expected a gate, found initialize"),
        (branch, "expected a gate, found the control flow if_else"),
    ],
)
def test_circuits_that_are_no_cliffords_are_refused_with_the_place(change, message):
    with pytest.raises(UsageError, match=message):
        target_of(odd(change), KINDS["clifford"])


SINGULAR = np.ones((3, 3), int)
NOT_SYMPLECTIC = np.eye(4, dtype=int)[[0, 2, 1, 3]]


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        ("linear_function", SINGULAR, "expected an invertible matrix over GF.2., found a singular one"),
        ("linear_function", LinearFunction(SINGULAR), "singular"),
        ("linear_function", np.ones((2, 3)), r"expected a matrix \[n, n\], found \[2, 3\]"),
        ("linear_function", [[1, 0], [0, 2]], r"linear function\[1\]\[1\]: expected 0 or 1, found 2"),
        ("linear_function", [[1, 0], [0]], "expected a matrix of 0 and 1"),
        ("linear_function", [["a", "b"]], "expected a matrix of 0 and 1"),
        ("linear_function", circuit(2, ("CX", (0, 1)), ("CZ", (0, 1))), r"data\[1\] on qubits 0, 1: expected a linear"),
        ("linear_function", np.eye(10_000, dtype=bool), "expected 1 to 64 qubits, found 10000"),
        ("permutation", [0, 0, 1], r"permutation\[1\]: expected each qubit once, found 0 at 0 and 1"),
        ("permutation", [0, 3, 1], r"permutation\[1\]: expected a qubit from 0 to 2, found 3"),
        ("permutation", [0, -1], "expected a qubit from 0 to 1, found -1"),
        ("permutation", [0.5, 1], r"permutation\[0\]: expected a whole number"),
        ("permutation", list(range(400)), "expected 1 to 256 qubits, found 400"),
        ("permutation", itertools.count(), "expected 1 to 256 qubits, found 513"),
        ("permutation", circuit(2, ("CX", (0, 1))), "expected one 1 in each row, found row 1 with 2"),
        (
            "permutation",
            "abc",
            "^permutation: expected a circuit, a gate, a Clifford or a list of qubits, found str 'abc'",
        ),
        ("linear_function", {}, "^linear function: expected a circuit, a gate, a Clifford or a matrix, found dict"),
        ("permutation", [], "expected 1 to 256 qubits, found 0"),
        ("clifford", NOT_SYMPLECTIC, "expected a symplectic tableau, found rows 0 and 1, which anticommute"),
        ("clifford", np.ones((4, 4), int), "found rows 0 and 2, which commute"),
        ("clifford", np.ones((4, 7), int), r"expected a tableau \[2n, 2n\]"),
        ("clifford", QuantumCircuit(10_000), "expected 1 to 32 qubits, found 10000"),
        ("clifford", Operator(np.diag([1, np.exp(0.3j)])), "expected a Clifford"),
        ("clifford", 5, "^clifford: expected a circuit, a gate, a Clifford or a tableau, found int 5"),
        ("clifford", None, "found NoneType"),
    ],
)
def test_impossible_targets_are_refused_at_once(kind, given, message):
    begun = time.process_time()
    with pytest.raises(UsageError, match=message):
        target_of(given, KINDS[kind])
    assert time.process_time() - begun < 5


def test_a_target_of_another_size_is_refused():
    with pytest.raises(UsageError, match="permutation: expected 9 qubits, found 3"):
        target_of([2, 1, 0], KINDS["permutation"], 9)


# Gates and answers.


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ([("T", (0,))], r"gates\[0\]: expected one of the gates H, .*, found 'T'"),
        ([("H", (0,)), ("CX", (0, 3))], r"gates\[1\]: expected two different qubits below 3 for CX, found \[0, 3\]"),
        ([("CX", (1, 1))], "two different qubits"),
        ([("H", (0, 1))], r"expected a qubit below 3 for H, found \[0, 1\]"),
    ],
)
def test_impossible_gates_are_refused(gates, message):
    with pytest.raises(UsageError, match=message):
        circuit_of(gates, 3)


def test_circuits_as_gates_and_their_cost():
    made = circuit(3, ("h", (0,)), ("CX", (0, 1)), ("swap", (1, 2)), ("CZ", (0, 2)))
    assert gates_of(made) == [("h", (0,)), ("cx", (0, 1)), ("swap", (1, 2)), ("cz", (0, 2))]
    assert two_qubit_count(made) == 5


@pytest.mark.parametrize("phase", [0.0, 1.0])
def test_an_answer_has_the_signs_and_the_global_phase_of_the_target(phase):
    given = QuantumCircuit(2, global_phase=phase)
    given.x(0)
    given.h(0)
    given.y(1)
    given.cx(0, 1)
    made = answer(target_of(given, KINDS["clifford"]), [Gate("H", (0,)), Gate("CX", (0, 1))])
    assert Operator(made) == Operator(given)


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ([Gate("CX", (1, 0))], "found another one"),
        ([Gate("CX", (0, 1)), Gate("CX", (0, 2)), Gate("CX", (0, 2))], r"found CX on \[0, 2\]"),
        ([], "found another one"),
    ],
)
def test_a_wrong_circuit_is_an_error(gates, message):
    target = target_of(circuit(3, ("CX", (0, 1))), KINDS["linear_function"])
    with pytest.raises(EnvError, match=message):
        answer(target, gates, coupling_of([(0, 1), (1, 2)]))
