"""Safetensors files, parsed without trusting any of their claims.

A file is the length of its header (u64, little-endian), the header (JSON), and the bytes of all tensors without gaps.
"""

from std.memory import bitcast

from .json import Json, json_integers, json_string, parse_json
from .json_fields import JsonFields

comptime MAX_HEADER = 1 << 20
"""The longest header that is read, in bytes."""
comptime METADATA = "__metadata__"
comptime ENTRY = "twisterl"
"""The key of our metadata entry."""


@fieldwise_init
struct Tensor(Copyable):
    """A named tensor."""

    var name: String
    var shape: List[Int]
    var values: List[Float32]
    """All values, row-major."""


@fieldwise_init
struct TensorFile(Copyable):
    """The tensors of a file in header order, and our metadata entry."""

    var tensors: List[Tensor]
    var metadata: Optional[String]

    def find(self, name: String) -> Int:
        """Returns the position of a tensor; -1 if there is none of this name."""
        for i in range(len(self.tensors)):
            if self.tensors[i].name == name:
                return i
        return -1


def format_error(expected: String, found: String) -> Error:
    """Returns the error for a file that is not in this format."""
    return Error("weights: expected ", expected, ", found ", found)


def read_number(bytes: Span[UInt8, _], at: Int, count: Int) -> UInt64:
    """Returns the little-endian number of `count` bytes at position `at`."""
    var number = UInt64(0)
    for i in range(count):
        number |= bytes[at + i].cast[DType.uint64]() << UInt64(8 * i)
    return number


def parse_tensors(bytes: Span[UInt8, _]) raises -> TensorFile:
    """Parses a file of tensors of the types F32, F16 and BF16, or F64, which is narrowed.

    Raises if the file is truncated, the header is not JSON of this format, or tensors overlap, leave gaps or reach
    beyond the end.
    """
    if len(bytes) < 8:
        raise format_error("a safetensors file", String(len(bytes), " bytes"))
    var length = read_number(bytes, 0, 8)
    if length > UInt64(MAX_HEADER) or Int(length) > len(bytes) - 8:
        raise format_error(
            "a header of at most 1 MiB within the file", String("one of ", length, " bytes in a file of ", len(bytes))
        )
    var json = parse_json(String(from_utf8=bytes[8 : 8 + Int(length)]))
    var data = bytes[8 + Int(length) : len(bytes)]
    var header = JsonFields(json, 0, "weights")
    var file = TensorFile(List[Tensor](), None)
    for i in range(len(json.nodes[0].keys)):
        var name = json.nodes[0].keys[i]
        var fields = header.section(name)
        if name != METADATA:
            file.tensors.append(parse_tensor(fields, name, data))
        elif fields.has(ENTRY):
            file.metadata = fields.string(ENTRY, "")
    check_coverage(json, len(data))
    return file^


def parse_tensor(mut fields: JsonFields[_], name: String, data: Span[UInt8, _]) raises -> Tensor:
    """Returns the tensor that a header entry describes."""
    var shape = fields.integers("shape", List[Int](), 0, 1 << 30, 8)
    var offsets = fields.integers("data_offsets", List[Int](), 0, len(data), 2)
    var type = fields.string("dtype", "")
    fields.close()
    var size = value_size(type)
    if size == 0:
        raise Error("weights.", name, ".dtype: expected F32, F64, F16 or BF16, found ", type)
    var count = 1
    for extent in shape:
        count *= extent
        if count > len(data):
            count = len(data) + 1
    if len(offsets) != 2 or offsets[1] - offsets[0] != size * count:
        raise Error(
            "weights.",
            name,
            ".data_offsets: expected a range of the bytes that shape ",
            json_integers(shape),
            " needs, found ",
            json_integers(offsets),
        )
    var values = List[Float32](capacity=count)
    for value in range(count):
        values.append(single_precision(type, read_number(data, offsets[0] + size * value, size)))
    return Tensor(name, shape^, values^)


def value_size(type: String) -> Int:
    """Returns the bytes of a value of a type; 0 for types that are not read."""
    if type == "F32":
        return 4
    if type == "F64":
        return 8
    return 2 if type == "F16" or type == "BF16" else 0


def single_precision(type: String, bits: UInt64) -> Float32:
    """Returns the value with these bits of a type that is read."""
    if type == "F32":
        return bitcast[DType.float32](bits.cast[DType.uint32]())
    if type == "F64":
        return bitcast[DType.float64](bits).cast[DType.float32]()
    if type == "F16":
        return bitcast[DType.float16](bits.cast[DType.uint16]()).cast[DType.float32]()
    # The first half of the bits of single precision.
    return bitcast[DType.float32](bits.cast[DType.uint32]() << 16)


def check_coverage(json: Json, length: Int) raises:
    """Raises unless the tensors cover each of `length` bytes exactly once."""
    var header = JsonFields(json, 0, "weights")
    var ranges = List[List[Int]]()
    for key in json.nodes[0].keys:
        if key != METADATA:
            var fields = header.section(key)
            ranges.append(fields.integers("data_offsets", List[Int](), 0, length, 2))
    var at = 0
    while at < length:
        var next = at
        for offsets in ranges:
            if offsets[0] == at and offsets[1] > next:
                next = offsets[1]
        if next == at:
            raise format_error(String("a tensor that begins at byte ", at), "none")
        at = next
    var covered = 0
    for offsets in ranges:
        covered += offsets[1] - offsets[0]
    if covered != length:
        raise format_error(String(length, " bytes of tensors, as the file has"), String(covered))


def serialize_tensors(tensors: List[Tensor], metadata: String) -> List[UInt8]:
    """Returns a file of F32 tensors, sorted by name, with our metadata entry. Equal arguments give equal bytes."""
    var order = List[Int]()
    for i in range(len(tensors)):
        var place = 0
        while place < len(order) and tensors[order[place]].name < tensors[i].name:
            place += 1
        order.insert(place, i)
    var header = String("{", json_string(METADATA), ":{", json_string(ENTRY), ":", json_string(metadata), "}")
    var end = 0
    for i in order:
        ref tensor = tensors[i]
        header += String(",", json_string(tensor.name), ':{"dtype":"F32","shape":', json_integers(tensor.shape))
        header += String(',"data_offsets":[', end, ",", end + 4 * len(tensor.values), "]}")
        end += 4 * len(tensor.values)
    header += "}"
    while header.byte_length() % 8 != 0:
        header += " "
    var bytes = List[UInt8](capacity=8 + header.byte_length() + end)
    append_number(bytes, UInt64(header.byte_length()), 8)
    bytes.extend(header.as_bytes())
    for i in order:
        for value in tensors[i].values:
            append_number(bytes, bitcast[DType.uint32](value).cast[DType.uint64](), 4)
    return bytes^


def append_number(mut bytes: List[UInt8], number: UInt64, count: Int):
    """Appends a little-endian number of `count` bytes."""
    for i in range(count):
        bytes.append((number >> UInt64(8 * i) & 255).cast[DType.uint8]())
