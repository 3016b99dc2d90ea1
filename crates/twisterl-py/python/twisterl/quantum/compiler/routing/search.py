"""The search for few SWAPs: by a model, with the layout that a circuit begins at, and by trials of SABRE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from twisterl.errors import EnvError
from twisterl.quantum.compiler.routing.engines import Gates, ModelEngine, SabreEngine
from twisterl.quantum.compiler.routing.replay import Operation, Replay
from twisterl.quantum.compiler.routing.windows import Route, Router
from twisterl.quantum.compiler.synthesis import Budget
from twisterl.quantum.coupling import Coupling
from twisterl.quantum.models.model import Model
from twisterl.quantum.models.routing import random_gates

__all__ = ["Effort", "best_route", "windowed_route"]

# A model whose first routes have this many times as many SWAPs as others found is not worth more time.
HOPELESS = 1.05
# The size of the maps that an `Effort` is for. Beside SABRE, a search on smaller and on larger ones takes longer.
_SIZE = 9
# The least width of beams on other maps.
_LEAST = 4


class Effort(NamedTuple):
    """The extent of a search.

    Attributes:
        width: the width of the beams that route.
        layouts: the number of layouts that the search for a better one begins at; 0 for no such search.
        rounds: how often each of them is carried through the circuit and back.
        narrow: the width of the beams on the way.
        trials: the number of trials of SABRE for each window of a circuit that models do not route; 0 for no windows.
        window: the number of gates of such a window. Short ones choose more often among trials: on the 27 qubits of a
            Falcon, 60 trials of 6 gates each leave 0.92 of the SWAPs of 400 trials of the circuit, of 25 gates 0.94.
    """

    width: int = 16
    layouts: int = 2
    rounds: int = 2
    narrow: int = 8
    trials: int = 60
    window: int = 6

    def scaled(self, size: int) -> Effort:
        """Return the extent for a map of some size."""
        share = min(size / _SIZE, _SIZE / size)
        narrow = max(min(self.narrow, _LEAST), round(share * self.narrow))
        return self._replace(
            width=max(min(self.width, narrow), round(share**2 * self.width)),
            layouts=min(self.layouts, max(1, round(share * self.layouts))),
            rounds=max(1, round(share * self.rounds)),
            narrow=narrow,
        )


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
    router, effort = Router(ModelEngine(model), budget), effort.scaled(model.coupling.num_qubits)
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


def windowed_route(
    coupling: Coupling, parts: Sequence[Gates], effort: Effort, budget: Budget, seed: int | None = None
) -> Route | None:
    """Return the route that trials of SABRE find window by window, None if there was no time for it; see `best_route`.

    Args:
        coupling: the map, on which the qubits of the circuit begin at the place of their number.
        parts: the gates on two qubits; those of a part wait for all of the parts before it.
        effort: the extent of the search.
        budget: the time.
        seed: random seed of SABRE.
    """
    router = Router(SabreEngine(coupling, effort.window, seed), budget)
    return router.routes([list(range(coupling.num_qubits))], parts, effort.trials)[0]


def _of_parts(route: Route, parts: Sequence[Gates]) -> Route:
    """Return the route of a circuit of which one part has all gates."""
    return Route(route.start, [route.swaps[0] if part else [] for part in parts])


def _better_layouts(router: Router, parts: Sequence[Gates], effort: Effort, rng: Any, below: int | None) -> list[Route]:
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
