"""Models in Qiskit's compiler: equivalent circuits that never have more gates on two qubits."""

import numpy as np
import pytest

pytest.importorskip("qiskit")
from qiskit import QuantumCircuit, transpile
from qiskit.circuit.library import LinearFunction, PauliEvolutionGate, PermutationGate, QFTGate
from qiskit.quantum_info import Operator, SparsePauliOp, random_clifford
from qiskit.synthesis.linear import random_invertible_binary_matrix
from qiskit.transpiler import CouplingMap, PassManager, Target
from qiskit.transpiler.passes import HighLevelSynthesis
from qiskit.transpiler.passes.synthesis.high_level_synthesis import HLSConfig
from twisterl.errors import UsageError
from twisterl.quantum import coupling_of, two_qubit_count
from twisterl.quantum.circuits import Gate
from twisterl.quantum.compiler import ResynthesizeBlocks, passes
from twisterl.quantum.compiler.blocks import FITS, block_on, lines_of, replaced
from twisterl.quantum.compiler.synthesis import best_circuit
from twisterl.quantum.models import Library, train_model
from twisterl.quantum.targets import KINDS, target_of

BASE = ["h", "s", "sdg", "sx", "sxdg", "x", "y", "z", "cx", "swap"]
BASIS = ["cx", "rz", "sx", "x"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Small models of all kinds on lines."""
    made = tmp_path_factory.mktemp("models")
    train_model("line:2", "clifford", made / "two", iterations=20, quiet=True)
    train_model("line:3", "clifford", made / "three", iterations=40, quiet=True)
    train_model("line:3", "linear", made / "linear", iterations=30, quiet=True)
    train_model("line:4", "permutation", made / "swaps", iterations=30, quiet=True)
    return made


@pytest.fixture
def models(folder, monkeypatch):
    monkeypatch.setenv("TWISTERL_QUANTUM_MODELS", str(folder))
    return folder


def synthesized(circuit, coupling, methods, **options):
    config = HLSConfig(**{name: [(method, options)] for name, method in methods.items()})
    passes = HighLevelSynthesis(config, coupling, use_qubit_indices=True, basis_gates=BASE)
    return PassManager([passes]).run(circuit)


def pairs_of(circuit):
    return {
        tuple(sorted(circuit.find_bit(qubit).index for qubit in each.qubits))
        for each in circuit.data
        if len(each.qubits) == 2
    }


# Plugins of HighLevelSynthesis.

OBJECTS = {
    "clifford": lambda seed: random_clifford(3, seed=seed),
    "linear_function": lambda seed: LinearFunction(random_invertible_binary_matrix(3, seed=seed)),
    "permutation": lambda seed: PermutationGate(np.random.default_rng(seed).permutation(4)),
}


@pytest.mark.parametrize("kind", OBJECTS)
@pytest.mark.parametrize("seed", range(4))
def test_plugins_keep_to_the_qubits_and_their_edges(models, kind, seed):
    operation = OBJECTS[kind](seed)
    circuit = QuantumCircuit(6)
    # A line, numbered otherwise than that of the model.
    coupling = CouplingMap([(4, 1), (1, 4), (1, 5), (5, 1), (5, 2), (2, 5), (2, 0), (0, 3)])
    circuit.append(operation, [5, 1, 2, 4][: operation.num_qubits])
    found = synthesized(circuit, coupling, {kind: "twisterl"})
    assert Operator(found) == Operator(circuit) if kind != "clifford" else Operator(found).equiv(Operator(circuit))
    assert pairs_of(found) <= set(coupling_of(coupling).pairs)


@pytest.mark.parametrize("kind", OBJECTS)
def test_without_a_model_the_circuit_is_that_of_qiskit(tmp_path, kind):
    circuit = QuantumCircuit(4)
    operation = OBJECTS[kind](1)
    circuit.append(operation, range(operation.num_qubits))
    coupling = CouplingMap.from_line(4)
    ours = synthesized(circuit, coupling, {kind: "twisterl"}, models=tmp_path)
    assert ours == synthesized(circuit, coupling, {kind: "default"})


def test_before_the_layout_all_qubits_are_connected(models):
    circuit = QuantumCircuit(3)
    circuit.append(OBJECTS["clifford"](1), [0, 1, 2])
    config = HLSConfig(clifford=["twisterl"])
    # There is a model for a line of three, but none for three qubits of which all are connected: the line fits.
    found = PassManager([HighLevelSynthesis(config, basis_gates=BASE)]).run(circuit)
    usual = PassManager([HighLevelSynthesis(basis_gates=BASE)]).run(circuit)
    assert Operator(found).equiv(Operator(circuit))
    assert two_qubit_count(found) <= two_qubit_count(usual)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"secnds": 1}, "found 'secnds' .did you mean 'seconds'"),
        ({"seconds": 0}, "seconds: expected a number above 0"),
        ({"seconds": "long"}, "seconds: expected a number above 0"),
        ({"effort": 0}, "^effort: expected a whole number from 1"),
        ({"fallback": "yes"}, "^fallback: expected"),
    ],
)
def test_wrong_options_of_plugins_are_refused(models, options, message):
    circuit = QuantumCircuit(3)
    circuit.append(OBJECTS["clifford"](1), [0, 1, 2])
    with pytest.raises(UsageError, match=message):
        synthesized(circuit, CouplingMap.from_line(3), {"clifford": "twisterl"}, **options)


def test_a_broken_model_leaves_the_compiler_alone(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"\xff" * 100)
    circuit = QuantumCircuit(3)
    circuit.append(OBJECTS["clifford"](1), [0, 1, 2])
    coupling = CouplingMap.from_line(3)
    with pytest.warns(UserWarning, match="bad.safetensors"):
        found = synthesized(circuit, coupling, {"clifford": "twisterl"}, models=tmp_path)
    assert found == synthesized(circuit, coupling, {"clifford": "default"})


# Blocks.


def random_circuit(rng, num_qubits, num_gates, others=True):
    circuit = QuantumCircuit(num_qubits, 2)
    for _ in range(num_gates):
        a, b = rng.choice(num_qubits, 2, replace=False).tolist()
        kind = rng.integers(8 if others else 6)
        match kind:
            case 0:
                circuit.h(a)
            case 1:
                circuit.s(a)
            case 2 | 3:
                circuit.cx(a, b)
            case 4:
                circuit.cz(a, b)
            case 5:
                circuit.rz(np.pi / 2 * int(rng.integers(4)), a)
            case 6:
                circuit.t(a)
            case _:
                circuit.rzz(0.3, a, b)
    return circuit


@pytest.mark.parametrize("seed", range(40))
def test_gates_of_a_block_can_be_moved_next_to_each_other(seed):
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, 5, 30)
    lines = lines_of(circuit)
    inside = frozenset(rng.choice(5, 3, replace=False).tolist())
    block = block_on(lines, inside, FITS["clifford"], int(rng.integers(10)))
    if not block.gates:
        return
    gates = [lines[i] for i in block.gates]
    assert all(inside.issuperset(line.wires) for line in gates)
    moved = circuit.copy_empty_like()
    for line in replaced(lines, block, gates):
        moved.append(line.instruction)
    assert len(moved.data) == len(circuit.data)
    assert Operator(moved) == Operator(circuit)


def test_a_block_ends_where_something_else_depends_on_it():
    circuit = QuantumCircuit(3, 1)
    circuit.cx(0, 1)  # 0
    circuit.t(2)  # 1: before the block, which has not used the qubit yet
    circuit.cx(1, 2)  # 2
    circuit.t(1)  # 3: after it
    circuit.cx(0, 1)  # 4: after it, too
    circuit.h(2)  # 5
    circuit.measure(2, 0)
    block = block_on(lines_of(circuit), frozenset({0, 1, 2}), FITS["clifford"])
    assert block.gates == (0, 2, 5)
    assert block.later == (3, 4)
    assert block.cost == 2


@pytest.mark.parametrize(("name", "angle", "fits"), [("rz", np.pi / 2, True), ("rz", 0.3, False), ("p", -np.pi, True)])
def test_rotations_by_quarter_turns_are_cliffords(name, angle, fits):
    circuit = QuantumCircuit(1)
    getattr(circuit, name)(angle, 0)
    assert FITS["clifford"](circuit.data[0].operation) is fits


# The pass.


@pytest.mark.parametrize("seed", range(12))
def test_the_pass_makes_equivalent_circuits_with_fewer_gates(folder, seed):
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(4, global_phase=1.0)
    for _ in range(30):
        a = int(rng.integers(3))
        match rng.integers(5):
            case 0:
                circuit.h(a)
            case 1:
                circuit.s(a + 1)
            case 2:
                circuit.cx(a, a + 1)
            case 3:
                circuit.swap(a, a + 1)
            case _:
                circuit.t(a) if rng.integers(3) == 0 else circuit.cx(a + 1, a)
    found = PassManager([ResynthesizeBlocks("line:4", folder)]).run(circuit)
    assert Operator(found) == Operator(circuit)  # the global phase, too
    assert pairs_of(found) <= {(0, 1), (1, 2), (2, 3)}
    assert two_qubit_count(found) < two_qubit_count(circuit)


def test_blocks_of_each_kind_are_found(folder):
    library = Library(folder)
    repeated = QuantumCircuit(4)
    for _ in range(2):
        repeated.swap(0, 1)
        repeated.swap(2, 3)
    assert not PassManager([ResynthesizeBlocks("line:4", library)]).run(repeated).data
    linear = QuantumCircuit(3)
    for _ in range(4):
        linear.cx(0, 1)
        linear.cx(1, 2)
    # The map x -> A x of a cycle of length 4: nothing is left of it.
    assert two_qubit_count(PassManager([ResynthesizeBlocks("line:3", library)]).run(linear)) == 0


def test_measurements_branches_and_barriers_stay_where_they_are(folder):
    circuit = QuantumCircuit(3, 2)
    for _ in range(3):
        circuit.cx(0, 1)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    for _ in range(3):
        circuit.cx(0, 1)
    circuit.barrier()
    circuit.cx(0, 1)
    circuit.measure(1, 1)
    found = PassManager([ResynthesizeBlocks("line:3", folder)]).run(circuit)
    names = [each.operation.name for each in found.data]
    assert names == ["cx", "measure", "if_else", "cx", "barrier", "cx", "measure"]


def test_branches_on_many_qubits_are_compiled(models):
    circuit = QuantumCircuit(4, 1)
    for _ in range(3):
        circuit.cx(0, 1)
        circuit.cx(1, 0)
    circuit.measure(3, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.cx(0, 1)
        circuit.cx(1, 2)
    options = {"coupling_map": CouplingMap.from_line(4), "basis_gates": BASIS, "initial_layout": [0, 1, 2, 3]}
    found = transpile(circuit, optimization_method="twisterl", **options)
    assert [each.operation.name for each in found.data if each.operation.name in ("measure", "if_else")]
    assert found.count_ops().get("cx", 0) == 0  # three pairs of CX are the identity


@pytest.mark.parametrize(
    "options", [{"seconds": 0}, {"total_seconds": -1}, {"effort": 0}, {"coupling_map": "moebius:5"}]
)
def test_wrong_options_of_the_pass_are_refused(options):
    with pytest.raises(UsageError):
        ResynthesizeBlocks(**options)


def test_a_circuit_larger_than_the_map_is_refused(folder):
    circuit = QuantumCircuit(4)
    circuit.cx(0, 3)
    with pytest.raises(UsageError, match="expected at most 3 qubits, as the map, found 4"):
        PassManager([ResynthesizeBlocks("line:3", folder)]).run(circuit)


def test_without_models_or_time_a_circuit_stays(folder, tmp_path):
    circuit = random_circuit(np.random.default_rng(0), 4, 100, others=False)
    assert PassManager([ResynthesizeBlocks(None, tmp_path)]).run(circuit) == circuit
    assert PassManager([ResynthesizeBlocks(None, folder, total_seconds=1e-9)]).run(circuit) == circuit


# The time of a circuit.


def test_blocks_far_from_a_change_are_searched_once(folder, monkeypatch):
    looked = []

    def look(lines, qubits, fits, start=0):
        looked.append(frozenset(qubits))
        return block_on(lines, qubits, fits, start)

    monkeypatch.setattr(passes, "block_on", look)
    circuit = QuantumCircuit(4)
    circuit.cx(2, 3)  # two gates are the fewest of these
    circuit.cx(3, 2)
    for _ in range(2):  # nothing
        circuit.cx(0, 1)
    coupling = [(0, 1), (2, 3)]
    found = PassManager([ResynthesizeBlocks(coupling, folder, seconds=60, total_seconds=600, effort=16)]).run(circuit)
    assert two_qubit_count(found) == 2
    kinds = 2  # Cliffords and linear functions
    assert looked.count(frozenset({2, 3})) == 2 * kinds


def test_searches_end_where_no_circuit_can_be_shorter(folder):
    library = Library(folder)
    steps = []
    for name, below in (("two", 4), ("linear", 4), ("swaps", 10), ("swaps", 3)):
        steps.append(library.models[name].most_actions(below))
    assert steps == [3, 3, 3, 0]  # a SWAP counts as three gates
    assert library.models["two"].most_actions(None) is None
    model = library.models["two"]
    tried = []
    model.solve = lambda target, effort, **limits: tried.append(limits)
    library.models = {"two": model}
    target = target_of(random_clifford(2, seed=3), KINDS["clifford"])
    known = {}
    for below in (3, 2, 3, 4, 1):
        assert best_circuit(library, target, coupling_of("line:2"), 1e5, below=below, known=known) is None
    # What was tried with as many actions is not tried again, and one action less than 1 is none.
    assert [limits["max_steps"] for limits in tried] == [2, 3]


class Beams:
    """A model whose beams find circuits of some numbers of CX, by their width."""

    def __init__(self, model, found):
        self.path, self.coupling, self.kind, self.most_actions = (
            model.path,
            model.coupling,
            model.kind,
            model.most_actions,
        )
        self._found, self.widths = found, []

    def solve(self, target, effort, **limits):
        self.widths.append(effort)
        count = self._found[effort]
        return None if count is None else [Gate("CX", (0, 1))] * count


@pytest.mark.parametrize(
    ("narrow", "widths"),
    [(None, [16]), (6, [16]), (4, [16, 256]), (2, [16, 256])],  # the circuit to beat has four
)
def test_a_wide_beam_follows_a_narrow_one_that_is_near(folder, narrow, widths):
    library = Library(folder)
    beams = Beams(library.models["two"], {16: narrow, 256: 0})
    library.models = {"two": beams}
    target = target_of(QuantumCircuit(2), KINDS["clifford"])
    found = best_circuit(library, target, coupling_of("line:2"), 1e5, below=4, screen=16)
    assert beams.widths == widths
    assert (found is not None) is (256 in widths)


# The stage of the compiler.


def trotter(num_qubits, steps):
    terms = [("XX", 0.5), ("ZZ", 0.25)]
    pairs = [(i, i + 1) for i in range(num_qubits - 1)]
    operator = SparsePauliOp.from_sparse_list([(p, pair, c) for p, c in terms for pair in pairs], num_qubits)
    circuit = QuantumCircuit(num_qubits)
    for _ in range(steps):
        circuit.append(PauliEvolutionGate(operator, 0.1), range(num_qubits))
    return circuit


def suite():
    """Fifty circuits on five qubits: Cliffords, other random gates, Fourier transforms, Trotter steps."""
    for seed in range(20):
        circuit = QuantumCircuit(5)
        circuit.append(random_clifford(3 + seed % 3, seed=seed).to_circuit(), range(3 + seed % 3))
        yield circuit
    for seed in range(20):
        yield random_circuit(np.random.default_rng(seed), 5, 40, others=seed % 2 == 0)
    for size in (3, 4, 5):
        circuit = QuantumCircuit(5)
        circuit.append(QFTGate(size), range(size))
        yield circuit
    for size in (3, 4, 5):
        yield trotter(size, 1)
        yield trotter(size, 2)
    yield QuantumCircuit(5)


TARGETS = {
    "line": Target.from_configuration(BASIS, 5, CouplingMap.from_line(5)),
    "directed": Target.from_configuration(["ecr", "rz", "sx", "x"], 5, CouplingMap([(0, 1), (2, 1), (2, 3), (4, 3)])),
    "connected": Target.from_configuration(["cz", "rz", "sx", "x"], 5),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_fifty_circuits_are_equivalent_and_never_longer(models, name):
    target, before, after = TARGETS[name], [], []
    for circuit in suite():
        options = {"target": target, "optimization_level": 3, "seed_transpiler": 1}
        usual = transpile(circuit, **options)
        ours = transpile(circuit, optimization_method="twisterl", **options)
        assert Operator.from_circuit(ours).equiv(Operator.from_circuit(usual))
        assert all(
            target.instruction_supported(each.operation.name, [ours.find_bit(qubit).index for qubit in each.qubits])
            for each in ours.data
        )
        before.append(usual.num_nonlocal_gates())
        after.append(ours.num_nonlocal_gates())
    assert len(before) == 50
    assert all(ours <= usual for ours, usual in zip(after, before, strict=True))
    assert sum(after) < sum(before)
