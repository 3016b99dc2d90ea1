"""Whole files: read up to a size limit, and written atomically through a temporary file that is renamed."""

from std.ffi import c_int, external_call
from std.os import stat
from std.stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISFIFO, S_ISREG


def read_file(path: String, max_bytes: Int) raises -> List[UInt8]:
    """Returns the bytes of a regular file. Raises if it cannot be read, is of another kind or is larger than `max_bytes`."""
    try:
        # Before it is opened: a pipe that nobody writes to would block.
        var found = stat(path)
        if not S_ISREG(found.st_mode):
            raise Error("expected a regular file, found ", file_kind(found.st_mode))
        if found.st_size > max_bytes:
            raise Error("expected a file of at most ", max_bytes, " bytes, found ", found.st_size)
        with open(path, "r") as file:
            return file.read_bytes()
    except error:
        raise Error("cannot read ", path, ": ", error)


def file_kind(mode: Int) -> String:
    """Returns the kind of what is not a regular file, in words."""
    if S_ISDIR(mode):
        return "a folder"
    if S_ISFIFO(mode):
        return "a named pipe"
    return "a device" if S_ISCHR(mode) or S_ISBLK(mode) else "another kind of file"


def read_text(path: String, max_bytes: Int) raises -> String:
    """Returns the text of a file without its byte-order mark. Raises as `read_file` does, and if it is not UTF-8."""
    var bytes = read_file(path, max_bytes)
    try:
        return decode(bytes)
    except error:
        raise Error("cannot read ", path, ": expected UTF-8 text, found ", error)


def decode(bytes: Span[UInt8, _]) raises -> String:
    """Returns the text of bytes in UTF-8 without their byte-order mark. Raises, with what they are, if they are not UTF-8."""
    if len(bytes) >= 2 and ((bytes[0] == 0xFF and bytes[1] == 0xFE) or (bytes[0] == 0xFE and bytes[1] == 0xFF)):
        raise Error("UTF-16 or UTF-32 (save the file as UTF-8)")
    var marked = len(bytes) >= 3 and bytes[0] == 0xEF and bytes[1] == 0xBB and bytes[2] == 0xBF
    try:
        return String(from_utf8=bytes[3 if marked else 0 : len(bytes)])
    except:
        raise Error("other bytes")


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
