"""Runs killed at random moments come to the same end; `scripts/benchmark.py kill_resume` tries many more."""

import random
import subprocess
import sys

import pytest
from benchmarks import kill_resume


@pytest.mark.slow
def test_killed_runs_come_to_the_same_end(root, train_bin):
    command = [sys.executable, root / "scripts/benchmark.py", "kill_resume", "--binary", train_bin, "--runs", "2"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 of 2 runs came to the same end" in result.stdout


# A trainer that trains without end, and a second one in the same folder that does not notice.
CARELESS = """#!/bin/sh
[ -e run ] && exit 0
mkdir run
exec sleep 60
"""


@pytest.mark.parametrize("seed", range(6))
def test_a_second_process_that_trains_to_the_end_beside_the_first_is_an_error(tmp_path, monkeypatch, seed):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kill_resume, "GRACE", 0.2)
    careless = tmp_path / "careless"
    careless.write_text(CARELESS)
    careless.chmod(0o755)
    run = kill_resume.Disturbed(careless, tmp_path / "config", tmp_path / "run", 1.0, random.Random(seed))
    with pytest.raises(kill_resume.RunError, match="trained to the end while"):
        run.train(1)
    assert [process.returncode for process in run._started] == [-9, 0], "none is left"


def test_missing_trainer_is_named(root, tmp_path):
    command = [sys.executable, root / "scripts/benchmark.py", "kill_resume", "--binary", tmp_path / "absent"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert "absent" in result.stderr
