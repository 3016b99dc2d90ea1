"""The machine that measures."""

import os
import platform
import time
from pathlib import Path


def processor() -> str:
    """Returns the model of the processor, or else its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def description() -> dict[str, object]:
    """Returns what a record says of the machine."""
    return {"processor": processor(), "cores": os.cpu_count(), "system": platform.system()}


def busy() -> float | None:
    """Measures for half a second the share of the machine that others use, 0 to 1; None where it cannot be told."""
    stat = Path("/proc/stat")

    def ticks() -> tuple[int, int]:  # of all processors: total, and idle or waiting for I/O
        fields = [int(n) for n in stat.read_text().split("\n", 1)[0].split()[1:]]
        return sum(fields), fields[3] + fields[4]

    if not stat.exists():
        return None
    before = ticks()
    time.sleep(0.5)
    total, idle = (b - a for a, b in zip(before, ticks(), strict=True))
    return round(1 - idle / max(total, 1), 3)
