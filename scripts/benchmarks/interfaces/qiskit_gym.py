"""Environment steps per second of PPO on Cliffords: qiskit-gym, its Python on our crates, and our trainer, in turn.

    scripts/benchmark.py qiskit_gym --setup .venv-qiskit-gym     # first time: makes an environment with qiskit-gym
    git clone https://github.com/AI4quantum/qiskit-gym
    scripts/benchmark.py qiskit_gym --python .venv-qiskit-gym/bin/python --source qiskit-gym --repeats 5

All sides train with one config, that of qiskit-gym's defaults: the same gates, network (512-256), episodes and epochs.

qiskit-gym  the package from PyPI, on the package `twisterl` from PyPI (Rust collection, PyTorch training)
rebuilt     its Python with our package `twisterl`, and its Rust of --source built on crates/twisterl-peer
ours        twisterl-train, with our environment `Clifford`, on the config that qiskit-gym writes

`rebuilt` needs --source, cargo, and our Python package in this interpreter. Steps are those of episodes that are learnt
from. *Collection* is the playing of episodes; *training* is all of an iteration but evaluations. The first iteration
of each run does not count.
"""

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common import machine, paths, record
from benchmarks.common import trainer as trainers
from benchmarks.common.process import BenchmarkError, foreign_environment, make_environment, output
from benchmarks.common.table import table
from benchmarks.common.trainer import Trainer

WORKER = paths.WORKERS / "quantum/clifford_training.py"
PACKAGE = "qiskit-gym==0.4.2"
PEER = "qiskit-gym"
FIGURES = {"collection": "collect", "training": "total"}

Rows = list[dict[str, float]]  # an iteration each
Side = Callable[[], Rows]


def rebuild(source: Path, python: Path, folder: Path) -> Path:
    """Makes a folder of packages: ours, and qiskit-gym with its Rust built on our crates."""
    installed = importlib.util.find_spec("twisterl")
    if installed is None or installed.origin is None or not installed.submodule_search_locations:
        raise BenchmarkError(f"{sys.executable} has no package twisterl of ours; `maturin develop` makes it")
    crate = shutil.copytree(source / "rust", folder / "rust", ignore=shutil.ignore_patterns("target"))
    (crate / "Cargo.lock").unlink(missing_ok=True)  # that of the other crate
    with (crate / "Cargo.toml").open("a") as manifest:
        manifest.write(f'\n[patch.crates-io]\ntwisterl = {{ path = "{paths.ROOT / "crates/twisterl-peer"}" }}\n')
    target = paths.ROOT / "target/qiskit_gym"
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYO3_")}
    variables |= {"CARGO_TARGET_DIR": str(target), "PYO3_PYTHON": str(python)}
    output(["cargo", "build", "--release", "--quiet"], cwd=crate, env=variables)
    packages = folder / "packages"
    packages.mkdir()
    find = "import importlib.util as u; print(u.find_spec('qiskit_gym').submodule_search_locations[0])"
    theirs = Path(output([python, "-c", find], env=foreign_environment()).strip())
    copy = shutil.copytree(theirs, packages / "qiskit_gym", ignore=shutil.ignore_patterns("*_rs.*", "__pycache__"))
    libraries = ("libqiskit_gym_rs.so", "libqiskit_gym_rs.dylib", "qiskit_gym_rs.dll")
    built = next(path for name in libraries if (path := target / "release" / name).is_file())
    shutil.copy(built, copy / f"qiskit_gym_rs{'.pyd' if built.suffix == '.dll' else '.so'}")
    (packages / "twisterl").symlink_to(Path(installed.origin).parent, target_is_directory=True)
    return packages


def sides(trainer: Trainer, args: argparse.Namespace, folder: Path) -> dict[str, Side]:
    """Returns a training of each side."""
    problem: list[object] = [args.qubits, args.difficulty, args.num_cores, args.episodes]
    config = folder / "config.json"
    config.write_text(output([args.python, WORKER, "config", *problem], env=foreign_environment()))

    def theirs(env: dict[str, str]) -> Rows:
        printed = output([args.python, WORKER, "train", *problem, args.iterations + 1], env=env)
        return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]

    def ours() -> Rows:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            options = ["--num-steps", args.iterations + 1, "--num-cores", args.num_cores]
            rows = trainer.train(config, Path(scratch) / "run", *options)
        steps = [0, *(row["env_steps"] for row in rows)]
        times = [row["time"] for row in rows]
        seconds = [{"collect": time["collect"], "total": time["total"] - time["evaluate"]} for time in times]
        return [{"steps": steps[i + 1] - steps[i], **found} for i, found in enumerate(seconds)]

    found: dict[str, Side] = {PEER: lambda: theirs(foreign_environment())}
    if args.source:
        packages = rebuild(args.source, args.python, folder)
        found["rebuilt"] = lambda: theirs({**foreign_environment(), "PYTHONPATH": str(packages)})
    found["ours"] = ours
    return found


def rates(rows: Rows) -> dict[str, float]:
    """Returns the steps per second of a run, without its first iteration."""
    rows = rows[1:]
    steps = sum(row["steps"] for row in rows)
    return {figure: steps / sum(row[seconds] for row in rows) for figure, seconds in FIGURES.items()}


def page(rounds: dict[str, list[dict[str, float]]]) -> str:
    """Returns medians and ranges in Markdown; ratios are of the same round."""
    rows = []
    for figure in FIGURES:
        for side, runs in rounds.items():
            found = [run[figure] for run in runs]
            ratios = [rate / base[figure] for rate, base in zip(found, rounds[PEER], strict=True)]
            cells = [f"{statistics.median(found):,.0f} ({min(found):,.0f} to {max(found):,.0f})"]
            cells.append(f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})")
            rows.append([figure, side, *cells])
    return table(["", "side", "steps/s", "x qiskit-gym"], rows, 2)


def main(arguments: list[str]) -> int:
    """Measures, prints, and writes the record."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py qiskit_gym", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", type=Path, help="an interpreter that has qiskit-gym")
    parser.add_argument("--setup", type=Path, metavar="FOLDER", help="make an environment with qiskit-gym, and end")
    parser.add_argument("--source", type=Path, help="a checkout of qiskit-gym, for the side `rebuilt`")
    parser.add_argument("--qubits", type=int, default=6)
    parser.add_argument("--difficulty", type=int, default=8, help="gates of a scramble (default: %(default)s)")
    parser.add_argument("--episodes", type=int, default=1024, help="of an iteration (default: %(default)s)")
    parser.add_argument("--iterations", type=int, default=3, help="of a run, after the first (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--num-cores", type=int, default=2)
    parser.add_argument("--out", type=Path, help="the record, without suffix")
    trainers.add_option(parser)
    args = parser.parse_args(arguments)
    if args.setup:
        make_environment(args.setup, [PACKAGE])
        return 0
    if args.python is None:
        parser.error("give --python PYTHON; --setup FOLDER installs qiskit-gym")
    rounds: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        trainings = sides(trainers.chosen(parser, args), args, Path(folder))
        for number in range(args.repeats):
            for side in sorted(trainings, reverse=number % 2 == 1):
                busy = machine.busy()
                found = {**rates(trainings[side]()), "busy_before": busy}
                rounds.setdefault(side, []).append(found)
                print(json.dumps({"side": side, **found}), flush=True)
    print(page(rounds), end="")
    if args.out:
        record.write(args.out, "qiskit_gym", arguments, {"rounds": rounds}, page(rounds))
    return 0
