"""Fingerprints of run folders: everything that must not depend on when or how fast a run was made."""

import hashlib
import json
from pathlib import Path
from typing import Any

from comparison import tensors

CHECKPOINTS = ("checkpoint_last", "checkpoint_best")
# Fields of state.json that depend on the clock: seconds, and the lengths of logs that hold seconds.
CLOCK = ("elapsed", "log")
LONG = 400  # characters of JSON


def without_times(value: Any) -> Any:
    """Returns JSON without the fields called `time`, on all levels."""
    if isinstance(value, dict):
        return {key: without_times(inner) for key, inner in value.items() if key != "time"}
    if isinstance(value, list):
        return [without_times(inner) for inner in value]
    return value


def metrics(run: Path) -> list[Any]:
    """Reads the records of a run without their times."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [without_times(json.loads(line)) for line in lines]


def shortened(value: Any) -> Any:
    """Replaces lists and objects of JSON by their checksum where they are long."""
    text = json.dumps(value)
    if len(text) <= LONG:
        return value
    if isinstance(value, dict):
        return {key: shortened(inner) for key, inner in value.items()}
    return f"{len(text)} characters {hashlib.sha256(text.encode()).hexdigest()}"


def fingerprint(run: Path) -> dict[str, Any]:
    """Describes a run: checksums of the tensors of both checkpoints, their metadata and state, and all metrics.

    `metrics_sha256` also covers the order of the fields.
    """
    found: dict[str, Any] = {"tensors": {}, "metadata": {}, "state": {}}
    for checkpoint in CHECKPOINTS:
        if not (run / checkpoint).is_dir():
            continue
        for file in sorted((run / checkpoint).glob("*.safetensors")):
            described, name = tensors.describe(file), f"{checkpoint}/{file.name}"
            found["tensors"][name] = described["tensors"]
            found["metadata"][name] = described["metadata"]
        state = json.loads((run / checkpoint / "state.json").read_text(encoding="utf-8"))
        found["state"][checkpoint] = {key: shortened(value) for key, value in state.items() if key not in CLOCK}
    found["metrics"] = metrics(run)
    text = json.dumps(found["metrics"])
    found["metrics_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    return found
