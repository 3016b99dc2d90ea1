"""The terminal: text with its control characters made visible, output that may fail, and Ctrl-C.

For the programs around this package, too: the command ``twisterl``, ``scripts/run.py`` and ``scripts/plot.py``.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TextIO

INTERRUPTED = 130  # the exit code after Ctrl-C: 128 plus the number of the signal
# Control characters, separators of lines, and marks that change the direction of text.
CONTROLS = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]")
SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


class OutputError(Exception):
    """Standard output cannot be written."""


def escape_controls(text: object) -> str:
    """Return the text with characters that change the display as ``\\u{1b}``, ``\\n`` and so on."""
    return CONTROLS.sub(lambda found: SHORT.get(found[0]) or f"\\u{{{ord(found[0]):x}}}", str(text))


def escape_lines(text: str) -> str:
    """Return text of several lines with all such characters but newlines and tabs escaped."""
    return re.sub(r"[^\n\t]+", lambda found: escape_controls(found[0]), text)


def counted(count: int, thing: str) -> str:
    """Return a count of things with a regular plural, such as ``1 iteration`` or ``8,758 steps``."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


class Parser(argparse.ArgumentParser):
    """A parser whose help is output that may fail, and whose errors show control characters."""

    def print_help(self, file: Any = None) -> None:
        """Print the help to standard output, or to the file."""
        if file is None:
            output(self.format_help().rstrip("\n"))
        else:
            super().print_help(file)

    def error(self, message: str) -> NoReturn:
        """Exit with a message and the code of invalid arguments."""
        super().error(escape_controls(message))


def output(text: str = "") -> None:
    """Write a result and a newline to standard output, and flush it; without text, flush it.

    Characters that its encoding lacks are written as escapes, such as ``\\xfc``. A reader that has gone away is no
    error: it has read what it wanted. Raises ``OutputError`` for other failures, such as a full disk.
    """
    stream = sys.stdout
    if stream is None:
        return
    try:
        if text:
            stream.write(_in_encoding(text, stream) + "\n")
        stream.flush()
    except BrokenPipeError:
        discard(stream)
    except OSError as error:
        discard(stream)
        raise OutputError(f"standard output: cannot write: {error.strerror}") from error


def width() -> int | None:
    """Return the width of the terminal, or what ``COLUMNS`` says; None if the output is no terminal."""
    if os.environ.get("COLUMNS", "").isdigit() or (sys.stdout is not None and sys.stdout.isatty()):
        return max(40, shutil.get_terminal_size().columns)
    return None


def message(text: str) -> None:
    """Write a line to standard error, with its control characters escaped. That it cannot be written is no error."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(_in_encoding(escape_lines(text), sys.stderr) + "\n")
        sys.stderr.flush()
    except OSError:
        discard(sys.stderr)


def _in_encoding(text: str, stream: TextIO) -> str:
    """Return the text with characters that the encoding of the stream lacks as escapes."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def run_program(main: Callable[[], int], name: str) -> int:
    """Run a program, and return its exit code: 1 if its output cannot be written, 130 after Ctrl-C."""
    _open_standard_streams()
    try:
        try:
            code = main()
        except SystemExit as ended:  # of argparse
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            if isinstance(ended.code, str):
                message(ended.code)
        output()
    except KeyboardInterrupt:
        message(f"{name}: interrupted")
        return INTERRUPTED
    except OutputError as error:
        message(f"{name}: {error}")
        return 1
    return code


def discard(stream: TextIO) -> None:
    """Let nothing that is written to the stream from now on fail, not even what it still holds."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError):  # ValueError: not a file
        pass


def _open_standard_streams() -> None:
    """Open standard streams that are closed, so that no file of a run gets their descriptors."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
