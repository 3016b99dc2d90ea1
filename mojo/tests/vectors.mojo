"""Reads tests/vectors, which all implementations share. Tests run from the root of the repository."""

from twisterl.io.files import read_text
from twisterl.io.json import Json, parse_json


def load_vectors(name: String) raises -> Json:
    """Loads a file of tests/vectors."""
    return parse_json(read_text("tests/vectors/" + name, 1 << 24))


def numbers(json: Json, node: Int) -> List[Float64]:
    """Returns a list of numbers."""
    var out = List[Float64]()
    for item in json.nodes[node].items:
        out.append(json.nodes[item].number)
    return out^


def integers(json: Json, node: Int) -> List[Int]:
    """Returns a list of integers."""
    var out = List[Int]()
    for item in json.nodes[node].items:
        out.append(Int(json.nodes[item].number))
    return out^


def booleans(json: Json, node: Int) -> List[Bool]:
    """Returns a list of booleans."""
    var out = List[Bool]()
    for item in json.nodes[node].items:
        out.append(json.nodes[item].flag)
    return out^


def strings(json: Json, node: Int) -> List[String]:
    """Returns a list of strings."""
    var out = List[String]()
    for item in json.nodes[node].items:
        out.append(json.nodes[item].text)
    return out^


def integer(json: Json, node: Int, key: String) -> Int:
    """Returns the integer in the entry `key` of an object."""
    return Int(json.nodes[json.get(node, key)].number)


def hexadecimal(text: String) -> UInt64:
    """Parses hexadecimal digits."""
    var number = UInt64(0)
    for byte in text.as_bytes():
        var digit = byte - UInt8(ord("0")) if byte <= UInt8(ord("9")) else byte - UInt8(ord("a")) + 10
        number = number << 4 | digit.cast[DType.uint64]()
    return number
