"""Routing window by window: circuits that are equivalent, with fewer SWAPs than SABRE has for whole circuits."""

import pytest

pytest.importorskip("qiskit")
from qiskit import transpile
from qiskit.converters import circuit_to_dag
from qiskit.quantum_info import Operator
from routed_circuits import everything, pairs_of, random_circuit, routed, unrouted
from twisterl.quantum import coupling_of
from twisterl.quantum.compiler.routing import Effort, passes
from twisterl.quantum.compiler.routing.problem import problem_of
from twisterl.quantum.compiler.routing.search import windowed_route
from twisterl.quantum.compiler.synthesis import Budget

# A line of five with other numbers.
RENUMBERED = coupling_of([(4, 1), (1, 0), (0, 3), (3, 2)])


@pytest.mark.parametrize(("name", "most"), [("grid:4x4", 0.95), ("falcon:27", 0.95), ("ring:9", 1.0)])
def test_windows_need_fewer_swaps_than_whole_circuits(tmp_path, name, most):
    coupling, ours, sabres = coupling_of(name), 0, 0
    for seed in range(3):
        circuit = random_circuit(coupling.num_qubits, 6 * coupling.num_qubits, seed)
        made, properties = routed(circuit, coupling, tmp_path)
        found = properties["twisterl_routing"]
        assert found["method"] == ("windows" if found["swaps"] < found["sabre_swaps"] else "sabre")
        assert found["swaps"] == made.count_ops()["swap"] <= found["sabre_swaps"]
        assert circuit_to_dag(unrouted(circuit, made, properties)) == circuit_to_dag(circuit)
        assert pairs_of(made) <= set(coupling.pairs)
        assert [properties["layout"][qubit] for qubit in circuit.qubits] == [*range(coupling.num_qubits)]  # it stays
        ours += found["swaps"]
        sabres += found["sabre_swaps"]
    assert ours < most * sabres


def test_windows_are_the_same_with_the_same_seed(tmp_path):
    circuit = random_circuit(9, 60, 0)
    first, again = (routed(circuit, coupling_of("grid:3x3"), tmp_path)[0] for _ in range(2))
    assert first == again


def test_windows_end_where_an_operation_waits_for_other_qubits(tmp_path, monkeypatch):
    circuit = everything()
    route = windowed_route(RENUMBERED, problem_of(circuit_to_dag(circuit)).gates(), Effort(window=2), Budget(600), 1)
    assert len(route.swaps) == len(problem_of(circuit_to_dag(circuit)).parts) - 1
    counts = iter([1000, 0])  # SWAPs of SABRE, and before it
    monkeypatch.setattr(passes, "_count", lambda dag: next(counts))
    made, properties = routed(circuit, RENUMBERED, tmp_path, effort=Effort(window=2))
    assert properties["twisterl_routing"]["method"] == "windows"
    assert circuit_to_dag(unrouted(circuit, made, properties)) == circuit_to_dag(circuit)


@pytest.mark.parametrize("level", range(4))
def test_windows_keep_the_layout_of_the_user(tmp_path, level, monkeypatch):
    monkeypatch.setenv("TWISTERL_QUANTUM_MODELS", str(tmp_path))
    circuit, order = random_circuit(6, 40, level), [3, 1, 4, 0, 2, 5]
    options = {"coupling_map": coupling_of("grid:2x3").to_qiskit(), "initial_layout": order, "seed_transpiler": 1}
    found = transpile(circuit, routing_method="twisterl", optimization_level=level, **options)
    assert found.layout.initial_index_layout() == order
    assert Operator.from_circuit(found).equiv(Operator(circuit))
    usual = transpile(circuit, routing_method="sabre", optimization_level=0, **options)
    assert found.count_ops()["swap"] <= usual.count_ops()["swap"]
