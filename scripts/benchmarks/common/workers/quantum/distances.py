"""Exact numbers of actions in small groups of circuits, by breadth-first search from both ends.

A state is one 64-bit number: the rows of its matrix, or the entries of its permutation. Moves map arrays of them.
"""

import numpy as np

WORD = np.uint64
# Further levels than these from the solved state are searched from the target.
MOST_STATES = 4_000_000


class Rows:
    """The fields of a number: `rows` of `bits` bits, the first one lowest."""

    def __init__(self, rows, bits):
        if rows * bits > 64:
            raise SystemExit(f"expected states of at most 64 bits, found {rows} x {bits}")
        self.rows, self.bits, self.mask = rows, bits, WORD((1 << bits) - 1)

    def get(self, states, row):
        """Return a row of each state."""
        return (states >> WORD(row * self.bits)) & self.mask

    def add(self, source, target):
        """Return the move that adds a row to another one."""
        return lambda states: states ^ (self.get(states, source) << WORD(target * self.bits))

    def swap(self, a, b):
        """Return the move that exchanges two rows."""

        def move(states):
            change = self.get(states, a) ^ self.get(states, b)
            return states ^ (change << WORD(a * self.bits)) ^ (change << WORD(b * self.bits))

        return move

    def with_rows(self, states, values):
        """Return states with some rows replaced, by a dict of rows."""
        for row, value in values.items():
            shift = WORD(row * self.bits)
            states = (states & ~(self.mask << shift)) | (value << shift)
        return states


def in_turn(*moves):
    """Return the move that makes some in turn."""

    def move(states):
        for one in moves:
            states = one(states)
        return states

    return move


class Group:
    """The states that moves make of a solved one; every move undoes itself.

    `pack` maps lists of numbers, as environments have them, to states; `classes` maps states to one of each class of
    equivalent ones.
    """

    def __init__(self, pack, moves, solved, classes=lambda states: states):
        self.pack, self.moves, self.classes = pack, moves, classes
        self.levels = [classes(pack([solved]))]
        while sum(map(len, self.levels)) < MOST_STATES:
            level = self.neighbours(self.levels[-1])
            for known in self.levels[-2:]:
                level = level[~contains(known, level)]
            if len(level) == 0:
                break
            self.levels.append(level)

    def neighbours(self, states):
        """Return the states that one move makes, in ascending order."""
        return np.unique(np.concatenate([np.unique(move(states)) for move in self.moves]))

    def distance(self, state):
        """Return the fewest moves that solve a state."""
        border, made = self.classes(self.pack([state])), 0
        while True:
            for level, known in enumerate(self.levels):
                if contains(known, border).any():
                    return made + level
            border, made = self.neighbours(border), made + 1


def contains(known, states):
    """Tell for each state if it is one of those known, which are in ascending order."""
    places = np.minimum(np.searchsorted(known, states), len(known) - 1)
    return known[places] == states


def matrices(size):
    """Return the rows of square matrices of bits, and the map of their entries to states."""
    fields = Rows(size, size)
    weights = WORD(1) << np.arange(size * size, dtype=np.uint64)
    return fields, lambda states: (np.asarray(states, dtype=np.uint64) * weights).sum(axis=1, dtype=np.uint64)


def permutations(n, edges):
    """Return the group of permutations by SWAPs."""
    fields, shifts = Rows(n, 4), np.arange(n, dtype=np.uint64) * WORD(4)
    moves = [fields.swap(a, b) for a, b in edges]
    return Group(lambda states: (np.asarray(states, dtype=np.uint64) << shifts).sum(1, np.uint64), moves, range(n))


def linear_functions(n, edges):
    """Return the group of invertible matrices by CX in both directions."""
    fields, pack = matrices(n)
    moves = [fields.add(*pair) for a, b in edges for pair in ((a, b), (b, a))]
    return Group(pack, moves, np.eye(n, dtype=int).ravel())


def cliffords(n, gates):
    """Return the group of tableaus by gates, pairs of a name and a list of qubits."""
    fields, pack = matrices(2 * n)
    kinds = {
        "H": lambda q: fields.swap(q, n + q),
        "S": lambda q: fields.add(q, n + q),
        "SX": lambda q: fields.add(n + q, q),
        "CX": lambda c, t: in_turn(fields.add(c, t), fields.add(n + t, n + c)),
        "SWAP": lambda a, b: in_turn(fields.swap(a, b), fields.swap(n + a, n + b)),
    }
    moves = [kinds[name](*qubits) for name, qubits in gates]
    return Group(pack, moves, np.eye(2 * n, dtype=int).ravel())


def cosets(n, edges):
    """Return the tableaus up to gates on one qubit, by CX between any bases."""
    fields, pack = matrices(2 * n)

    def rows_of(states, q):
        x, z = fields.get(states, q), fields.get(states, n + q)
        return [x, z, x ^ z]

    def with_qubit(states, q, rows):
        least, most = np.minimum.reduce(rows), np.maximum.reduce(rows)
        return fields.with_rows(states, {q: least, n + q: least ^ most})

    def move(a, b, i, j):
        def cx(states):
            ours, theirs = rows_of(states, a), rows_of(states, b)
            kept, other = ours[i], theirs[j]
            ours = [row if k == i else row ^ other for k, row in enumerate(ours)]
            theirs = [row if k == j else row ^ kept for k, row in enumerate(theirs)]
            return with_qubit(with_qubit(states, a, ours), b, theirs)

        return cx

    def classes(states):
        for q in range(n):
            states = with_qubit(states, q, rows_of(states, q))
        return states

    moves = [move(a, b, i, j) for a, b in edges for i in range(3) for j in range(3)]
    return Group(pack, moves, np.eye(2 * n, dtype=int).ravel(), classes)
