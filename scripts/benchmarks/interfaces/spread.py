"""Times runs over processes beside local ones, in turn, in one go, and predicts the speed of large clusters.

    scripts/benchmark.py spread --repeats 3 --out benches/records/spread

Measures: AlphaZero on two threads and on two processes; an environment in Python that takes 1 ms a step on one process
and on two; and the time that a killed worker costs. From the time of a part it predicts the speed-up at up to 4,096
workers: each takes the next part when it has answered one, after a round trip, and the head then updates the policy.
The curve is drawn where matplotlib is installed. Needs the package in the interpreter that runs it.
"""

import argparse
import heapq
import itertools
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common import record
from benchmarks.common.table import table

SLOW_STEP = 0.001
# Of a cluster: seconds of a round trip, and bytes a second from the head to a worker.
ROUND_TRIP, BANDWIDTH = 0.0008, 1.25e9
WORKERS = (1, 4, 16, 64, 256, 1024, 4096)
SMALL = {"embedding_size": 128, "common_layers": [128]}
# Parts of 20 ms and more.
GAMES: dict[str, Any] = {
    "env_cls": "Puzzle",
    "env": {"width": 3, "height": 3, "difficulty": 30},
    "policy": SMALL,
    "algorithm_cls": "AZ",
    "algorithm": {
        "collecting": {"num_episodes": 256, "num_mcts_searches": 32},
        "training": {"num_epochs": 1},
        "evals": {},
        "learning": {"diff_start": 30, "diff_metric": "rollout"},
    },
}
SLOW: dict[str, Any] = {
    "env_cls": "slow_line.Line",
    "policy": {"embedding_size": 8, "common_layers": [8]},
    "algorithm_cls": "PPO",
    "algorithm": {
        "collecting": {"num_envs": 256, "rollout_length": 4},
        "training": {"num_epochs": 1},
        "evals": {},
        "learning": {"diff_metric": "rollout"},
    },
}
SLOW_LINE = f"""
import time

class Line:
    difficulty = 8

    def reset(self):
        self.place = 5

    def num_actions(self):
        return 2

    def obs_shape(self):
        return [16]

    def step(self, action):
        end = time.perf_counter() + {SLOW_STEP}
        self.place = max(0, min(15, self.place + (1 if action else -1)))
        while time.perf_counter() < end:
            pass

    def observe(self):
        return [self.place]

    def reward(self):
        return 1.0 if self.place == 0 else 0.0

    def is_final(self):
        return self.place == 0

    def solved(self):
        return self.place == 0
"""


def train(
    config: dict[str, Any], folder: Path, engine: Any, watch: Callable[[dict[str, Any]], Any], **options: Any
) -> None:
    """Makes a run, and calls `watch` with the metrics of each iteration."""
    import twisterl

    twisterl.train(config, folder, quiet=True, engine=engine, callback=watch, **options)


def rate(config: dict[str, Any], folder: Path, engine: Any, **options: Any) -> float:
    """Returns the steps per second of collecting, the median of all iterations but the first."""
    seen: list[tuple[int, float]] = []
    train(
        config,
        folder,
        engine,
        lambda metrics: seen.append((metrics["env_steps"], metrics["time"]["collect"])),
        **options,
    )
    rates = [(steps - before) / seconds for (before, _), (steps, seconds) in itertools.pairwise(seen)]
    return statistics.median(rates)


def lost(folder: Path, engine: Any, iterations: int) -> float:
    """Returns how much longer the iteration takes in which a worker is killed than the median of the others."""
    seconds: list[float] = []

    def kill(metrics: dict[str, Any]) -> None:
        seconds.append(metrics["time"]["collect"])
        if len(seconds) == iterations // 2:
            os.kill(engine.pids()[0], signal.SIGKILL)

    train({**GAMES, "num_iterations": iterations}, folder, engine, kill)
    return max(seconds[iterations // 2 :]) - statistics.median(seconds[1:])


def parts_of(folder: Path, engine: Any, iterations: int) -> tuple[float, float, int]:
    """Returns the seconds of a part of the games, those of an update, and the number of parts."""
    seen: list[tuple[float, float]] = []
    watch = lambda metrics: seen.append((metrics["time"]["collect"], metrics["time"]["update"]))  # noqa: E731
    train({**GAMES, "num_iterations": iterations}, folder, engine, watch)
    collects, updates = zip(*seen[1:], strict=True)
    parts = GAMES["algorithm"]["collecting"]["num_episodes"] // 16
    return statistics.median(collects) / parts, statistics.median(updates), parts


def speedup(part: float, update: float, parts: int, size: int, workers: int) -> float:
    """Returns how many times faster an iteration is with workers than on one without a network."""
    # The question goes to each worker once, as a tree: twice as many have it after each transfer.
    ready = [size / BANDWIDTH * (1 + (worker + 1).bit_length()) for worker in range(min(workers, parts))]
    heapq.heapify(ready)
    end = 0.0
    for _ in range(parts):
        done = heapq.heappop(ready) + ROUND_TRIP + part
        end = max(end, done)
        heapq.heappush(ready, done)
    return (parts * part + update) / (end + update)


def predict(part: float, update: float, parts: int, size: int) -> dict[str, dict[int, float]]:
    """Returns the speed-up by the number of workers, with as many parts as now and with more games an iteration."""
    return {
        f"{count:,} parts": {workers: speedup(part, update, count, size, workers) for workers in WORKERS}
        for count in (parts, 16 * parts, 256 * parts)
    }


def draw(curves: dict[str, dict[int, float]], out: Path) -> None:
    """Draws the prediction as OUT.png, if matplotlib is installed."""
    try:
        from matplotlib import pyplot
    except ImportError:
        print("no picture: matplotlib is not installed", file=sys.stderr)
        return
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for name, curve in curves.items():
        axes.plot(list(curve), list(curve.values()), marker="o", label=f"{name} an iteration")
    axes.plot(WORKERS, WORKERS, color="0.7", linestyle="--", label="perfect")
    axes.set(
        xscale="log", yscale="log", xlabel="workers", ylabel="speed-up of an iteration", title="Predicted, AlphaZero"
    )
    axes.legend(frameon=False)
    figure.savefig(out.with_suffix(".png"), dpi=150)
    pyplot.close(figure)


def measure(repeats: int, iterations: int, folder: Path) -> dict[str, list[float]]:
    """Returns each figure of each repeat."""
    from twisterl import spread

    found: dict[str, list[float]] = {}
    numbers = itertools.count()

    def note(name: str, value: Callable[[Path, Any], float], workers: int | None) -> None:
        engine = spread.Processes(workers) if workers else None
        try:
            found.setdefault(name, []).append(value(folder / str(next(numbers)), engine))
        finally:
            if engine is not None:
                engine.close()
        print(f"{name}: {found[name][-1]:.4g}", file=sys.stderr)

    games = {**GAMES, "num_iterations": iterations}
    slow = {**SLOW, "num_iterations": iterations}
    for _ in range(repeats):
        note("games, 2 threads", lambda path, engine: rate(games, path, engine, num_cores=2), None)
        note("games, 2 processes", lambda path, engine: rate(games, path, engine), 2)
        note("slow steps, 1 process", lambda path, engine: rate(slow, path, engine), 1)
        note("slow steps, 2 processes", lambda path, engine: rate(slow, path, engine), 2)
        note("seconds of a lost worker", lambda path, engine: lost(path, engine, max(6, iterations)), 2)
        note("seconds of a part", lambda path, engine: parts_of(path, engine, iterations)[0], 1)
        note("seconds of an update", lambda path, engine: parts_of(path, engine, iterations)[1], 1)
    return found


def page(found: dict[str, list[float]], curves: dict[str, dict[int, float]]) -> str:
    """Returns all figures in Markdown."""
    median = {name: statistics.median(values) for name, values in found.items()}
    rows = [[name, f"{median[name]:.4g}", f"{min(v):.4g} to {max(v):.4g}"] for name, v in found.items()]
    for name, one, other in [
        ("games: 2 processes of 2 threads", "games, 2 processes", "games, 2 threads"),
        ("slow steps: 2 processes of 1", "slow steps, 2 processes", "slow steps, 1 process"),
    ]:
        ratios = [a / b for a, b in zip(found[one], found[other], strict=True)]
        rows.append([name, f"{statistics.median(ratios):.2f} x", f"{min(ratios):.2f} to {max(ratios):.2f}"])
    measured = table(["what (rates: steps per second)", "median", "range"], rows)
    predicted = [[name, *(f"{value:.1f}" for value in curve.values())] for name, curve in curves.items()]
    heads = ["predicted speed-up", *(f"{workers:,} workers" for workers in WORKERS)]
    return f"{measured}\n{table(heads, predicted)}"


def main(arguments: list[str]) -> int:
    """Measures, predicts, prints, and writes the record."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py spread", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=6, help="of each run")
    parser.add_argument("--question", type=int, default=700_000, help="bytes of a question, for the prediction")
    parser.add_argument("--out", type=Path, help="the record, without suffix")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "slow_line.py").write_text(SLOW_LINE)
        sys.path.insert(0, name)
        found = measure(args.repeats, args.iterations, folder)
    part, update = (statistics.median(found[f"seconds of {what}"]) for what in ("a part", "an update"))
    curves = predict(part, update, GAMES["algorithm"]["collecting"]["num_episodes"] // 16, args.question)
    print(page(found, curves), end="")
    if args.out:
        record.write(args.out, "spread", arguments, {"measured": found, "predicted": curves}, page(found, curves))
        draw(curves, args.out)
    return 0
