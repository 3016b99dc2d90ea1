"""Limits on folders, files, functions and doc comments, for Rust, Python and Mojo."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from structure import rust

SUFFIXES = (".rs", ".py", ".mojo")
MARK = "long function:"  # in a comment right above a function, with the reason why it is one piece
_OPENING = r"(?:What|Where|Whether|Who|How)\b"
_RUST_DOC = re.compile(rf"^\s*//[/!] {_OPENING}")
_DOCSTRING = re.compile(rf'^\s*"""{_OPENING}')
_UNSAFE = re.compile(r"\b(?:allow|expect)\s*\(\s*unsafe_code\b")
_MOJO_FUNCTION = re.compile(r"^(\s*)(?:fn|def)\s+(\w+)")


def sources(folders: list[Path]) -> Iterator[Path]:
    """Yields the source files under ``folders``, sorted, without what builds leave there."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix in SUFFIXES and not {"target", "__pycache__"} & set(path.parts):
                yield path


def entries(folder: Path) -> list[Path]:
    """Returns the entries of a folder, without what builds leave there and without markers of Python packages."""
    ignored = {"__pycache__", "target", "__init__.py", "py.typed"}
    suffixes = (".so", ".pyc", ".pyi")
    return [path for path in folder.iterdir() if path.name not in ignored and path.suffix not in suffixes]


def functions(path: Path, text: str) -> Iterator[tuple[str, int, int]]:
    """Yields the name, the first and the last line of each function."""
    if path.suffix == ".rs":
        yield from rust.functions(rust.code(text))
    elif path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name, node.lineno, node.end_lineno or node.lineno
    else:
        yield from _mojo_functions(text.splitlines())


def _mojo_functions(lines: list[str]) -> Iterator[tuple[str, int, int]]:
    """Mojo has no parser here; the formatter's indentation tells where a function ends."""
    for number, line in enumerate(lines, 1):
        if not (found := _MOJO_FUNCTION.match(line)):
            continue
        last = number
        for later, text in enumerate(lines[number:], number + 1):
            indent = len(text) - len(text.lstrip())
            if text.strip() and indent <= len(found[1]) and not text.lstrip().startswith((")", "]")):
                break
            last = later if text.strip() else last
        yield found[2], number, last


def marked(lines: list[str], first: int) -> bool:
    """Tells if the comments and attributes right above line ``first`` say why the function is long."""
    for line in reversed(lines[: first - 1]):
        if MARK in line:
            return True
        if not line.lstrip().startswith(("//", "#", "@")):
            return False
    return False


def long_functions(path: Path, text: str, most: int) -> Iterator[tuple[int, str]]:
    """Yields the line and the message for each function of more than ``most`` lines that is not marked."""
    lines = text.splitlines()
    for name, first, last in functions(path, text):
        length = last - first + 1
        if length > most and not marked(lines, first):
            yield first, f"function {name} has {length} lines, at most {most} are allowed"


def riddles(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Yields doc comments that open with a question word; a verb or a noun says more."""
    pattern = _RUST_DOC if path.suffix == ".rs" else _DOCSTRING
    before = ""
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.match(line) and not before.lstrip().startswith(line.lstrip()[:3] if path.suffix == ".rs" else "\0"):
            yield number, f"doc comment opens with a question word: {line.strip()}"
        before = line


def unsafe_allowed(text: str) -> Iterator[tuple[int, str]]:
    """Yields each line that lifts the workspace's lint ``unsafe_code``."""
    for number, line in enumerate(rust.code(text).splitlines(), 1):
        if _UNSAFE.search(line):
            yield number, "lifts the lint unsafe_code; the files that may are listed in Cargo.toml"
