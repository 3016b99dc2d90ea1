"""Fixtures of the whole suite: the folders of the repository, and the trainer binary to test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The fixtures of bundles, which two files of tests share.
pytest_plugins = ["bundles"]
# pytest-xdist sets it, and tables would be those for a terminal.
os.environ.pop("COLUMNS", None)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def train_bin() -> Path:
    """The trainer: $TWISTERL_TRAIN_BIN (scripts/check.sh sets it), or else what cargo built last."""
    if named := os.environ.get("TWISTERL_TRAIN_BIN"):
        path = Path(named)
        assert path.is_file(), f"TWISTERL_TRAIN_BIN: expected a file, found none at {named}"
        return path
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    metadata = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    target = Path(json.loads(metadata.stdout)["target_directory"])
    built = [p for p in (target / "debug/twisterl-train", target / "release/twisterl-train") if p.is_file()]
    assert built, "no trainer binary; run `cargo build -p twisterl-train` or scripts/check.sh"
    return max(built, key=lambda path: path.stat().st_mtime)


@pytest.fixture(scope="session")
def cli(train_bin):
    """Call the trainer to its end with the given arguments, and return what it wrote (as text) and its exit code."""

    def call(*args, timeout=120, **options) -> subprocess.CompletedProcess:
        command = [train_bin, *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, **options)

    return call


@pytest.fixture
def script(root, tmp_path):
    """Run a script by name in an empty folder, against the trainer that is under test."""

    def call(
        name, *args, python=(sys.executable,), timeout=300, input=None, **environment
    ) -> subprocess.CompletedProcess:
        command = [*python, root / "scripts" / name, *map(str, args)]
        environment = {**os.environ, "MPLBACKEND": "Agg", **environment}
        options = {"cwd": tmp_path, "env": environment, "input": input, "timeout": timeout, "check": False}
        return subprocess.run(command, capture_output=True, text=True, **options)

    return call
