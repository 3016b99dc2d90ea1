"""Whole files: read up to a size limit, and written atomically through a temporary file that is renamed."""

from std.ffi import c_int, external_call
from std.os.path import getsize


def read_file(path: String, max_bytes: Int) raises -> List[UInt8]:
    """Returns the bytes of a file. Raises if it cannot be read or is larger than `max_bytes`."""
    try:
        var size = getsize(path)
        if size > max_bytes:
            raise Error("expected a file of at most ", max_bytes, " bytes, found ", size)
        with open(path, "r") as file:
            return file.read_bytes()
    except error:
        raise Error("cannot read ", path, ": ", error)


def read_text(path: String, max_bytes: Int) raises -> String:
    """Returns the text of a file. Raises as `read_file` does, and if the bytes are not UTF-8."""
    var bytes = read_file(path, max_bytes)
    try:
        return String(from_utf8=bytes)
    except:
        raise Error("cannot read ", path, ": expected UTF-8 text, found other bytes")


def write_file(path: String, bytes: Span[UInt8, _]) raises:
    """Writes a file. On failure `path` keeps its old content."""
    var temporary = path + ".tmp"
    try:
        with open(temporary, "w") as file:
            file.write_bytes(bytes)
    except error:
        raise Error("cannot write ", path, ": expected a writable folder, found ", error)
    var source = temporary
    var target = path
    if external_call["rename", c_int](source.as_c_string_span().ptr(), target.as_c_string_span().ptr()) != 0:
        raise Error("cannot write ", path, ": expected that ", temporary, " can be renamed to it, found that it cannot")
