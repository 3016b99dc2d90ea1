"""Descriptions of environments for other processes, which import them.

A process that is started is a new interpreter, as by the start method `spawn` of `multiprocessing`: it imports the
module of an environment by its name. It runs the main script only if the environment is defined there.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import pickle
import runpy
import sys
import tempfile
import types
from typing import Any

from twisterl._internal import environments

# The main script has this name in processes that import it, so that they skip what is below `__name__ == "__main__"`.
_MAIN = "__mp_main__"
# The module search path follows as arguments.
_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from twisterl._internal.processes import worker; worker.main()"

is_worker = False
"""True in a process that was started as a worker."""


def describe(name: str, factory: Any, params: str) -> tuple[list[str], bytes, tuple[str, str] | None]:
    """Return the command of a process, what it has to know of the environment, and why it cannot, if so.

    Args:
        name: the name of the environment.
        factory: its class, or what makes it.
        params: its parameters as JSON.

    Returns:
        The command, the description, and None; or in place of None what was expected and what was found.
    """
    if is_worker:
        expected = "no training while a worker process imports the main script: put it below if __name__ == '__main__':"
        return [], b"", (expected, f"workers for {name}")
    if not sys.executable:
        return [], b"", ("1 in a program that does not know its interpreter (sys.executable)", "more")
    pickled, main = _pickled(factory)
    if pickled is None:
        expected = (
            "1, or an environment that other processes can import: a class or function of a module (a .py file), given "
            "by its path such as my_module.MyEnv; or install cloudpickle"
        )
        return [], b"", (expected, f"{_shown(factory)} ({main})")
    description = pickle.dumps({"name": name, "factory": pickled, "params": params, "main": main})
    return [sys.executable, *options(), "-c", _PROGRAM, *sys.path], description, None


def open_described(description: bytes) -> tuple[str, Any, str]:
    """Return name, factory and parameters of an environment that `describe` described in another process."""
    described = pickle.loads(description)
    if described["main"] is not None:
        _import_main(*described["main"])
    return described["name"], pickle.loads(described["factory"]), described["params"]


def shared_memory() -> int:
    """Return the descriptor of an empty file in memory without a name, which processes started from now on inherit."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("twisterl", 0)
    with tempfile.TemporaryFile() as file:
        descriptor = os.dup(file.fileno())
    os.set_inheritable(descriptor, True)
    return descriptor


def _pickled(factory: Any) -> tuple[bytes | None, Any]:
    """Return a factory as bytes, and the main script that has to be imported first, if any; or None, and why."""
    pickled, why = None, ""
    try:
        pickled = pickle.dumps(factory)
    except Exception as error:
        why = f"{type(error).__name__}: {error!s:.200}"
    if pickled is not None and b"__main__" not in pickled:
        return pickled, None
    if importlib.util.find_spec("cloudpickle") is not None:
        try:
            return importlib.import_module("cloudpickle").dumps(factory), None
        except Exception as error:
            why = why or f"{type(error).__name__}: {error!s:.200}"
    if pickled is None:
        return None, why
    main = _main_script()
    return (None, "a main module without a file") if main is None else (pickled, main)


def _main_script() -> tuple[str | None, str | None] | None:
    """Return the main module by its name or its file; None in a notebook and the like."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return spec.name, None
    file = getattr(main, "__file__", None)
    return None if file is None else (None, file)


def _import_main(name: str | None, file: str | None) -> None:
    """Import the main script of the process that started this one."""
    if name is not None:
        found = runpy.run_module(name, run_name=_MAIN, alter_sys=True)
    else:
        found = runpy.run_path(str(file), run_name=_MAIN)
    main = types.ModuleType(_MAIN)
    main.__dict__.update(found)
    sys.modules["__main__"] = sys.modules[_MAIN] = main


def options() -> list[str]:
    """Return the options of this interpreter that change what modules do."""
    options = [f"-W{option}" for option in sys.warnoptions]
    options += [f"-X{key}" if value is True else f"-X{key}={value}" for key, value in sys._xoptions.items()]
    options += ["-I"] if sys.flags.isolated else []
    return options + ["-" + "O" * sys.flags.optimize] * (sys.flags.optimize > 0)


def _shown(factory: Any) -> str:
    while isinstance(factory, functools.partial):
        factory = factory.func
    kind = "class" if isinstance(factory, type) else type(factory).__name__
    return f"{kind} {environments.path_of(factory)}"
