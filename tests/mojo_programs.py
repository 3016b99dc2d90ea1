"""The Mojo compiler, for the tests that need it."""

import os
import subprocess
import sys
from pathlib import Path

MOJO = Path(sys.executable).parent / "mojo"


def build(root: Path, source: str, program: Path, *options: str) -> Path:
    """Compile a program, or a Python module with `--emit shared-lib`."""
    command = [MOJO, "build", "-I", "mojo/src", *options, "-o", program, source]
    path = f"{MOJO.parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, env={**os.environ, "PATH": path})
    assert result.returncode == 0, result.stderr
    return program
