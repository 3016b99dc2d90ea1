#!/usr/bin/env python3
"""Train from a config with one or several seeds, and draw the learning curves.

    scripts/run.py examples/ppo_puzzle8_v1.json
    scripts/run.py examples/ppo_puzzle8_v1.json --seeds 0-4 --set algorithm.training.ent_coef=0.02

Builds the trainer with cargo first (or takes $TWISTERL_TRAIN_BIN), shows its progress, and writes curves.png beside the
run. Seeds run one after another, since one run takes all cores. Ctrl-C saves the run and still draws what there is.
"""

import argparse
import importlib.util
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from plot import NEEDS_MATPLOTLIB, PlotError, plot

ROOT = Path(__file__).resolve().parents[1]
INTERRUPTED = 130  # the trainer's exit code after Ctrl-C


class RunError(Exception):
    """The run cannot go on; the message says why and what to do."""


def seeds(text: str) -> list[int]:
    """Read ``3``, ``0-4`` or ``0,2,5-7``."""
    found = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if not match or int(match[2] or match[1]) < int(match[1]):
            raise argparse.ArgumentTypeError(f"expected seeds such as 3 or 0-4 or 0,2,5-7, found {text!r}")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return list(dict.fromkeys(found))


def trainer() -> Path:
    """Build the trainer, unless one is named, and give the path of its binary."""
    if named := os.environ.get("TWISTERL_TRAIN_BIN"):
        if not Path(named).is_file():
            raise RunError(f"TWISTERL_TRAIN_BIN: expected a file, found none at {named}")
        return Path(named)
    if not shutil.which("cargo"):
        raise RunError("cargo not found; install Rust from https://rustup.rs, or set TWISTERL_TRAIN_BIN to a trainer")
    command = ["cargo", "build", "--release", "--package", "twisterl-train", "--bin", "twisterl-train"]
    messages = "--message-format=json-render-diagnostics"  # for the path of what was built; diagnostics go to stderr
    build = subprocess.run([*command, messages], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    built = [json.loads(line).get("executable") for line in build.stdout.splitlines() if line.startswith("{")]
    if build.returncode != 0 or not any(built):
        raise RunError(f"`{' '.join(command)}` failed; its messages are above")
    return Path([path for path in built if path][-1])


def free_folder(stem: str) -> Path:
    """Give the first of runs/STEM, runs/STEM-2, ... that does not exist."""
    names = itertools.chain([stem], (f"{stem}-{i}" for i in itertools.count(2)))
    return next(path for path in (Path("runs") / name for name in names) if not path.exists())


def launch(command: list[str]) -> int:
    """Run the trainer on this terminal. Ctrl-C reaches it directly; it saves, and ends by itself."""
    try:
        process = subprocess.Popen(command)
    except OSError as error:
        raise RunError(f"cannot run {command[0]}: {error.strerror}") from error
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, handler)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, metavar="CONFIG", help="such as examples/ppo_puzzle8_v1.json")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="K=V", help="change config fields")
    parser.add_argument("--seeds", type=seeds, metavar="0-4", help="one run a seed (default: the config's seed)")
    parser.add_argument(
        "--run-path", type=Path, metavar="DIR", help="new folder (default: runs/ and the config's name)"
    )
    parser.add_argument("--num-steps", type=int, metavar="N", help="stop after so many iterations")
    parser.add_argument("--num-cores", type=int, metavar="N", help="upper bound on threads")
    parser.add_argument("--out", type=Path, metavar="PNG", help="the picture (default: curves.png in the run's folder)")
    parser.add_argument("--no-plot", action="store_true", help="draw nothing")
    return parser.parse_args()


def main() -> int:
    """Train, then draw."""
    args = parse_args()
    if not args.no_plot and importlib.util.find_spec("matplotlib") is None:
        raise RunError(f"{NEEDS_MATPLOTLIB}, or --no-plot")  # before the training, not after it
    if not args.config.is_file():
        raise RunError(f"{args.config}: expected a config file, found none")
    command = [str(trainer()), str(args.config)]
    for flag, given in (("--num-steps", args.num_steps), ("--num-cores", args.num_cores)):
        command += [] if given is None else [flag, str(given)]
    for assignment in args.set:
        command += ["--set", assignment]

    folder = args.run_path or free_folder(args.config.stem)
    several = args.seeds is not None and len(args.seeds) > 1
    runs, code = [], 0
    for seed in args.seeds or [None]:
        run = folder / f"seed-{seed}" if several else folder
        runs.append(run)
        if several:
            print(f"-- seed {seed}", flush=True)
        code = launch([*command, "--run-path", str(run), *([] if seed is None else ["--seed", str(seed)])])
        if code != 0:
            break
    if code not in (0, INTERRUPTED):
        raise RunError(f"the trainer ended with exit code {code}; its messages are above")
    if not args.no_plot:
        out = args.out or folder / "curves.png"
        plot([run for run in runs if (run / "metrics.jsonl").is_file()], out, args.config.stem)
        print(f"learning curves: {out}")
    return code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RunError, PlotError) as error:
        sys.exit(f"run.py: {error}")
