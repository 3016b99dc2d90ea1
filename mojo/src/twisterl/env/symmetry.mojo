"""Symmetries of a problem ("twists"): permutations of observations and actions that leave it unchanged."""


@fieldwise_init
struct Twist(Copyable, Equatable):
    """One symmetry, which maps every state `s` to an image `s'`.

    Bit `i` of the observation of `s` is bit `observation[i]` of the observation of `s'`, and action `a` in `s`
    corresponds to action `action[a]` in `s'`.
    """

    var observation: List[Int]
    """A permutation of the bits, `[bits]`."""
    var action: List[Int]
    """A permutation of the actions, `[actions]`."""

    def check(self, bits: Int, actions: Int) raises:
        """Raises unless both parts are permutations of the given sizes."""
        if not is_permutation(self.observation, bits):
            raise Error("twist.observation: expected a permutation of 0 to ", bits - 1, ", found other numbers")
        if not is_permutation(self.action, actions):
            raise Error("twist.action: expected a permutation of 0 to ", actions - 1, ", found other numbers")


def is_permutation(map: List[Int], size: Int) -> Bool:
    """Returns true if `map` contains each number from 0 to `size` - 1 exactly once."""
    var seen = List[Bool](length=size, fill=False)
    for to in map:
        if to < 0 or to >= size or seen[to]:
            return False
        seen[to] = True
    return len(map) == size


def canonicalize(twists: List[Twist], ones: MutSpan[UInt16, _], mask: MutSpan[Bool, _]) -> Int:
    """Replaces an observation and its action mask by their canonical form.

    The canonical form is the image, under the twists and the identity, whose sorted ones come first in lexicographic
    order. Returns the number of the twist that leads to it; -1 if the observation is in canonical form already.
    """
    if len(twists) == 0:
        return -1
    var first = List[UInt16](capacity=len(ones))
    for one in ones:
        first.append(one)
    sort(first)
    var frame = -1
    for index in range(len(twists)):
        var image = List[UInt16](capacity=len(ones))
        for one in ones:
            image.append(UInt16(twists[index].observation[Int(one)]))
        sort(image)
        if precedes(image, first):
            first = image^
            frame = index
    if frame < 0:
        return frame
    for i in range(len(ones)):
        ones[i] = first[i]
    var before = List[Bool](capacity=len(mask))
    for allowed in mask:
        before.append(allowed)
    for action in range(len(mask)):
        mask[twists[frame].action[action]] = before[action]
    return frame


def precedes(a: List[UInt16], b: List[UInt16]) -> Bool:
    """Returns true if `a` comes before `b`, of the same length, in lexicographic order."""
    for i in range(len(a)):
        if a[i] != b[i]:
            return a[i] < b[i]
    return False


def canonical_action(twists: List[Twist], frame: Int, action: Int) -> Int:
    """Returns the action in the canonical form that corresponds to `action` in the state. `frame` is what
    `canonicalize` returned.
    """
    return action if frame < 0 else twists[frame].action[action]


def original_action(twists: List[Twist], frame: Int, action: Int) -> Int:
    """Returns the action in the state that corresponds to `action` in its canonical form."""
    if frame < 0:
        return action
    for original in range(len(twists[frame].action)):
        if twists[frame].action[original] == action:
            return original
    return action


def square_twists(side: Int, blank_last: Bool = False) -> List[Twist]:
    """Returns the symmetry of a square sliding puzzle: the reflection across the main diagonal.

    It maps the goal to itself if each tile is renamed to the number that belongs where the tile's goal cell is
    reflected to.
    """
    var cells = side * side
    var observation = List[Int](capacity=cells * cells)
    var home = cells - 1 if blank_last else 0
    for bit in range(cells * cells):
        # The tile's place in the goal, and the tile of the reflected place.
        var place = transposed((bit % cells + home) % cells, side)
        observation.append(transposed(bit // cells, side) * cells + (place + cells - home) % cells)
    return [Twist(observation^, [1, 0, 3, 2])]


def puzzle_twists(height: Int, width: Int, blank_last: Bool) -> List[Twist]:
    """Returns the symmetries of a sliding puzzle without the identity: none unless the board is square."""
    return square_twists(width, blank_last) if height == width else List[Twist]()


def transposed(cell: Int, side: Int) -> Int:
    """Returns the reflection of `cell` across the main diagonal."""
    return cell % side * side + cell // side
