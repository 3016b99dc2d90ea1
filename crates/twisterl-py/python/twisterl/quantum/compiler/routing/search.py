"""The search for few SWAPs by a model: windows of a circuit, and the layout that it begins at."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np

from twisterl.errors import EnvError
from twisterl.quantum.compiler.routing.replay import Edge, Neighbours, Operation, Replay, layout_after
from twisterl.quantum.compiler.synthesis import Budget
from twisterl.quantum.models.model import Model
from twisterl.quantum.models.routing import random_gates

__all__ = ["Effort", "Route", "best_route"]

# The most gates that one search executes. It sees a quarter as many behind them, which may be those of later parts.
WINDOW = 512
# A model whose first routes have this many times as many SWAPs as others found is not worth more time.
HOPELESS = 1.05
# The size of the maps that an `Effort` is for. Beside SABRE, a search on smaller and on larger ones takes longer.
_SIZE = 9

Gates = list[tuple[int, int]]


class Effort(NamedTuple):
    """The extent of a search.

    Attributes:
        width: the width of the beams that route.
        layouts: the number of layouts that the search for a better one begins at; 0 for no such search.
        rounds: how often each of them is carried through the circuit and back.
        narrow: the width of the beams on the way.
    """

    width: int = 16
    layouts: int = 2
    rounds: int = 2
    narrow: int = 8

    def scaled(self, size: int) -> Effort:
        """Return the extent for a map of some size."""
        share = min(size / _SIZE, _SIZE / size)
        return self._replace(
            width=max(min(self.width, self.narrow), round(share * self.width)),
            layouts=min(self.layouts, max(1, round(share * self.layouts))),
            rounds=max(1, round(share * self.rounds)),
        )


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


def best_route(
    model: Model,
    parts: Sequence[Gates],
    effort: Effort,
    budget: Budget,
    seed: int | None = None,
    movable: bool = False,
    below: int | None = None,
) -> Route | None:
    """Return the route with the fewest SWAPs that a model finds, None if it finds none in time, or none near `below`.

    Args:
        model: the model, on whose map the qubits of the circuit begin at the place of their number.
        parts: the gates on two qubits; those of a part wait for all of the parts before it.
        effort: the extent of the search.
        budget: the time.
        seed: random seed of layouts.
        movable: whether the circuit may begin at another layout.
        below: the number of SWAPs that others found. Routes that have far more are not searched for better ones.
    """
    router, effort = _Router(model, budget), effort.scaled(model.coupling.num_qubits)
    start, found = list(range(router.size)), list[Route]()
    if movable and effort.layouts:
        known = _better_layouts(router, parts, effort, np.random.default_rng(seed), below)
        if not known:
            return None
        start = known[0].start
        if sum(map(len, parts)) == len(max(parts, key=len)) <= router.window:
            found.append(_of_parts(known[0], parts))
        if below is not None and known[0].cost > HOPELESS * below:
            return found[0] if found else None
        # A beam that is not much wider than those on the way rarely finds a better route.
        if found and effort.width <= 2 * effort.narrow:
            return found[0]
    found += [route for route in router.routes([start], parts, effort.width) if route is not None]
    return min(found, key=lambda route: route.cost, default=None)


def _of_parts(route: Route, parts: Sequence[Gates]) -> Route:
    """Return the route of a circuit of which one part has all gates."""
    return Route(route.start, [route.swaps[0] if part else [] for part in parts])


def _better_layouts(
    router: _Router, parts: Sequence[Gates], effort: Effort, rng: Any, below: int | None
) -> list[Route]:
    """Return routes of the beginning of a circuit, best first.

    A layout is carried through the circuit, and the one at its end back through the reversed circuit, as SABRE does.
    """
    gates = [gate for part in parts for gate in part][: router.window]
    both = [[gates], [gates[::-1]]]
    size = router.size
    layouts = [list(range(size)), *(rng.permutation(size).tolist() for _ in range(effort.layouts - 1))]
    found: list[Route] = []
    for turn in range(2 * effort.rounds):
        routes = [route for route in router.routes(layouts, both[turn % 2], effort.narrow) if route is not None]
        found += routes if turn % 2 == 0 else [route.reversed() for route in routes]
        layouts = [route.end for route in routes]
        if not found or (below is not None and min(route.cost for route in found) > HOPELESS * below):
            break
    return sorted(found, key=lambda route: route.cost)


def routes_random_circuit(model: Model, rng: Any) -> bool:
    """Return True if a model routes a random circuit, and check the route.

    Raises:
        EnvError: the route is wrong.
    """
    gates = random_gates(model, rng)
    route = best_route(model, [gates], Effort(layouts=0), Budget(60))
    if route is None:
        return False
    replay = Replay([Operation(gate, True) for gate in gates], route.start, model.coupling.neighbours)
    replay.start()
    for edge in route.swaps[0]:
        replay.swap(edge)
    if replay.left:
        raise EnvError(f"{model.path}: expected a route of all gates, found one without {replay.left} of them")
    return True


@dataclass
class _Walk:
    """A layout on its way through a circuit."""

    route: Route
    layout: list[int]
    left: Gates = field(default_factory=list)


class _Router:
    """Searches of one model."""

    def __init__(self, model: Model, budget: Budget) -> None:
        self.size = model.coupling.num_qubits
        self._policy, self._budget = model.policy, budget
        self._neighbours: Neighbours = model.coupling.neighbours
        # An episode of the environment has an end, before which a search has to find its solution.
        most_swaps = int(model.policy.env_params["max_depth"])
        self.window = max(1, min(WINDOW, most_swaps // model.coupling.diameter))
        self._edges: list[Edge] = []
        for name in model.actions:
            a, b = map(int, name.split()[1:])
            self._edges.append((a, b))

    def routes(self, layouts: Sequence[list[int]], parts: Sequence[Gates], width: int) -> list[Route | None]:
        """Return the routes from some layouts; None where the time is over."""
        walks = [_Walk(Route(layout, []), layout) for layout in layouts]
        for number, part in enumerate(parts):
            later = list(islice(chain.from_iterable(parts[number + 1 :]), self.window // 4))
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
        seen = self.window + self.window // 4
        windows = [(walk.left[:seen] + later)[: min(self.window, len(walk.left)) + self.window // 4] for walk in walks]
        states = [[*walk.layout, *chain.from_iterable(gates)] for walk, gates in zip(walks, windows, strict=True)]
        most = 2 * self.size * (max(map(len, windows)) + 1)
        found = self._policy.solve_batch(states, search=f"beam={width}", seconds=seconds, max_steps=most)
        if self._budget.seconds <= 0 and not all(solution.success for solution in found):
            return False
        for walk, gates, solution in zip(walks, windows, found, strict=True):
            swaps = [self._edges[action] for action in solution.actions] if solution.success else None
            if swaps is None or len(gates) != len(walk.left):
                swaps = self._part_of(swaps, walk)
            else:
                walk.left = []
            walk.layout = layout_after(walk.layout, swaps)
            walk.route.swaps[-1] += swaps
        return True

    def _part_of(self, swaps: list[Edge] | None, walk: _Walk) -> list[Edge]:
        """Return the SWAPs that execute the first gates that are left; those of one gate if there are none."""
        gates = walk.left[: self.window + self.window // 4]
        replay = Replay([Operation(gate, True) for gate in gates], walk.layout, self._neighbours)
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
            for other in sorted(self._neighbours[place]):
                if other not in before:
                    before[other] = place
                    ahead.append(other)
        swaps: list[Edge] = []
        while before[start] != end:
            swaps.append((start, before[start]))
            start = before[start]
        return swaps
