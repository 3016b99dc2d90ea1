"""Board sizes that a program is compiled for.

The sides are compile-time parameters of `Puzzle` but values in files, so `run_for_size` selects the compiled code at
run time.
"""

from std.sys.defines import get_defined_int

comptime HEIGHT = get_defined_int["HEIGHT", 0]()
comptime WIDTH = get_defined_int["WIDTH", 0]()
comptime DEFINED = HEIGHT > 0 and WIDTH > 0
"""True if `-D HEIGHT=... -D WIDTH=...` replaces the usual sizes by one."""
comptime COUNT = 1 if DEFINED else 4
"""The number of sizes that are compiled in."""


def heights() -> Array[Int, 4]:
    """Returns the height of each size; the first `COUNT` are valid."""
    var sides: Array[Int, 4] = [2, 3, 4, 5]
    comptime if DEFINED:
        sides = Array[Int, 4](fill=HEIGHT)
    return sides^


def widths() -> Array[Int, 4]:
    """Returns the width of each size; the first `COUNT` are valid."""
    var sides: Array[Int, 4] = [3, 3, 4, 5]
    comptime if DEFINED:
        sides = Array[Int, 4](fill=WIDTH)
    return sides^


comptime HEIGHTS = heights()
comptime WIDTHS = widths()


trait SizedTask:
    """A task that is compiled for each board size."""

    def run[height: Int, width: Int](mut self) raises:
        """Runs the task on boards of this size."""
        ...


def run_for_size[Task: SizedTask](mut task: Task, height: Int, width: Int) raises:
    """Runs a task on boards of a size. Raises if the size is not compiled in."""
    comptime for i in range(COUNT):
        comptime rows = HEIGHTS[i]
        comptime columns = WIDTHS[i]
        if (height, width) == (rows, columns):
            return task.run[rows, columns]()
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
