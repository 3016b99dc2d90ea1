"""The Mojo port as a Python module: policies to evaluate and to solve with, and puzzles to play.

    mojo build --emit shared-lib -I mojo/src -o twisterl_mojo.so mojo/python/twisterl_mojo.mojo

Names and numbers are those of the Rust package `twisterl`. What is wrong is raised as a `ValueError` by
`Policy(...)` and as a plain `Exception` by the rest, as Mojo's bindings do, and says what was expected and what was found. A
call holds the interpreter's lock until it returns.
"""

from std.collections.string.string_span import get_static_string
from std.os import abort, getenv, setenv, unsetenv
from std.python import PythonObject
from std.python.bindings import PythonModuleBuilder

from twisterl.sizes import COUNT, HEIGHTS, WIDTHS

from board import Board, make_puzzle
from player import Player


# What Mojo sets when it looks for an interpreter. Here it is a guest of one that runs, whose child processes, inheriting
# these, would not find their own packages.
comptime INTERPRETER_VARIABLES = ["PYTHONEXECUTABLE", "PYTHONPATH", "MOJO_PYTHON_LIBRARY"]


@export
def PyInit_twisterl_mojo() abi("C") -> PythonObject:
    """What Python calls on import."""
    var before = List[String]()
    for name in materialize[INTERPRETER_VARIABLES]():
        before.append(getenv(name))
    try:
        var module = PythonModuleBuilder("twisterl_mojo")
        Player.bind(module)
        comptime for i in range(COUNT):
            comptime height = HEIGHTS[i]
            comptime width = WIDTHS[i]
            Board[height, width].bind(module, get_static_string["Puzzle", String(height), "x", String(width)]())
        module.def_py_function[make_puzzle](
            "puzzle",
            docstring=(
                "puzzle(params=None, seed=0)\n\nA puzzle by the `env` section of a config, a dict or JSON. It begins"
                " with the first scramble of seed."
            ),
        )
        var finished = module.finalize()
        for i, name in enumerate(materialize[INTERPRETER_VARIABLES]()):
            _ = setenv(name, before[i]) if before[i] else unsetenv(name)
        return finished^
    except error:
        abort(String("twisterl_mojo: ", error))
