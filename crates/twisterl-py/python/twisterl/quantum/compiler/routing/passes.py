"""The routing pass, and the stage of Qiskit's compiler that runs it."""

from __future__ import annotations

import logging
from abc import ABCMeta
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from twisterl._internal.arguments import flag, within
from twisterl.quantum._qiskit import module
from twisterl.quantum.compiler.routing.engines import Gates, machine_of
from twisterl.quantum.compiler.routing.problem import Problem, obstacle, problem_of
from twisterl.quantum.compiler.routing.replay import Edge, Placed, Replay, check_routed
from twisterl.quantum.compiler.routing.search import Effort, best_route, windowed_route
from twisterl.quantum.compiler.routing.windows import Route
from twisterl.quantum.compiler.synthesis import Budget
from twisterl.quantum.coupling import MAX_QUBITS, coupling_of
from twisterl.quantum.models.library import opened
from twisterl.quantum.models.model import Model
from twisterl.quantum.targets import ROUTING

__all__ = ["RouteByModels", "RoutingPlugin"]

_LOGGER = logging.getLogger("twisterl.quantum.routing")
_PASS: Any = module("qiskit.transpiler").TransformationPass
_STAGE: Any = module("qiskit.transpiler.preset_passmanagers.plugin").PassManagerStagePlugin
# The extent of the search, and the trials of SABRE as of Qiskit's own stage, by optimization level.
_EFFORTS = (
    Effort(8, 0, trials=0),
    Effort(16, 1, 1, trials=20, window=24),
    Effort(24, 2, 1, trials=60),
    Effort(128, 4, 3, 16, trials=160),
)
_TRIALS = (5, 5, 20, 20)
# This many times the trials of SABRE from a layout of `SabreLayout` find as few SWAPs on average as that did. Where it
# has needed more SWAPs than a few, windows find fewer than both.
_MORE, _FEW = 10, 60
# The most models that a circuit is routed by.
_MOST_MODELS = 3


class _Meta(type(_PASS)):  # type: ignore[misc]
    """The class of the class, which has no types in Qiskit."""


class _Region(NamedTuple):
    """A model, and by its qubits the qubits of the map that it routes on."""

    model: Model
    qubits: tuple[int, ...]


class RouteByModels(_PASS, metaclass=_Meta):  # type: ignore[misc]
    """Brings the qubits of each gate next to each other by SWAPs: those of a model, or of SABRE if these are no more.

    Where models do not win, SABRE also routes window by window, which takes fewer SWAPs than whole circuits.

    The circuit is one on the qubits of the machine. The property `twisterl_routing` says who routed it: `method` is
    `twisterl` for models, `windows` or `sabre`; `swaps` is the number of SWAPs, and `sabre_swaps` that of SABRE on the
    whole circuit; `reason` says why models did not route it.
    """

    def __init__(
        self,
        coupling_map: Any,
        models: Any = None,
        seconds: float = 60.0,
        effort: Effort | int = 2,
        movable: bool = False,
        trials: int = 20,
        seed: int | None = None,
    ) -> None:
        """Prepare the pass.

        Args:
            coupling_map: the map in any form that `coupling_of` takes.
            models: the folder of the models, or a `Library`; by default that of the variable TWISTERL_QUANTUM_MODELS,
                or the user's own.
            seconds: the time for a circuit.
            effort: the extent of the search, as an optimization level from 0 to 3 or as an `Effort`.
            movable: whether the circuit may begin at another layout, for which the property `layout` is changed.
            trials: the number of trials of SABRE.
            seed: random seed of SABRE and of layouts.
        """
        super().__init__()
        self._coupling = coupling_of(coupling_map)
        self._models, self._seconds, self._movable = models, seconds, flag("movable", movable)
        Budget(seconds)  # checks it
        self._effort = effort if isinstance(effort, Effort) else _EFFORTS[within("effort", effort, 0, 3)]
        self._seed = None if seed is None else within("seed", seed, 0, 2**63 - 1)
        trials = within("trials", trials, 1, 100_000)
        self._machine, self._trials = machine_of(self._coupling), trials

    def run(self, dag: Any) -> Any:
        """Return the routed circuit."""
        before = self.property_set["final_layout"]
        routed = self._by_sabre(dag, self._trials)
        usual = _count(routed) - _count(dag)
        found: dict[str, Any] = {"method": "sabre", "sabre_swaps": usual, "swaps": usual}
        if (reason := obstacle(dag)) is not None:
            found["reason"] = f"the circuit has {reason}"
        elif usual:
            routed = self._improved(dag, routed, before, found)
        self.property_set["twisterl_routing"] = found
        _LOGGER.info("%(swaps)d SWAPs by %(method)s, %(sabre_swaps)d by SABRE", found)
        return routed

    def _by_sabre(self, dag: Any, trials: int) -> Any:
        """Return the circuit that SABRE routed, with its final layout among the properties."""
        sabre = module("qiskit.transpiler.passes").SabreSwap(self._machine, "decay", seed=self._seed, trials=trials)
        sabre.property_set = self.property_set
        return sabre.run(dag)

    def _improved(self, dag: Any, routed: Any, before: Any, found: dict[str, Any]) -> Any:
        """Return a circuit with fewer SWAPs than one that SABRE routed, or that one. `found` then tells whose it is."""
        problem, budget = problem_of(dag), Budget(self._seconds)
        parts, usual = problem.gates(), found["swaps"]
        route, reason = self._by_models(parts, usual, self._movable and before is None, budget)
        method, tied = "twisterl", route is not None and route.cost == usual
        if route is None or route.cost >= usual:
            found["reason"] = reason or f"models found {route.cost if route else 'no'} SWAPs"
            if self._movable and usual <= _FEW:
                routed = self._with_more_trials(dag, routed, before)
                found["swaps"] = found["sabre_swaps"] = _count(routed) - _count(dag)
            # A model that ties with SABRE is one that windows do not improve on.
            if self._effort.trials and not tied:
                method, route = "windows", windowed_route(self._coupling, parts, self._effort, budget, self._seed)
        if route is None or route.cost >= found["swaps"]:
            return routed
        found |= {"method": method, "swaps": route.cost}
        return self._as_dag(dag, problem, route, before)

    def _with_more_trials(self, dag: Any, routed: Any, before: Any) -> Any:
        """Return the better one of a circuit that SABRE routed and one of more trials.

        The layout is one that `SabreLayout` chose by trials of many routes from it. Few other trials find more SWAPs.
        """
        final = self.property_set["final_layout"]
        self.property_set["final_layout"] = before
        again = self._by_sabre(dag, _MORE * self._trials)
        if _count(again) < _count(routed):
            return again
        self.property_set["final_layout"] = final
        return routed

    def _by_models(
        self, parts: Sequence[Gates], usual: int, movable: bool, budget: Budget
    ) -> tuple[Route | None, str | None]:
        """Return the best route of models that are not given up beside `usual`, or the reason why there is none."""
        regions = list(self._regions(parts))
        if not regions:
            return None, f"no model fits the map of {self._coupling.num_qubits} qubits or of those with gates"
        routes = list[Route]()
        for model, qubits in regions[:_MOST_MODELS]:
            number = {qubit: i for i, qubit in enumerate(qubits)}
            local = [[(number[a], number[b]) for a, b in part] for part in parts]
            route = best_route(model, local, self._effort, budget, self._seed, movable, usual)
            if route is not None:
                routes.append(_on_map(route, qubits, self._coupling.num_qubits))
        if not routes:
            return None, f"no model found a better route within {self._seconds:g} seconds"
        return min(routes, key=lambda route: route.cost), None

    def _regions(self, parts: Sequence[list[Edge]]) -> Iterator[_Region]:
        """Yield the models for the map, or for that of the qubits with gates if there are none."""
        library = opened(self._models)
        active = sorted({qubit for part in parts for gate in part for qubit in gate})
        for qubits in ([*range(self._coupling.num_qubits)], active):
            if len(qubits) < 2:
                continue
            found = library.find(ROUTING, self._coupling.induced(qubits))
            yield from (_Region(model, tuple(qubits[i] for i in place.places)) for model, place in found)
            if found:
                break

    def _as_dag(self, dag: Any, problem: Problem, route: Route, before: Any) -> Any:
        """Return the circuit of a route, which is checked, and change the layouts among the properties."""
        neighbours = self._coupling.neighbours
        placed = list(_placed(problem, route, neighbours))
        end = check_routed(problem.operations, problem.parts, route.start, placed, neighbours)
        made = dag.copy_empty_like()
        qubits, swap = made.qubits, module("qiskit.circuit.library").SwapGate()
        for index, places in placed:
            operation, bits = (swap, ()) if index is None else (problem.nodes[index].op, problem.nodes[index].cargs)
            made.apply_operation_back(operation, [qubits[place] for place in places], bits, check=False)
        layouts = module("qiskit.transpiler").Layout
        final = layouts({qubits[start]: place for start, place in zip(route.start, end, strict=True)})
        self.property_set["final_layout"] = final if before is None else before.compose(final, qubits)
        if route.start != list(range(len(qubits))):
            old = self.property_set["layout"]
            moved = layouts({bit: route.start[place] for bit, place in old.get_virtual_bits().items()})
            for register in old.get_registers():
                moved.add_register(register)
            self.property_set["layout"] = moved
        return made


def _count(dag: Any) -> int:
    """Return the number of SWAPs of a circuit."""
    return int(dag.count_ops().get("swap", 0))


def _on_map(route: Route, qubits: Sequence[int], size: int) -> Route:
    """Return the route of a model's qubits on a map."""
    start = list(range(size))
    for wire, place in zip(qubits, route.start, strict=True):
        start[wire] = qubits[place]
    return Route(start, [[(qubits[a], qubits[b]) for a, b in swaps] for swaps in route.swaps])


def _placed(problem: Problem, route: Route, neighbours: Sequence[frozenset[int]]) -> Iterator[Placed]:
    """Yield the operations of a routed circuit, each as early as it can be. SWAPs behind the last gate are left out."""
    layout = route.start
    last = max((number for number, swaps in enumerate(route.swaps) if swaps), default=-1)
    for number, (piece, swaps) in enumerate(zip(problem.pieces(), route.swaps, strict=True)):
        operations = problem.operations[piece.start : piece.stop]
        replay = Replay(operations, layout, neighbours)
        ready = replay.start()
        for edge in [*swaps, None]:
            for index in ready:
                places = tuple(replay.layout[wire] for wire in operations[index].wires)
                yield Placed(piece.start + index, places)
            if edge is None or (number == last and not replay.left):
                break
            else:
                yield Placed(None, edge)
                ready = replay.swap(edge)
        layout = replay.layout


class RoutingPlugin(_STAGE, metaclass=ABCMeta):  # type: ignore[misc]
    """The routing stage `twisterl`: `RouteByModels` with the models of the default folder.

    `transpile(circuit, backend, routing_method="twisterl")` uses it. The layout that Qiskit has chosen by default may
    be changed; one that the user or another method has chosen is kept. Maps that are too large for models are SABRE's.
    """

    def pass_manager(self, pass_manager_config: Any, optimization_level: int | None = None) -> Any:
        """Return the passes of the stage."""
        config, level = pass_manager_config, 2 if optimization_level is None else optimization_level
        common = module("qiskit.transpiler.preset_passmanagers.common")
        target, coupling_map = config.target, config.coupling_map
        if target is not None:
            coupling_map = target.build_coupling_map()
        if coupling_map is None:
            return module("qiskit.transpiler").PassManager()
        if coupling_map.size() > MAX_QUBITS:
            stages = module("qiskit.transpiler.preset_passmanagers.plugin").PassManagerStagePluginManager()
            return stages.get_passmanager_stage("routing", "sabre", config, optimization_level=level)
        chosen = config.initial_layout is not None or config.layout_method not in (None, "default", "sabre")
        routing = RouteByModels(
            coupling_map,
            effort=level,
            movable=level > 0 and not chosen,
            trials=_TRIALS[level],
            seed=config.seed_transpiler,
        )
        calls, trials = common.get_vf2_limits(level, config.layout_method, config.initial_layout)
        return common.generate_routing_passmanager(
            routing,
            target,
            coupling_map=coupling_map,
            vf2_call_limit=calls,
            vf2_max_trials=trials,
            seed_transpiler=-1,
            check_trivial=level == 1,
            use_barrier_before_measurement=True,
        )
