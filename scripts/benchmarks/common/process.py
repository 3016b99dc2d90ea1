"""Other programs: run to their end, or beside this one."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

PIPES: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
MESSAGE = 1000  # characters of a program's messages that an error repeats


class BenchmarkError(Exception):
    """A measurement could not be made; the message says why."""


def shown(command: Sequence[object]) -> str:
    """Returns a command as a person would type it, without the folders of its files."""
    return " ".join(part.name if isinstance(part, Path) else str(part) for part in command)


def foreign_environment() -> dict[str, str]:
    """Returns the environment for other interpreters: without PYTHONPATH, since the peer's package has our name."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def output(command: Sequence[object], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Runs a command to its end and returns what it printed."""
    words = [str(part) for part in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, cwd=cwd, env=env, check=False)
    except OSError as error:
        raise BenchmarkError(f"cannot run {shown(command[:1])}: {error.strerror}") from error
    if done.returncode != 0:
        message = done.stderr.strip()[-MESSAGE:] or "(nothing on stderr)"
        raise BenchmarkError(f"`{shown(command)}` failed with exit code {done.returncode}: {message}")
    return done.stdout


def last_json(text: str) -> Any:
    """Returns the last line of a program's output that is JSON."""
    for line in reversed(text.splitlines()):
        with contextlib.suppress(json.JSONDecodeError):
            return json.loads(line)
    raise BenchmarkError(f"expected a line of JSON, found {text[-MESSAGE:]!r}")


@contextlib.contextmanager
def child(command: Sequence[object], *, cores: int | None = None, **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """Runs a command beside this one, on so many cores at most; it has ended when the block ends."""
    if cores is not None and hasattr(os, "sched_setaffinity"):
        chosen = sorted(os.sched_getaffinity(0))[:cores]
        options["preexec_fn"] = lambda: os.sched_setaffinity(0, chosen)
    options.setdefault("env", foreign_environment())
    try:
        process = subprocess.Popen([str(part) for part in command], text=True, **options)
    except OSError as error:
        raise BenchmarkError(f"cannot run {shown(command[:1])}: {error.strerror}") from error
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def peak_memory(pid: int) -> int | None:
    """Returns the largest resident set of a process so far, in bytes; None where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), None)


def make_environment(folder: Path, packages: Sequence[str]) -> Path:
    """Makes a virtual environment with these packages, and returns its interpreter."""
    print(f"installing {', '.join(packages)} into {folder} ...", flush=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    output([sys.executable, "-m", "venv", folder])
    output([python, "-m", "pip", "install", "--quiet", *packages])
    return python
