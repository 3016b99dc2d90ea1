"""Networks of rotations about Paulis: circuits as networks, and solutions as circuits."""

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("qiskit")
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import PauliEvolutionGate
from qiskit.quantum_info import Operator, SparsePauliOp, random_clifford
from twisterl.errors import ConfigError, EnvError, UsageError
from twisterl.quantum import BasicPolicyConfig, PauliGym, PPOConfig, RLSynthesis
from twisterl.quantum.pauli import Network, network_of

SMALL = BasicPolicyConfig(embedding_size=16, common_layers=[16])


@pytest.fixture(scope="module")
def rls():
    """An untrained policy on a line of two qubits, whose beam is as wide as the environment is small."""
    env = PauliGym.from_coupling_map("line:2", basis_gates=["H", "S", "SX", "CX"], max_depth=40)
    return RLSynthesis(env, PPOConfig(), SMALL)


def circuits():
    """Circuits of two qubits by name."""
    rotated = QuantumCircuit(2)
    rotated.rx(0.3, 0)
    entangled = QuantumCircuit(2, global_phase=0.7)
    entangled.h(0)
    entangled.cx(0, 1)
    entangled.rz(0.3, 1)
    entangled.cx(1, 0)
    entangled.ry(-0.9, 0)
    entangled.sdg(1)
    pairs = QuantumCircuit(2)
    pairs.rzz(0.4, 0, 1)
    pairs.rxx(0.5, 1, 0)
    pairs.rzx(0.6, 0, 1)
    pairs.t(0)
    pairs.tdg(1)
    pairs.p(0.2, 0)
    return {
        "one rotation": rotated,
        "Cliffords between rotations": entangled,
        "rotations of pairs, and T": pairs,
        "an evolution": PauliEvolutionGate(SparsePauliOp(["XX", "ZI", "YZ"], [0.3, -0.2, 0.7]), 0.5),
        "a Clifford": random_clifford(2, seed=4).to_circuit(),
        "nothing": QuantumCircuit(2),
    }


@pytest.mark.parametrize("name", circuits())
def test_a_solution_is_the_same_unitary(rls, name):
    given = circuits()[name]
    found = rls.synth(given, num_searches=512)
    # An evolution means the product of its terms, which is its definition.
    assert Operator(found) == Operator(getattr(given, "definition", given))
    assert {each.operation.name for each in found.data} <= {"h", "s", "sx", "cx", "rx", "ry", "rz", "x", "y", "z"}


def test_rotations_are_moved_before_the_cliffords():
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    circuit.rz(0.3, 1)
    circuit.x(0)
    circuit.rz(0.4, 0)
    network = network_of(circuit)
    # CX turns Z of the target into ZZ; X changes the sign of Z.
    assert [rotation.z.tolist() for rotation in network.rotations] == [[True, True], [True, False]]
    assert [rotation.angle for rotation in network.rotations] == [0.3, -0.4]
    assert network.state()[0] == 2
    assert network.state()[1 + 16 :] == [0, 2, 2, 1, 2, 0]


def test_parameters_stay_parameters(rls):
    a, b = Parameter("a"), Parameter("b")
    circuit = QuantumCircuit(2)
    circuit.h(1)
    circuit.cx(1, 0)
    circuit.rz(a, 0)
    circuit.x(0)
    circuit.rzz(b, 0, 1)
    found = rls.synth(circuit, num_searches=512)
    assert set(found.parameters) == {a, b}
    for values in ({a: 0.3, b: -1.1}, {a: 2.0, b: 0.1}):
        assert Operator(found.assign_parameters(values)) == Operator(circuit.assign_parameters(values))


@pytest.mark.parametrize(
    "add",
    [
        lambda c, a: c.p(a, 0),
        lambda c, a: c.u(0.3, a, 2 * a, 1),
        lambda c, a: c.cp(a, 0, 1),
        lambda c, a: c.append(PauliEvolutionGate(SparsePauliOp(["II", "ZX"], [0.3, 0.7]), a), [0, 1]),
    ],
)
def test_a_phase_that_depends_on_a_parameter_is_kept(rls, add):
    angle = Parameter("angle")
    circuit = QuantumCircuit(2, global_phase=0.2)
    add(circuit, angle)
    found = rls.synth(circuit, num_searches=512)
    for value in (0.4, -2.5):
        # The definition of the evolution is exact, since its terms commute.
        assert Operator(found.assign_parameters([value])) == Operator(circuit.assign_parameters([value]))


def test_quarter_turns_of_two_qubits_are_rotations(rls):
    circuit = QuantumCircuit(2)
    circuit.rzz(math.pi / 2, 0, 1)
    circuit.rxx(-math.pi, 0, 1)
    assert len(network_of(circuit).rotations) == 2
    assert Operator(rls.synth(circuit, num_searches=512)) == Operator(circuit)


def test_a_relabelled_network_is_that_of_the_relabelled_circuit():
    circuit = QuantumCircuit(3)
    circuit.rzx(0.3, 0, 1)
    circuit.cx(1, 2)
    circuit.ry(0.4, 2)
    circuit.s(0)
    order = [2, 0, 1]
    # Qubit i of the new one is qubit order[i] of the old one.
    moved = QuantumCircuit(3).compose(circuit, [order.index(qubit) for qubit in range(3)])
    network = network_of(circuit).relabelled(order)
    assert network.state() == network_of(moved).state()
    assert network.clifford == network_of(moved).clifford
    assert network.order_in(network_of(moved)) == [0, 1]
    assert network.order_in(network_of(circuit)) is None


@pytest.mark.parametrize(
    ("preserve_order", "terms", "order"),
    [
        (True, [("rz", 0.2), ("rx", 0.1), ("ry", 0.3)], None),
        (False, [("rz", 0.2), ("rx", 0.1), ("ry", 0.3)], [1, 0, 2]),
        (True, [("rx", 0.1), ("rz", 0.2), ("ry", 0.3)], [0, 1, 2]),
        (False, [("rx", 0.1), ("rz", 0.2), ("ry", 0.4)], None),
        (False, [("rx", 0.1), ("rz", 0.2)], None),
    ],
)
def test_the_order_of_rotations_matters_unless_it_is_free(preserve_order, terms, order):
    def made(terms):
        circuit = QuantumCircuit(1)
        for name, angle in terms:
            getattr(circuit, name)(angle, 0)
        return network_of(circuit)

    wanted = replace(made([("rx", 0.1), ("rz", 0.2), ("ry", 0.3)]), preserve_order=preserve_order)
    assert wanted.order_in(made(terms)) == order


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.ccx(0, 1, 2), None),  # it is made of Cliffords and T
        (lambda c: c.crx(0.3, 0, 1), None),
        (lambda c: c.measure_all(), "expected a gate, found measure"),
        (lambda c: c.reset(0), "expected a gate, found reset"),
        (lambda c: c.rz(math.nan, 1), r"circuit.data\[0\] on qubit 1: expected a finite angle, found nan"),
        (lambda c: c.initialize([1, 0], 0), "expected a gate, found initialize"),
        (lambda c: c.unitary(np.diag([1, np.exp(0.1j)]), [0]), None),
        (lambda c: [c.rz(0.1, 0) for _ in range(1025)], r"data\[1024\] on qubit 0: expected at most 1024 rotations"),
    ],
)
def test_circuits_are_networks_or_refused_with_the_place(change, message):
    circuit = QuantumCircuit(3)
    change(circuit)
    if message is None:
        assert network_of(circuit).rotations
        return
    with pytest.raises(UsageError, match=message):
        network_of(circuit)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (QuantumCircuit(10_000), "expected 2 qubits, found 10000"),
        ([1, 0], "expected a circuit, a gate or a Clifford, found list"),
        (None, "found NoneType"),
    ],
)
def test_other_things_are_refused(rls, given, message):
    with pytest.raises(UsageError, match=message):
        rls.synth(given)


def test_labels_of_the_peer():
    env = PauliGym.from_coupling_map("line:2")
    clifford = random_clifford(2, seed=1)
    state = env.get_state(clifford, ["IX", "-ZY"])
    assert state == env.get_state((clifford.adjoint(), ["IX", "ZY"]))
    assert state[1 + 16 :] == [0, 1, 0, 1, 3, 2]
    env.set_state(state)
    for label in ("II", "IXZ", "AB", 5):
        with pytest.raises(UsageError):
            env.get_state(clifford, [label])


def test_a_wrong_circuit_is_an_error(rls):
    circuit = QuantumCircuit(2)
    circuit.rzz(0.3, 0, 1)
    network = network_of(circuit)
    with pytest.raises(EnvError, match="found another one"):
        rls.env.build_circuit_from_solution([], circuit)
    # The Paulis of another network in the place of its own.
    first, other = network_of(circuit).rotations[0], QuantumCircuit(2)
    other.rxx(0.3, 0, 1)
    swapped = Network((first, network_of(other).rotations[0]), network.clifford)
    assert swapped.state() != network.state()


def test_files_of_pauli_networks(tmp_path, rls):
    rls.save(tmp_path / "pauli.json", tmp_path / "pauli.pt")
    again = RLSynthesis.from_config_json(tmp_path / "pauli.json", tmp_path / "pauli.pt")
    assert again.env.config["max_rotations"] == 5
    circuit = circuits()["an evolution"]
    assert Operator(again.synth(circuit, num_searches=512)) == Operator(circuit.definition)
    with pytest.raises(ConfigError, match="max_rotations"):
        PauliGym.from_coupling_map("line:2", max_rotations=0)


@pytest.mark.parametrize("seed", range(8))
def test_random_networks(rls, seed):
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(2)
    for _ in range(8):
        qubit = int(rng.integers(2))
        match rng.integers(5):
            case 0:
                circuit.h(qubit)
            case 1:
                circuit.cx(qubit, 1 - qubit)
            case 2:
                circuit.s(qubit)
            case _:
                circuit.rz(float(rng.uniform(-3, 3)), qubit)
    found = rls.synth(circuit, num_searches=1024)
    assert Operator(found) == Operator(circuit)
