"""Routes of circuits that are too long for one search: window by window, each with gates behind it in sight."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from twisterl.quantum.compiler.routing.engines import Engine, Gates
from twisterl.quantum.compiler.routing.replay import Edge, Operation, Replay, layout_after
from twisterl.quantum.compiler.synthesis import Budget

__all__ = ["Route", "Router"]


@dataclass
class Route:
    """The SWAPs that execute a circuit.

    Attributes:
        start: the layout at the beginning: the place of each qubit of the circuit.
        swaps: the SWAPs of each part.
    """

    start: list[int]
    swaps: list[list[Edge]]

    @property
    def cost(self) -> int:
        """The number of SWAPs."""
        return sum(map(len, self.swaps))

    @property
    def end(self) -> list[int]:
        """The layout at the end."""
        return layout_after(self.start, (edge for swaps in self.swaps for edge in swaps))

    def reversed(self) -> Route:
        """Return the route of the circuit in reverse order."""
        return Route(self.end, [swaps[::-1] for swaps in self.swaps[::-1]])


@dataclass
class _Walk:
    """A layout on its way through a circuit."""

    route: Route
    layout: list[int]
    left: Gates = field(default_factory=list)


class Router:
    """Routes of one engine.

    Attributes:
        size: the number of qubits of the map.
        window: the number of gates that one search of the engine is to execute.
    """

    def __init__(self, engine: Engine, budget: Budget) -> None:
        """Prepare routes within a time."""
        self.size, self.window = len(engine.neighbours), engine.window
        self._engine, self._budget = engine, budget
        self._seen = engine.window + engine.ahead

    def routes(self, layouts: Sequence[list[int]], parts: Sequence[Gates], width: int) -> list[Route | None]:
        """Return the routes from some layouts; None where the time is over."""
        walks = [_Walk(Route(layout, []), layout) for layout in layouts]
        for number, part in enumerate(parts):
            later = list(islice(chain.from_iterable(parts[number + 1 :]), self._engine.ahead))
            for walk in walks:
                walk.left = part
                walk.route.swaps.append([])
            while ahead := [walk for walk in walks if walk.left]:
                if not self._advance(ahead, later, width):
                    return [None] * len(layouts)
        return [walk.route for walk in walks]

    def _advance(self, walks: list[_Walk], later: Gates, width: int) -> bool:
        """Execute the next window of each. Return False if the time is over."""
        if (seconds := self._budget.seconds) <= 0:
            return False
        ahead = self._engine.ahead
        windows = [(walk.left[: self._seen] + later)[: min(self.window, len(walk.left)) + ahead] for walk in walks]
        found = self._engine.solve([walk.layout for walk in walks], windows, width, seconds)
        if self._budget.seconds <= 0 and None in found:
            return False
        for walk, gates, swaps in zip(walks, windows, found, strict=True):
            if swaps is None or len(gates) != len(walk.left):
                swaps = self._part_of(swaps, walk)
            else:
                walk.left = []
            walk.layout = layout_after(walk.layout, swaps)
            walk.route.swaps[-1] += swaps
        return True

    def _part_of(self, swaps: list[Edge] | None, walk: _Walk) -> list[Edge]:
        """Return the SWAPs that execute the first gates that are left; those of one gate if there are none."""
        gates = walk.left[: self._seen]
        replay = Replay([Operation(gate, True) for gate in gates], walk.layout, self._engine.neighbours)
        executed = set(replay.start())
        wanted = min(self.window, len(gates))
        if swaps is None:
            swaps, wanted = self._along_a_path(*replay.next_gate()), len(gates) + 1
        made: list[Edge] = []
        first = 0
        for edge in swaps:
            while first in executed:
                first += 1
            if first >= wanted:
                break
            made.append(edge)
            executed.update(replay.swap(edge))
        walk.left = [gate for i, gate in enumerate(gates) if i not in executed] + walk.left[len(gates) :]
        return made

    def _along_a_path(self, start: int, end: int) -> list[Edge]:
        """Return the SWAPs that take what is at a place along a shortest path to a neighbour of another place."""
        before = {end: end}
        ahead = deque([end])
        while start not in before:
            place = ahead.popleft()
            for other in sorted(self._engine.neighbours[place]):
                if other not in before:
                    before[other] = place
                    ahead.append(other)
        swaps: list[Edge] = []
        while before[start] != end:
            swaps.append((start, before[start]))
            start = before[start]
        return swaps
