"""The operations of a circuit, as routing sees them: what each waits for, and which need neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from twisterl.quantum.compiler.routing.replay import Operation

__all__ = ["Problem", "obstacle", "problem_of"]


@dataclass(frozen=True)
class Problem:
    """A circuit on the qubits of a machine.

    Attributes:
        nodes: the operations of Qiskit, in an order that respects what each waits for.
        operations: the same operations.
        parts: the places of the first operations of each part, and the end. An operation waits for those before it on
            its qubits, and for all of the parts before its own.
    """

    nodes: tuple[Any, ...]
    operations: tuple[Operation, ...]
    parts: tuple[int, ...]

    def pieces(self) -> Iterator[range]:
        """Yield the places of the operations of each part."""
        yield from map(range, self.parts, self.parts[1:])

    def gates(self) -> list[list[tuple[int, int]]]:
        """Return the qubits of the gates on two qubits of each part, without those that repeat the one before them."""
        return [list(_without_repeats(self.operations[i] for i in piece)) for piece in self.pieces()]


def obstacle(dag: Any) -> str | None:
    """Return why models cannot route a circuit, None if they can."""
    if dag.control_flow_op_nodes():
        return "control flow"
    if dag.num_vars or dag.num_stretches:
        return "variables"
    for node in dag.multi_qubit_ops():
        return f"{node.name!r:.60} on {len(node.qargs)} qubits; UnrollCustomDefinitions and Unroll3qOrMore divide it"
    return None


def problem_of(dag: Any) -> Problem:
    """Return the operations of a circuit without control flow, on the qubits of a machine."""
    place = {qubit: i for i, qubit in enumerate(dag.qubits)}
    nodes = tuple(dag.topological_op_nodes())
    operations: list[Operation] = []
    parts = [0]
    last: dict[Any, tuple[int, ...]] = {}  # by classical bit, the qubits of the operation that used it last
    for i, node in enumerate(nodes):
        wires = tuple(place[qubit] for qubit in node.qargs)
        couples = len(wires) == 2 and not node.is_directive()
        fence = len(wires) > 1 and not couples
        for bit in node.cargs:
            fence = fence or not set(last.get(bit, wires)) & set(wires)
            last[bit] = wires
        if fence and i > parts[-1]:
            parts.append(i)
        operations.append(Operation(wires, couples))
    return Problem(nodes, tuple(operations), (*parts, len(nodes)))


def _without_repeats(operations: Iterable[Operation]) -> Iterator[tuple[int, int]]:
    last: dict[int, tuple[int, ...]] = {}
    for operation in operations:
        if operation.couples:
            a, b = sorted(operation.wires)
            if not last.get(a) == (a, b) == last.get(b):
                yield a, b
            last[a] = last[b] = (a, b)
