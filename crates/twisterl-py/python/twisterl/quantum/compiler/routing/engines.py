"""Engines of routing: they find the SWAPs of one window of a circuit, by a model or by trials of SABRE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any, Protocol

from twisterl.quantum._qiskit import module
from twisterl.quantum.compiler.routing.replay import Edge, Neighbours
from twisterl.quantum.coupling import Coupling
from twisterl.quantum.models.model import Model

__all__ = ["Engine", "Gates", "ModelEngine", "SabreEngine", "machine_of"]

Gates = list[tuple[int, int]]

# The most gates of a window of a model, which sees a quarter as many behind them.
_MODEL_WINDOW = 512


def machine_of(coupling: Coupling) -> Any:
    """Return a `Target` of Qiskit with the edges of a map both ways, for SABRE."""
    target = module("qiskit.transpiler").Target
    return target.from_configuration(["u", "cx"], coupling_map=coupling.both_ways().to_qiskit())


class Engine(Protocol):
    """A search for the SWAPs of windows.

    Attributes:
        neighbours: by the qubits of the map.
        window: the number of gates that one search is to execute.
        ahead: the number of gates behind them that it sees.
    """

    neighbours: Neighbours
    window: int
    ahead: int

    def solve(
        self, layouts: Sequence[list[int]], windows: Sequence[Gates], width: int, seconds: float
    ) -> list[list[Edge] | None]:
        """Return the SWAPs that execute the gates of each window from its layout, None where none were found.

        Args:
            layouts: the place on the map of each qubit of the circuit.
            windows: the gates on two qubits, in their order in time.
            width: the extent of the search.
            seconds: the time for it.
        """


class ModelEngine:
    """Beams of a model."""

    def __init__(self, model: Model) -> None:
        self.neighbours: Neighbours = model.coupling.neighbours
        # An episode of the environment has an end, before which a search has to find its solution.
        most_swaps = int(model.policy.env_params["max_depth"])
        self.window = max(1, min(_MODEL_WINDOW, most_swaps // model.coupling.diameter))
        self.ahead = self.window // 4
        self._policy = model.policy
        self._edges: list[Edge] = []
        for name in model.actions:
            a, b = map(int, name.split()[1:])
            self._edges.append((a, b))

    def solve(
        self, layouts: Sequence[list[int]], windows: Sequence[Gates], width: int, seconds: float
    ) -> list[list[Edge] | None]:
        """Return the SWAPs of each window; `width` is that of the beams."""
        states = [[*layout, *chain.from_iterable(gates)] for layout, gates in zip(layouts, windows, strict=True)]
        most = 2 * len(self.neighbours) * (max(map(len, windows)) + 1)
        found = self._policy.solve_batch(states, search=f"beam={width}", seconds=seconds, max_steps=most)
        return [[self._edges[action] for action in each.actions] if each.success else None for each in found]


class SabreEngine:
    """Trials of SABRE, of which each window takes those with the fewest SWAPs for itself and what it sees behind it.

    A trial of a whole circuit is good in some places and bad in others. To choose anew in each window takes what is
    good of many: the number of choices grows with the circuit, that of trials does not.
    """

    def __init__(self, coupling: Coupling, window: int, seed: int | None = None) -> None:
        self.neighbours: Neighbours = coupling.neighbours
        self.window = window
        # The farther a trial sees, the less its SWAPs for the window tell trials apart. Measured on 9 to 57 qubits.
        self.ahead = round(10 * math.sqrt(coupling.num_qubits))
        self._pass = module("qiskit.transpiler.passes").SabreSwap(machine_of(coupling), "decay", seed=seed)

    def solve(
        self, layouts: Sequence[list[int]], windows: Sequence[Gates], width: int, seconds: float
    ) -> list[list[Edge] | None]:
        """Return the SWAPs of each window; `width` is the number of trials. They end quickly, whatever the time is."""
        self._pass.trials = width
        return [self._swaps(layout, gates) for layout, gates in zip(layouts, windows, strict=True)]

    def _swaps(self, layout: Sequence[int], gates: Gates) -> list[Edge]:
        circuit: Any = module("qiskit.circuit").QuantumCircuit(len(layout))
        for a, b in gates:
            circuit.cx(layout[a], layout[b])
        self._pass.property_set["final_layout"] = None
        routed = self._pass.run(module("qiskit.converters").circuit_to_dag(circuit))
        place = {qubit: i for i, qubit in enumerate(routed.qubits)}
        return [(place[a], place[b]) for a, b in (node.qargs for node in routed.op_nodes() if node.name == "swap")]
