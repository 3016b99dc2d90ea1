"""The Python module `twisterl_mojo`: policies that predict, act and solve, and puzzles to play.

    mojo build --emit shared-lib -I mojo/src -o twisterl_mojo.so mojo/python/twisterl_mojo.mojo

Names and results equal those of the Rust package `twisterl`. Wrong input raises a `ValueError` in `Policy(...)` and a
plain `Exception` everywhere else, since Mojo's bindings support no other; the message says what was expected and found.
A call holds the interpreter's lock until it returns.
"""

from std.collections.string.string_span import get_static_string
from std.os import abort, getenv, setenv, unsetenv
from std.python import PythonObject
from std.python.bindings import PythonModuleBuilder

from twisterl.env.board_sizes import COUNT, HEIGHTS, WIDTHS

from policy_object import PolicyObject
from puzzle_object import PuzzleObject, make_puzzle


# Mojo sets these when it looks for an interpreter. This module runs inside one already, and child processes that inherit
# them would not find their own packages, so they are restored after import.
comptime INTERPRETER_VARIABLES = ["PYTHONEXECUTABLE", "PYTHONPATH", "MOJO_PYTHON_LIBRARY"]


@export
def PyInit_twisterl_mojo() abi("C") -> PythonObject:
    """Creates the module. Called by Python on import."""
    var before = List[String]()
    for name in materialize[INTERPRETER_VARIABLES]():
        before.append(getenv(name))
    try:
        var module = PythonModuleBuilder("twisterl_mojo")
        PolicyObject.bind(module)
        comptime for i in range(COUNT):
            comptime height = HEIGHTS[i]
            comptime width = WIDTHS[i]
            PuzzleObject[height, width].bind(module, get_static_string["Puzzle", String(height), "x", String(width)]())
        module.def_py_function[make_puzzle](
            "puzzle",
            docstring=(
                "puzzle(params=None, seed=0)\n\nReturns a puzzle at the first scramble of seed. params is the `env`"
                " section of a config, as a dict or as JSON."
            ),
        )
        var finished = module.finalize()
        for i, name in enumerate(materialize[INTERPRETER_VARIABLES]()):
            _ = setenv(name, before[i]) if before[i] else unsetenv(name)
        return finished^
    except error:
        abort(String("twisterl_mojo: ", error))
