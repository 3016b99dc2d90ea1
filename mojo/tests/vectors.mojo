"""Reading tests/vectors, which all implementations share. Tests run from the root of the repository."""

from twisterl.files import read_text
from twisterl.json import Json, parse_json


def vectors(name: String) raises -> Json:
    """A file of tests/vectors."""
    return parse_json(read_text("tests/vectors/" + name, 1 << 24))


def numbers(json: Json, node: Int) -> List[Float64]:
    """A list of numbers."""
    var out = List[Float64]()
    for item in json.nodes[node].items:
        out.append(json.nodes[item].number)
    return out^


def wholes(json: Json, node: Int) -> List[Int]:
    """A list of whole numbers."""
    var out = List[Int]()
    for item in json.nodes[node].items:
        out.append(Int(json.nodes[item].number))
    return out^


def flags(json: Json, node: Int) -> List[Bool]:
    """A list of true and false."""
    var out = List[Bool]()
    for item in json.nodes[node].items:
        out.append(json.nodes[item].flag)
    return out^


def texts(json: Json, node: Int) -> List[String]:
    """A list of texts."""
    var out = List[String]()
    for item in json.nodes[node].items:
        out.append(json.nodes[item].text)
    return out^


def whole(json: Json, node: Int, key: String) -> Int:
    """A whole number of an object."""
    return Int(json.nodes[json.get(node, key)].number)


def hexadecimal(text: String) -> UInt64:
    """The number that hexadecimal digits stand for."""
    var number = UInt64(0)
    for byte in text.as_bytes():
        var digit = byte - UInt8(ord("0")) if byte <= UInt8(ord("9")) else byte - UInt8(ord("a")) + 10
        number = number << 4 | digit.cast[DType.uint64]()
    return number
