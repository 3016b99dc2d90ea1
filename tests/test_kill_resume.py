"""Runs killed at random moments come to the same end; `scripts/benchmark.py kill_resume` tries many more."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_killed_runs_come_to_the_same_end(root, train_bin):
    command = [sys.executable, root / "scripts/benchmark.py", "kill_resume", "--binary", train_bin, "--runs", "2"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 of 2 runs came to the same end" in result.stdout


def test_missing_trainer_is_named(root, tmp_path):
    command = [sys.executable, root / "scripts/benchmark.py", "kill_resume", "--binary", tmp_path / "absent"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert "absent" in result.stderr
