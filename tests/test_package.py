"""The installed Python package."""

import importlib.metadata
import subprocess
import sys
import time
import tomllib

import pytest
import twisterl


def test_version_is_that_of_the_workspace(root):
    workspace = tomllib.loads((root / "Cargo.toml").read_text())["workspace"]
    assert twisterl.__version__ == workspace["package"]["version"]
    assert importlib.metadata.version("twisterl") == twisterl.__version__


def test_import_is_quick_and_pulls_in_no_framework():
    heavy = ("torch", "tensorflow", "jax", "numpy", "matplotlib", "gymnasium")
    script = f"import sys, twisterl; print([name for name in {heavy} if name in sys.modules])"
    begun = time.monotonic()
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "[]"
    # An import takes some 20 ms beside the interpreter's start; the bound leaves room for a busy machine.
    assert time.monotonic() - begun < 3


def test_metadata_names_licence_and_extras():
    metadata = importlib.metadata.metadata("twisterl")
    assert metadata["License-Expression"] == "Apache-2.0"
    assert {"plot", "gym", "hub", "dev"} <= set(metadata.get_all("Provides-Extra"))
    required = [r for r in importlib.metadata.requires("twisterl") or [] if "extra ==" not in r]
    assert required == ["numpy>=1.26"], "and nothing else; torch least of all"


@pytest.mark.slow
def test_stubs_agree_with_the_module():
    command = [sys.executable, "-m", "mypy.stubtest", "twisterl"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
