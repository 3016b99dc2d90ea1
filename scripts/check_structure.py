#!/usr/bin/env python3
"""Check how the sources are organised: rings between modules, sizes, openings of doc comments, places of unsafe code.

    scripts/check_structure.py              # the checks that are enforced, as scripts/check.sh runs them
    scripts/check_structure.py --all        # all checks
    scripts/check_structure.py rings docs   # some checks

The section [workspace.metadata.structure] of Cargo.toml holds the limits, and which checks are enforced:

rings       no modules of a crate use each other in a ring
order       a top-level module of a crate uses only those that come before it in the crate's list, if it has one
folders     no source folder has more than `max-entries` entries, markers and stubs of Python packages not counted
files       no source file has more than `max-file-lines` lines
functions   no function has more than `max-function-lines` lines, except after a comment `long function: REASON`
docs        no doc comment opens with What, Where, Whether, Who or How
unsafe      only the files in `unsafe` lift the lint unsafe_code
"""

import argparse
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from structure import limits
from structure.modules import Crate, Use, rings

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Sources:
    """A repository and its limits."""

    root: Path
    limits: dict[str, Any]

    @cached_property
    def files(self) -> dict[Path, str]:
        """The text of each source file."""
        folders = [self.root / folder for folder in self.limits["sources"]]
        return {path: path.read_text(encoding="utf-8") for path in limits.sources(folders)}

    @cached_property
    def uses(self) -> dict[str, list[Use]]:
        """The uses between modules, by crate."""
        sources = sorted(self.root.glob("crates/*/src/lib.rs"))
        return {lib.parent.parent.name: list(Crate(lib.parent).uses()) for lib in sources}

    def place(self, path: Path, line: int | None = None) -> str:
        """Returns ``path:line`` below the root."""
        return f"{path.relative_to(self.root)}{'' if line is None else f':{line}'}"


def check_rings(sources: Sources) -> Iterator[str]:
    """Yields a message for each ring of modules."""
    for crate, uses in sources.uses.items():
        for ring in rings(uses):
            steps = "".join(
                f"\n    {'::'.join(use.user)} uses {use.path} ({sources.place(use.file, use.line)})" for use in ring
            )
            yield f"{crate}: modules use each other in a ring:{steps}"


def check_order(sources: Sources) -> Iterator[str]:
    """Yields a message for each use that goes against the order of a crate's top-level modules."""
    for crate, order in sources.limits.get("order", {}).items():
        for use in sources.uses.get(crate, []):
            user, used = use.user[0], use.used[0]
            if unknown := {user, used} - set(order):
                yield f"Cargo.toml: workspace.metadata.structure.order.{crate} lacks {', '.join(sorted(unknown))}"
                break
            if order.index(used) > order.index(user):
                place = sources.place(use.file, use.line)
                yield f"{place}: {user} uses {use.path}, but comes before {used} in the order"


def check_folders(sources: Sources) -> Iterator[str]:
    """Yields a message for each folder with too many entries."""
    most = sources.limits["max-entries"]
    for folder in sorted({path.parent for path in sources.files}):
        inside = any(folder.is_relative_to(sources.root / name) for name in sources.limits["folders"])
        if inside and (count := len(limits.entries(folder))) > most:
            yield f"{sources.place(folder)}: has {count} entries, at most {most} are allowed"


def check_files(sources: Sources) -> Iterator[str]:
    """Yields a message for each file that is too long."""
    most = sources.limits["max-file-lines"]
    for path, text in sources.files.items():
        if (length := text.count("\n")) > most:
            yield f"{sources.place(path)}: has {length} lines, at most {most} are allowed"


def check_functions(sources: Sources) -> Iterator[str]:
    """Yields a message for each function that is too long."""
    for path, text in sources.files.items():
        for line, message in limits.long_functions(path, text, sources.limits["max-function-lines"]):
            yield f"{sources.place(path, line)}: {message}"


def check_docs(sources: Sources) -> Iterator[str]:
    """Yields a message for each doc comment that opens with a question word."""
    for path, text in sources.files.items():
        for line, message in limits.riddles(path, text):
            yield f"{sources.place(path, line)}: {message}"


def check_unsafe(sources: Sources) -> Iterator[str]:
    """Yields a message for each file that allows unsafe code without being listed, or is listed without allowing it."""
    listed = {sources.root / name for name in sources.limits["unsafe"]}
    allowing = set()
    for path, text in sources.files.items():
        for line, message in limits.unsafe_allowed(text) if path.suffix == ".rs" else ():
            allowing.add(path)
            if path not in listed:
                yield f"{sources.place(path, line)}: {message}"
    for path in sorted(listed - allowing):
        yield f"Cargo.toml: workspace.metadata.structure.unsafe lists {sources.place(path)}, which allows none"


CHECKS: dict[str, Callable[[Sources], Iterator[str]]] = {
    "rings": check_rings,
    "order": check_order,
    "folders": check_folders,
    "files": check_files,
    "functions": check_functions,
    "docs": check_docs,
    "unsafe": check_unsafe,
}


def main() -> int:
    """Runs the checks and prints what they find."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="*", metavar="CHECK", help="default: the enforced ones")
    parser.add_argument("--all", action="store_true", help="run all checks")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: this one)")
    args = parser.parse_args()
    manifest = tomllib.loads((args.root / "Cargo.toml").read_text(encoding="utf-8"))
    settings = manifest["workspace"]["metadata"]["structure"]
    chosen = list(CHECKS) if args.all else args.checks or settings["enforced"]
    if unknown := [name for name in chosen if name not in CHECKS]:
        parser.error(f"expected some of {', '.join(CHECKS)}, found {', '.join(unknown)}")
    sources = Sources(args.root.resolve(), settings)
    found = {name: list(CHECKS[name](sources)) for name in chosen}
    for messages in found.values():
        print(*messages, sep="\n", end="\n" if messages else "")
    counts = ", ".join(f"{name} {len(messages)}" for name, messages in found.items() if messages)
    print(f"{', '.join(chosen)}: {counts or 'nothing'} found")
    return int(bool(counts))


if __name__ == "__main__":
    sys.exit(main())
