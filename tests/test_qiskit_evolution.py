"""Evolutions under sums of Paulis in Qiskit's compiler: equivalent circuits, with Qiskit's own as references."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("qiskit")
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Gate, Parameter
from qiskit.circuit.library import PauliEvolutionGate
from qiskit.quantum_info import Operator, SparseObservable, SparsePauliOp
from qiskit.synthesis import LieTrotter, MatrixExponential, SuzukiTrotter
from qiskit.transpiler import CouplingMap, PassManager
from qiskit.transpiler.passes import HighLevelSynthesis
from qiskit.transpiler.passes.synthesis.high_level_synthesis import HLSConfig
from qiskit.transpiler.passes.synthesis.plugin import HighLevelSynthesisPluginManager
from twisterl.errors import UsageError
from twisterl.quantum import two_qubit_count
from twisterl.quantum.compiler import ResynthesizeBlocks
from twisterl.quantum.compiler.plugins import PauliEvolutionPlugin, cost_of
from twisterl.quantum.models import load_model, train_model

BASIS = ["cx", "rz", "sx", "x"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model for two qubits, whose beams are as wide as the environment is small."""
    made = tmp_path_factory.mktemp("models")
    train_model("line:2", "pauli_network", made / "two", iterations=2, quiet=True)
    return made


def synthesized(
    gate,
    folder,
    qubits=(0, 1),
    coupling=None,
    basis=(*BASIS, "ry", "rx", "h", "s", "u", "p", "cz", "swap", "sdg", "sxdg"),
    **options,
):
    """Return the circuit of a gate, and that of Qiskit's default method."""
    circuit = QuantumCircuit(max(qubits) + 1)
    circuit.append(gate, qubits)
    made = []
    for name, given in (("twisterl", {"models": folder, "seconds": 60, **options}), ("default", options)):
        given = {key: value for key, value in given.items() if name == "twisterl" or key == "preserve_order"}
        config = HLSConfig(PauliEvolution=[(name, given)])
        passes = HighLevelSynthesis(
            config,
            coupling,
            use_qubit_indices=coupling is not None,
            basis_gates=[*basis, "rzz", "rxx", "ryy", "y", "z"],
        )
        made.append(PassManager([passes]).run(circuit))
    return made


def evolution(labels, coefficients, time=1.0, **options):
    return PauliEvolutionGate(SparsePauliOp(labels, coefficients), time, **options)


def product(labels, angles):
    """Return the product of evolutions, the first one in time first."""
    circuit = QuantumCircuit(len(labels[0]))
    for label, angle in zip(labels, angles, strict=True):
        circuit.append(evolution([label], [angle]), range(circuit.num_qubits))
    return Operator(circuit)


LABELS = ["".join(pair) for pair in itertools.product("IXYZ", repeat=2)][1:]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("preserve_order", [True, False])
def test_random_evolutions_are_products_of_their_terms(folder, seed, preserve_order):
    rng = np.random.default_rng(seed)
    labels = [LABELS[i] for i in rng.integers(len(LABELS), size=4)]
    angles = rng.uniform(-1, 1, 4).tolist()
    found, usual = synthesized(evolution(labels, angles), folder, preserve_order=preserve_order)
    rustiq = HighLevelSynthesisPluginManager().method("PauliEvolution", "rustiq")
    rival = rustiq.run(evolution(labels, angles), preserve_order=preserve_order)
    assert cost_of(found) <= min(cost_of(usual), cost_of(rival))
    orders = [range(4)] if preserve_order else itertools.permutations(range(4))
    products = [product([labels[i] for i in order], [angles[i] for i in order]) for order in orders]
    assert Operator(found) in products  # with the global phase


def test_any_order_takes_no_more_gates_and_sometimes_fewer(folder):
    rng, costs = np.random.default_rng(3), []
    for _ in range(8):
        labels = [LABELS[i] for i in rng.integers(len(LABELS), size=5)]
        gate = evolution(labels, rng.uniform(-1, 1, 5).tolist())
        costs.append([cost_of(synthesized(gate, folder, preserve_order=keep)[0]) for keep in (True, False)])
    assert all(free <= ordered for ordered, free in costs)
    assert any(free < ordered for ordered, free in costs)


@pytest.mark.parametrize(
    ("labels", "coefficients"),
    [
        (["XX", "ZZ", "YY"], [0.3, -0.2, 0.7]),
        (["ZI", "ZZ", "II"], [1.0, -0.25, 0.9]),
        (["XX", "ZZ"], [math.pi / 4, -math.pi / 2]),  # quarter turns are Cliffords
        (["XY"], [math.pi]),
        (["II"], [0.4]),
        (["XX", "ZZ"], [0.0, 0.3]),
    ],
)
@pytest.mark.parametrize("preserve_order", [True, False])
def test_evolutions_of_commuting_terms_are_exact(folder, labels, coefficients, preserve_order):
    gate = evolution(labels, coefficients)
    found, _ = synthesized(gate, folder, preserve_order=preserve_order)
    assert Operator(found) == Operator(gate.to_matrix())


@pytest.mark.parametrize("preserve_order", [True, False])
@pytest.mark.parametrize("synthesis", [LieTrotter(reps=2), SuzukiTrotter(order=2), LieTrotter(insert_barriers=True)])
def test_product_formulas_with_repetitions(folder, synthesis, preserve_order):
    gate = evolution(["XI", "ZZ"], [0.3, 0.2], synthesis=synthesis)
    found, _ = synthesized(gate, folder, preserve_order=preserve_order)
    if preserve_order:
        assert Operator(found) == Operator(gate.definition)
    assert synthesis.preserve_order is True  # nothing of the gate is changed
    terms = [(label, angle.real) for label, angle in _terms(gate)]
    orders = (zip(*order, strict=True) for order in itertools.permutations(terms))
    assert any(Operator(found) == product(list(labels), list(angles)) for labels, angles in orders)


def _terms(gate):
    for letters, qubits, angle in gate.synthesis.expand(gate):
        label = ["I"] * gate.num_qubits
        for letter, qubit in zip(letters, qubits, strict=True):
            label[gate.num_qubits - 1 - qubit] = letter
        yield "".join(label), complex(angle) / 2


def test_parameters_stay_parameters(folder):
    a, b = Parameter("a"), Parameter("b")
    gate = evolution(["ZZ", "XI", "YY", "II"], [-0.7, 0.2, 0.5, 0.1], 2 * a - b)
    found, _ = synthesized(gate, folder)
    assert set(found.parameters) == {a, b}
    for values in ({a: 0.3, b: -1.1}, {a: 2.0, b: 0.1}):
        time = 2 * values[a] - values[b]
        expected = product(["ZZ", "XI", "YY"], [time * each for each in (-0.7, 0.2, 0.5)])
        assert Operator(found.assign_parameters(values)) == Operator(expected.data * np.exp(-0.1j * time))


def test_the_model_is_placed_on_the_qubits_of_the_map(folder):
    gate = evolution(["XZ", "YY", "ZI"], [0.3, 0.4, 0.5])
    found, _ = synthesized(gate, folder, qubits=(2, 0), coupling=CouplingMap([(1, 0), (0, 2), (2, 0), (0, 1)]))
    circuit = QuantumCircuit(3)
    circuit.append(gate.definition, [2, 0])
    assert Operator(found) == Operator(circuit)


# Where there is no model, or none that is better.


@pytest.mark.parametrize(
    ("gate", "models"),
    [
        (evolution(["XX", "ZI"], [0.3, 0.2]), False),
        (evolution(["XXZ", "ZIZ"], [0.3, 0.2]), True),  # no model of three qubits
        (evolution(["XX", "ZI"], [0.3, 0.2], synthesis=MatrixExponential()), True),
        (evolution(["Z" * 40], [0.3]), True),
        (evolution(["ZZ"], [1.0], math.nan), True),
        (evolution(["XX", "ZI"] * 600, [0.3, 0.2] * 600), True),  # more rotations than a state has
        (evolution(["XX", "ZI"], [0.3, 0.2]).inverse(), False),
    ],
)
def test_otherwise_the_circuit_is_that_of_qiskit(folder, tmp_path, gate, models):
    if isinstance(gate.synthesis, MatrixExponential):
        circuit = PauliEvolutionPlugin().run(gate, models=folder)
        assert Operator(circuit) == Operator(gate.to_matrix())
        return
    ours = PauliEvolutionPlugin().run(gate, models=folder if models else tmp_path)
    usual = HighLevelSynthesisPluginManager().method("PauliEvolution", "default").run(gate)
    assert str(ours.data) == str(usual.data)  # NaN is not equal to itself


def test_projectors_and_their_controls(folder):
    gate = PauliEvolutionGate(SparseObservable.from_list([("1X", 0.3), ("Z+", 0.2)]))
    found, _ = synthesized(gate, folder)
    assert Operator(found).equiv(Operator(gate.definition))
    controlled = evolution(["X"], [0.4]).control()
    found, _ = synthesized(controlled, folder)
    assert Operator(found) == Operator(controlled.definition)


def test_other_objects_are_left_alone(folder):
    assert PauliEvolutionPlugin().run(Gate("PauliEvolution", 2, []), models=folder) is None


def test_without_a_fallback_the_next_method_follows(tmp_path):
    assert PauliEvolutionPlugin().run(evolution(["XX"], [0.3]), models=tmp_path, fallback=False) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"secnds": 1}, "found 'secnds' .did you mean 'seconds'"),
        ({"seconds": -1}, "seconds: expected a number above 0"),
        ({"effort": 0}, "expected a whole number from 1"),
    ],
)
def test_wrong_options_are_refused(folder, options, message):
    with pytest.raises(UsageError, match=message):
        PauliEvolutionPlugin().run(evolution(["XX", "ZI", "YZ"], [0.3, 0.2, 0.1]), **{"models": folder, **options})


# Models.


def quantum(*args):
    command = [sys.executable, "-m", "twisterl", "quantum", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def test_the_commands_train_list_and_check_a_model(tmp_path):
    place = tmp_path / "made"
    shown = quantum("train", "--map", "4-7", "--kind", "pauli", "--iterations", 2, "-o", place, "--quiet")
    assert shown.returncode == 0, shown.stderr
    assert "pauli_network, 2 qubits, 1 edge" in shown.stdout
    shown = quantum("models", tmp_path, "--map", "7-4", "--kind", "pauli_network", "--check")
    assert shown.returncode == 0, shown.stderr
    assert "10 of 10 random targets solved, and the circuits verified" in shown.stdout


def test_a_model_synthesises_what_qiskit_gym_did(folder):
    model = load_model(folder / "two")
    circuit = QuantumCircuit(2)
    circuit.rzz(0.3, 0, 1)
    circuit.h(0)
    circuit.rxx(0.4, 0, 1)
    found = model.synth(circuit)
    assert Operator(found) == Operator(circuit)
    assert two_qubit_count(found) <= 4


def test_circuits_on_a_line_have_the_order_the_signs_and_the_phase_of_their_rotations(tmp_path):
    model = train_model("line:3", "pauli_network", tmp_path / "three", iterations=1, quiet=True)
    assert model.policy.env_cls == "PauliNetworkCoset"
    rng = np.random.default_rng(2)
    labels = ["".join(letters) for letters in itertools.product("IXYZ", repeat=3)][1:]
    solved = 0
    for _ in range(12):
        circuit = QuantumCircuit(3)
        for at in rng.integers(len(labels), size=2).tolist():
            circuit.append(evolution([labels[at]], [float(rng.uniform(-1, 1))]), range(3))
        circuit.cx(0, 2)
        # A wide beam, for a policy that has learnt next to nothing.
        found = model.synth(circuit, search="beam=2000", max_steps=8)
        if found is None:
            continue
        solved += 1
        assert Operator(found) == Operator(circuit)
        edges = [[found.find_bit(q).index for q in each.qubits] for each in found.data if len(each.qubits) > 1]
        assert all(abs(a - b) == 1 for a, b in edges)
    assert solved >= 8


# In the compiler.


@pytest.mark.parametrize("level", [1, 3])
def test_transpiled_circuits_are_equivalent(folder, monkeypatch, level):
    monkeypatch.setenv("TWISTERL_QUANTUM_MODELS", str(folder))
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.append(evolution(["XX", "ZY", "ZI"], [0.3, 0.2, 0.4]), [0, 2])
    circuit.append(evolution(["XXY", "ZYI"], [0.3, 0.2]), [0, 1, 2])
    options = {"coupling_map": CouplingMap.from_line(3), "basis_gates": BASIS, "optimization_level": level}
    found = transpile(circuit, hls_config=HLSConfig(PauliEvolution=["twisterl"]), seed_transpiler=1, **options)
    usual = transpile(circuit, seed_transpiler=1, **options)
    assert Operator.from_circuit(found).equiv(Operator.from_circuit(usual))
    assert set(found.count_ops()) <= set(BASIS)


@pytest.mark.parametrize("seed", range(4))
def test_the_pass_replaces_blocks_with_rotations(folder, seed):
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(3, global_phase=0.5)
    theta = Parameter("theta")
    for i in range(30):
        a = int(rng.integers(2))
        match rng.integers(5):
            case 0:
                circuit.rx(theta if i % 3 else 0.3, a)
            case 1:
                circuit.t(a + 1)
            case 2:
                circuit.rzz(float(rng.uniform(-2, 2)), a, a + 1)
            case _:
                circuit.cx(a, a + 1)
    found = PassManager([ResynthesizeBlocks("line:3", folder, seconds=60, total_seconds=600)]).run(circuit)
    assert two_qubit_count(found) <= two_qubit_count(circuit)
    for value in (0.7, -1.9):
        assert Operator(found.assign_parameters([value])) == Operator(circuit.assign_parameters([value]))


def test_the_pass_finds_a_shorter_network(folder):
    circuit = QuantumCircuit(2)
    for angle in (0.1, 0.2, 0.3):
        circuit.cx(0, 1)
        circuit.rz(angle, 1)
        circuit.cx(0, 1)
        circuit.rz(angle, 1)
    found = PassManager([ResynthesizeBlocks("line:2", folder, seconds=60)]).run(circuit)
    assert two_qubit_count(circuit) == 6
    assert two_qubit_count(found) == 2
    assert Operator(found) == Operator(circuit)
