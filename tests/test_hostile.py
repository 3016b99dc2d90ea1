"""Thousands of calls with arguments of every wrong kind: an answer or an exception of the right class, never more.

The calls are made in a process of their own, so that an abort or a hang is seen for what it is.
"""

import subprocess
import sys

import pytest

CASES = 2000


@pytest.mark.slow
def test_no_argument_breaks_the_package(root):
    script = root / "tests/fuzz_package.py"
    config = root / "tests/configs/ppo_puzzle8_v1.peer.json"
    weights = root / "tests/vectors/peer/ppo_puzzle8_v1.safetensors"
    done = subprocess.run(
        [sys.executable, script, config, weights, "0", str(CASES)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    refused, _, answered, _ = done.stdout.split()
    assert int(refused) > CASES / 2
    assert int(answered) > CASES / 20


@pytest.mark.slow
def test_no_damage_to_a_pt_file_gives_other_values(root):
    done = subprocess.run(
        [sys.executable, root / "tests/fuzz_pt.py", "0", str(CASES)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    read, _, refused, _, compared, *_ = done.stdout.split()
    assert int(read) > CASES / 5
    assert int(refused) > CASES / 5
    assert int(compared) > CASES / 3
