"""The tests and notebooks of the PyPI package, run unchanged with ours.

They are not part of this repository: `TWISTERL_PEER` names a checkout of it, and without one these tests are skipped.
The test of its grid world builds a Rust crate, for which pip needs a network, and runs if `TWISTERL_PEER_BUILD` is set.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PEER = Path(os.environ.get("TWISTERL_PEER", "/nonexistent"))
pytestmark = pytest.mark.skipif(not PEER.is_dir(), reason="TWISTERL_PEER does not name a checkout of the PyPI package")

# These compute gradients with PyTorch.
OF_TORCH = {"test_ppo_data_to_torch_and_train_step", "test_az_data_to_torch_and_train_step"}


def test_all_tests_pass_but_those_that_compute_gradients_with_pytorch(root, tmp_path):
    ignored = [] if "TWISTERL_PEER_BUILD" in os.environ else ["--ignore", PEER / "tests/test_custom_env_integration.py"]
    command = [sys.executable, "-m", "pytest", "-p", "plugin", "-p", "no:cacheprovider", "-v", PEER / "tests", *ignored]
    environment = {**os.environ, "PYTHONPATH": str(root / "tests/peer_suite"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*map(str, command), "--rootdir", str(PEER)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    results = dict(re.findall(r"::(test_\w+) (PASSED|FAILED|ERROR|SKIPPED)", done.stdout))
    assert {name for name, result in results.items() if result != "PASSED"} == OF_TORCH, done.stdout
    assert len(results) >= 20


@pytest.mark.parametrize("notebook", ["puzzle", "hub_puzzle_model", "grid_world/game"])
def test_notebooks_run(notebook, root, tmp_path):
    folder = tmp_path / "examples"
    shutil.copytree(PEER / "examples", folder, ignore=shutil.ignore_patterns("target"))
    cells = json.loads((folder / f"{notebook}.ipynb").read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    prelude = {
        "puzzle": "convert('ppo_puzzle8_v1.pt')",
        # In place of the download.
        "hub_puzzle_model": "convert('ppo_puzzle8_v1.pt', 'checkpoint_best.safetensors')\n"
        "shutil.copy('ppo_puzzle8_v1.json', 'base_config.json')\n"
        "twisterl.utils.HfApi = lambda: types.SimpleNamespace(list_repo_files=lambda *_, **__: os.listdir())\n"
        "twisterl.utils.snapshot_download = lambda *_, **__: '.'",
        # In place of its Rust crate.
        "grid_world/game": f"sys.path.insert(0, {str(root / 'tests/peer_suite')!r})\n"
        "import grid_world_stand_in; sys.modules['grid_world'] = grid_world_stand_in",
    }[notebook]
    script = "\n".join(
        [
            "import os, shutil, sys, types, twisterl.utils",
            "convert = twisterl.utils.convert_pt_to_safetensors",
            prelude,
            *code,
        ]
    )
    cwd = (folder / f"{notebook}.ipynb").parent
    done = subprocess.run([sys.executable, "-c", script], cwd=cwd, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    boards = re.findall(r"(?:\|[^\n]*\|\n)+", done.stdout)
    last = [int(cell or 0) for cell in re.findall(r"[^|\n]+", boards[-1].replace(" ", "0"))]
    # The puzzle is sorted; in the grid, the agent (1) stands on the goal (2).
    assert last == list(range(9)) if notebook != "grid_world/game" else (1 in last and 2 not in last)
