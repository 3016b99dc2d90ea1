"""The best circuit of all models that fit a target and its map."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from twisterl.errors import UsageError
from twisterl.quantum.answers import answer
from twisterl.quantum.circuits import Gate, two_qubit_gates
from twisterl.quantum.coupling import Coupling
from twisterl.quantum.models.library import Library
from twisterl.quantum.models.matching import Placement
from twisterl.quantum.models.model import Model
from twisterl.quantum.targets import Target

__all__ = ["Budget", "best_circuit"]


class Budget:
    """The time that is left."""

    def __init__(self, seconds: float) -> None:
        """Begin with some seconds.

        Raises:
            UsageError: it is not a number above 0.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= 1e6:
            raise UsageError(f"seconds: expected a number above 0, at most 1000000, found {seconds!r:.40}")
        self._end = time.monotonic() + seconds

    @property
    def seconds(self) -> float:
        """The seconds that are left, 0 if none are."""
        return max(0.0, self._end - time.monotonic())


# By model and state a solution; or None, with the greatest number of actions that were tried, None if any.
Known = dict[tuple[str, tuple[int, ...]], tuple[list[Gate] | None, int | None]]


def best_circuit(
    library: Library,
    target: Target,
    coupling: Coupling,
    seconds: float,
    effort: int = 256,
    below: int | None = None,
    known: Known | None = None,
    screen: int | None = None,
) -> Any:
    """Return the circuit with the fewest gates on two qubits that the models find, None if they find none.

    Args:
        library: the models.
        target: the target.
        coupling: the edges between its qubits.
        seconds: the time for all models together.
        effort: the width of the beam.
        below: the number of gates on two qubits that a circuit must have less than, a SWAP counted as three. Models
            whose actions all have such gates search no further.
        known: what earlier searches found, to which this one is added unless its time was over.
        screen: the width of a first beam. Models whose circuit then has more gates than `below`, or that find none,
            search no further.
    """
    budget, best, least = Budget(seconds), None, below
    known = {} if known is None else known
    for model, place in library.find(target.kind, coupling):
        if budget.seconds <= 0:
            break
        seen = target if place.places == tuple(sorted(place.places)) else target.relabelled(place.places)
        key = (str(model.path), tuple(seen.state()))
        longest = model.most_actions(least)
        gates, tried = known.get(key, (None, 0))
        if gates is None and tried is not None and (longest is None or longest > tried):
            limit = {} if longest is None else {"max_steps": longest}
            widths = [effort] if screen is None or screen >= effort else [screen, effort]
            gates = _searched(model, seen, widths, least, budget, limit)
            if gates is not None or budget.seconds > 0:
                known[key] = (gates, longest)
        if gates is None:
            continue
        cost = two_qubit_gates(gates)
        if least is None or cost < least:
            best, least = _placed(gates, place), cost
    if best is None:
        return None
    # Qiskit turns around the gates that are against the direction of an edge.
    return answer(target, best, coupling.both_ways())


def _searched(
    model: Model, target: Target, widths: Sequence[int], below: int | None, budget: Budget, limit: dict[str, Any]
) -> list[Gate] | None:
    """Return the best gates of beams of some widths, which end with the first one that is not near `below`."""
    best = None
    for width in widths:
        if (left := budget.seconds) <= 0:
            break
        gates = model.solve(target, width, seconds=left, **limit)
        if gates is not None and (best is None or two_qubit_gates(gates) < two_qubit_gates(best)):
            best = gates
        if best is None or (below is not None and two_qubit_gates(best) > below):
            break
    return best


def _placed(gates: list[Gate], place: Placement) -> list[Gate]:
    return [gate._replace(qubits=tuple(place.places[qubit] for qubit in gate.qubits)) for gate in gates]
