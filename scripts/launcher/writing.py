"""Files that the launcher writes into folders of runs, which may be of anyone's making."""

import os
import stat
from pathlib import Path
from typing import TextIO

KINDS = {stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a named pipe", stat.S_IFDIR: "a folder"}


class NotRegularError(Exception):
    """Something else is in place of a file; the message names it."""


def create(path: Path) -> TextIO:
    """Open a new or empty file for writing; links are not followed, and nothing but a regular file is opened."""

    def opener(name: str, flags: int) -> int:
        try:
            kind = stat.S_IFMT(os.lstat(name).st_mode)
        except FileNotFoundError:
            kind = stat.S_IFREG
        if kind != stat.S_IFREG:
            raise NotRegularError(f"{path}: expected a regular file, found {KINDS.get(kind, 'a device or a socket')}")
        # It may have been replaced since.
        descriptor = os.open(name, flags & ~os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            os.close(descriptor)
            raise NotRegularError(f"{path}: expected a regular file with no other name, found {found.st_nlink} links")
        os.ftruncate(descriptor, 0)
        return descriptor

    return open(path, "w", encoding="utf-8", opener=opener)


def write(path: Path, text: str) -> None:
    """Write a file as `create` opens it."""
    with create(path) as file:
        file.write(text)
