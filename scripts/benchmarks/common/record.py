"""Records of what was measured: a file with all numbers, and one to read."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import machine


def write(out: Path, benchmark: str, arguments: Sequence[str], results: dict[str, Any], page: str) -> None:
    """Writes OUT.json, with the command and the machine, and OUT.md."""
    command = shlex.join(["python", "scripts/benchmark.py", benchmark, *arguments])
    record = {"command": command, "machine": machine.description(), **results}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
    out.with_suffix(".md").write_text(page)
