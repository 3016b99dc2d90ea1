"""Blocks of circuits in Qiskit's compiler: the time that they get, and those that are not searched."""

import numpy as np
import pytest

pytest.importorskip("qiskit")
import twisterl
from qiskit import QuantumCircuit
from qiskit.transpiler import PassManager
from twisterl.quantum import coupling_of
from twisterl.quantum.compiler import ResynthesizeBlocks, passes
from twisterl.quantum.compiler.bounds import fewest_gates
from twisterl.quantum.models import Library, load_model
from twisterl.quantum.targets import KINDS, target_of

# The time of a circuit.


class Shapes(Library):
    """A library of a model of Cliffords for each size that it is asked for."""

    def __init__(self, *sizes, fits=True):
        self._sizes, self._fits, self.models = sizes, fits, {"any": None}

    def sizes(self, kind):
        return list(self._sizes) if kind.name == "clifford" else []

    def find(self, kind, coupling):
        return [None] if self._fits else []


@pytest.fixture
def searches(monkeypatch):
    """The qubits and seconds of each search of the pass. None finds a circuit."""
    found = []

    def search(library, target, coupling, seconds, *others):
        found.append((target.num_qubits, seconds))

    monkeypatch.setattr(passes, "best_circuit", search)
    return found


def pairs_in_a_row(count):
    """Return a circuit of three gates each on `count` pairs of qubits, of which two may be enough."""
    circuit = QuantumCircuit(2 * count)
    for pair in range(count):
        for _ in range(3):
            circuit.cx(2 * pair, 2 * pair + 1)
            circuit.h(2 * pair)
    return circuit


def test_blocks_share_the_time_equally(searches):
    resynthesis = ResynthesizeBlocks(None, Shapes(2), seconds=1e6, total_seconds=1e5, effort=16)
    PassManager([resynthesis]).run(pairs_in_a_row(5))
    # A block begins with each of 15 gates; the third one of a pair has one gate left, which nothing can shorten.
    # Searches that take no time leave theirs to the rest.
    shares = [1e5 / left for left in (15, 14, 12, 11, 9, 8, 6, 5, 3, 2)]
    assert [seconds for _, seconds in searches] == pytest.approx(shares, rel=0.01)


def test_no_block_has_more_than_its_own_time(searches):
    resynthesis = ResynthesizeBlocks(None, Shapes(2), seconds=7, total_seconds=1e5, effort=16)
    PassManager([resynthesis]).run(pairs_in_a_row(2))
    assert [seconds for _, seconds in searches] == pytest.approx([7] * 4, rel=0.1)


def test_wide_beams_come_after_narrow_ones_and_have_no_more_time_than_a_block(monkeypatch):
    found = []

    def search(library, target, coupling, seconds, effort, below, known, screen):
        found.append((effort, screen, seconds))

    monkeypatch.setattr(passes, "best_circuit", search)
    PassManager([ResynthesizeBlocks(None, Shapes(2), seconds=3e4, total_seconds=1e6)]).run(pairs_in_a_row(2))
    assert [each[:2] for each in found] == [(256, 16)] * 4 + [(256, None)] * 4
    # The first searches have taken no time, so that the others share that of one block.
    assert [each[2] for each in found] == pytest.approx([3e4] * 4 + [3e4 / left for left in (6, 5, 3, 2)], rel=0.01)


def test_blocks_without_a_model_are_not_even_read(searches, monkeypatch):
    monkeypatch.setattr(passes, "target_of", lambda *given: pytest.fail("a block was read"))
    circuit = pairs_in_a_row(5)
    assert PassManager([ResynthesizeBlocks(None, Shapes(2, fits=False))]).run(circuit) == circuit
    assert searches == []


# The fewest gates that are possible.


@pytest.mark.parametrize("name", ["line:3", "star:4", "ring:4", "full:3", "grid:2x3"])
@pytest.mark.parametrize("kind", ["clifford", "linear_function", "pauli_network"])
def test_no_circuit_has_fewer_gates_than_the_bound(name, kind):
    coupling, rng = coupling_of(name), np.random.default_rng(0)
    reached = 0
    for _ in range(40):
        circuit, count = QuantumCircuit(coupling.num_qubits), int(rng.integers(6))
        for edge in rng.choice(coupling.edges, count).tolist():
            circuit.cx(*edge)
            if kind != "linear_function":
                for qubit in edge:
                    getattr(circuit, str(rng.choice(["h", "s", "sx", "id"])))(qubit)
            if kind == "pauli_network" and rng.integers(2):
                circuit.rz(0.3, edge[1])
        bound = fewest_gates(target_of(circuit, KINDS[kind]), coupling)
        assert 0 <= bound <= count
        reached += bound == count
    assert reached > 8  # it is not far from what random circuits have


def test_bounds_of_known_circuits():
    line = coupling_of("line:3")

    def bound(kind, *gates):
        circuit = QuantumCircuit(3)
        for name, *arguments in gates:
            getattr(circuit, name)(*arguments)
        return fewest_gates(target_of(circuit, KINDS[kind]), line)

    assert bound("clifford", ("h", 0), ("s", 1)) == 0
    assert bound("clifford", ("cx", 0, 1), ("cz", 1, 2)) == 2
    assert bound("linear_function", ("cx", 0, 2)) == 2  # along the line it takes four
    assert bound("clifford", ("swap", 0, 1)) == 2  # it takes three
    assert bound("pauli_network", ("rzz", 0.3, 0, 1)) == 2
    assert bound("pauli_network", ("rzz", 0.3, 0, 2)) == 4
    assert bound("pauli_network", ("cx", 0, 1), ("rz", 0.3, 1)) == 1
    assert bound("permutation", ("swap", 0, 1)) == 0


def test_blocks_that_have_the_fewest_gates_are_not_searched(monkeypatch):
    monkeypatch.setattr(passes, "best_circuit", lambda *given: pytest.fail("a block was searched"))
    circuit = QuantumCircuit(3)
    circuit.cx(0, 1)
    circuit.h(1)
    circuit.cx(1, 2)
    circuit.sx(0)
    circuit.cx(0, 1)
    assert PassManager([ResynthesizeBlocks("line:3", Shapes(2, 3))]).run(circuit) == circuit


def test_gates_on_one_qubit_limit_searches_too(tmp_path):
    config = {"env_cls": "Clifford", "env": {"num_qubits": 3}, "algorithm_cls": "PPO"}
    twisterl.train(config, tmp_path / "run", num_steps=0, quiet=True).policy.save(tmp_path / "three.safetensors")
    model = load_model(tmp_path / "three.safetensors")
    assert not model.counts_gates
    assert model.most_actions(None) is None
    # H, S and SX: two of them at most on each of 3 qubits, and on both qubits after each gate.
    assert [model.most_actions(below) for below in (1, 2, 3)] == [6, 11, 16]
