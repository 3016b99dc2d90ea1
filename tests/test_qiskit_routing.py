"""Routing by models in Qiskit's compiler: circuits that are equivalent up to the final layout, with no more SWAPs."""

import pickle
import re
import shutil
import subprocess
import sys
from itertools import chain, pairwise

import pytest

pytest.importorskip("qiskit")
from qiskit import QuantumCircuit, transpile
from qiskit.circuit.classical import expr
from qiskit.circuit.library import QFTGate
from qiskit.converters import circuit_to_dag
from qiskit.quantum_info import Operator
from qiskit.transpiler import PassManager, Target
from qiskit.transpiler.exceptions import TranspilerError
from qiskit.transpiler.passes import SabreSwap
from routed_circuits import everything, pairs_of, random_circuit, routed, unrouted
from twisterl.errors import CheckpointError, UsageError
from twisterl.quantum import coupling_of
from twisterl.quantum.compiler.routing import Effort, RouteByModels, passes
from twisterl.quantum.compiler.routing.problem import problem_of
from twisterl.quantum.models import load_model

LINE = coupling_of("line:5")
# A line of five with other numbers.
RENUMBERED = coupling_of([(4, 1), (1, 0), (0, 3), (3, 2)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory, root):
    """A model for five qubits on a line: `twisterl quantum train --map line:5 --kind routing --iterations 200`."""
    made = tmp_path_factory.mktemp("models")
    shutil.copy(root / "tests/vectors/routing_line5.safetensors", made / "five.safetensors")
    return made


@pytest.fixture
def models(folder, monkeypatch):
    monkeypatch.setenv("TWISTERL_QUANTUM_MODELS", str(folder))
    return folder


# The stage of the compiler.


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("coupling", [LINE, RENUMBERED, coupling_of([(0, 1), (2, 1), (2, 3), (4, 3)])])
def test_circuits_of_the_compiler_are_equivalent(models, level, coupling):
    circuit = random_circuit(5, 25, level)
    circuit.swap(0, 4)
    circuit.append(QFTGate(3), [0, 2, 4])
    options = {"coupling_map": coupling.to_qiskit(), "basis_gates": ["cx", "rz", "sx", "x"], "seed_transpiler": 1}
    found = transpile(circuit, routing_method="twisterl", optimization_level=level, **options)
    assert Operator.from_circuit(found).equiv(Operator(circuit))
    assert pairs_of(found) <= set(coupling.pairs)


@pytest.mark.parametrize("layout_method", [None, "trivial", "dense", "sabre"])
def test_a_layout_of_a_target_is_followed(models, layout_method):
    target = Target.from_configuration(["cx", "rz", "sx", "x", "measure"], 5, RENUMBERED.to_qiskit())
    circuit = random_circuit(5, 25, 7)
    circuit.measure_all()
    options = {"target": target, "seed_transpiler": 1, "layout_method": layout_method, "optimization_level": 2}
    found = transpile(circuit, routing_method="twisterl", **options)
    places = [found.find_bit(each.qubits[0]).index for each in found.data if each.operation.name == "measure"]
    assert places == found.layout.final_index_layout()
    found.remove_final_measurements()
    circuit.remove_final_measurements()
    assert Operator.from_circuit(found).equiv(Operator(circuit))


def test_the_layout_of_the_user_is_kept(models):
    circuit = random_circuit(5, 25, 3)
    order = [3, 1, 4, 0, 2]
    found = transpile(
        circuit, coupling_map=LINE.to_qiskit(), routing_method="twisterl", initial_layout=order, seed_transpiler=1
    )
    assert found.layout.initial_index_layout() == order
    assert Operator.from_circuit(found).equiv(Operator(circuit))


def test_many_circuits_are_compiled_at_once(models):
    circuits = [random_circuit(5, 15, seed) for seed in range(3)]
    options = {"coupling_map": LINE.to_qiskit(), "seed_transpiler": 1, "optimization_level": 1}
    found = transpile(circuits, routing_method="twisterl", **options)
    alone = [transpile(circuit, routing_method="twisterl", **options) for circuit in circuits]
    assert found == alone
    manager = PassManager([RouteByModels(LINE, models, seed=1)])
    assert pickle.loads(pickle.dumps(manager)).run(circuits[0]) == manager.run(circuits[0])


def test_maps_that_are_too_large_are_left_to_sabre(models, monkeypatch):
    monkeypatch.setattr(passes, "MAX_QUBITS", 4)
    circuit = random_circuit(5, 25, 0)
    options = {"coupling_map": LINE.to_qiskit(), "optimization_level": 0, "seed_transpiler": 1}
    found = transpile(circuit, routing_method="twisterl", **options)
    assert found == transpile(circuit, routing_method="sabre", **options)


def test_a_circuit_that_needs_no_swap_stays(models):
    circuit = QuantumCircuit(5)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    found = transpile(circuit, coupling_map=LINE.to_qiskit(), routing_method="twisterl", optimization_level=0)
    assert found == circuit


def test_models_need_fewer_swaps_than_sabre_with_twenty_trials(folder):
    ours, sabres = 0, 0
    for seed in range(10):
        circuit = random_circuit(5, 40, seed)
        made, properties = routed(circuit, LINE, folder)
        ours += made.count_ops().get("swap", 0)
        sabres += properties["twisterl_routing"]["sabre_swaps"]
        assert properties["twisterl_routing"]["swaps"] == made.count_ops()["swap"]
        assert made.count_ops()["swap"] <= properties["twisterl_routing"]["sabre_swaps"]
        assert Operator.from_circuit(unrouted(circuit, made, properties)) == Operator(circuit)
    assert ours < 0.97 * sabres


def test_another_layout_can_need_fewer_swaps(models):
    kept, moved = [], []
    for seed in range(5):
        circuit = random_circuit(5, 30, seed)
        options = {"coupling_map": LINE.to_qiskit(), "routing_method": "twisterl", "optimization_level": 1}
        order = transpile(circuit, seed_transpiler=1, **options)
        moved.append(order.count_ops()["swap"])
        fixed = transpile(circuit, seed_transpiler=1, layout_method="trivial", **options)
        kept.append(fixed.count_ops()["swap"])
        assert Operator.from_circuit(order).equiv(Operator(circuit))
    assert sum(moved) < sum(kept)


# Operations other than gates on two qubits.


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_everything_is_kept(folder, seed, monkeypatch):
    counts = iter([1000, 0])  # SWAPs of SABRE, and before it
    monkeypatch.setattr(passes, "_count", lambda dag: next(counts))
    circuit = everything()
    circuit.compose(random_circuit(5, 20, seed), inplace=True)
    made, properties = routed(circuit, RENUMBERED, folder)
    assert properties["twisterl_routing"]["method"] == "twisterl"
    assert circuit_to_dag(unrouted(circuit, made, properties)) == circuit_to_dag(circuit)
    assert pairs_of(made) <= set(RENUMBERED.pairs)


def test_parts_are_divided_where_an_operation_waits_for_other_qubits():
    circuit = QuantumCircuit(4, 2)
    circuit.cx(0, 1)  # 0
    circuit.measure(0, 0)  # 1
    circuit.measure(0, 0)  # 2: waits for the one before on its qubit
    circuit.measure(1, 0)  # 3: waits for a bit
    circuit.cx(2, 3)  # 4
    circuit.barrier(1, 2)  # 5
    circuit.cx(1, 2)  # 6
    problem = problem_of(circuit_to_dag(circuit))
    names = [node.name for node in problem.nodes]
    assert [names[part] for part in problem.parts[1:-1]] == ["measure", "barrier"]
    assert list(chain.from_iterable(problem.gates())) == [(0, 1), (2, 3), (1, 2)]
    assert [operation.couples for operation in problem.operations].count(True) == 3


def test_gates_that_repeat_the_one_before_are_routed_with_it():
    circuit = QuantumCircuit(3)
    for pair in [(0, 1), (1, 0), (0, 1), (1, 2), (0, 1)]:
        circuit.cx(*pair)
    assert problem_of(circuit_to_dag(circuit)).gates() == [[(0, 1), (1, 2), (0, 1)]]


def branch():
    circuit = QuantumCircuit(5, 1)
    circuit.cx(0, 4)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.cx(0, 3)
    return circuit


def variable():
    circuit = QuantumCircuit(5)
    circuit.add_var("a", expr.lift(True))
    circuit.cx(0, 4)
    return circuit


def three():
    circuit = QuantumCircuit(5)
    circuit.cx(0, 4)
    circuit.ccx(0, 1, 2)
    return circuit


@pytest.mark.parametrize(
    ("made", "reason"),
    [(branch, "control flow"), (variable, "variables"), (three, "'ccx' on 3 qubits; .*Unroll3qOrMore")],
)
def test_what_models_cannot_route_is_left_to_sabre(folder, made, reason):
    circuit = made()
    found, properties = routed(circuit, LINE, folder)
    assert properties["twisterl_routing"]["method"] == "sabre"
    assert re.search(reason, properties["twisterl_routing"]["reason"])
    assert found == PassManager([SabreSwap(LINE.to_qiskit(), "decay", seed=1, trials=20)]).run(circuit)


# Models and maps.


def test_without_models_and_windows_the_circuit_is_that_of_sabre(tmp_path):
    circuit = random_circuit(5, 20, 0)
    found, properties = routed(circuit, LINE, tmp_path, effort=Effort(trials=0))
    assert found == PassManager([SabreSwap(LINE.to_qiskit(), "decay", seed=1, trials=20)]).run(circuit)
    assert "no model fits the map of 5 qubits" in properties["twisterl_routing"]["reason"]
    options = {"coupling_map": LINE.to_qiskit(), "seed_transpiler": 1, "optimization_level": 1}
    assert transpile(circuit, routing_method="twisterl", **options).count_ops()["cx"] == 20


@pytest.mark.parametrize("seed", range(3))
def test_sabre_has_more_trials_where_it_has_the_last_word(tmp_path, seed, monkeypatch):
    circuit = random_circuit(5, 40, seed)
    few, _ = routed(circuit, LINE, tmp_path, trials=1)
    found, properties = routed(circuit, LINE, tmp_path, trials=1, movable=True)
    assert found.count_ops()["swap"] <= few.count_ops()["swap"]
    assert properties["twisterl_routing"]["swaps"] == found.count_ops()["swap"]
    assert circuit_to_dag(unrouted(circuit, found, properties)) == circuit_to_dag(circuit)
    monkeypatch.setenv("TWISTERL_QUANTUM_MODELS", str(tmp_path))
    options = {"coupling_map": LINE.to_qiskit(), "seed_transpiler": seed, "optimization_level": 1}
    compiled = transpile(circuit, routing_method="twisterl", **options)
    assert Operator.from_circuit(compiled).equiv(Operator(circuit))


def test_a_model_for_the_qubits_with_gates_is_enough(folder):
    # A line of seven, of which the circuit has the first five.
    order = [5, 6, 2, 4, 0, 1, 3]
    coupling = coupling_of(list(pairwise(order)))
    circuit = QuantumCircuit(7)
    circuit.compose(random_circuit(5, 30, 0), order[:5], inplace=True)
    circuit.h(3)
    made, properties = routed(circuit, coupling, folder, movable=False)
    assert properties["twisterl_routing"]["method"] == "twisterl"
    assert circuit_to_dag(unrouted(circuit, made, properties)) == circuit_to_dag(circuit)
    assert pairs_of(made) <= set(coupling.pairs)


def test_without_time_the_circuit_is_that_of_sabre(folder):
    _, properties = routed(random_circuit(5, 20, 0), LINE, folder, seconds=1e-9)
    assert properties["twisterl_routing"]["reason"] == "no model found a better route within 1e-09 seconds"


def test_a_broken_model_leaves_the_compiler_alone(tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(b"\xff" * 100)
    with pytest.warns(UserWarning, match="bad.safetensors"):
        _, properties = routed(random_circuit(5, 20, 0), LINE, tmp_path)
    assert properties["twisterl_routing"]["method"] == "sabre"


def changed(folder, place, old, new):
    """Write the model with another text in its header."""
    content = (folder / "five.safetensors").read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + size]
    assert old in header
    header = header.replace(old, new)
    place.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + size :])


def test_a_short_episode_is_a_small_window(folder, tmp_path):
    changed(folder, tmp_path / "short.safetensors", rb"max_depth\":1000000", rb"max_depth\":9")
    circuit = random_circuit(5, 20, 0)
    made, properties = routed(circuit, LINE, tmp_path)
    assert properties["twisterl_routing"]["sabre_swaps"] > 9
    assert circuit_to_dag(unrouted(circuit, made, properties)) == circuit_to_dag(circuit)


def test_models_of_sets_of_swaps_are_refused(tmp_path):
    import twisterl

    config = {"env_cls": "Routing", "env": {"num_qubits": 3, "parallel": True}, "algorithm_cls": "PPO"}
    run = twisterl.train(config, tmp_path / "run", num_steps=0, quiet=True)
    run.policy.save(tmp_path / "sets.safetensors")
    with pytest.raises(CheckpointError, match="expected a policy that makes one SWAP at a time"):
        load_model(tmp_path / "sets.safetensors")


def test_models_that_route_are_no_models_of_targets(folder):
    with pytest.raises(UsageError, match="expected a model of targets, found one of routing"):
        load_model(folder / "five.safetensors").synth([1, 0, 2, 3, 4])


def test_models_are_trained_listed_and_checked_by_commands(tmp_path):
    def quantum(*args):
        command = [sys.executable, "-m", "twisterl", "quantum", *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    options = ["--iterations", 1, "--quiet", "-o", tmp_path / "made"]
    shown = quantum("train", "--map", "0-1,1-2", "--kind", "routing", *options)
    assert "routing, 3 qubits, 2 edges, 100.0 % solved" in shown
    shown = quantum("models", tmp_path, "--map", "7-3,3-5", "--kind", "routing", "--check")
    assert re.search(r"made: routing, 3 qubits, 2 edges, 100.0 % solved, \d\.\d\d SWAPs a gate on average", shown)
    assert re.search(r"its qubits 0 to 2 are (7, 3, 5|5, 3, 7) of the map", shown)
    assert "10 of 10 random targets solved" in shown


@pytest.mark.parametrize(
    ("circuit", "message"),
    [(QuantumCircuit(4), "Fewer qubits in the circuit"), (QuantumCircuit(6), "More qubits in the circuit")],
)
def test_circuits_that_are_not_on_the_map_are_refused(folder, circuit, message):
    with pytest.raises(TranspilerError, match=message):
        routed(circuit, LINE, folder)


def test_gates_between_parts_of_a_map_are_refused(folder):
    circuit = QuantumCircuit(4)
    circuit.cx(0, 3)
    with pytest.raises(TranspilerError):
        routed(circuit, coupling_of([(0, 1), (2, 3)]), folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coupling_map": "moebius:5"}, "coupling_map"),
        ({"seconds": 0}, "seconds"),
        ({"effort": 4}, "effort: expected a whole number from 0 to 3"),
        ({"movable": 2}, "movable"),
        ({"trials": 0}, "trials"),
        ({"seed": -1}, "seed"),
    ],
)
def test_wrong_options_of_the_pass_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        RouteByModels(**{"coupling_map": "line:5", **options})


def test_a_circuit_without_gates_stays(folder):
    circuit = QuantumCircuit(5)
    found, _ = routed(circuit, LINE, folder)
    assert not found.data
