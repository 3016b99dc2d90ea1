"""Typed access to the fields of a JSON object.

Every error gives the path of the field, what was expected and what was found. A field that was never read is an error,
too.
"""

from .integers import parse_unsigned
from .json import Json, JsonKind


struct JsonFields[origin: ImmOrigin](Movable):
    """An object of a JSON tree, with the keys that were read so far."""

    var json: Pointer[Json, Self.origin]
    var node: Int
    """The node number of the object; -1: an absent object, which has no entries."""
    var path: String
    """The path of the object in error messages; empty for the root."""
    var read: List[String]
    """The keys that were read."""

    def __init__(out self, ref[Self.origin] json: Json, node: Int, path: String) raises:
        """Raises unless the node is an object."""
        self.json = Pointer(to=json)
        self.node = node
        self.path = path
        self.read = List[String]()
        if node >= 0 and json.nodes[node].kind != JsonKind.OBJECT:
            raise Error(path, ": expected an object, found ", json.describe(node))

    def path_of(self, key: String) -> String:
        """Returns the path of an entry."""
        return key if self.path.byte_length() == 0 else String(self.path, ".", key)

    def error(self, key: String, expected: String) -> Error:
        """Returns the error for an entry that is not what was expected."""
        var entry = self.json[].get(self.node, key) if self.node >= 0 else -1
        var found = self.json[].describe(entry) if entry >= 0 else String("nothing")
        return Error(self.path_of(key), ": expected ", expected, ", found ", found)

    def entry(mut self, key: String) -> Int:
        """Returns the node number of an entry; -1 if it is absent or null."""
        self.read.append(key)
        if self.node < 0:
            return -1
        var entry = self.json[].get(self.node, key)
        if entry >= 0 and self.json[].nodes[entry].kind == JsonKind.NULL:
            return -1
        return entry

    def has(mut self, key: String) -> Bool:
        """Returns true if an entry is present and not null."""
        return self.entry(key) >= 0

    def number(mut self, key: String, default: Float64, low: Float64, high: Float64) raises -> Float64:
        """Returns a number from `low` to `high`."""
        var entry = self.entry(key)
        if entry < 0:
            return default
        ref node = self.json[].nodes[entry]
        if node.kind != JsonKind.NUMBER or not (node.number >= low and node.number <= high):
            raise self.error(key, String("a number from ", low, " to ", high))
        return node.number

    def integer(mut self, key: String, default: Int, low: Int, high: Int) raises -> Int:
        """Returns an integer from `low` to `high`."""
        var entry = self.entry(key)
        if entry < 0:
            return default
        return self.integer_at(key, entry, low, high)

    def integer_at(self, key: String, entry: Int, low: Int, high: Int) raises -> Int:
        """Returns the integer that a node holds."""
        ref node = self.json[].nodes[entry]
        # Integers up to 2^53 are exact.
        var fits = node.kind == JsonKind.NUMBER and node.number >= Float64(low) and node.number <= Float64(high)
        if not fits or abs(node.number) > 9e15 or Float64(Int(node.number)) != node.number:
            var expected = String("a whole number from ", low, " to ", high)
            raise Error(self.path_of(key), ": expected ", expected, ", found ", self.json[].describe(entry))
        return Int(node.number)

    def seed(mut self, key: String) raises -> UInt64:
        """Returns a whole number below 2^64; 0 if it is absent."""
        var entry = self.entry(key)
        if entry < 0:
            return 0
        ref node = self.json[].nodes[entry]
        var number = parse_unsigned(node.text)
        if node.kind != JsonKind.NUMBER or not number:
            raise self.error(key, "a whole number, at least 0 and below 2^64")
        return number.value()

    def is_null(self, key: String) -> Bool:
        """Returns true if an entry is null."""
        var entry = self.json[].get(self.node, key) if self.node >= 0 else -1
        return entry >= 0 and self.json[].nodes[entry].kind == JsonKind.NULL

    def integers(mut self, key: String, default: List[Int], low: Int, high: Int, max_items: Int) raises -> List[Int]:
        """Returns a list of at most `max_items` integers from `low` to `high`. A single number is a list of one."""
        var entry = self.entry(key)
        if entry < 0:
            return default.copy()
        ref node = self.json[].nodes[entry]
        if node.kind == JsonKind.NUMBER:
            return [self.integer_at(key, entry, low, high)]
        if node.kind != JsonKind.ARRAY or len(node.items) > max_items:
            raise self.error(key, String("a list of at most ", max_items, " whole numbers"))
        var out = List[Int](capacity=len(node.items))
        for i in range(len(node.items)):
            out.append(self.integer_at(String(key, "[", i, "]"), node.items[i], low, high))
        return out^

    def boolean(mut self, key: String, default: Bool) raises -> Bool:
        """Returns a boolean."""
        var entry = self.entry(key)
        if entry < 0:
            return default
        if self.json[].nodes[entry].kind != JsonKind.BOOL:
            raise self.error(key, "true or false")
        return self.json[].nodes[entry].flag

    def string(mut self, key: String, default: String) raises -> String:
        """Returns a string."""
        var entry = self.entry(key)
        if entry < 0:
            return default
        if self.json[].nodes[entry].kind != JsonKind.STRING:
            raise self.error(key, "a string")
        return self.json[].nodes[entry].text

    def choice(mut self, key: String, default: String, names: List[String]) raises -> Int:
        """Returns the position of a string among `names`."""
        var found = self.string(key, default)
        for i in range(len(names)):
            if names[i] == found:
                return i
        raise self.error(key, String(" or ").join(names))

    def required(mut self, key: String) raises -> Int:
        """Returns the node number of an entry that must be present."""
        var entry = self.entry(key)
        if entry < 0:
            raise self.error(key, "a value")
        return entry

    def section(mut self, key: String) raises -> JsonFields[Self.origin]:
        """Returns an object inside this one; an absent one if there is no entry."""
        var entry = self.entry(key)
        return JsonFields(self.json[], entry, self.path_of(key))

    def items(mut self, key: String, max_items: Int) raises -> List[Int]:
        """Returns the node numbers of a list of at most `max_items` items, which must be present."""
        ref node = self.json[].nodes[self.required(key)]
        if node.kind != JsonKind.ARRAY or len(node.items) > max_items:
            raise self.error(key, String("a list of at most ", max_items, " items"))
        return node.items.copy()

    def refuse(mut self, key: String) raises:
        """Raises if an entry is present that the Mojo port does not implement."""
        if self.has(key):
            raise self.error(key, "no such entry: the Mojo port does not implement it")

    def report_unused(mut self, keys: List[String], mut unused: List[String]):
        """Appends the paths of those of `keys` that are present to `unused`."""
        for key in keys:
            if self.has(key):
                unused.append(self.path_of(key))

    def close(self) raises:
        """Raises if an entry was never read."""
        if self.node < 0:
            return
        ref keys = self.json[].nodes[self.node].keys
        for i in range(len(keys)):
            if keys[i] not in self.read:
                raise Error(self.path_of(keys[i]), ": unknown field, expected one of ", String(", ").join(self.read))


def short_name(name: String) -> String:
    """Returns a class name without its Python module."""
    var parts = name.split(".")
    return String(parts[len(parts) - 1])
