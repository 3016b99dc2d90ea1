"""Safetensors files, read without trusting what they claim.

A file is the length of its header (u64, little-endian), the header (JSON), and the bytes of all tensors without gaps.
"""

from std.memory import bitcast

from .fields import Fields
from .json import Json, parse_json, quoted

comptime MAX_HEADER = 1 << 20
"""The longest header that is read, in bytes."""
comptime METADATA = "__metadata__"
comptime ENTRY = "twisterl"
"""The key of our metadata entry."""


@fieldwise_init
struct Tensor(Copyable):
    """A tensor of a file."""

    var name: String
    var shape: List[Int]
    var values: List[Float32]
    """Row-major."""


@fieldwise_init
struct TensorFile(Copyable):
    """The tensors of a file in the order of its header, and our metadata entry."""

    var tensors: List[Tensor]
    var metadata: Optional[String]

    def find(self, name: String) -> Int:
        """Where a tensor stands, or -1."""
        for i in range(len(self.tensors)):
            if self.tensors[i].name == name:
                return i
        return -1


def broken(expected: String, found: String) -> Error:
    """What to raise for a file that is none."""
    return Error("weights: expected ", expected, ", found ", found)


def number_at(bytes: Span[UInt8, _], at: Int, count: Int) -> UInt64:
    """A little-endian number of `count` bytes."""
    var number = UInt64(0)
    for i in range(count):
        number |= bytes[at + i].cast[DType.uint64]() << UInt64(8 * i)
    return number


def parse_tensors(bytes: Span[UInt8, _]) raises -> TensorFile:
    """The tensors of a file, of type F32 or narrowed from F64. Raises if it is cut short, the header is no JSON of this
    format, or tensors overlap, leave gaps or reach beyond the end.
    """
    if len(bytes) < 8:
        raise broken("a safetensors file", String(len(bytes), " bytes"))
    var length = number_at(bytes, 0, 8)
    if length > UInt64(MAX_HEADER) or Int(length) > len(bytes) - 8:
        raise broken(
            "a header of at most 1 MiB within the file", String("one of ", length, " bytes in a file of ", len(bytes))
        )
    var json = parse_json(String(from_utf8=bytes[8 : 8 + Int(length)]))
    var data = bytes[8 + Int(length) : len(bytes)]
    var header = Fields(json, 0, "weights")
    var file = TensorFile(List[Tensor](), None)
    for i in range(len(json.nodes[0].keys)):
        var name = json.nodes[0].keys[i]
        if name == METADATA:
            var metadata = header.section(name)
            if metadata.has(ENTRY):
                file.metadata = metadata.text(ENTRY, "")
            continue
        var fields = header.section(name)
        var shape = fields.wholes("shape", List[Int](), 0, 1 << 30, 8)
        var offsets = fields.wholes("data_offsets", List[Int](), 0, len(data), 2)
        var type = fields.text("dtype", "")
        fields.close()
        if type != "F32" and type != "F64":
            raise Error("weights.", name, ": expected values of type F32 or F64, found ", type)
        var size = 4 if type == "F32" else 8
        var count = 1
        for extent in shape:
            count *= extent
            if count > len(data):
                count = len(data) + 1
        if len(offsets) != 2 or offsets[1] - offsets[0] != size * count:
            raise Error("weights.", name, ": expected as many bytes as the shape needs, found others")
        var values = List[Float32](capacity=count)
        for value in range(count):
            var at = offsets[0] + size * value
            if size == 4:
                values.append(bitcast[DType.float32](number_at(data, at, 4).cast[DType.uint32]()))
            else:
                values.append(bitcast[DType.float64](number_at(data, at, 8)).cast[DType.float32]())
        file.tensors.append(Tensor(name, shape^, values^))
    check_gaps(json, len(data))
    return file^


def check_gaps(json: Json, length: Int) raises:
    """Whether the tensors cover all bytes, each once."""
    var header = Fields(json, 0, "weights")
    var ends = List[List[Int]]()
    for key in json.nodes[0].keys:
        if key != METADATA:
            var fields = header.section(key)
            ends.append(fields.wholes("data_offsets", List[Int](), 0, length, 2))
    var at = 0
    while at < length:
        var next = at
        for offsets in ends:
            if offsets[0] == at and offsets[1] > next:
                next = offsets[1]
        if next == at:
            raise broken(String("a tensor that begins at byte ", at), "none")
        at = next
    var covered = 0
    for offsets in ends:
        covered += offsets[1] - offsets[0]
    if covered != length:
        raise broken(String(length, " bytes of tensors, as the file has"), String(covered))


def serialize_tensors(tensors: List[Tensor], metadata: String) -> List[UInt8]:
    """A file of type F32 with tensors by name and our metadata entry. Equal arguments give equal bytes."""
    var order = List[Int]()
    for i in range(len(tensors)):
        var place = 0
        while place < len(order) and tensors[order[place]].name < tensors[i].name:
            place += 1
        order.insert(place, i)
    var header = String("{", quoted(METADATA), ":{", quoted(ENTRY), ":", quoted(metadata), "}")
    var end = 0
    for i in order:
        ref tensor = tensors[i]
        header += String(",", quoted(tensor.name), ':{"dtype":"F32","shape":[')
        for axis in range(len(tensor.shape)):
            header += String("," if axis > 0 else "", tensor.shape[axis])
        header += String('],"data_offsets":[', end, ",", end + 4 * len(tensor.values), "]}")
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
