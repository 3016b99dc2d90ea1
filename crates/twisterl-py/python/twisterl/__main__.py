"""The command `twisterl`: the trainer's commands with support for Python environments, figures and recordings."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from twisterl import _core
from twisterl._internal import environments
from twisterl.plotting.terminal import run_program


def command(args: list[str], name: str = "twisterl") -> int:
    """Run one command and return its exit code."""
    # Configs may name classes in modules of the working directory, as a script run from there could import them. Until
    # one does, nothing is imported from there.
    environments.look_in(str(Path.cwd()))
    if args[:1] == ["plot"]:
        from twisterl.plotting import cli

        return cli.main(args[1:], prog=f"{name} plot")
    if args[:1] == ["compare"]:
        from twisterl.plotting.comparison import cli as compare

        return compare.main(args[1:], lambda words: _core.run_cli([name, "compare", *words]), f"{name} compare")
    if args[:1] == ["record"]:
        from twisterl._internal.display import cli as record

        return record.main(args[1:], prog=f"{name} record")
    if args[:1] == ["quantum"]:
        from twisterl.quantum import cli as quantum

        return quantum.main(args[1:], prog=f"{name} quantum")
    if args[:1] == ["bundle"]:
        from twisterl._internal.bundles.bundle import VARIABLE, templates

        os.environ.setdefault(VARIABLE, str(templates()))
    if args == ["train"]:
        args = ["train", "--help"]
    return _core.run_cli([name, *args])


def main(args: list[str] | None = None, name: str = "twisterl") -> None:
    """Run the command with these arguments, or else those of the process, and exit."""
    given = sys.argv[1:] if args is None else args
    sys.exit(run_program(lambda: command(given, name), name))


if __name__ == "__main__":
    main()
