"""JSON (RFC 8259): a parser and a writer."""

comptime MAX_DEPTH = 64
"""The deepest nesting that is read."""
comptime MAX_ENTRIES = 4096
"""The most entries of an object that is read. Each key is compared with all before it."""


struct JsonKind:
    """The kinds of JSON values."""

    comptime NULL = 0
    comptime BOOL = 1
    comptime NUMBER = 2
    comptime STRING = 3
    comptime ARRAY = 4
    comptime OBJECT = 5


@fieldwise_init
struct JsonNode(Copyable):
    """A JSON value. Its parts are other nodes of the same tree."""

    var kind: Int
    """One of `JsonKind`."""
    var flag: Bool
    """The value of a boolean."""
    var number: Float64
    """The value of a number."""
    var text: String
    """The value of a string; the source text of a number."""
    var keys: List[String]
    """The distinct keys of an object, in source order."""
    var items: List[Int]
    """The node numbers of an array's items or an object's values."""


struct Json(Copyable):
    """A JSON value as a list of nodes. Node 0 is the root."""

    var nodes: List[JsonNode]

    def __init__(out self):
        """Creates a tree without nodes."""
        self.nodes = List[JsonNode]()

    def add(mut self, kind: Int) -> Int:
        """Adds an empty node and returns its number."""
        self.nodes.append(JsonNode(kind, False, 0.0, String(), List[String](), List[Int]()))
        return len(self.nodes) - 1

    def get(self, node: Int, key: String) -> Int:
        """Returns the node number of the entry `key` of an object; -1 if there is none."""
        for i in range(len(self.nodes[node].keys)):
            if self.nodes[node].keys[i] == key:
                return self.nodes[node].items[i]
        return -1

    def describe(self, node: Int) -> String:
        """Returns a value as error messages show it."""
        var kind = self.nodes[node].kind
        if kind == JsonKind.ARRAY:
            return "a list"
        return "an object" if kind == JsonKind.OBJECT else self.to_text(node)

    def to_text(self, node: Int = 0) -> String:
        """Returns a value as JSON on one line."""
        ref value = self.nodes[node]
        if value.kind == JsonKind.NULL:
            return "null"
        if value.kind == JsonKind.BOOL:
            return "true" if value.flag else "false"
        if value.kind == JsonKind.NUMBER:
            return value.text
        if value.kind == JsonKind.STRING:
            return json_string(value.text)
        var is_object = value.kind == JsonKind.OBJECT
        var out = String("{" if is_object else "[")
        for i in range(len(value.items)):
            if i > 0:
                out += ","
            if is_object:
                out += json_string(value.keys[i]) + ":"
            out += self.to_text(value.items[i])
        return out + ("}" if is_object else "]")


def json_string(text: String) -> String:
    """Returns a JSON string literal."""
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


def json_integers(numbers: List[Int]) -> String:
    """Returns a JSON array of integers."""
    var text = String("[")
    for i in range(len(numbers)):
        text += String("," if i > 0 else "", numbers[i])
    return text + "]"


def parse_json(text: String) raises -> Json:
    """Parses a JSON value. Raises, with the line, if `text` is not JSON, repeats a key or nests too deeply."""
    var parser = JsonParser(text)
    _ = parser.parse_value(0)
    parser.skip_whitespace()
    if parser.at < len(parser.bytes):
        raise parser.error("the end")
    return parser.tree.copy()


struct JsonParser:
    """A recursive descent parser."""

    var tree: Json
    """The nodes parsed so far."""
    var bytes: List[UInt8]
    var at: Int
    """Position of the next byte."""

    def __init__(out self, text: String):
        self.tree = Json()
        self.bytes = List[UInt8](text.as_bytes())
        self.at = 0

    def error(self, expected: String) -> Error:
        """Returns the error for a position at which `expected` is missing."""
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
        """Returns the next byte; 0 at the end."""
        return self.bytes[self.at] if self.at < len(self.bytes) else UInt8(0)

    def skip_whitespace(mut self):
        """Skips white space."""
        while self.at < len(self.bytes):
            var byte = self.bytes[self.at]
            if byte != 32 and byte != 9 and byte != 10 and byte != 13:
                return
            self.at += 1

    def accept(mut self, word: String) -> Bool:
        """Consumes `word` if it comes next. Returns true if it did."""
        var expected = word.as_bytes()
        if self.at + len(expected) > len(self.bytes):
            return False
        for i in range(len(expected)):
            if self.bytes[self.at + i] != expected[i]:
                return False
        self.at += len(expected)
        return True

    def parse_value(mut self, depth: Int) raises -> Int:
        """Parses a value and returns its node number."""
        if depth > MAX_DEPTH:
            raise self.error(String("at most ", MAX_DEPTH, " levels"))
        self.skip_whitespace()
        var node = self.tree.add(JsonKind.NULL)
        if self.accept("null"):
            pass
        elif self.accept("true"):
            self.tree.nodes[node].kind = JsonKind.BOOL
            self.tree.nodes[node].flag = True
        elif self.accept("false"):
            self.tree.nodes[node].kind = JsonKind.BOOL
        elif self.peek() == UInt8(ord('"')):
            self.tree.nodes[node].kind = JsonKind.STRING
            self.tree.nodes[node].text = self.parse_string()
        elif self.accept("["):
            self.tree.nodes[node].kind = JsonKind.ARRAY
            self.parse_items(node, depth, "]")
        elif self.accept("{"):
            self.tree.nodes[node].kind = JsonKind.OBJECT
            self.parse_items(node, depth, "}")
        else:
            self.parse_number(node)
        return node

    def parse_items(mut self, parent: Int, depth: Int, closing: String) raises:
        """Parses the rest of an array or an object."""
        self.skip_whitespace()
        if self.accept(closing):
            return
        while True:
            if self.tree.nodes[parent].kind == JsonKind.OBJECT:
                self.skip_whitespace()
                if len(self.tree.nodes[parent].keys) == MAX_ENTRIES:
                    raise self.error(String("at most ", MAX_ENTRIES, " entries"))
                var key = self.parse_string()
                if self.tree.get(parent, key) >= 0:
                    raise self.error(String("each key once, not ", json_string(key), " again"))
                self.tree.nodes[parent].keys.append(key^)
                self.skip_whitespace()
                if not self.accept(":"):
                    raise self.error("`:`")
            var item = self.parse_value(depth + 1)
            self.tree.nodes[parent].items.append(item)
            self.skip_whitespace()
            if self.accept(closing):
                return
            if not self.accept(","):
                raise self.error(String("`,` or `", closing, "`"))

    def skip_digits(mut self) raises:
        """Skips one or more digits."""
        var start = self.at
        while self.peek() >= UInt8(ord("0")) and self.peek() <= UInt8(ord("9")):
            self.at += 1
        if self.at == start:
            raise self.error("a value")

    def parse_number(mut self, node: Int) raises:
        """Parses a number into `node`."""
        var start = self.at
        _ = self.accept("-")
        var leading = self.at
        self.skip_digits()
        if self.bytes[leading] == UInt8(ord("0")) and self.at > leading + 1:
            self.at = leading
            raise self.error("a number without leading zeros")
        if self.accept("."):
            self.skip_digits()
        if self.accept("e") or self.accept("E"):
            if not self.accept("-"):
                _ = self.accept("+")
            self.skip_digits()
        var text = String(from_utf8=Span(self.bytes)[start : self.at])
        self.tree.nodes[node].kind = JsonKind.NUMBER
        self.tree.nodes[node].number = atof(text)
        self.tree.nodes[node].text = text^

    def parse_string(mut self) raises -> String:
        """Parses a string literal."""
        if not self.accept('"'):
            raise self.error("a string in quotes")
        var out = List[UInt8]()
        while not self.accept('"'):
            if self.at >= len(self.bytes) or self.peek() < 32:
                raise self.error("the end of a string")
            if self.accept("\\"):
                self.parse_escape(out)
            else:
                out.append(self.bytes[self.at])
                self.at += 1
        return String(from_utf8=out)

    def parse_escape(mut self, mut out: List[UInt8]) raises:
        """Parses an escape sequence and appends the character in UTF-8."""
        comptime names = '"\\/bfnrt'
        comptime meanings = '"\\/\b\f\n\r\t'
        var byte = self.peek()
        for i in range(8):
            if byte == names.as_bytes()[i]:
                out.append(meanings.as_bytes()[i])
                self.at += 1
                return
        if not self.accept("u"):
            raise self.error("an escape sequence")
        var code = self.parse_hexadecimal()
        if code >= 0xD800 and code < 0xDC00:  # the first half of a surrogate pair
            if not self.accept("\\u"):
                raise self.error("the second half of a surrogate pair")
            var low = self.parse_hexadecimal()
            if low < 0xDC00 or low > 0xDFFF:
                raise self.error("the second half of a surrogate pair")
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
        elif code >= 0xDC00 and code < 0xE000:
            raise self.error("a character, not the second half of a surrogate pair")
        out.extend(chr(code).as_bytes())

    def parse_hexadecimal(mut self) raises -> Int:
        """Parses four hexadecimal digits."""
        var code = 0
        for _ in range(4):
            var byte = Int(self.peek())
            var digit = byte - ord("0")
            if byte >= ord("a") and byte <= ord("f"):
                digit = byte - ord("a") + 10
            elif byte >= ord("A") and byte <= ord("F"):
                digit = byte - ord("A") + 10
            elif byte < ord("0") or byte > ord("9"):
                raise self.error("a hexadecimal digit")
            code = 16 * code + digit
            self.at += 1
        return code
