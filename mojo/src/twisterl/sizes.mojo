"""The boards that a program is compiled for: the sides are compile-time parameters of `Puzzle`, and files give them at run
time.
"""

from std.sys.defines import get_defined_int

comptime HEIGHT = get_defined_int["HEIGHT", 0]()
comptime WIDTH = get_defined_int["WIDTH", 0]()
comptime DEFINED = HEIGHT > 0 and WIDTH > 0
"""Whether `-D HEIGHT=... -D WIDTH=...` asks for one size in place of the usual ones."""
comptime COUNT = 1 if DEFINED else 4
"""Sizes that are compiled in."""


def heights() -> Array[Int, 4]:
    """The height of each size."""
    var sides: Array[Int, 4] = [2, 3, 4, 5]
    comptime if DEFINED:
        sides = Array[Int, 4](fill=HEIGHT)
    return sides^


def widths() -> Array[Int, 4]:
    """The width of each size."""
    var sides: Array[Int, 4] = [3, 3, 4, 5]
    comptime if DEFINED:
        sides = Array[Int, 4](fill=WIDTH)
    return sides^


comptime HEIGHTS = heights()
comptime WIDTHS = widths()


trait SizedWork:
    """Something to do on boards of a size that is known only at run time."""

    def on[height: Int, width: Int](mut self) raises:
        """Does it on boards of this size."""
        ...


def on_size[Work: SizedWork](mut work: Work, height: Int, width: Int) raises:
    """Does it on boards of a size. Raises if that is not compiled in."""
    comptime for i in range(COUNT):
        comptime rows = HEIGHTS[i]
        comptime columns = WIDTHS[i]
        if (height, width) == (rows, columns):
            return work.on[rows, columns]()
    raise Error(
        "env: expected a size that is compiled in, found ",
        height,
        " x ",
        width,
        "; add -D HEIGHT=",
        height,
        " -D WIDTH=",
        width,
        " after `mojo run` or `mojo build`",
    )
