#!/usr/bin/env python3
"""Trains examples/ppo_puzzle8_v1.json with several seeds and plays every solvable board greedily.

For each seed: the share of all 181,440 boards solved, and the mean length over the optimal one, by the last checkpoint
not later than each of --marks seconds of training, and by the best policy at the end; and the peak memory of the run.
Optimal lengths come from a breadth-first search (scripts/puzzle8_optimal.py) and never reach the training.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def elapsed(checkpoint: Path) -> float | None:
    """Seconds of training at which a checkpoint was written; None while there is no whole one."""
    try:
        return json.loads((checkpoint / "state.json").read_text())["elapsed"]
    except (OSError, ValueError, KeyError):
        return None


def snapshot(checkpoint: Path, copy: Path) -> None:
    """Copies a checkpoint; one that is being replaced is left for the next time."""
    fresh = copy.with_suffix(".part")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        shutil.copytree(checkpoint, fresh)
    except (OSError, shutil.Error):
        return
    shutil.rmtree(copy, ignore_errors=True)
    fresh.rename(copy)


def peak_memory(pid: int) -> int | None:
    """The largest resident set of a process so far, in bytes, where the system tells."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), None)


def train(trainer: Path, config: Path, run: Path, seed: int, marks: list[float], extra: list[str]) -> int:
    """Runs the trainer, keeping the last checkpoint before each mark. Returns the peak memory in bytes."""
    command = [trainer, config, "--run-path", run, "--seed", seed, "--num-cores", 2, "--quiet"]
    command += ["--set", "algorithm.logging.checkpoint_seconds=0.5", *extra]
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    peak = 0
    try:
        while process.poll() is None:
            peak = peak_memory(process.pid) or peak
            now = elapsed(run / "checkpoint_last")
            for mark in marks:
                if now is not None and now <= mark:
                    snapshot(run / "checkpoint_last", run.parent / f"{run.name}-at-{mark:g}")
            time.sleep(0.1)
    except KeyboardInterrupt:
        process.kill()
        raise
    if process.returncode != 0:
        sys.exit(f"the trainer failed with exit code {process.returncode}")
    return peak


def score(trainer: Path, policy: Path, states: Path) -> dict:
    """Greedy play of all boards."""
    command = [trainer, "evaluate", policy, "--states", states, "--greedy", "--json"]
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{policy}: {result.stderr.strip()}")
    found = json.loads(result.stdout)
    solved = found["solved"] / found["count"]
    ratio = found["mean_length"] / found["mean_optimal"] if found["solved"] else None
    return {"solved": solved, "ratio": ratio}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="seeds 0 to N-1")
    parser.add_argument("--marks", type=float, nargs="*", default=[10.0, 20.0, 30.0])
    parser.add_argument("--config", type=Path, default=ROOT / "examples/ppo_puzzle8_v1.json")
    parser.add_argument("--trainer", type=Path, default=ROOT / "target/release/twisterl-train")
    parser.add_argument("--out", type=Path, default=ROOT / "benches/records/puzzle8.json")
    parser.add_argument("--smoke", action="store_true", help="one seed, a few iterations, and no record")
    arguments = parser.parse_args()
    if not arguments.trainer.is_file():
        parser.error(f"{arguments.trainer}: no such file; cargo build --release -p twisterl-train")
    extra = ["--num-steps", 20, "--set", "algorithm.collecting.num_envs=64"] if arguments.smoke else []
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        states = Path(folder) / "boards.json"
        subprocess.run([sys.executable, ROOT / "scripts/puzzle8_optimal.py", "--out", states], check=True)
        for seed in range(1 if arguments.smoke else arguments.seeds):
            run = Path(folder) / f"seed{seed}"
            peak = train(arguments.trainer, arguments.config, run, seed, arguments.marks, extra)
            last = (run / "metrics.jsonl").read_text().splitlines()[-1]
            metrics = json.loads(last)
            row = {"seed": seed, "seconds": metrics["time"]["elapsed"], "env_steps": metrics["env_steps"]}
            row["peak_memory_mb"] = peak / 2**20
            row["best"] = score(arguments.trainer, run, states)
            row["last"] = score(arguments.trainer, run / "checkpoint_last", states)
            for mark in arguments.marks:
                kept = Path(folder) / f"seed{seed}-at-{mark:g}"
                if kept.is_dir():
                    row[f"at {mark:g} s"] = score(arguments.trainer, kept, states)
            rows.append(row)
            print(json.dumps(row), flush=True)
    names = [name for name in rows[0] if isinstance(rows[0][name], dict)]
    summary = {}
    for name in names:
        solved = [row[name]["solved"] for row in rows if name in row]
        ratios = [row[name]["ratio"] for row in rows if name in row and row[name]["ratio"]]
        summary[name] = {
            "solved": {"median": statistics.median(solved), "worst": min(solved)},
            "ratio": {"median": statistics.median(ratios), "worst": max(ratios)} if ratios else None,
        }
    summary["peak_memory_mb"] = max(row["peak_memory_mb"] for row in rows)
    summary["seconds"] = {"median": statistics.median(r["seconds"] for r in rows)}
    print(json.dumps(summary, indent=2))
    if not arguments.smoke:
        command = "python scripts/benchmark_puzzle8.py " + " ".join(sys.argv[1:])
        machine = {"processor": platform.machine(), "cores": os.cpu_count()}
        record = {"command": command.strip(), "machine": machine, "summary": summary, "seeds": rows}
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(record, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
