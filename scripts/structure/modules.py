"""The modules of a crate, and which of them use which.

A module is a file that ``mod`` declarations lead to from ``lib.rs``, test code left out. It uses another one if it
names something that is defined there, by whatever re-exports. A module and those inside it may use each other.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from structure import rust

Name = tuple[str, ...]
_USE = re.compile(r"\buse\s+([^;]+);")
_DEFINED = re.compile(r"\b(?:fn|struct|enum|union|trait|type|const|static|macro_rules!)\s+(\w+)")
_CHILD = re.compile(r"\bmod\s+(\w+)\s*;")
_PATH = re.compile(r"(?<![\w:])\w+(?:\s*::\s*\w+)+")
_DEPTH = 16  # of re-exports that lead to each other


@dataclass
class Module:
    """One file: what it defines and what it imports."""

    file: Path
    defined: set[str]
    imports: dict[str, list[str]] = field(default_factory=dict)  # the path of each bound name
    globs: list[list[str]] = field(default_factory=list)
    named: list[tuple[list[str], int]] = field(default_factory=list)  # all paths, with their lines
    words: set[str] = field(default_factory=set)  # of the code below the imports


@dataclass(frozen=True)
class Use:
    """One module names something of another one."""

    user: Name
    used: Name
    path: str
    file: Path
    line: int


def _line(text: str, index: int) -> int:
    return text.count("\n", 0, index) + 1


def _read(file: Path) -> tuple[Module, list[str]]:
    """Returns a module and the names of the modules that it declares in files of their own."""
    text = rust.without_tests(rust.code(file.read_text(encoding="utf-8")))
    module = Module(file, set(_DEFINED.findall(text)))
    for found in _USE.finditer(text):
        for path, bound in rust.paths(found[1]):
            if bound == "*":
                module.globs.append(path[:-1])
            else:
                module.named.append((path, _line(text, found.start())))
                module.imports[bound] = path
    body = _USE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    for found in _PATH.finditer(body):
        module.named.append((re.split(r"\s*::\s*", found[0]), _line(body, found.start())))
    module.words = set(re.findall(r"\w+", body))
    return module, _CHILD.findall(text)


class Crate:
    """The modules of the crate whose sources are in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.modules: dict[Name, Module] = {}
        self._load((), folder / "lib.rs", folder)

    def _load(self, name: Name, file: Path, inside: Path) -> None:
        self.modules[name], children = _read(file)
        for child in children:
            flat, nested = inside / f"{child}.rs", inside / child / "mod.rs"
            self._load((*name, child), flat if flat.is_file() else nested, inside / child)

    def _begin(self, module: Name, path: list[str]) -> tuple[Name, list[str]] | None:
        """Returns where a path begins and what is left of it; None if that is another crate."""
        first = path[0]
        if first == "crate":
            return (), path[1:]
        if first in ("self", "super"):
            while path and path[0] in ("self", "super"):
                module = module[:-1] if path[0] == "super" else module
                path = path[1:]
            return module, path
        if (*module, first) in self.modules or first in self.modules[module].imports:
            return module, path
        return None

    def resolve(self, module: Name, path: list[str], depth: int = 0) -> Name | None:
        """Returns the module that defines what ``path``, written in ``module``, names; None for other crates."""
        begun = self._begin(module, path)
        if begun is None or depth > _DEPTH:
            return None
        at, rest = begun
        while rest:
            name = rest[0]
            if (*at, name) in self.modules:
                at, rest = (*at, name), rest[1:]
                continue
            here = self.modules[at]
            if name in here.defined:
                return at
            if name in here.imports:
                return self.resolve(at, [*here.imports[name], *rest[1:]], depth + 1)
            for glob in here.globs:
                found = self.resolve(at, [*glob, name], depth + 1)
                if found is not None and name in self.modules[found].defined:
                    return found
            return at
        return at

    def _by_glob(self, user: Name) -> Iterator[tuple[list[str], int]]:
        """Yields the paths of what a module names after ``use path::*``."""
        module = self.modules[user]
        for glob in module.globs:
            if (source := self.resolve(user, glob)) is not None:
                offered = self.modules[source].defined | set(self.modules[source].imports)
                yield from (([*glob, word], 1) for word in sorted(module.words & offered))

    def uses(self) -> Iterator[Use]:
        """Yields each use of another module, those of a module's ancestors and descendants left out."""
        for user, module in self.modules.items():
            for path, line in [*module.named, *self._by_glob(user)]:
                used = self.resolve(user, path)
                if used is None or user[: len(used)] == used or used[: len(user)] == user:
                    continue
                yield Use(user, used, "::".join(path), module.file, line)


def rings(uses: list[Use]) -> Iterator[list[Use]]:
    """Yields a shortest ring of each group of modules that use each other."""
    out: dict[Name, dict[Name, Use]] = {}
    for use in uses:
        out.setdefault(use.user, {}).setdefault(use.used, use)
    seen: set[Name] = set()
    for start in sorted(out):
        if start in seen:
            continue
        ring = _shortest_ring(start, out)
        if ring:
            seen |= {use.user for use in ring}
            yield ring


def _shortest_ring(start: Name, out: dict[Name, dict[Name, Use]]) -> list[Use]:
    """Returns a shortest way from a module back to itself (breadth first); empty if there is none."""
    came: dict[Name, Use] = {}
    frontier = [start]
    while frontier and start not in came:
        reached = []
        for module in frontier:
            for used, use in out.get(module, {}).items():
                if used not in came:
                    came[used] = use
                    reached.append(used)
        frontier = reached
    ring: list[Use] = []
    at = start
    while at in came and (not ring or at != start):
        ring.insert(0, came[at])
        at = came[at].user
    return ring if start in came else []
