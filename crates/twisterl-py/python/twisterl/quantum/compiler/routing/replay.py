"""Layouts and SWAPs: the operations that can be executed at a layout, and the check of a routed circuit."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from twisterl.errors import EnvError

__all__ = ["Operation", "Placed", "Replay", "check_routed", "layout_after"]

Edge = tuple[int, int]
Neighbours = Sequence[frozenset[int]]


class Operation(NamedTuple):
    """An operation.

    Attributes:
        wires: the qubits of the circuit.
        couples: whether they have to be neighbours on the map.
    """

    wires: tuple[int, ...]
    couples: bool


class Placed(NamedTuple):
    """An operation of a routed circuit.

    Attributes:
        number: its place among the operations of the circuit; None for a SWAP of two places.
        places: the qubits of the map.
    """

    number: int | None
    places: tuple[int, ...]


class Replay:
    """The operations of a circuit, which are executed as soon as they can be."""

    def __init__(self, operations: Sequence[Operation], layout: Sequence[int], neighbours: Neighbours) -> None:
        """Begin.

        Args:
            operations: the operations, each of which waits for those before it on its qubits.
            layout: the place on the map of each qubit of the circuit.
            neighbours: by the qubits of the map.
        """
        self.layout = list(layout)
        self.left = len(operations)
        self._operations, self._neighbours = operations, neighbours
        self._holds = {place: wire for wire, place in enumerate(layout)}
        self._waiting: list[list[int]] = [[] for _ in layout]
        for i in range(len(operations) - 1, -1, -1):
            for wire in operations[i].wires:
                self._waiting[wire].append(i)

    def start(self) -> list[int]:
        """Execute what can be executed at first; return its places among the operations, in order."""
        # Operations without qubits wait for none.
        free = [i for i, operation in enumerate(self._operations) if not operation.wires]
        self.left -= len(free)
        return free + self._execute(range(len(self.layout)))

    def swap(self, edge: Edge) -> list[int]:
        """Exchange what two places hold, and execute what can be executed then."""
        wires = self._holds[edge[0]], self._holds[edge[1]]
        for wire, place in zip(wires, reversed(edge), strict=True):
            self._holds[place], self.layout[wire] = wire, place
        return self._execute(wires)

    def next_gate(self) -> Edge:
        """Return the places of the qubits of a gate that waits for nothing but to be neighbours."""
        for queue in self._waiting:
            if queue and self._is_first(queue[-1]):
                a, b = self._operations[queue[-1]].wires
                return self.layout[a], self.layout[b]
        raise EnvError("routing: expected operations that are left, found none")

    def _is_first(self, number: int) -> bool:
        return all(self._waiting[wire][-1] == number for wire in self._operations[number].wires)

    def _execute(self, wires: Iterable[int]) -> list[int]:
        executed: list[int] = []
        ahead = list(wires)
        while ahead:
            queue = self._waiting[ahead[-1]]
            if not queue:
                ahead.pop()
                continue
            number = queue[-1]
            operation = self._operations[number]
            if len(operation.wires) == 1:
                queue.pop()
            elif self._is_first(number) and self._is_possible(operation):
                for wire in operation.wires:
                    self._waiting[wire].pop()
                ahead.extend(operation.wires)
            else:
                ahead.pop()
                continue
            executed.append(number)
        self.left -= len(executed)
        return executed

    def _is_possible(self, operation: Operation) -> bool:
        if not operation.couples:
            return True
        a, b = operation.wires
        return self.layout[b] in self._neighbours[self.layout[a]]


def layout_after(layout: Sequence[int], swaps: Iterable[Edge]) -> list[int]:
    """Return the place of each qubit after some SWAPs of places."""
    holds = [0] * len(layout)
    for wire, place in enumerate(layout):
        holds[place] = wire
    for a, b in swaps:
        holds[a], holds[b] = holds[b], holds[a]
    after = [0] * len(layout)
    for place, wire in enumerate(holds):
        after[wire] = place
    return after


def check_routed(
    operations: Sequence[Operation],
    parts: Sequence[int],
    layout: Sequence[int],
    placed: Iterable[Placed],
    neighbours: Neighbours,
) -> list[int]:
    """Check that a routed circuit is the circuit up to the final layout, which it returns.

    Args:
        operations: the operations of the circuit.
        parts: the places of the first operations of its parts, and the end; see `Problem`.
        layout: the place on the map of each qubit of the circuit.
        placed: the operations of the routed circuit.
        neighbours: by the qubits of the map.

    Raises:
        EnvError: an operation is missing, made twice, at a wrong place, before one that it waits for, or on two qubits
            that are no neighbours.
    """
    at, holds = list(layout), {place: wire for wire, place in enumerate(layout)}
    last, made = [-1] * len(at), set[int]()
    for i, (number, places) in enumerate(placed):
        here = f"routed circuit[{i}]"
        couples = number is None or operations[number].couples
        if couples and (len(places) != 2 or places[1] not in neighbours[places[0]]):
            raise EnvError(f"{here}: expected two neighbours on the map, found {list(places)}")
        if number is None:
            a, b = places
            holds[a], holds[b] = holds[b], holds[a]
            at[holds[a]], at[holds[b]] = a, b
            continue
        wires = operations[number].wires
        if (expected := tuple(at[wire] for wire in wires)) != places:
            raise EnvError(f"{here}: expected operation {number} on {list(expected)}, found {list(places)}")
        before = max((last[wire] for wire in wires), default=-1)
        if before >= number or number in made:
            raise EnvError(f"{here}: expected operation {number} once and before {before}, found it again or after")
        if len(made) < (first := parts[bisect_right(parts, number) - 1]):
            raise EnvError(f"{here}: expected operation {number} after the {first} before its part, found {len(made)}")
        for wire in wires:
            last[wire] = number
        made.add(number)
    if len(made) != len(operations):
        raise EnvError(f"routed circuit: expected {len(operations)} operations, found {len(made)}")
    return at
