"""The command `twisterl`: the trainer's command line, with environments written in Python, and plots."""

from __future__ import annotations

import sys
from pathlib import Path

from twisterl import _core


def command(args: list[str], name: str = "twisterl") -> int:
    """Run one command and return its exit code."""
    # Configs name classes of modules beside them, as scripts that are run from there would import them.
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    if args[:1] == ["plot"]:
        from twisterl.plotting import cli

        return cli.main(args[1:], prog=f"{name} plot")
    if args[:1] == ["train"]:
        args = args[1:] or ["--help"]
    return _core.run_cli([name, *args])


def main() -> None:
    """Entry point."""
    sys.exit(command(sys.argv[1:]))


if __name__ == "__main__":
    main()
