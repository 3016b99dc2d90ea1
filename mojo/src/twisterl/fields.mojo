"""The fields of a JSON object, read one by one: every mistake is answered with the path, what was expected and what was
found, and a field that nobody asked for is a mistake.
"""

from .json import Json, Kind, quoted


struct Fields[origin: ImmOrigin](Movable):
    """An object of a JSON tree."""

    var json: Pointer[Json, Self.origin]
    var node: Int
    """The object; -1: one without any entries, because it was not given."""
    var path: String
    """Where it stands, as errors name it; empty for the whole."""
    var asked: List[String]

    def __init__(out self, ref[Self.origin] json: Json, node: Int, path: String) raises:
        """Raises unless the node is an object."""
        self.json = Pointer(to=json)
        self.node = node
        self.path = path
        self.asked = List[String]()
        if node >= 0 and json.nodes[node].kind != Kind.OBJECT:
            raise Error(path, ": expected an object, found ", json.shown(node))

    def name(self, key: String) -> String:
        """The path of an entry."""
        return key if self.path.byte_length() == 0 else String(self.path, ".", key)

    def wrong(self, key: String, expected: String) -> Error:
        """What to raise where an entry is not what was expected."""
        var entry = self.json[].get(self.node, key) if self.node >= 0 else -1
        var found = self.json[].shown(entry) if entry >= 0 else String("nothing")
        return Error(self.name(key), ": expected ", expected, ", found ", found)

    def entry(mut self, key: String) -> Int:
        """The node of an entry; -1 where there is none or it is null."""
        self.asked.append(key)
        if self.node < 0:
            return -1
        var entry = self.json[].get(self.node, key)
        if entry >= 0 and self.json[].nodes[entry].kind == Kind.NULL:
            return -1
        return entry

    def has(mut self, key: String) -> Bool:
        """Whether an entry is there and not null."""
        return self.entry(key) >= 0

    def real(mut self, key: String, default: Float64, low: Float64, high: Float64) raises -> Float64:
        """A number between `low` and `high`."""
        var entry = self.entry(key)
        if entry < 0:
            return default
        ref node = self.json[].nodes[entry]
        if node.kind != Kind.NUMBER or not (node.number >= low and node.number <= high):
            raise self.wrong(key, String("a number from ", low, " to ", high))
        return node.number

    def whole(mut self, key: String, default: Int, low: Int, high: Int) raises -> Int:
        """A whole number between `low` and `high`."""
        var entry = self.entry(key)
        if entry < 0:
            return default
        return self.whole_at(key, entry, low, high)

    def whole_at(self, key: String, entry: Int, low: Int, high: Int) raises -> Int:
        """The whole number that a node holds."""
        ref node = self.json[].nodes[entry]
        # Whole numbers up to 2^53 are exact.
        var fits = node.kind == Kind.NUMBER and node.number >= Float64(low) and node.number <= Float64(high)
        if not fits or abs(node.number) > 9e15 or Float64(Int(node.number)) != node.number:
            var expected = String("a whole number from ", low, " to ", high)
            raise Error(self.name(key), ": expected ", expected, ", found ", self.json[].shown(entry))
        return Int(node.number)

    def wholes(mut self, key: String, default: List[Int], low: Int, high: Int, most: Int) raises -> List[Int]:
        """A list of at most `most` whole numbers between `low` and `high`; a single number counts as a list of one."""
        var entry = self.entry(key)
        if entry < 0:
            return default.copy()
        ref node = self.json[].nodes[entry]
        if node.kind == Kind.NUMBER:
            return [self.whole_at(key, entry, low, high)]
        if node.kind != Kind.LIST or len(node.items) > most:
            raise self.wrong(key, String("a list of at most ", most, " whole numbers"))
        var out = List[Int](capacity=len(node.items))
        for i in range(len(node.items)):
            out.append(self.whole_at(String(key, "[", i, "]"), node.items[i], low, high))
        return out^

    def flag(mut self, key: String, default: Bool) raises -> Bool:
        """True or false."""
        var entry = self.entry(key)
        if entry < 0:
            return default
        if self.json[].nodes[entry].kind != Kind.BOOL:
            raise self.wrong(key, "true or false")
        return self.json[].nodes[entry].flag

    def text(mut self, key: String, default: String) raises -> String:
        """A text."""
        var entry = self.entry(key)
        if entry < 0:
            return default
        if self.json[].nodes[entry].kind != Kind.TEXT:
            raise self.wrong(key, "a text")
        return self.json[].nodes[entry].text

    def needed(mut self, key: String) raises -> Int:
        """The node of an entry that must be there."""
        var entry = self.entry(key)
        if entry < 0:
            raise self.wrong(key, "an entry")
        return entry

    def section(mut self, key: String) raises -> Fields[Self.origin]:
        """An object within this one; without any entries if it was not given."""
        var entry = self.entry(key)
        return Fields(self.json[], entry, self.name(key))

    def items(mut self, key: String, most: Int) raises -> List[Int]:
        """The nodes of a list of at most `most` items that must be there."""
        ref node = self.json[].nodes[self.needed(key)]
        if node.kind != Kind.LIST or len(node.items) > most:
            raise self.wrong(key, String("a list of at most ", most, " items"))
        return node.items.copy()

    def refuse(mut self, key: String) raises:
        """Raises if an entry was given that the Mojo port has no part for."""
        if self.has(key):
            raise self.wrong(key, "no such entry: the Mojo port does not have this part")

    def close(self) raises:
        """Raises if there is an entry that nobody asked for."""
        if self.node < 0:
            return
        ref keys = self.json[].nodes[self.node].keys
        for i in range(len(keys)):
            if keys[i] not in self.asked:
                raise Error(self.name(keys[i]), ": unknown field, expected one of ", String(", ").join(self.asked))


def short_name(name: String) -> String:
    """A class without the Python module that it is in."""
    var parts = name.split(".")
    return String(parts[len(parts) - 1])


def one_of(mut fields: Fields[_], key: String, default: String, names: List[String]) raises -> Int:
    """Which of some names a text is."""
    var found = fields.text(key, default)
    for i in range(len(names)):
        if names[i] == found:
            return i
    raise fields.wrong(key, String(" or ").join(names))
