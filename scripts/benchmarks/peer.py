"""Compares TwisteRL with the peer, the PyPI package ``twisterl`` 0.5.1 (Rust collection, PyTorch training).

    scripts/benchmark.py peer --setup .venv-peer          # first time: makes an environment with the peer in it
    scripts/benchmark.py peer --peer-python .venv-peer/bin/python --repeats 5
    scripts/benchmark.py peer --peer-python none --smoke  # seconds; our side alone

Both sides are measured in turn in one run, on the same cores, each several times; the record (``OUT.json``, ``OUT.md``)
gives medians and extremes. ``--what`` takes any of:

quality      seconds of training until one sampled episode solves >= 88 % of 1,000 boards scrambled by 32 random moves,
             within 64 moves. The peer trains from its own config, and its tests of the quality are off its clock;
             ours trains from our example config, with the tests on its clock
peer_config  the same, but ours too trains from the peer's config file, unchanged
learner      samples/s of one PPO update, network 81-512-256-(4, 1), batches of 1,024 and 8,192
collection   environment steps/s of PPO collection on the 8-puzzle at difficulty 32, the same network, untrained
mcts         simulations/s of MCTS, 100 simulations a move, on 100 random boards of the 8-puzzle with the peer's
             checkpoint; and, in the record, the share solved and the mean length
start        seconds from the start of the process to the end of the first iteration of training
memory       the largest resident set of a training on the 8-puzzle, MB, so many --seconds after its start
"""

import argparse
import contextlib
import json
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from benchmarks.common import machine, paths, process
from benchmarks.common import trainer as trainers
from benchmarks.common.process import PIPES, BenchmarkError
from benchmarks.common.table import table

WORKER = paths.WORKERS / "peer.py"
PACKAGE = "twisterl==0.5.1"
PARTS = ("quality", "learner", "collection", "peer_config", "mcts", "start", "memory")
THRESHOLD = 0.88
QUALITY_EVAL = {"num_episodes": 1000, "deterministic": False, "num_searches": 1, "difficulty": 32, "max_steps": 64}
TIME_TO_QUALITY = f"training to {THRESHOLD:.0%} of 32-move scrambles, s"
START = "start to the end of the first iteration, s"
MEMORY = "peak memory of training, MB"
LOWER_IS_BETTER = (TIME_TO_QUALITY, START, MEMORY)

Args = argparse.Namespace
Process = subprocess.Popen[str]
Measure = Callable[[int], dict[str, Any]]  # of a seed
Points = Generator[dict[str, Any], None, None]  # a training, an iteration each


def child(args: Args, command: list[object], **options: Any) -> contextlib.AbstractContextManager[Process]:
    """Runs ``command``; both sides get the same cores, whatever their configs ask for."""
    return process.child(command, cores=args.num_cores, **options)


def last_json(args: Args, command: list[object]) -> dict[str, Any]:
    """Runs ``command`` to its end and returns the last line of its output that is JSON."""
    with child(args, command, **PIPES) as running:
        out, err = running.communicate()
    try:
        found: dict[str, Any] = process.last_json(out)
    except BenchmarkError:
        message = err.strip()[-process.MESSAGE :] or "(nothing on stderr)"
        raise BenchmarkError(f"`{process.shown(command)}` gave no JSON line: {message}") from None
    return found


def peer_command(args: Args, measure: str, *more: object) -> list[object]:
    """Returns the command line of one measurement inside the peer's Python."""
    common = ["--config", args.peer_config, "--num-cores", args.num_cores]
    return [Path(args.peer_python), WORKER, measure, *common, *more]


def train_command(args: Args, run: Path, *more: object) -> list[object]:
    """Returns the command line of a training of ours."""
    return trainers.Trainer(args.trainer).command(args.our_config, run, *more)


def throughput(
    args: Args, what: str, key: str, *, ours: tuple[object, ...] = (), peer: tuple[object, ...] = ()
) -> dict[str, Measure]:
    """Returns both sides of a throughput; each gives the figure called ``key`` of the JSON line that it reads."""
    seconds = ["--num-cores", args.num_cores, "--seconds", max(1, round(args.seconds))]
    return {
        "ours": lambda _seed: {"value": last_json(args, [args.trainer, "bench", what, *seconds, *ours])[key]},
        "peer": lambda _seed: {
            "value": last_json(args, peer_command(args, what, "--seconds", args.seconds, *peer))[key]
        },
    }


def mcts(args: Args, scratch: Path) -> dict[str, Measure]:
    """Returns both sides of tree search on the same boards, which it writes into the folder ``scratch``."""
    boards = random_boards(4 if args.smoke else 100)
    states, policy = scratch / "boards.json", scratch / "policy.safetensors"
    process.output([args.trainer, "convert", paths.PEER_CHECKPOINT, policy, "--config", args.peer_config])
    states.write_text(json.dumps({"width": 3, "height": 3, "instances": [{"state": board} for board in boards]}))
    search = ("--num-mcts-searches", 100, "--exploration", 2**0.5, "--num-cores", args.num_cores)
    ours = [args.trainer, "evaluate", policy, "--states", states, *search, "--json"]
    peer = peer_command(args, "mcts", "--states", states, "--checkpoint", paths.PEER_CHECKPOINT)

    def our_side(_seed: int) -> dict[str, Any]:
        found = last_json(args, ours)
        rate = found["simulations_per_state"] / found["seconds_per_state"]
        return {"value": rate, "solved": found["success"], "mean_length": found["mean_length"]}

    def peer_side(_seed: int) -> dict[str, Any]:
        found = last_json(args, peer)
        return {"value": found.pop("simulations_per_second"), **found}

    return {"ours": our_side, "peer": peer_side}


def start(args: Args, scratch: Path) -> dict[str, Measure]:
    """Returns both sides of the time to the end of a first iteration."""

    def ours(seed: int) -> dict[str, Any]:
        begun = time.monotonic()
        with child(args, train_command(args, scratch / f"start-{seed}", "--num-steps", 1), **PIPES) as running:
            _, error = running.communicate()
        if running.returncode != 0:
            raise BenchmarkError(f"our trainer failed: {error.strip()[-process.MESSAGE :]}")
        return {"value": time.monotonic() - begun}

    def peer(seed: int) -> dict[str, Any]:
        begun = time.monotonic()
        with contextlib.closing(peer_points(args, seed, scratch)) as points:
            next(points)
            return {"value": time.monotonic() - begun}

    return {"ours": ours, "peer": peer}


def memory(args: Args, scratch: Path) -> dict[str, Measure]:
    """Returns both sides of the peak memory of a training."""

    def peak(command: list[object]) -> dict[str, Any]:
        largest, begun = 0, time.monotonic()
        with child(args, command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as running:
            while running.poll() is None and time.monotonic() - begun < max(args.seconds, 1.0):
                largest = max(largest, process.peak_memory(running.pid) or 0)
                time.sleep(0.02)
            if running.poll() not in (None, 0):
                message = running.stderr.read() if running.stderr else ""
                raise BenchmarkError(f"a training failed: {message.strip()[-process.MESSAGE :]}")
        if largest == 0:
            raise BenchmarkError("this system does not tell the memory of a process")
        return {"value": largest / 1e6}

    return {
        "ours": lambda seed: peak(train_command(args, scratch / f"memory-{seed}")),
        "peer": lambda seed: peak(peer_command(args, "quality", "--seed", seed)),
    }


def random_boards(count: int) -> list[list[int]]:
    """Draws solvable boards of the 8-puzzle: those with an even number of inversions, which no move makes odd."""
    boards: list[list[int]] = []
    rng = random.Random(0)
    while len(boards) < count:
        board = rng.sample(range(9), 9)
        inversions = sum(0 < later < tile for i, tile in enumerate(board) for later in board[i + 1 :])
        if inversions % 2 == 0:
            boards.append(board)
    return boards


def peer_points(args: Args, seed: int, _folder: Path) -> Points:
    """Trains the peer; yields the JSON line of every iteration."""
    first_test = ["--check-from", 1] if args.smoke else []
    with child(args, peer_command(args, "quality", "--seed", seed, *first_test), **PIPES) as running:
        yield from map(json.loads, running.stdout or ())
        message = running.stderr.read() if running.stderr else ""
        raise BenchmarkError(f"the peer's training ended: {message[-process.MESSAGE :]}")


def our_points(args: Args, config: Path, seed: int, folder: Path) -> Points:
    """Runs our trainer in ``folder``; yields the same fields out of the lines of its metrics.jsonl as they come."""
    metrics, log, partial, file = folder / "run/metrics.jsonl", folder / "log.txt", "", None
    test = f"algorithm.evals.peer_quality={json.dumps(QUALITY_EVAL)}"
    command = [args.trainer, config, "--run-path", folder / "run", "--seed", seed, "--set", test]
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(log.open("w"))
        running = stack.enter_context(child(args, command, stdout=out, stderr=out))
        ended = False
        while not ended:
            ended = running.poll() is not None  # asked before the file is read: no line is missed
            if file is None and metrics.exists():
                file = stack.enter_context(metrics.open())
            *lines, partial = (partial + (file.read() if file else "")).split("\n")
            for record in map(json.loads, lines):
                point = {name: record[name] for name in ("iteration", "env_steps", "difficulty")}
                success = record["evals"].get("peer_quality", {}).get("success")
                yield {**point, "elapsed": record["time"]["elapsed"], "success": success}
            time.sleep(0.0 if ended else 0.1)
    if running.returncode != 0 or file is None:
        message = log.read_text().strip()[-process.MESSAGE :]
        raise BenchmarkError(f"our trainer failed (exit {running.returncode}): {message}")


def time_to_quality(args: Args, points: Callable[[int, Path], Points]) -> Measure:
    """Returns a function that gives the training time of the first of ``points(seed, folder)`` that is good enough."""

    def measure(seed: int) -> dict[str, Any]:
        curve, shown = [], time.monotonic()
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-peer-")))
            for point in stack.enter_context(contextlib.closing(points(seed, folder))):
                if point["success"] is not None:
                    curve.append(point)
                    if point["success"] >= THRESHOLD:
                        return {"value": point["elapsed"], "curve": curve}
                limit = args.max_seconds if curve or not args.smoke else 60.0  # a smoke test wants one test at least
                if point["elapsed"] > limit:
                    break
                if time.monotonic() - shown > 20:
                    shown = time.monotonic()
                    print("    ", {k: round(v, 3) for k, v in point.items() if v is not None}, flush=True)
        if args.smoke and not curve:
            raise BenchmarkError("the quality was never tested")
        return {"value": None, "curve": curve}

    return measure


def plan(args: Args, scratch: Path) -> dict[str, dict[str, Measure]]:
    """Lists the measures that were asked for: {name and unit: {side: function of a seed}}."""
    measures: dict[str, dict[str, Measure]] = {}
    trainings: dict[str, Callable[[int, Path], Points]] = {}
    if "learner" in args.what:
        for size in (1024, 8192):
            sides = throughput(
                args, "learner", "samples_per_second", ours=("--minibatch", size), peer=("--batch", size)
            )
            measures[f"learner, batch {size:,}, samples/s"] = sides
    if "collection" in args.what:
        network = ("--embedding-size", 512, "--common-layers", 256)
        measures["collection, steps/s"] = throughput(args, "collection", "steps_per_second", ours=network)
    if "mcts" in args.what:
        measures["MCTS, simulations/s"] = mcts(args, scratch)
    if "start" in args.what:
        measures[START] = start(args, scratch)
    if "memory" in args.what:
        measures[MEMORY] = memory(args, scratch)
    if "quality" in args.what:
        trainings["ours"] = lambda seed, folder: our_points(args, args.our_config, seed, folder)
    if "peer_config" in args.what:
        trainings["ours, peer's config"] = lambda seed, folder: our_points(args, args.peer_config, seed, folder)
    if trainings:  # one training of the peer serves both
        trainings["peer"] = lambda seed, folder: peer_points(args, seed, folder)
        measures[TIME_TO_QUALITY] = {side: time_to_quality(args, points) for side, points in trainings.items()}
    for sides in measures.values() if args.peer_python == "none" else ():
        del sides["peer"]
    return measures


def measure_all(args: Args, measures: dict[str, dict[str, Measure]], record: dict[str, Any]) -> None:
    """Runs every side of every measure in turn, in turned order each second time; writes the record after each."""
    failed = set()  # what has failed once is not tried again
    for repeat in range(1, args.repeats + 1):
        for name, sides in measures.items():
            for side in sorted(sides, reverse=repeat % 2 == 0):
                if (name, side) in failed:
                    continue
                print(f"[{repeat}/{args.repeats}] {name}: {side} ...", flush=True)
                busy = machine.busy()
                if (busy or 0) > 0.1:
                    print(f"     warning: other work uses {busy:.0%} of this machine", flush=True)
                run = {"measure": name, "side": side, "repeat": repeat, "busy_before": busy}
                try:
                    run |= sides[side](repeat)
                except (BenchmarkError, KeyError, json.JSONDecodeError) as error:
                    failed.add((name, side))
                    reason = repr(error) if isinstance(error, KeyError) else str(error)
                    record["errors"].append(f"{name}: {side}: {reason}")
                    print(f"     failed: {reason}", flush=True)
                else:
                    record["runs"].append(run)
                    print("     not reached" if run["value"] is None else f"     {run['value']:,.4g}", flush=True)
                write(args, record)


def summarise(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Lists median and extremes by measure and side, and the speed relative to the peer; None: not reached."""
    values: dict[tuple[str, str], list[float]] = {}
    rows = []
    for run in record["runs"]:
        value = float("inf") if run["value"] is None else run["value"]
        values.setdefault((run["measure"], run["side"]), []).append(value)
    for (name, side), found in sorted(values.items()):
        median, peer = (statistics.median(v) for v in (found, values.get((name, "peer"), [float("inf")])))
        finite = float("inf") not in (median, peer)
        ratio = (peer / median if name in LOWER_IS_BETTER else median / peer) if finite else None
        shown = [None if v == float("inf") else round(v, 1 if v >= 10 else 3) for v in (median, min(found), max(found))]
        row = {"measure": name, "side": side, **dict(zip(("median", "min", "max"), shown, strict=True))}
        rows.append({**row, "runs": len(found), "speed": ratio and round(ratio, 2)})
    return rows


def write(args: Args, record: dict[str, Any]) -> str:
    """Writes OUT.json, and OUT.md with the summary as a table, which is returned."""
    record["summary"] = summarise(record)
    rows = []
    for row in record["summary"]:
        numbers = ["not reached" if row[key] is None else f"{row[key]:,}" for key in ("median", "min", "max")]
        speed = "" if row["speed"] is None else str(row["speed"])
        rows.append([row["measure"], row["side"], *numbers, str(row["runs"]), speed])
    written = f"Written by `scripts/benchmark.py peer`, {record['date']}. {record['setting']}"
    lines = [f"# TwisteRL and the peer\n\n{written}\n"]
    lines.append(table(["measure", "side", "median", "min", "max", "runs", "speed / peer's"], rows, 2).rstrip("\n"))
    lines += [""] * bool(record["errors"]) + [f"- Failed: {error.splitlines()[0]}" for error in record["errors"]]
    lines += ["\nInterrupted."] if record["interrupted"] else []
    others = max((run["busy_before"] or 0 for run in record["runs"]), default=0)
    lines += [f"\nOther work used up to {others:.0%} of the machine: not to be trusted."] if others > 0.1 else []
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
    args.out.with_suffix(".md").write_text("\n".join(lines) + "\n")
    return "\n".join(lines)


def new_record(args: Args) -> dict[str, Any]:
    """Returns a record without runs, with all that is needed to read its figures."""
    ours = process.output([args.trainer, "--version"]).strip()
    peer = last_json(args, peer_command(args, "versions")) if args.peer_python != "none" else {}
    names = " ".join(f"{name} {version}" for name, version in peer.items())
    found = machine.description()
    cpu = f"{args.num_cores} cores of {found['processor']}, {found['system']}"
    setting = f"{cpu}; ours: {ours}; peer: {names or 'not run'}."
    options = {name: getattr(args, name) for name in ("what", "repeats", "seconds", "max_seconds", "smoke")}
    empty: dict[str, Any] = {"interrupted": False, "errors": [], "summary": [], "runs": []}
    return {"date": time.strftime("%Y-%m-%d"), "setting": setting, "options": options, **empty}


def parse(arguments: list[str]) -> Args:
    """Reads and checks the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py peer", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer-python", help="the Python of an environment with the peer; `none`: only ours is run")
    parser.add_argument("--setup", type=Path, metavar="DIR", help="make an environment with the peer first, and use it")
    parser.add_argument("--what", default=",".join(PARTS), help="parts, with commas (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of one measurement of a throughput")
    parser.add_argument("--max-seconds", type=float, default=900.0, help="give up a training after so many seconds")
    parser.add_argument("--num-cores", type=int, default=2)
    trainers.add_option(parser)
    parser.add_argument("--our-config", type=Path, default=paths.EXAMPLES / "ppo_puzzle8_v1.json")
    parser.add_argument("--peer-config", type=Path, default=paths.PEER_CONFIG)
    parser.add_argument("--out", type=Path, help="the record, without suffix (default: benches/records/peer)")
    parser.add_argument("--smoke", action="store_true", help="a second or two a part, to see that all of it runs")
    args = parser.parse_args(arguments)
    args.what = [part.strip() for part in args.what.split(",")]
    if unknown := set(args.what) - set(PARTS):
        parser.error(f"--what: unknown {', '.join(sorted(unknown))}; known are {', '.join(PARTS)}")
    trainers.chosen(parser, args)
    if args.setup:
        args.peer_python = str(process.make_environment(args.setup, [PACKAGE]))
    if args.peer_python is None:
        parser.error("give --peer-python PYTHON (or `none`); --setup DIR installs the peer")
    needed = [args.our_config] if {"quality", "start", "memory"} & set(args.what) else []
    needed += [args.peer_config] if args.peer_python != "none" or "peer_config" in args.what else []
    needed += [Path(args.peer_python)] if args.peer_python != "none" else []
    for path in needed:
        if not path.exists():
            parser.error(f"{path} is missing")
    if args.smoke:
        args.repeats, args.seconds, args.max_seconds = 1, 1.0, 1.5
        args.out = args.out or Path(tempfile.mkdtemp(prefix="benchmark-peer-")) / "smoke"  # never over the record
    args.out = args.out or paths.RECORDS / "peer"
    return args


def main(arguments: list[str]) -> int:
    """Measures, writes, prints; the exit status is 1 when something failed and 130 when stopped."""
    args = parse(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        record = new_record(args)
    except KeyboardInterrupt:
        sys.exit(130)
    try:
        with tempfile.TemporaryDirectory(prefix="benchmark-peer-") as scratch:
            measure_all(args, plan(args, Path(scratch)), record)
    except KeyboardInterrupt:
        record["interrupted"] = True
    print(f"\n{write(args, record)}\n\nwritten: {args.out}.json and {args.out}.md")
    return 130 if record["interrupted"] else int(bool(record["errors"]))
