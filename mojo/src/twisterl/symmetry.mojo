"""Symmetries of a problem ("twists"): permutations of observations and actions under which it is unchanged."""


@fieldwise_init
struct Twist(Copyable, Equatable):
    """One symmetry. If `s` is a state and `s'` its image, then one `i` of the observation of `s` is one `observation[i]`
    of that of `s'`, and action `a` in `s` does what action `action[a]` does in `s'`.
    """

    var observation: List[Int]
    var action: List[Int]

    def check(self, bits: Int, actions: Int) raises:
        """Raises unless both parts are permutations of the given sizes."""
        if not is_permutation(self.observation, bits):
            raise Error("twist.observation: expected a permutation of 0 to ", bits - 1, ", found none")
        if not is_permutation(self.action, actions):
            raise Error("twist.action: expected a permutation of 0 to ", actions - 1, ", found none")


def is_permutation(map: List[Int], size: Int) -> Bool:
    """Whether `map` holds each number from 0 to `size` - 1 once."""
    var seen = List[Bool](length=size, fill=False)
    for to in map:
        if to < 0 or to >= size or seen[to]:
            return False
        seen[to] = True
    return len(map) == size


def canonical(twists: List[Twist], ones: MutSpan[UInt16, _], mask: MutSpan[Bool, _]) -> Int:
    """Replaces an observation and its mask by that image (under the twists and the identity) whose ones come first in
    lexicographic order. Returns the twist that led there; -1: they are as they were.
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
    """Whether `a` comes before `b`, which is as long, in lexicographic order."""
    for i in range(len(a)):
        if a[i] != b[i]:
            return a[i] < b[i]
    return False


def original(twists: List[Twist], frame: Int, action: Int) -> Int:
    """What the action chosen for a canonical form is in the state itself."""
    if frame < 0:
        return action
    for before in range(len(twists[frame].action)):
        if twists[frame].action[before] == action:
            return before
    return action


def square_twists(side: Int) -> List[Twist]:
    """The symmetry of a square sliding puzzle: the reflection across the main diagonal, which the goal survives once each
    tile is renamed to the number that belongs where the tile's own place is reflected to.
    """
    var cells = side * side
    var observation = List[Int](capacity=cells * cells)
    for bit in range(cells * cells):
        observation.append(transposed(bit // cells, side) * cells + transposed(bit % cells, side))
    return [Twist(observation^, [1, 0, 3, 2])]


def transposed(cell: Int, side: Int) -> Int:
    """The cell opposite to `cell` across the main diagonal."""
    return cell % side * side + cell // side
