"""Makes a long run over processes of which one is killed every few seconds, and compares it with the local run.

    scripts/benchmark.py long_run --iterations 1000 --every 5 --out benches/records/long_run

The run must end in the bytes of the local one. The record shows the memory of the head at 10 % and at 100 % of the
iterations, and how much longer the iterations take in which a worker was killed. Needs Linux, and the package in the
interpreter that runs it.
"""

import argparse
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.common import record
from benchmarks.common.table import table

CONFIG: dict[str, Any] = {
    "env_cls": "Puzzle",
    "env": {"width": 3, "height": 3, "difficulty": 10},
    "policy": {"embedding_size": 32, "common_layers": [32]},
    "algorithm": {
        "collecting": {"num_envs": 512, "rollout_length": 32},
        "training": {"num_epochs": 1},
        "evals": {"greedy": {"num_episodes": 64, "every": 50}},
        "learning": {"diff_metric": "greedy"},
        "logging": {"tensorboard": False},
    },
    "seed": 1,
}


class Killer(threading.Thread):
    """Kills one of the engine's processes every so many seconds, if it is answering."""

    def __init__(self, engine: Any, every: float) -> None:
        super().__init__(daemon=True)
        self._engine, self._every = engine, every
        self._choices, self._end = random.Random(1), threading.Event()
        self.times: list[float] = []

    def run(self) -> None:
        """Kill until it is stopped."""
        while not self._end.wait(self._every):
            pids = self._engine.pids()
            if not pids:
                continue
            try:
                os.kill(self._choices.choice(pids), signal.SIGKILL)
            except ProcessLookupError:
                continue
            self.times.append(time.monotonic())

    def stop(self) -> None:
        """End after a kill that is under way."""
        self._end.set()
        self.join()


def memory() -> int:
    """Returns the bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def result(run: Any) -> tuple[list[dict[str, Any]], bytes]:
    """Returns the metrics of a run without times, and the bytes of its last policy."""
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        row.pop("time", None)
    return rows, (run.path / "checkpoint_last" / "policy.safetensors").read_bytes()


def measure(iterations: int, every: float, workers: int, folder: Path) -> dict[str, float]:
    """Returns the figures of the record."""
    import twisterl
    from twisterl import spread

    config = {**CONFIG, "num_iterations": iterations}
    local = result(twisterl.train(config, folder / "local", quiet=True))
    seen: list[tuple[float, float, int]] = []
    engine = spread.Processes(workers)
    killer = Killer(engine, every)
    killer.start()
    try:

        def watch(metrics: dict[str, Any]) -> None:
            seen.append((time.monotonic(), metrics["time"]["total"], memory()))

        run = twisterl.train(config, folder / "spread", quiet=True, engine=engine, callback=watch)
    finally:
        killer.stop()
        engine.close()
    hit = [any(end - total <= kill <= end for kill in killer.times) for end, total, _ in seen]
    usual = statistics.median(total for _, total, _ in seen)
    lost = [total - usual for (_, total, _), was_hit in zip(seen, hit, strict=True) if was_hit] or [0.0]
    return {
        "iterations": len(seen),
        "workers killed": len(killer.times),
        "bytes of the local run": float(result(run) == local),
        "seconds of an iteration, median": usual,
        "seconds more with a killed worker, median": statistics.median(lost),
        "seconds more with a killed worker, most": max(lost),
        "MB of the head at 10 %": seen[len(seen) // 10][2] / 1e6,
        "MB of the head at 100 %": seen[-1][2] / 1e6,
    }


def main(arguments: list[str]) -> int:
    """Measures, prints, and writes the record. Fails if the bytes are not those of the local run."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py long_run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between kills")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, help="the record, without suffix")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        found = measure(args.iterations, args.every, args.workers, Path(name))
    equal = found["bytes of the local run"] == 1.0
    page = table(
        ["what", "figure"],
        [[n, ("yes" if equal else "no") if n == "bytes of the local run" else f"{v:.4g}"] for n, v in found.items()],
    )
    print(page, end="")
    if args.out:
        record.write(args.out, "long_run", arguments, found, page)
    if not equal:
        print("long_run: the run over processes differs from the local one", file=sys.stderr)
    return 0 if equal else 1
