#!/usr/bin/env python3
"""Runs the benchmarks one after the other and writes their records, and one page with all tables.

    python scripts/benchmark.py --peer-python .venv-peer/bin/python --rivals-python .venv-rivals/bin/python \\
        --thrust benches/rivals/thrust/target/release/rival-thrust

Each part is a script or command of its own, shown as it starts, to be run alone as well; in a part, sides take turns.
What compares with others is left out where their interpreter or binary is not given (benchmark_peer.py --setup and
benchmark_rivals.py --setup make the environments). The machine should have nothing else to do; all takes about an hour.
"""

import argparse
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def plan(args: argparse.Namespace) -> dict[str, list]:
    """The command of each part by the name of its record."""
    scripts, repeats, out = ROOT / "scripts", ["--repeats", args.repeats], args.out
    parts = {"machine": [args.trainer, "benchmark", "--quiet", "--seconds", args.seconds]}
    if args.peer_python:
        peer = [
            sys.executable,
            scripts / "benchmark_peer.py",
            "--trainer",
            args.trainer,
            "--peer-python",
            args.peer_python,
        ]
        rates = ["--what", "learner,collection,mcts,start,memory", *repeats]
        parts["peer_throughput"] = [*peer, *rates, "--out", out / "peer_throughput"]
        parts["peer_quality"] = [*peer, "--what", "quality", *repeats, "--out", out / "peer_quality"]
    rivals = [sys.executable, scripts / "benchmark_rivals.py", "--trainer", args.trainer, *repeats]
    rivals += ["--python", args.rivals_python] if args.rivals_python else []
    for task, name in (("CartPole-v1", "rivals_cartpole"), ("Pendulum-v1", "rivals_pendulum")):
        thrust = ["--thrust", args.thrust] if args.thrust and task == "CartPole-v1" else []
        parts[name] = [*rivals, "--task", task, *thrust, "--out", out / name]
    puzzle = ROOT / "examples/ppo_puzzle8_v1.json"
    scaling = [sys.executable, scripts / "benchmark_scaling.py", puzzle, "--trainer", args.trainer]
    parts["scaling"] = [*scaling, "--rounds", args.repeats, "--out", out / "scaling"]
    mojo = [sys.executable, scripts / "benchmark_mojo.py", "--rounds", args.repeats, "--out", out / "mojo.json"]
    if shutil.which("mojo") or (ROOT / ".venv/bin/mojo").exists():
        parts["mojo"] = mojo
    return parts


def run(name: str, command: list, out: Path) -> str:
    """Runs a part to its end and returns what it has to show; a failure is shown, and ends nothing else."""
    words = [str(part) for part in command]
    print(f"\n== {name}: {shlex.join(words)}", flush=True)
    begun = time.monotonic()
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="")
    if done.returncode != 0:
        return f"failed with exit status {done.returncode}\n"
    if not (out / f"{name}.md").exists():
        (out / f"{name}.md").write_text(done.stdout)
    print(f"{time.monotonic() - begun:.0f} s", flush=True)
    return (out / f"{name}.md").read_text()


def main() -> int:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="parts, with commas")
    parser.add_argument("--list", action="store_true", help="show the commands, and end")
    parser.add_argument("--peer-python", type=Path, help="interpreter of the environment with the peer")
    parser.add_argument("--rivals-python", type=Path, help="interpreter of the environment with the rivals")
    parser.add_argument("--thrust", type=Path, help="binary of benches/rivals/thrust")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--seconds", type=int, default=60, metavar="S", help="of the part `machine` (default: %(default)s)"
    )
    parser.add_argument("--trainer", type=Path, default=ROOT / "target/release/twisterl-train")
    parser.add_argument("--out", type=Path, default=ROOT / "benches/records", help="folder of the records")
    args = parser.parse_args()
    parts = plan(args)
    chosen = args.only.split(",") if args.only else list(parts)
    if unknown := set(chosen) - set(parts):
        parser.error(f"--only: expected some of {', '.join(parts)}, found {', '.join(sorted(unknown))}")
    if args.list:
        for name in chosen:
            print(f"{name}: {shlex.join(str(part) for part in parts[name])}")
        return 0
    args.out.mkdir(parents=True, exist_ok=True)
    page = ["# All benchmarks\n", f"Written by `scripts/benchmark.py`, {time.strftime('%Y-%m-%d')}.\n"]
    for name in chosen:
        (args.out / f"{name}.md").unlink(missing_ok=True)
        page.append(f"## {name}\n\n{run(name, parts[name], args.out)}")
        (args.out / "benchmark.md").write_text("\n".join(page))
    print(f"\nwritten: {args.out / 'benchmark.md'}")
    return int(any("failed with exit status" in part for part in page))


if __name__ == "__main__":
    sys.exit(main())
