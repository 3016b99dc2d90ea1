#!/usr/bin/env python3
"""Train configs with several seeds side by side, and write a table of results and figures.

    scripts/run.py examples/ppo_puzzle8_v1.json --seeds 0-4
    scripts/run.py examples/ppo_puzzle8_v1.json examples/az_puzzle8_v1.json --seeds 0-2 --jobs 2
    scripts/run.py examples/ppo_puzzle8_v1.json --seeds 0-4 --set algorithm.training.ent_coef=0.02 \\
        --out runs/entropy --compare PPO=runs/run-ppo_puzzle8_v1/ppo_puzzle8_v1
    scripts/run.py examples/ppo_puzzle8_v1.json --seeds 0-99 --engine ray

Each run is a process of its own with its share of the cores, in OUT/CONFIG/seed-N. Ctrl-C saves and stops all of them;
the same command resumes them and skips finished ones, also after they were killed. With `--engine ray`, runs are tasks
of a Ray cluster, whose machines share the folder. Results are in OUT/results: results.csv, .md and .json, and each
figure as PNG and SVG.

Builds the trainer with cargo first, unless --binary or $TWISTERL_TRAIN_BIN names one. Figures need matplotlib:
pip install matplotlib.
"""

import argparse
import difflib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from launcher.launch import Here, Job, Launcher, RunError, Starter, failures, locked, read_json, shares
from launcher.over_ray import OverRay
from launcher.package_plotting import cli, files, plotting, terminal
from launcher.progress import Progress

ROOT = Path(__file__).resolve().parents[1]
MAX_CORES = 4096


def seeds(text: str) -> list[int]:
    """Read ``3``, ``0-4`` or ``0,2,5-7``."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if not match or int(match[2] or match[1]) < int(match[1]):
            raise argparse.ArgumentTypeError(f"expected seeds such as 3 or 0-4 or 0,2,5-7, found {text!r}")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return list(dict.fromkeys(found))


def count(text: str) -> int:
    """Read a number of at least 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return int(text)


def core_count(text: str) -> int:
    """Read a number of cores as the trainer does: 0 and -1 stand for all processors."""
    if not re.fullmatch(r"-1|[0-9]{1,4}", text) or int(text) > MAX_CORES:
        raise argparse.ArgumentTypeError(
            f"expected a whole number from -1 to {MAX_CORES} (0 and -1: all processors), found {text!r}"
        )
    return cores() if int(text) < 1 else int(text)


def assignment(text: str) -> str:
    """Check ``algorithm.training.ent_coef=0.02``."""
    if not re.fullmatch(r"[^=]+=.*", text, re.DOTALL):
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE (with configs before --set), found {text!r}")
    if text.startswith(("seed=", "num_iterations=")):
        raise argparse.ArgumentTypeError(f"{text.partition('=')[0]} has an option of its own: --seeds, --num-steps")
    return text


def engine(text: str) -> int | None:
    """Read ``processes``, ``processes:4`` or ``ray``: the number of runs at a time on this machine; None for Ray."""
    if text == "ray":
        return None
    kind, colon, number = text.partition(":")
    if kind != "processes":
        near = difflib.get_close_matches(kind, ["processes", "ray"], 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise argparse.ArgumentTypeError(f"expected processes, processes:N or ray, found {text!r}{hint}")
    return count(number) if colon else cores()


def trainer(named: Path | None) -> Path:
    """Give the path of the trainer: the one named, or else one that is built now."""
    source = "--binary"
    if named is None and (variable := os.environ.get("TWISTERL_TRAIN_BIN")):
        named, source = Path(variable), "TWISTERL_TRAIN_BIN"
    if named is not None:
        if not named.is_file():
            raise RunError(f"{source}: expected a file, found none at {named}")
        return named.resolve()
    if not shutil.which("cargo"):
        raise RunError("cargo not found; install Rust from https://rustup.rs, or give a trainer by --binary")
    command = ["cargo", "build", "--release", "--package", "twisterl-train", "--bin", "twisterl-train"]
    messages = "--message-format=json-render-diagnostics"  # for the path of what was built; diagnostics go to stderr
    build = subprocess.run([*command, messages], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    built = [json.loads(line).get("executable") for line in build.stdout.splitlines() if line.startswith("{")]
    if build.returncode != 0 or not any(built):
        raise RunError(f"`{' '.join(command)}` failed; its messages are above")
    return Path([path for path in built if path][-1])


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def recorded(folder: Path, config: dict[str, Any], args: argparse.Namespace) -> None:
    """Note what the runs in this folder are made of, or check that it is the same as before."""
    made_of = {"config": config, "set": args.set}
    path = folder / "launch.json"
    if not path.exists():
        if any(folder.glob("seed-*/config.json")):
            raise RunError(f"{folder}: holds runs that were not made by run.py; choose another --out")
        folder.mkdir(parents=True, exist_ok=True)
        files.write(path, json.dumps(made_of, indent=2) + "\n")
        return
    before = read_json(path, 2 * files.MAX_CONFIG)  # a config and more
    for key, what in (("config", "the config has changed"), ("set", f"--set was {before.get('set')}")):
        if before.get(key) != made_of[key]:
            raise RunError(f"{folder}: holds runs of something else ({what}); choose another --out, or remove it")


def plan(args: argparse.Namespace, out: Path) -> list[Job]:
    """The runs to make: each config with each seed."""
    jobs = []
    for path in args.configs:
        config = read_json(path)
        home = out / path.stem
        recorded(home, config, args)
        for seed in args.seeds or [config.get("seed", 0)]:
            start = [str(path.resolve()), "--seed", str(seed), *(part for s in args.set for part in ("--set", s))]
            jobs.append(Job(f"{path.stem} seed {seed}", home / f"seed-{seed}", start, args.num_steps))
    for job in jobs:
        job.look()
    return jobs


def logged(run: Path) -> bool:
    """Tell if a run has metrics to show."""
    path = run / "metrics.jsonl"
    return path.is_file() and path.stat().st_size > 0


def evaluate(binary: Path, jobs: Sequence[Job], states: Path, search: str) -> None:
    """Solve the states with each run's best policy, and keep the figures in the run's folder."""
    asked = {"states": str(states.resolve()), "search": search}
    for job in jobs:
        run = job.folder
        before = read_json(run / "evaluation.json", files.MAX_EVALUATION)
        if job.process is None and asked == {key: before.get(key) for key in asked}:
            continue  # not trained since
        command = [str(binary), "evaluate", str(run), "--states", str(states), "--json", "--search", search]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise RunError(f"{run}: cannot be evaluated: {result.stderr.strip()}")
        found = json.loads(result.stdout)
        if "lengths" not in found:
            raise RunError(f"{binary}: expected a trainer whose evaluate --json gives `lengths`; build a newer one")
        files.write(run / "evaluation.json", json.dumps({**asked, **found}) + "\n")


def results(args: argparse.Namespace, out: Path, jobs: Sequence[Job], figures: bool) -> None:
    """Write the table and, if asked for, the figures of the runs, and print the table."""
    groups = plotting.load_groups([*(job.folder for job in jobs), *args.compare])
    table = plotting.write_table(groups, out, args.eval, args.threshold)
    if figures:
        plotting.write_figures(groups, out, args.eval, args.formats)
    terminal.output(plotting.shown(table))
    terminal.output(f"{'table and figures' if figures else 'table'}: {terminal.escape_controls(out)}")


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = terminal.Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="+", type=Path, metavar="CONFIG", help="such as examples/ppo_puzzle8_v1.json")
    parser.add_argument(
        "--seeds", type=seeds, metavar="0-4", help="seeds, one run for each (default: the config's seed)"
    )
    parser.add_argument("--jobs", type=count, metavar="J", help="runs at a time (default: one per core)")
    parser.add_argument(
        *("--engine",), type=engine, metavar="NAME", default=0, help="processes:N (the same as --jobs N), or ray"
    )
    parser.add_argument(
        *("--num-cores",), type=core_count, metavar="N", help="cores to divide among them (default, 0 and -1: all)"
    )
    parser.add_argument(
        *("--set",), nargs="+", type=assignment, action="extend", default=[], metavar="K=V", help="change config fields"
    )
    parser.add_argument("--num-steps", type=count, metavar="N", help="iterations in all (default: the config's)")
    parser.add_argument(
        "--compare", nargs="+", default=[], metavar="[LABEL=]RUN", help="existing runs, to show as well"
    )
    parser.add_argument("--states", type=Path, metavar="FILE", help="solve these states afterwards, for the lengths")
    parser.add_argument("--search", default="greedy", metavar="METHOD", help="how to solve them (default: greedy)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for runs and results (default: runs/run-CONFIG)")
    parser.add_argument("--binary", type=Path, metavar="FILE", help="trainer to use instead of building one")
    cli.add_options(parser)
    args: argparse.Namespace = parser.parse_args()
    return args


def check(args: argparse.Namespace) -> None:
    """Find what is wrong before the training rather than after it."""
    if not args.no_plot and importlib.util.find_spec("matplotlib") is None:
        raise RunError("drawing needs matplotlib: pip install matplotlib, or --no-plot")
    for path in [*args.configs, *([args.states] if args.states else [])]:
        if not path.is_file():
            raise RunError(f"{path}: expected a file, found none")
    stems = [path.stem for path in args.configs]
    if twice := next((stem for stem in stems if stems.count(stem) > 1), None):
        raise RunError(f"expected configs of different names, found {twice} twice")
    if not 0 < args.threshold <= 1:
        raise RunError(f"--threshold: expected a share above 0, at most 1, found {args.threshold}")
    if args.engine and args.jobs and args.jobs != args.engine:
        raise RunError(
            f"--engine: expected processes:{args.jobs} with --jobs {args.jobs}, found processes:{args.engine}"
        )
    if args.compare:
        plotting.load_groups(args.compare)


def main() -> int:
    """Train, then write the results."""
    args = parse_args()
    check(args)
    binary = trainer(args.binary)
    out = args.out or Path("runs") / f"run-{'+'.join(path.stem for path in args.configs)}"
    with locked(out) as lock:
        jobs = plan(args, out)
        starter: Starter = Here(binary, lock)
        waiting = max(1, sum(job.state == "waiting" for job in jobs))
        if args.engine is None:
            over_ray = starter = OverRay(binary)
            # All wait in Ray's queue, from which clusters learn how far to grow.
            at_once = min(args.jobs or waiting, waiting)
            divided = shares(args.num_cores or over_ray.cores(), at_once)
        else:
            at_once = min(args.jobs or args.engine or args.num_cores or cores(), waiting)
            divided = shares(args.num_cores or cores(), at_once)
        launcher = Launcher(starter, jobs, divided, Progress())
        launcher.run()
        failed = failures(jobs)
        begun = [job for job in jobs if logged(job.folder)]
        if args.states and not launcher.interrupts:
            evaluate(binary, begun, args.states, args.search)
        if begun:
            results(args, out / "results", begun, figures=not args.no_plot and not launcher.interrupts)
    if failed:
        raise RunError("\n".join(["some runs failed:", *failed]))
    if launcher.interrupts:
        terminal.message("stopped; the same command goes on")
        return 128 + launcher.interrupts[0]
    return 0


def program() -> int:
    """Run, and say what is wrong."""
    try:
        return main()
    except (RunError, files.NotRegularError, plotting.PlotError) as error:
        terminal.message(f"run.py: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(terminal.run_program(program, "run.py"))
