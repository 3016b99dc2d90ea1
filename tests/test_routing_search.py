"""The search for routes by models: windows, layouts, and the check of routed circuits."""

import numpy as np
import pytest

pytest.importorskip("qiskit")
from twisterl.errors import EnvError
from twisterl.quantum import coupling_of
from twisterl.quantum.compiler.routing import Effort, engines
from twisterl.quantum.compiler.routing.replay import Operation, Placed, Replay, check_routed
from twisterl.quantum.compiler.routing.search import best_route
from twisterl.quantum.compiler.synthesis import Budget
from twisterl.quantum.models import load_model

LINE = coupling_of("line:5")
# `twisterl quantum train --map line:5 --kind routing --iterations 200`
MODEL = "tests/vectors/routing_line5.safetensors"

# Windows and layouts.


def gates_of(seed, count, size=5):
    rng = np.random.default_rng(seed)
    return [tuple(rng.choice(size, 2, replace=False).tolist()) for _ in range(count)]


def is_route(route, parts, coupling):
    layout = route.start
    for gates, swaps in zip(parts, route.swaps, strict=True):
        replay = Replay([Operation(gate, True) for gate in gates], layout, coupling.neighbours)
        replay.start()
        for edge in swaps:
            assert edge[1] in coupling.neighbours[edge[0]]
            replay.swap(edge)
        layout = replay.layout
        if replay.left:
            return False
    return layout == route.end


@pytest.mark.parametrize("window", [1, 7, 100])
@pytest.mark.parametrize("movable", [False, True])
def test_windows_of_any_size_make_a_route(root, monkeypatch, window, movable):
    monkeypatch.setattr(engines, "_MODEL_WINDOW", window)
    model = load_model(root / MODEL)
    parts = [gates_of(1, 40), [], gates_of(2, 3), gates_of(3, 20)]
    route = best_route(model, parts, Effort(4, 2, 1, 2), Budget(60), 0, movable)
    assert is_route(route, parts, LINE)
    assert movable or route.start == [0, 1, 2, 3, 4]
    again = best_route(model, parts, Effort(4, 2, 1, 2), Budget(60), 0, movable)
    assert again == route


def test_a_search_that_finds_nothing_still_makes_progress(root, monkeypatch):
    model = load_model(root / MODEL)
    solve = model.policy.solve_batch

    class Helpless:
        spec, num_actions = model.policy.spec, model.policy.num_actions
        env_params = model.policy.env_params

        @staticmethod
        def solve_batch(states, **options):
            return solve(states, **{**options, "search": "greedy", "max_steps": 1})

    monkeypatch.setattr(model, "policy", Helpless())
    parts = [gates_of(4, 30)]
    assert is_route(best_route(model, parts, Effort(layouts=0), Budget(60)), parts, LINE)


def test_a_route_backwards_is_a_route_of_the_reversed_circuit(root):
    gates = gates_of(5, 30)
    route = best_route(load_model(root / MODEL), [gates], Effort(layouts=0), Budget(60))
    back = route.reversed()
    assert (back.start, back.end) == (route.end, route.start)
    assert is_route(back, [gates[::-1]], LINE)


# The check.

OPERATIONS = [Operation((0, 2), True), Operation((1,), False), Operation((0, 1), True)]
GOOD = [Placed(1, (1,)), Placed(None, (0, 1)), Placed(0, (1, 2)), Placed(2, (1, 0))]


def test_a_routed_circuit_has_the_final_layout():
    neighbours = coupling_of("line:3").neighbours
    assert check_routed(OPERATIONS, [0, 3], [0, 1, 2], GOOD, neighbours) == [1, 0, 2]


@pytest.mark.parametrize(
    ("placed", "parts", "message"),
    [
        (GOOD[:3], [0, 3], "expected 3 operations, found 2"),
        ([*GOOD, Placed(1, (0,))], [0, 3], "found it again or after"),
        ([*GOOD[:2], GOOD[3], GOOD[2]], [0, 3], "expected operation 0 once"),
        ([GOOD[0], GOOD[2], GOOD[1], GOOD[3]], [0, 3], r"expected operation 0 on \[0, 2\], found \[1, 2\]"),
        ([Placed(0, (0, 2))], [0, 3], r"expected two neighbours on the map, found \[0, 2\]"),
        ([Placed(None, (0, 2))], [0, 3], r"expected two neighbours on the map, found \[0, 2\]"),
        (GOOD, [0, 1, 3], "expected operation 1 after the 1 before its part, found 0"),
    ],
)
def test_wrong_routed_circuits_are_refused(placed, parts, message):
    with pytest.raises(EnvError, match=message):
        check_routed(OPERATIONS, parts, [0, 1, 2], placed, coupling_of("line:3").neighbours)
