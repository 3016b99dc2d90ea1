"""Measures where the time of training goes with 1, 2, ... threads, and what to expect of more (Amdahl's law).

    scripts/benchmark.py scaling examples/ppo_puzzle8_v1.json --threads 1 2 --iterations 500 --rounds 5

Runs the config with each number of threads in turn, --rounds times, and takes from the metrics of each run the seconds
of an iteration in each phase; a figure is the median over the rounds. A phase that takes `t1` seconds with one thread
and `tn` with n has a parallel share p: `tn = t1 (1 - p + p / n)` (Amdahl 1967), estimated from the most threads
that were tried. From it follows what 8 and 64 threads would give if nothing else came in their way.
"""

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import record
from benchmarks.common import trainer as trainers
from benchmarks.common.table import table
from benchmarks.common.trainer import Trainer

PHASES = ("collect", "targets", "update", "other")
WARM_UP = 0.2  # share of the iterations that are left out at the beginning
MORE = (8, 64)


def phases(trainer: Trainer, config: Path, options: Sequence[object]) -> dict[str, float]:
    """Returns the seconds of an iteration by phase, of one run."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [row["time"] for row in trainer.train(config, Path(folder) / "run", *options)]
    rows = rows[int(len(rows) * WARM_UP) :]
    for row in rows:
        known = sum(row[phase] for phase in PHASES[:-1])
        row["other"] = row["total"] - row["evaluate"] - known
    return {phase: statistics.fmean(row[phase] for row in rows) for phase in PHASES}


def parallel(one: float, many: float, threads: int) -> float:
    """Returns the parallel share of what takes `one` second with one thread and `many` with several, within 0 and 1."""
    return min(1.0, max(0.0, (1 - many / one) / (1 - 1 / threads))) if one > 0 else 0.0


def page(found: dict[int, dict[str, float]]) -> str:
    """Returns the milliseconds of an iteration by phase and threads, measured and to be expected."""
    most = max(found)

    def cells(measured: Sequence[float], share: float, expected: Sequence[float]) -> list[str]:
        return [*(f"{1e3 * time:.3f}" for time in measured), f"{share:.0%}", *(f"{1e3 * t:.3f}" for t in expected)]

    rows, sums = [], dict.fromkeys(MORE, 0.0)
    for phase in PHASES:
        one = found[1][phase]
        share = parallel(one, found[most][phase], most)
        expected = {n: one * (1 - share + share / n) for n in MORE}
        sums = {n: sums[n] + expected[n] for n in MORE}
        rows.append([phase, *cells([row[phase] for row in found.values()], share, list(expected.values()))])
    totals = [sum(row.values()) for row in found.values()]
    rows.append(["all", *cells(totals, parallel(totals[0], totals[-1], most), list(sums.values()))])
    speeds = [f"{totals[0] / time:.2f}" for time in totals]
    rows.append(["speed-up", *speeds, "", *(f"{totals[0] / time:.1f}" for time in sums.values())])
    heads = [f"{threads} thread{'s' * (threads > 1)}" for threads in found]
    return table(["ms of an iteration", *heads, "parallel", *(f"{n} expected" for n in MORE)], rows)


def main(arguments: list[str]) -> int:
    """Measures, prints, and writes the record."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py scaling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N", help="1 among them")
    parser.add_argument("--iterations", type=int, default=500, metavar="N", help="of each run (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: %(default)s")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a field of the config")
    trainers.add_option(parser)
    parser.add_argument("--out", type=Path, help="the record, without suffix")
    args = parser.parse_args(arguments)
    if 1 not in args.threads or max(args.threads) == 1:
        parser.error(f"--threads: expected 1 and a larger number, found {args.threads}")
    trainer = trainers.chosen(parser, args)
    options = ["--num-steps", args.iterations, *trainers.overrides(["algorithm.logging.log_freq=1", *args.set])]
    runs: dict[int, list[dict[str, float]]] = {threads: [] for threads in sorted(set(args.threads))}
    for _ in range(args.rounds):
        for threads, rows in runs.items():
            rows.append(phases(trainer, args.config, ["--num-cores", threads, *options]))
    found = {n: {p: statistics.median(row[p] for row in rows) for p in PHASES} for n, rows in runs.items()}
    print(page(found), end="")
    if args.out:
        results = {"config": args.config.name, "seconds": runs}
        record.write(args.out, "scaling", arguments, results, page(found))
    return 0
