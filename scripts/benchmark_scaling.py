#!/usr/bin/env python3
"""Where the time of training goes with 1, 2, ... threads, and what that lets expect of more (Amdahl's law).

    python scripts/benchmark_scaling.py examples/ppo_puzzle8_v1.json --threads 1 2 --iterations 500 --rounds 5

Runs the config with each number of threads in turn, --rounds times, and takes from the metrics of each run the seconds
of an iteration in each phase; a figure is the median over the rounds. A phase that takes `t1` seconds with one thread
and `tn` with n has a parallel share p: `tn = t1 (1 - p + p / n)` (Amdahl 1967), estimated from the most threads
that were tried. From it follows what 8 and 64 threads would give if nothing else came in their way.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PHASES = ("collect", "targets", "update", "other")
WARM_UP = 0.2  # share of the iterations that are left out at the beginning
MORE = (8, 64)


def phases(args: argparse.Namespace, threads: int) -> dict[str, float]:
    """Seconds of an iteration by phase, of one run."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [args.trainer, args.config, "--run-path", run, "--quiet", "--num-cores", threads]
        command += ["--num-steps", args.iterations, "--set", "algorithm.logging.log_freq=1"]
        command += [part for change in args.set for part in ("--set", change)]
        done = subprocess.run([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode != 0:
            sys.exit(f"the trainer failed: {done.stderr.decode().strip()}")
        rows = [json.loads(line)["time"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    rows = rows[int(len(rows) * WARM_UP) :]
    for row in rows:
        known = sum(row[phase] for phase in PHASES[:-1])
        row["other"] = row["total"] - row["evaluate"] - known
    return {phase: statistics.fmean(row[phase] for row in rows) for phase in PHASES}


def parallel(one: float, many: float, threads: int) -> float:
    """The parallel share of what takes `one` second with one thread and `many` with several, within 0 and 1."""
    return min(1.0, max(0.0, (1 - many / one) / (1 - 1 / threads))) if one > 0 else 0.0


def table(found: dict[int, dict[str, float]]) -> str:
    """Milliseconds of an iteration by phase and threads, measured and to be expected."""
    most = max(found)
    heads = [f"{threads} thread{'s' * (threads > 1)}" for threads in found]
    lines = [
        f"| ms of an iteration | {' | '.join(heads)} | parallel | {' | '.join(f'{n} expected' for n in MORE)} |",
        "|---|" + "---:|" * (len(found) + 1 + len(MORE)),
    ]
    sums = dict.fromkeys(MORE, 0.0)
    for phase in PHASES:
        one = found[1][phase]
        share = parallel(one, found[most][phase], most)
        expected = {n: one * (1 - share + share / n) for n in MORE}
        sums = {n: sums[n] + expected[n] for n in MORE}
        cells = [f"{1e3 * row[phase]:.3f}" for row in found.values()]
        cells += [f"{share:.0%}", *(f"{1e3 * time:.3f}" for time in expected.values())]
        lines.append(f"| {phase} | {' | '.join(cells)} |")
    totals = [sum(row.values()) for row in found.values()]
    whole = parallel(totals[0], totals[-1], most)
    cells = [
        *(f"{1e3 * time:.3f}" for time in totals),
        f"{whole:.0%}",
        *(f"{1e3 * time:.3f}" for time in sums.values()),
    ]
    lines.append(f"| all | {' | '.join(cells)} |")
    speeds = [
        *(f"{totals[0] / time:.2f}" for time in totals),
        "",
        *(f"{totals[0] / time:.1f}" for time in sums.values()),
    ]
    lines.append(f"| speed-up | {' | '.join(speeds)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Runs, and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N", help="1 among them")
    parser.add_argument("--iterations", type=int, default=500, metavar="N", help="of each run (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: %(default)s")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a field of the config")
    parser.add_argument("--trainer", type=Path, default=ROOT / "target/release/twisterl-train")
    parser.add_argument("--out", type=Path, help="the record, without suffix")
    args = parser.parse_args()
    if 1 not in args.threads or max(args.threads) == 1:
        parser.error(f"--threads: expected 1 and a larger number, found {args.threads}")
    runs = {threads: [] for threads in sorted(set(args.threads))}
    for _ in range(args.rounds):
        for threads, rows in runs.items():
            rows.append(phases(args, threads))
    found = {n: {p: statistics.median(row[p] for row in rows) for p in PHASES} for n, rows in runs.items()}
    text = table(found)
    print(text, end="")
    if args.out:
        args.out.with_suffix(".md").write_text(text)
        args.out.with_suffix(".json").write_text(json.dumps({"config": args.config.name, "seconds": runs}) + "\n")


if __name__ == "__main__":
    main()
