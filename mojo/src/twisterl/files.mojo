"""Whole files: read within a bound, and written under a temporary name that is then renamed, so that none is ever
half-written.
"""

from std.ffi import c_int, external_call
from std.os.path import getsize


def read_file(path: String, most: Int) raises -> List[UInt8]:
    """The bytes of a file of at most `most` bytes."""
    try:
        var size = getsize(path)
        if size > most:
            raise Error("expected at most ", most, " bytes, found ", size)
        with open(path, "r") as file:
            return file.read_bytes()
    except error:
        raise Error(path, ": ", error)


def read_text(path: String, most: Int) raises -> String:
    """The text of a file of at most `most` bytes. Raises if it is not UTF-8."""
    var bytes = read_file(path, most)
    try:
        return String(from_utf8=bytes)
    except:
        raise Error(path, ": expected text in UTF-8, found other bytes")


def write_file(path: String, bytes: Span[UInt8, _]) raises:
    """Makes `path` a file of these bytes, or leaves it as it was."""
    var temporary = path + ".tmp"
    with open(temporary, "w") as file:
        file.write_bytes(bytes)
    var source = temporary
    var target = path
    if external_call["rename", c_int](source.as_c_string_span().ptr(), target.as_c_string_span().ptr()) != 0:
        raise Error(path, ": expected a path that can be written, found one that ", temporary, " cannot be renamed to")
