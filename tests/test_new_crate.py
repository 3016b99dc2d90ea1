"""Crates outside of this repository: the one that `new` writes, and a copy of the example."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from cli_configs import assert_refused
from tiny_runs import content


def test_new_writes_a_crate_and_overwrites_nothing(cli, root, tmp_path):
    result = cli("new", "top-spin", "--twisterl", root, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "cargo run --release -- train config.json" in result.stdout
    crate = tmp_path / "top-spin"
    manifest = tomllib.loads((crate / "Cargo.toml").read_text())
    assert manifest["dependencies"]["twisterl-plugin"] == {"path": str(root / "crates/twisterl-plugin")}
    assert "TopSpin" in (crate / "src/lib.rs").read_text()
    before = content(crate)
    assert_refused(cli("new", "top-spin", "--twisterl", root, cwd=tmp_path), "expected a new or empty folder")
    assert content(crate) == before


@pytest.mark.parametrize(
    ("args", "answers"),
    [
        (["My Env"], ["name is that of a crate", "such as my-env"]),
        (["match"], ["no word of Rust"]),
        (["crate-name", "--twisterl", "nowhere"], ["nowhere: expected a checkout of TwisteRL"]),
        (["crate-name", "--twisterl", "."], ["--twisterl: expected a checkout of TwisteRL"]),
    ],
)
def test_new_refuses_what_cannot_be_a_crate(cli, tmp_path, args, answers):
    assert_refused(cli("new", *args, cwd=tmp_path), *answers)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def outside(cli, root, tmp_path_factory) -> Path:
    """A folder with both crates, and the settings of the repository's profiles."""
    folder = tmp_path_factory.mktemp("outside")
    assert cli("new", folder / "my-env", "--twisterl", root).returncode == 0
    copied = shutil.copytree(root / "examples/grid_world", folder / "grid_world")
    manifest = copied / "Cargo.toml"
    manifest.write_text(manifest.read_text().replace("../../crates", str(root / "crates")))
    workspace = (root / "Cargo.toml").read_text()
    profiles = re.search(r"^\[profile\.dev\].*", workspace, re.MULTILINE | re.DOTALL)
    (folder / ".cargo").mkdir()
    (folder / ".cargo/config.toml").write_text(profiles.group())
    for crate in ("my-env", "grid_world"):
        shutil.copy(root / "Cargo.lock", folder / crate)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("crate", "env"), [("my-env", "MyEnv"), ("grid_world", "GridWorld")])
def test_a_crate_outside_builds_passes_its_tests_and_trains(outside, train_bin, tmp_path, crate, env):
    # Not the folder of the workspace: libraries for others than Rust, too, have no hash in their names, and one would
    # replace the other.
    built = (train_bin.parents[1] if train_bin.parent.name == "debug" else tmp_path) / "outside"
    variables = {"CARGO_TARGET_DIR": str(built), "PYO3_NO_PYTHON": "1", "PYO3_BUILD_EXTENSION_MODULE": "1"}

    def cargo(*args) -> subprocess.CompletedProcess:
        command = ["cargo", *map(str, args)]
        options = {"cwd": outside / crate, "env": {**os.environ, **variables}, "timeout": 1800, "check": False}
        result = subprocess.run(command, capture_output=True, text=True, **options)
        assert result.returncode == 0, result.stdout + result.stderr
        return result

    assert "it_keeps_the_contract ... ok" in cargo("test", "--offline").stdout
    run = tmp_path / "run"
    cargo("run", "--offline", "--", "train", "config.json", "--num-steps", 3, "--run-path", run, "--quiet")
    assert (run / "checkpoint_last").is_dir()
    assert f"{env}: keeps the contract" in cargo("run", "--offline", "--", "check", env).stdout
