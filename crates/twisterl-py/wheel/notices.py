#!/usr/bin/env python3
"""Writes the names, versions, licences and licence texts of all crates that the wheel contains.

    crates/twisterl-py/wheel/notices.py            # writes crates/twisterl-py/wheel/THIRD_PARTY_NOTICES.txt
    crates/twisterl-py/wheel/notices.py --check    # fails if that file is out of date

Reads `cargo metadata` and the licence files beside each crate's manifest. Uses the network only if a crate of
Cargo.lock has not been downloaded yet.
"""

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
OUT = ROOT / "crates/twisterl-py/wheel/THIRD_PARTY_NOTICES.txt"
WHEEL = "twisterl-py"
# What wheels are built for: crates of other targets, such as those for JavaScript, are in none.
PLATFORMS = (
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
)
PREFIXES = ("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")
INTRODUCTION = """\
Third-party notices
===================

The compiled module of this package contains the crates below, and the standard library of Rust (MIT OR Apache-2.0,
https://github.com/rust-lang/rust). The list holds the crates of Linux, macOS and Windows; a wheel contains those of its
own. Written by crates/twisterl-py/wheel/notices.py.
"""


def metadata(platform: str) -> dict[str, Any]:
    """The dependencies of the workspace on a platform."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", platform]
    done = subprocess.run([*command, "--offline"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:  # a crate has to be downloaded first
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def linked(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The packages of others that are linked into the wheel, by id: no build scripts, macros or tests."""
    packages = {package["id"]: package for package in found["packages"]}
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    left = [id for id, package in packages.items() if package["name"] == WHEEL]
    seen: set[str] = set()
    while left:
        id = left.pop()
        if id in seen or any("proc-macro" in target["kind"] for target in packages[id]["targets"]):
            continue
        seen.add(id)
        left += [
            dependency["pkg"]
            for dependency in nodes[id]["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"])
        ]
    return {id: packages[id] for id in seen if packages[id]["source"] is not None}


def texts(package: dict[str, Any]) -> list[str]:
    """The licence texts of a crate."""
    folder = Path(package["manifest_path"]).parent
    files = [path for path in folder.iterdir() if path.name.upper().startswith(PREFIXES) and path.is_file()]
    return [clean(path.read_text(encoding="utf-8", errors="replace")) for path in sorted(files)]


def clean(text: str) -> str:
    """A text without trailing space, so that equal ones are found."""
    return "\n".join(line.rstrip() for line in text.replace("\r\n", "\n").strip("\n").split("\n"))


def notices() -> str:
    """The content of the file."""
    found = {id: package for platform in PLATFORMS for id, package in linked(metadata(platform)).items()}
    packages = sorted(found.values(), key=lambda package: (package["name"], package["version"]))
    users: dict[str, list[str]] = defaultdict(list)
    rows = []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        licence = package["license"] or "see its licence file"
        rows.append(f"{name}: {licence}, {package['repository'] or 'https://crates.io/crates/' + package['name']}")
        for text in texts(package):
            users[text].append(name)
    parts = [INTRODUCTION, "\n".join(rows) + "\n"]
    for text, names in sorted(users.items(), key=lambda item: item[1]):
        parts.append("-" * 80 + f"\nOf {', '.join(names)}:\n\n{text}\n")
    return "\n".join(parts)


def main() -> int:
    """Write or check the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only tell if the file is out of date")
    args = parser.parse_args()
    made = notices()
    if not args.check:
        OUT.write_text(made, encoding="utf-8")
    elif not OUT.is_file() or OUT.read_text(encoding="utf-8") != made:
        print(f"{OUT.relative_to(ROOT)} is out of date: run crates/twisterl-py/wheel/notices.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
