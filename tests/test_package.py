"""The installed Python package."""

import importlib.metadata
import os
import subprocess
import sys
import tomllib
import venv
import zipfile

import pytest
import twisterl


def test_version_is_that_of_the_workspace(root):
    workspace = tomllib.loads((root / "Cargo.toml").read_text())["workspace"]
    assert twisterl.__version__ == workspace["package"]["version"]
    assert importlib.metadata.version("twisterl") == twisterl.__version__


def test_import_is_quick_and_pulls_in_no_framework():
    heavy = ("torch", "tensorflow", "jax", "numpy", "matplotlib", "gymnasium")
    script = f"import sys, twisterl; print([name for name in {heavy} if name in sys.modules])"
    begun = os.times()
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "[]"
    # An import takes some 20 ms beside the interpreter's start; the bound leaves room for a slow machine.
    assert os.times().children_user - begun.children_user < 3


def test_metadata_names_licence_and_extras():
    metadata = importlib.metadata.metadata("twisterl")
    assert metadata["License-Expression"] == "Apache-2.0"
    assert {"plot", "gym", "hub", "dev"} <= set(metadata.get_all("Provides-Extra"))
    required = [r for r in importlib.metadata.requires("twisterl") or [] if "extra ==" not in r]
    assert required == ["numpy>=1.26"], "and nothing else; torch least of all"


def test_no_text_of_the_package_has_the_paths_of_its_build(root):
    distribution = importlib.metadata.distribution("twisterl")
    texts = [file for file in distribution.files or [] if file.suffix not in (".so", ".pyd", ".pyc")]
    assert any(file.name == "THIRD_PARTY_NOTICES.txt" for file in texts)
    for file in texts:
        # What pip writes itself knows where it is installed.
        if file.parts[0] != ".." and file.name not in ("direct_url.json", "RECORD"):
            assert os.fsencode(root) not in file.locate().read_bytes(), file


def stub_wheel(folder, name, version, requires=()):
    """Write a wheel of one empty module, with the metadata that pip decides by."""
    stem = f"{name.replace('-', '_')}-{version}"
    module, about = f"{name.replace('-', '_')}/__init__.py", f"{stem}.dist-info/"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(module, f"version = {version!r}\n")
        file.writestr(f"{about}METADATA", "\n".join(metadata) + "\n")
        file.writestr(f"{about}WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        names = [module, *(f"{about}{part}" for part in ("METADATA", "WHEEL", "RECORD"))]
        file.writestr(f"{about}RECORD", "".join(f"{name},,\n" for name in names))
    return wheel


@pytest.mark.slow
def test_pip_does_what_the_readme_says_of_the_package_of_the_same_name(root, tmp_path):
    readme = (root / "README.md").read_text()
    ours, other = twisterl.__version__, "0.5.1"
    assert f"({other}, and {ours} here)" in readme
    wheel = stub_wheel(tmp_path, "twisterl", ours)
    offered = tmp_path / "offered"
    offered.mkdir()
    stub_wheel(offered, "twisterl", other)
    stub_wheel(offered, "any-version", "1.0", ["twisterl"])
    stub_wheel(offered, "higher-version", "1.0", ["twisterl~=0.5.1"])
    constraint = tmp_path / "constraint.txt"
    constraint.write_text(f"twisterl @ {wheel.as_uri()}\n")
    venv.create(tmp_path / "venv")
    python = next((tmp_path / "venv").glob("[bS]*/python*"))

    def pip(*args):
        command = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", *args]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    def installed_after(*args, succeeds=True):
        result = pip("install", "--no-index", "--find-links", offered, *args)
        assert (result.returncode == 0) is succeeds, result.stdout + result.stderr
        (found,) = (tmp_path / "venv").glob("**/twisterl-*.dist-info")
        return found.name.removeprefix("twisterl-").removesuffix(".dist-info")

    again = ("--force-reinstall", "--no-deps", wheel)
    assert installed_after(wheel) == ours
    assert installed_after("twisterl") == ours
    assert installed_after("any-version") == ours
    assert installed_after("higher-version", "-c", constraint, succeeds=False) == ours
    assert installed_after("--no-deps", "higher-version") == ours
    assert f"higher-version 1.0 has requirement twisterl~=0.5.1, but you have twisterl {ours}" in pip("check").stdout
    pip("uninstall", "--yes", "higher-version")
    assert installed_after("higher-version") == other
    assert installed_after(*again) == ours
    assert installed_after("--upgrade", "twisterl") == other
    assert installed_after(wheel) == ours  # the lower version replaces the other at once


@pytest.mark.slow
def test_stubs_agree_with_the_module():
    command = [sys.executable, "-m", "mypy.stubtest", "twisterl"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
