"""Coupling maps: the pairs of qubits that gates connect, from all forms in which users have them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise
from typing import Any

from twisterl._internal.arguments import whole
from twisterl.errors import UsageError

__all__ = ["Coupling", "coupling_of"]

# Maps of more qubits or edges belong to no machine, and would take long.
MAX_QUBITS = 4096
MAX_EDGES = 262_144

_Edge = tuple[int, int]


@dataclass(frozen=True)
class Coupling:
    """A coupling map.

    Attributes:
        num_qubits: the number of qubits.
        edges: the pairs (control, target) in ascending order, each once.
    """

    num_qubits: int
    edges: tuple[_Edge, ...]

    @cached_property
    def pairs(self) -> tuple[_Edge, ...]:
        """The edges without their direction, the smaller qubit first, each once."""
        return tuple(sorted({(min(edge), max(edge)) for edge in self.edges}))

    @cached_property
    def neighbours(self) -> tuple[frozenset[int], ...]:
        """The neighbours of each qubit in any direction."""
        found: list[set[int]] = [set() for _ in range(self.num_qubits)]
        for a, b in self.pairs:
            found[a].add(b)
            found[b].add(a)
        return tuple(map(frozenset, found))

    @property
    def is_symmetric(self) -> bool:
        """True if each edge has both directions."""
        return len(self.edges) == 2 * len(self.pairs)

    def both_ways(self) -> Coupling:
        """Return the map with both directions of each edge."""
        return Coupling(self.num_qubits, tuple(sorted({*self.pairs, *((b, a) for a, b in self.pairs)})))

    def induced(self, qubits: Sequence[int]) -> Coupling:
        """Return the map of some qubits, numbered by their places in `qubits`."""
        place = {qubit: i for i, qubit in enumerate(qubits)}
        if len(place) != len(qubits) or not all(0 <= qubit < self.num_qubits for qubit in place):
            raise UsageError(f"qubits: expected different ones from 0 to {self.num_qubits - 1}, found {qubits!r:.100}")
        edges = {(place[a], place[b]) for a in qubits for b in self.neighbours[a] if b in place}
        return Coupling(len(qubits), tuple(sorted(edges if self.is_symmetric else edges & self._directed(place))))

    def _directed(self, place: dict[int, int]) -> set[_Edge]:
        return {(place[a], place[b]) for a, b in self.edges if a in place and b in place}

    def components(self) -> list[list[int]]:
        """Return the connected components, each in ascending order."""
        left, components = set(range(self.num_qubits)), []
        while left:
            component, border = set(), {min(left)}
            while border:
                component |= border
                border = {other for qubit in border for other in self.neighbours[qubit]} - component
            components.append(sorted(component))
            left -= component
        return components

    @cached_property
    def diameter(self) -> int:
        """The greatest number of edges between two qubits of a connected map, at least 1."""
        greatest = 1
        for start in range(self.num_qubits):
            seen, border, far = {start}, {start}, 0
            while border := {other for qubit in border for other in self.neighbours[qubit]} - seen:
                seen |= border
                far += 1
            greatest = max(greatest, far)
        return greatest

    def check_connected(self) -> None:
        """Raise an error if there is no path between some qubits."""
        parts = self.components()
        if len(parts) > 1:
            found = ", ".join(str(part) if len(part) <= 8 else f"[{part[0]}, ..., {part[-1]}]" for part in parts[:3])
            raise UsageError(f"coupling_map: expected a connected map, found {len(parts)} parts: {found:.200}")

    def to_qiskit(self) -> Any:
        """Return a `CouplingMap` of Qiskit."""
        from twisterl.quantum._qiskit import module

        made = module("qiskit.transpiler").CouplingMap()
        for qubit in range(self.num_qubits):
            made.add_physical_qubit(qubit)
        for edge in self.edges:
            made.add_edge(*edge)
        return made


def coupling_of(given: Any, num_qubits: int | None = None) -> Coupling:
    """Return a coupling map.

    Args:
        given: a name such as `line:5`, `ring:5`, `grid:3x3`, `star:5`, `full:4`, `heavy-hex:3` (the distance of the
            code) or `falcon:27`, `hummingbird:65`, `eagle:127`, whose edges have both directions; a `CouplingMap`, a
            `Target` or a backend of Qiskit; or a list of edges.
        num_qubits: the number of qubits of a list of edges, by default the greatest one plus 1; of a target without a
            map; otherwise the number that is expected.

    Raises:
        UsageError: it is none of these, or has impossible edges.
    """
    if isinstance(given, Coupling):
        made = given
    elif isinstance(given, str):
        made = _named(given)
    else:
        return _listed(given, num_qubits)
    if num_qubits is not None and made.num_qubits != num_qubits:
        raise UsageError(f"coupling_map: expected {num_qubits} qubits, found {made.num_qubits}")
    return made


def _listed(given: Any, num_qubits: int | None) -> Coupling:
    """Return the map of a Qiskit object or of a list of edges."""
    given = getattr(given, "target", given)
    if callable(build := getattr(given, "build_coupling_map", None)):
        size = getattr(given, "num_qubits", None) or num_qubits
        given = build()
        if given is None:  # a target without a map: all qubits are connected
            if size is None:
                raise UsageError("coupling_map: expected a target with a number of qubits, found one without")
            return _named(f"full:{size}")
    if callable(edges := getattr(given, "get_edges", None)):
        size = int(given.size())
        if num_qubits is not None and size != num_qubits:
            raise UsageError(f"coupling_map: expected {num_qubits} qubits, found {size}")
        return _of_edges(edges(), size)
    if isinstance(given, (bytes, dict)) or not isinstance(given, Iterable):
        expected = "the name of a map such as line:5, a map or target of Qiskit, or a list of edges"
        raise UsageError(f"coupling_map: expected {expected}, found {type(given).__name__} {given!r:.60}")
    return _of_edges(given, num_qubits)


def _of_edges(given: Iterable[Any], num_qubits: int | None) -> Coupling:
    edges: set[_Edge] = set()
    rows = list(islice(iter(given), MAX_EDGES + 1))
    if len(rows) > MAX_EDGES:
        raise UsageError(f"coupling_map: expected at most {MAX_EDGES} edges, found more")
    for i, row in enumerate(rows):
        try:
            pair = [whole(f"coupling_map[{i}]", qubit) for qubit in row]
        except TypeError as error:
            raise UsageError(f"coupling_map[{i}]: expected two qubits, found {row!r:.60}") from error
        most = MAX_QUBITS if num_qubits is None else min(num_qubits, MAX_QUBITS)
        if len(pair) != 2 or pair[0] == pair[1] or not all(0 <= qubit < most for qubit in pair):
            raise UsageError(f"coupling_map[{i}]: expected two different qubits below {most}, found {row!r:.60}")
        edges.add((pair[0], pair[1]))
    size = 1 + max((max(edge) for edge in edges), default=-1) if num_qubits is None else num_qubits
    return Coupling(_size(size), tuple(sorted(edges)))


def _size(value: int) -> int:
    if not 1 <= value <= MAX_QUBITS:
        raise UsageError(f"coupling_map: expected 1 to {MAX_QUBITS} qubits, found {value}")
    return value


def _named(name: str) -> Coupling:
    match = re.fullmatch(r"\s*([a-z][a-z-]*):(\d{1,9})(?:x(\d{1,9}))?\s*", name.lower())
    shape = _SHAPES.get(match[1]) if match else None
    if match is None or shape is None or (match[3] is not None) != (match[1] == "grid"):
        known = "line:5, ring:5, grid:3x3, star:5, full:4, heavy-hex:3, falcon:27, hummingbird:65 or eagle:127"
        raise UsageError(f"coupling_map: expected a name such as {known}, found {name!r:.60}")
    sizes = [int(size) for size in match.groups()[1:] if size is not None]
    if max(sizes) > MAX_QUBITS or min(sizes) < 1:
        raise UsageError(f"coupling_map: expected sizes from 1 to {MAX_QUBITS}, found {name!r:.60}")
    return shape(*sizes)


def _both(num_qubits: int, pairs: Iterable[_Edge]) -> Coupling:
    return Coupling(_size(num_qubits), tuple(pairs)).both_ways()


def _ring(n: int) -> Coupling:
    if n < 3:
        raise UsageError(f"coupling_map: expected a ring of 3 qubits or more, found ring:{n}")
    return _both(n, [*pairwise(range(n)), (n - 1, 0)])


def _grid(rows: int, columns: int) -> Coupling:
    _size(rows * columns)
    right = [(r * columns + c, r * columns + c + 1) for r in range(rows) for c in range(columns - 1)]
    down = [(r * columns + c, (r + 1) * columns + c) for r in range(rows - 1) for c in range(columns)]
    return _both(rows * columns, right + down)


def _full(n: int) -> Coupling:
    if n * (n - 1) > MAX_EDGES:
        raise UsageError(f"coupling_map: expected at most {MAX_EDGES} edges, found full:{n}")
    return _both(n, ((a, b) for b in range(n) for a in range(b)))


def _heavy_hex(distance: int) -> Coupling:
    if distance % 2 == 0 or distance > 39:
        raise UsageError(f"coupling_map: expected an odd distance from 1 to 39, found heavy-hex:{distance}")
    from twisterl.quantum._qiskit import module

    made = module("qiskit.transpiler").CouplingMap.from_heavy_hex(distance)
    return _of_edges(made.get_edges(), int(made.size())).both_ways()


# The qubits 0 to 26 of a Falcon: the two long rows of the lattice, and what hangs between and beside them.
_FALCON = (
    "0-1 1-2 1-4 2-3 3-5 4-7 5-8 6-7 7-10 8-9 8-11 10-12 11-14 12-13 12-15 13-14 14-16 15-18 16-19 17-18 18-21 19-20 "
    "19-22 21-23 22-25 23-24 24-25 25-26"
)


def _falcon(n: int) -> Coupling:
    _expect("falcon", n, 27)
    edges = (pair.split("-") for pair in _FALCON.split())
    return _both(27, [(int(a), int(b)) for a, b in edges])


def _hummingbird(n: int) -> Coupling:
    _expect("hummingbird", n, 65)
    return _rows([10, 11, 11, 11, 10], [[0, 4, 8], [2, 6, 10]], 3)


def _eagle(n: int) -> Coupling:
    _expect("eagle", n, 127)
    return _rows([14, 15, 15, 15, 15, 15, 14], [[0, 4, 8, 12], [2, 6, 10, 14]], 4)


def _expect(name: str, found: int, size: int) -> None:
    if found != size:
        raise UsageError(f"coupling_map: expected {name}:{size}, found {name}:{found}")


def _rows(lengths: list[int], columns: list[list[int]], bridges: int) -> Coupling:
    """Return lines of qubits with a qubit between each two of them at some columns.

    Args:
        lengths: the number of qubits of each line. A shorter first line begins at column 0, a shorter last one at 1.
        columns: the columns of the bridges after lines of even and of odd number.
        bridges: the number of bridges between two lines.
    """
    longest, edges, at = max(lengths), [], 0
    above: dict[int, int] = {}
    for row, length in enumerate(lengths):
        first = 1 if row == len(lengths) - 1 and length < longest else 0
        line = {first + i: at + i for i in range(length)}
        edges += list(pairwise(line.values()))
        edges += [(qubit, line[column]) for column, qubit in above.items()]
        at += length
        above = {}
        if row < len(lengths) - 1:
            above = {column: at + i for i, column in enumerate(columns[row % 2])}
            edges += [(line[column], qubit) for column, qubit in above.items()]
            at += bridges
    return _both(at, edges)


_SHAPES: dict[str, Callable[..., Coupling]] = {
    "line": lambda n: _both(n, pairwise(range(n))),
    "ring": _ring,
    "grid": _grid,
    "star": lambda n: _both(n, ((0, i) for i in range(1, n))),
    "full": _full,
    "heavy-hex": _heavy_hex,
    "falcon": _falcon,
    "hummingbird": _hummingbird,
    "eagle": _eagle,
}
