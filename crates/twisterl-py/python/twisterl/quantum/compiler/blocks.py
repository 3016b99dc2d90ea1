"""Blocks of a circuit: gates on a few qubits that can be moved next to each other."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from twisterl.quantum._qiskit import module
from twisterl.quantum.circuits import is_clifford
from twisterl.quantum.pauli import ROTATIONS

__all__ = ["FITS", "Block", "Line", "Lines", "block_on", "lines_of", "replaced"]


@dataclass(frozen=True)
class Line:
    """An instruction of a circuit.

    Attributes:
        instruction: the instruction.
        wires: the numbers of all that it reads or changes: qubits, and negative ones for classical bits.
        is_fence: whether it may read or change anything else, too.
    """

    instruction: Any
    wires: tuple[int, ...]
    is_fence: bool = False


@dataclass(frozen=True)
class Block:
    """Gates on some qubits, in their order in time.

    Attributes:
        gates: the places of the gates in the list of instructions.
        later: the places of the instructions that must follow them, up to the last gate.
        cost: the number of gates on two qubits, a SWAP counted as three.
    """

    gates: tuple[int, ...]
    later: tuple[int, ...]
    cost: int


def _is_linear(operation: Any) -> bool:
    """Return True for a gate that is a linear function."""
    return operation.name in ("cx", "swap")


def _is_swap(operation: Any) -> bool:
    """Return True for a SWAP."""
    return bool(operation.name == "swap")


def _is_of_network(operation: Any) -> bool:
    """Return True for a Clifford gate or a rotation about a Pauli."""
    return operation.name in ROTATIONS or operation.name in ("t", "tdg") or is_clifford(operation)


class Lines(Sequence[Line]):
    """The instructions of a circuit in their order, by their wires."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = list(lines)
        self._at: dict[int | None, list[int]] = {}
        for i, line in enumerate(self._lines):
            for wire in (*line.wires, None) if line.is_fence else line.wires:
                self._at.setdefault(wire, []).append(i)

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: Any) -> Any:
        return self._lines[index]

    def following(self, wire: int | None, start: int) -> Iterator[int]:
        """Yield the places from `start` on of what touches a wire; of fences for None."""
        places = self._at.get(wire, [])
        yield from islice(places, bisect_left(places, start), None)


def lines_of(circuit: Any) -> Lines:
    """Return the instructions of a circuit."""
    branching = module("qiskit.circuit").ControlFlowOp
    lines = []
    for instruction in circuit.data:
        bits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        bits += [-1 - circuit.find_bit(bit).index for bit in instruction.clbits]
        fence = isinstance(instruction.operation, branching) or instruction.operation.name == "store"
        lines.append(Line(instruction, tuple(bits), fence))
    return Lines(lines)


class _Walk:
    """The instructions on some wires, to which others can be added on the way, in their order."""

    def __init__(self, lines: Lines, wires: Iterable[int], start: int) -> None:
        self._lines, self._heap = lines, list[tuple[int, int, Iterator[int]]]()
        self._wires: set[int | None] = set()
        for wire in (*wires, None):
            self.add(wire, start)

    def add(self, wire: int | None, start: int) -> None:
        """Add a wire from a place on."""
        if wire not in self._wires:
            self._wires.add(wire)
            self._push(self._lines.following(wire, start), len(self._wires))

    def _push(self, places: Iterator[int], number: int) -> None:
        if (place := next(places, None)) is not None:
            heapq.heappush(self._heap, (place, number, places))

    def __iter__(self) -> Iterator[int]:
        last = -1
        while self._heap:
            place, number, places = heapq.heappop(self._heap)
            self._push(places, number)
            if place != last:
                last = place
                yield place


# long function: one step an instruction, with five kinds of them
def block_on(lines: Lines, inside: frozenset[int], fits: Callable[[Any], bool], start: int = 0) -> Block:
    """Return the gates on some qubits that can be moved next to each other.

    What depends on the block follows it; what does not, such as other gates between those of the block, precedes it.

    Args:
        lines: the instructions of a circuit.
        inside: the qubits.
        fits: returns True for an operation that may be in a block.
        start: the place of the first instruction that may be in the block.
    """
    gates: list[int] = []
    later: list[int] = []
    used: set[int] = set()
    behind: set[int] = set()  # wires that what follows the block has changed
    cost = 0
    walk = _Walk(lines, inside, start)
    for i in walk:
        line = lines[i]
        wires = line.wires
        if not behind.isdisjoint(wires) or (line.is_fence and gates):
            pass  # it depends on what follows the block
        elif inside.issuperset(wires) and not line.is_fence and fits(line.instruction.operation):
            gates.append(i)
            used.update(wires)
            if len(wires) == 2:
                cost += 3 if line.instruction.operation.name == "swap" else 1
            continue
        elif used.isdisjoint(wires):
            continue  # before the block
        if line.is_fence:
            behind.update(inside)
        behind.update(wires)
        later.append(i)
        if behind >= inside:
            break
        for wire in wires:
            walk.add(wire, i + 1)
    last = gates[-1] if gates else start
    return Block(tuple(gates), tuple(i for i in later if i < last), cost)


def replaced(lines: Lines, block: Block, gates: Sequence[Line]) -> Lines:
    """Return the instructions with others in place of a block."""
    inside, later = set(block.gates), set(block.later)
    last = block.gates[-1]
    before = [lines[i] for i in range(last + 1) if i not in inside and i not in later]
    return Lines([*before, *gates, *(lines[i] for i in block.later), *lines[last + 1 :]])


# By kind, whether an operation may be in a block.
FITS: dict[str, Callable[[Any], bool]] = {
    "clifford": is_clifford,
    "linear_function": _is_linear,
    "permutation": _is_swap,
    "pauli_network": _is_of_network,
}
