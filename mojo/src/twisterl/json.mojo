"""JSON (RFC 8259): reading into a tree, and writing back."""

comptime DEEPEST = 64
"""The deepest nesting that is read."""
comptime MOST_ENTRIES = 4096
"""The most entries of an object that is read: each key is compared with all before it."""


struct Kind:
    """The kinds of JSON values."""

    comptime NULL = 0
    comptime BOOL = 1
    comptime NUMBER = 2
    comptime TEXT = 3
    comptime LIST = 4
    comptime OBJECT = 5


@fieldwise_init
struct Node(Copyable):
    """A JSON value, whose parts are other nodes of the same tree."""

    var kind: Int
    var flag: Bool
    """The value of a bool."""
    var number: Float64
    """The value of a number."""
    var text: String
    """The value of a text; of a number as it was written."""
    var keys: List[String]
    """The keys of an object, each once, in the order in which they were written."""
    var items: List[Int]
    """The items of a list, or the values of an object."""


struct Json(Copyable):
    """A JSON value as a tree in one list of nodes, of which the first is the whole."""

    var nodes: List[Node]

    def __init__(out self):
        """Without any node."""
        self.nodes = List[Node]()

    def add(mut self, kind: Int) -> Int:
        """Adds an empty node and returns its number."""
        self.nodes.append(Node(kind, False, 0.0, String(), List[String](), List[Int]()))
        return len(self.nodes) - 1

    def get(self, node: Int, key: String) -> Int:
        """The number of the entry `key` of an object; -1 where there is none."""
        for i in range(len(self.nodes[node].keys)):
            if self.nodes[node].keys[i] == key:
                return self.nodes[node].items[i]
        return -1

    def shown(self, node: Int) -> String:
        """A value as an error message shows it."""
        var kind = self.nodes[node].kind
        if kind == Kind.LIST:
            return "a list"
        return "an object" if kind == Kind.OBJECT else self.to_text(node)

    def to_text(self, node: Int = 0) -> String:
        """A value as JSON in one line."""
        ref value = self.nodes[node]
        if value.kind == Kind.NULL:
            return "null"
        if value.kind == Kind.BOOL:
            return "true" if value.flag else "false"
        if value.kind == Kind.NUMBER:
            return value.text
        if value.kind == Kind.TEXT:
            return quoted(value.text)
        var is_object = value.kind == Kind.OBJECT
        var out = String("{" if is_object else "[")
        for i in range(len(value.items)):
            if i > 0:
                out += ","
            if is_object:
                out += quoted(value.keys[i]) + ":"
            out += self.to_text(value.items[i])
        return out + ("}" if is_object else "]")


def quoted(text: String) -> String:
    """A text as JSON writes it."""
    comptime digits = "0123456789abcdef"
    var bytes = List[UInt8]()
    bytes.append(UInt8(ord('"')))
    for byte in text.as_bytes():
        if byte == UInt8(ord('"')) or byte == UInt8(ord("\\")):
            bytes.append(UInt8(ord("\\")))
            bytes.append(byte)
        elif byte < 32:
            bytes.extend(String("\\u00").as_bytes())
            bytes.append(digits.as_bytes()[Int(byte >> 4)])
            bytes.append(digits.as_bytes()[Int(byte & 15)])
        else:
            bytes.append(byte)
    bytes.append(UInt8(ord('"')))
    return String(unsafe_from_utf8=bytes)


def parse_json(text: String) raises -> Json:
    """The value that `text` holds. Raises, with the line, if it is not JSON, repeats a key or nests too deeply."""
    var parser = Parser(text)
    _ = parser.value(0)
    parser.blanks()
    if parser.at < len(parser.bytes):
        raise parser.wrong("the end")
    return parser.tree.copy()


struct Parser:
    """Reads a text byte by byte."""

    var tree: Json
    var bytes: List[UInt8]
    var at: Int

    def __init__(out self, text: String):
        self.tree = Json()
        self.bytes = List[UInt8](text.as_bytes())
        self.at = 0

    def wrong(self, expected: String) -> Error:
        """What to raise where `expected` was not found."""
        var line = 1
        for i in range(min(self.at, len(self.bytes))):
            if self.bytes[i] == UInt8(ord("\n")):
                line += 1
        var found = String("the end of the text")
        if self.at < len(self.bytes):
            var byte = self.bytes[self.at]
            found = chr(Int(byte)) if byte > 32 and byte < 127 else String("byte ", Int(byte))
        return Error("JSON, line ", line, ": expected ", expected, ", found ", found)

    def peek(self) -> UInt8:
        """The next byte, 0 at the end."""
        return self.bytes[self.at] if self.at < len(self.bytes) else UInt8(0)

    def blanks(mut self):
        """Passes over white space."""
        while self.at < len(self.bytes):
            var byte = self.bytes[self.at]
            if byte != 32 and byte != 9 and byte != 10 and byte != 13:
                return
            self.at += 1

    def take(mut self, word: String) -> Bool:
        """Passes over `word`, if it comes next."""
        var expected = word.as_bytes()
        if self.at + len(expected) > len(self.bytes):
            return False
        for i in range(len(expected)):
            if self.bytes[self.at + i] != expected[i]:
                return False
        self.at += len(expected)
        return True

    def value(mut self, depth: Int) raises -> Int:
        """Adds the value that comes next, and returns its number."""
        if depth > DEEPEST:
            raise self.wrong(String("at most ", DEEPEST, " levels"))
        self.blanks()
        var node = self.tree.add(Kind.NULL)
        if self.take("null"):
            pass
        elif self.take("true"):
            self.tree.nodes[node].kind = Kind.BOOL
            self.tree.nodes[node].flag = True
        elif self.take("false"):
            self.tree.nodes[node].kind = Kind.BOOL
        elif self.peek() == UInt8(ord('"')):
            self.tree.nodes[node].kind = Kind.TEXT
            self.tree.nodes[node].text = self.string()
        elif self.take("["):
            self.tree.nodes[node].kind = Kind.LIST
            self.members(node, depth, "]")
        elif self.take("{"):
            self.tree.nodes[node].kind = Kind.OBJECT
            self.members(node, depth, "}")
        else:
            self.read_number(node)
        return node

    def members(mut self, parent: Int, depth: Int, closing: String) raises:
        """The rest of a list or an object."""
        self.blanks()
        if self.take(closing):
            return
        while True:
            if self.tree.nodes[parent].kind == Kind.OBJECT:
                self.blanks()
                if len(self.tree.nodes[parent].keys) == MOST_ENTRIES:
                    raise self.wrong(String("at most ", MOST_ENTRIES, " entries"))
                var key = self.string()
                if self.tree.get(parent, key) >= 0:
                    raise self.wrong(String("each key once, not ", quoted(key), " again"))
                self.tree.nodes[parent].keys.append(key^)
                self.blanks()
                if not self.take(":"):
                    raise self.wrong("`:`")
            var item = self.value(depth + 1)
            self.tree.nodes[parent].items.append(item)
            self.blanks()
            if self.take(closing):
                return
            if not self.take(","):
                raise self.wrong(String("`,` or `", closing, "`"))

    def digits(mut self) raises:
        """Passes over at least one digit."""
        var start = self.at
        while self.peek() >= UInt8(ord("0")) and self.peek() <= UInt8(ord("9")):
            self.at += 1
        if self.at == start:
            raise self.wrong("a value")

    def read_number(mut self, node: Int) raises:
        """The number that comes next."""
        var start = self.at
        _ = self.take("-")
        var leading = self.at
        self.digits()
        if self.bytes[leading] == UInt8(ord("0")) and self.at > leading + 1:
            self.at = leading
            raise self.wrong("a number without leading zeros")
        if self.take("."):
            self.digits()
        if self.take("e") or self.take("E"):
            if not self.take("-"):
                _ = self.take("+")
            self.digits()
        var text = String(from_utf8=Span(self.bytes)[start : self.at])
        self.tree.nodes[node].kind = Kind.NUMBER
        self.tree.nodes[node].number = atof(text)
        self.tree.nodes[node].text = text^

    def string(mut self) raises -> String:
        """The text in quotes that comes next."""
        if not self.take('"'):
            raise self.wrong("a text in quotes")
        var out = List[UInt8]()
        while not self.take('"'):
            if self.at >= len(self.bytes) or self.peek() < 32:
                raise self.wrong("the end of a text")
            if self.take("\\"):
                self.escape(out)
            else:
                out.append(self.bytes[self.at])
                self.at += 1
        return String(from_utf8=out)

    def escape(mut self, mut out: List[UInt8]) raises:
        """Appends what an escape stands for."""
        comptime names = '"\\/bfnrt'
        comptime meanings = '"\\/\b\f\n\r\t'
        var byte = self.peek()
        for i in range(8):
            if byte == names.as_bytes()[i]:
                out.append(meanings.as_bytes()[i])
                self.at += 1
                return
        if not self.take("u"):
            raise self.wrong("an escape")
        var code = self.hexadecimal()
        if code >= 0xD800 and code < 0xDC00:  # half of a pair
            if not self.take("\\u"):
                raise self.wrong("the other half of a surrogate pair")
            var low = self.hexadecimal()
            if low < 0xDC00 or low > 0xDFFF:
                raise self.wrong("the other half of a surrogate pair")
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
        elif code >= 0xDC00 and code < 0xE000:
            raise self.wrong("a character, not half of a surrogate pair")
        out.extend(chr(code).as_bytes())

    def hexadecimal(mut self) raises -> Int:
        """Four hexadecimal digits."""
        var code = 0
        for _ in range(4):
            var byte = Int(self.peek())
            var digit = byte - ord("0")
            if byte >= ord("a") and byte <= ord("f"):
                digit = byte - ord("a") + 10
            elif byte >= ord("A") and byte <= ord("F"):
                digit = byte - ord("A") + 10
            elif byte < ord("0") or byte > ord("9"):
                raise self.wrong("a hexadecimal digit")
            code = 16 * code + digit
            self.at += 1
        return code
