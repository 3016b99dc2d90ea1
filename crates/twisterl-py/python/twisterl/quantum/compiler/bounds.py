"""A bound from below of the gates on two qubits that a target takes, which tells that a search would find nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from twisterl.quantum.coupling import Coupling
from twisterl.quantum.pauli import Network
from twisterl.quantum.targets import Target

__all__ = ["fewest_gates"]


def fewest_gates(target: Target, coupling: Coupling) -> int:
    """Return a number of gates on two qubits that no circuit of a target along the edges of a map has less than.

    A gate between two sets of qubits adds 1 to the rank of what the target carries from the one to the other, at most.
    An edge of a tree is the only one between its two sides, so that their numbers add up. On other maps, each gate is
    between its qubits and the others twice. A SWAP counts as three gates. Permutations have no bound but 0.
    """
    if target.kind.name == "permutation":
        return 0
    rows = _rows(target)
    n = target.num_qubits
    if len(coupling.pairs) == n - 1 and len(coupling.components()) == 1:
        return sum(_between(target, rows, side) for side in _sides(coupling))
    return (sum(_between(target, rows, 1 << qubit) for qubit in range(n)) + 1) // 2


def _rows(target: Target) -> list[int]:
    """Return for each qubit the rows of its X and Z in the tableau, each as the bits of X and Z of all qubits."""
    n, value = target.num_qubits, target.value
    if target.kind.name == "linear_function":
        # Rows of the matrix and columns: those of the transposed inverse have the same ranks.
        table = np.block([[value, np.zeros((n, n), bool)], [np.zeros((n, n), bool), value.T]])
    else:
        clifford: Any = value.clifford if isinstance(value, Network) else value
        table = clifford.tableau[:, :-1]
    weights = 1 << np.arange(2 * n, dtype=object)
    return [int(number) for number in (table.astype(object) @ weights)]


def _sides(coupling: Coupling) -> Iterator[int]:
    """Yield for each edge of a tree the qubits on one side of it, as bits."""
    for a, b in coupling.pairs:
        side, border = {a}, [a]
        while border:
            new = [q for q in coupling.neighbours[border.pop()] if q not in side and q != b]
            side.update(new)
            border += new
        yield sum(1 << qubit for qubit in side)


def _between(target: Target, rows: Sequence[int], side: int) -> int:
    """Return a bound of the number of gates between some qubits, given as bits, and the others."""
    n = target.num_qubits
    others = ~side & ((1 << n) - 1)
    columns = others | others << n
    rank = _rank(rows[half * n + qubit] & columns for half in (0, 1) for qubit in range(n) if side >> qubit & 1)
    if rank or not isinstance(target.value, Network):
        return rank
    # A rotation of qubits of both sides takes a gate between them, and another one that undoes what it has done.
    crossing = (rotation.x | rotation.z for rotation in target.value.rotations)
    inside = np.array([bool(side >> qubit & 1) for qubit in range(n)])
    return 2 if any((on & inside).any() and (on & ~inside).any() for on in crossing) else 0


def _rank(rows: Iterable[int]) -> int:
    """Return the rank over GF(2) of rows of bits."""
    basis: list[int] = []
    for row in rows:
        for other in basis:
            row = min(row, row ^ other)
        if row:
            basis.append(row)
    return len(basis)
