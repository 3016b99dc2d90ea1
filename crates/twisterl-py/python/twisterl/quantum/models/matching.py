"""Maps of the same shape: the qubits of one on which those of another can be placed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twisterl.quantum._qiskit import module
from twisterl.quantum.coupling import Coupling

__all__ = ["Placement", "placement"]

# The most steps of the search for a placement, which takes time for large maps of one shape and many symmetries.
_MOST_CALLS = 1_000_000


@dataclass(frozen=True)
class Placement:
    """The place of each qubit of a model in a map of as many qubits.

    Attributes:
        places: by the model's qubits, those of the map.
        unused: the number of edges of the map that the model does not have.
    """

    places: tuple[int, ...]
    unused: int


def placement(model: Coupling, coupling: Coupling) -> Placement | None:
    """Return where a model fits into a map of as many qubits so that all its edges are edges there, None if nowhere.

    Directions do not count: Qiskit's compiler turns gates around, which costs no gate on two qubits.
    """
    if model.num_qubits != coupling.num_qubits or len(model.pairs) > len(coupling.pairs):
        return None
    unused = len(coupling.pairs) - len(model.pairs)
    if model.pairs == coupling.pairs:
        return Placement(tuple(range(model.num_qubits)), 0)
    if unused == 0 and _degrees(model) != _degrees(coupling):
        return None
    rustworkx = module("rustworkx")
    found = rustworkx.vf2_mapping(
        _graph(rustworkx, coupling), _graph(rustworkx, model), subgraph=True, induced=False, call_limit=_MOST_CALLS
    )
    for mapping in found:
        at: dict[int, int] = {place: qubit for qubit, place in mapping.items()}
        return Placement(tuple(at[qubit] for qubit in range(model.num_qubits)), unused)
    return None


def _degrees(coupling: Coupling) -> Sequence[int]:
    return sorted(map(len, coupling.neighbours))


def _graph(rustworkx: Any, coupling: Coupling) -> Any:
    graph = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(coupling.num_qubits))
    graph.add_edges_from_no_data(list(coupling.pairs))
    return graph
