"""Configs of tiny runs, and what refusals of the command line look like."""

import copy
import json
import subprocess
from pathlib import Path

TINY = {
    "env_cls": "Puzzle",
    "env": {"width": 3, "height": 2, "difficulty": 2, "depth_slope": 2, "max_depth": 40},
    "policy": {"embedding_size": 16, "common_layers": [16], "policy_layers": [], "value_layers": []},
    "algorithm_cls": "PPO",
    "algorithm": {
        "collecting": {"num_cores": 2, "num_episodes": 32},
        "training": {"num_epochs": 2},
        "learning": {"diff_threshold": 0.5, "diff_max": 20, "diff_metric": "ppo_1"},
        "evals": {"ppo_1": {"num_episodes": 20, "deterministic": False, "num_searches": 1}},
        "logging": {"log_freq": 1, "checkpoint_freq": 2},
    },
}


def changed(path: str, value) -> dict:
    """TINY with the value at a dotted path replaced."""
    config = copy.deepcopy(TINY)
    *parents, last = path.split(".")
    place = config
    for key in parents:
        place = place.setdefault(key, {})
    place[last] = value
    return config


def write(path: Path, config) -> Path:
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    return path


def assert_refused(result: subprocess.CompletedProcess, *mentions: str) -> None:
    """An error for people: exit code 1 or 2, a message that says where, and no trace of a panic."""
    assert result.returncode in (1, 2), (result.returncode, result.stderr)
    assert "panicked" not in result.stderr
    assert "RUST_BACKTRACE" not in result.stderr
    for mention in mentions:
        assert mention in result.stderr
