#!/usr/bin/env python3
"""Run one benchmark, or all of them one after the other with one page of all tables.

    scripts/benchmark.py control --seeds 5                           # one; `control --help` shows its options
    scripts/benchmark.py --peer-python .venv-peer/bin/python \\
        --rivals-python .venv-rivals/bin/python --thrust benches/rivals/thrust/target/release/rival-thrust

The page shows the command of each benchmark. Comparisons run the sides alternately, and are left out if the interpreter
or binary of the other side is not given (`peer --setup` and `rivals --setup` make the environments). The machine should
be idle; all benchmarks take about an hour.
"""

import argparse
import importlib
import shlex
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import mojo
from benchmarks.common.paths import EXAMPLES, RECORDS, TRAINER
from benchmarks.common.process import BenchmarkError

BENCHMARKS = (
    "by_name",
    "compiler",
    "control",
    "es",
    "kill_resume",
    "long_run",
    "mojo",
    "peer",
    "plugins",
    "puzzle8",
    "python",
    "qiskit_gym",
    "quantum_training",
    "rivals",
    "routing",
    "scaling",
    "search",
    "spread",
)
FOLDERS = {
    "interfaces": ("compiler", "long_run", "plugins", "python", "qiskit_gym", "routing", "spread"),
    "quality": ("puzzle8", "quantum_training"),
}
Command = list[object]


def plan(args: argparse.Namespace) -> dict[str, Command]:
    """Returns the command of each part by the name of its record."""
    repeats: Command = ["--repeats", args.repeats]
    ours: Command = ["--trainer", args.trainer]

    def part(benchmark: str, record: str, *options: object) -> Command:
        return [sys.executable, Path(__file__), benchmark, *options, "--out", args.out / record]

    parts: dict[str, Command] = {"machine": [args.trainer, "benchmark", "--quiet", "--seconds", args.seconds]}
    if args.peer_python:
        peer = [*ours, *repeats, "--peer-python", args.peer_python]
        rates = "learner,collection,mcts,start,memory"
        parts["peer_throughput"] = part("peer", "peer_throughput", *peer, "--what", rates)
        parts["peer_quality"] = part("peer", "peer_quality", *peer, "--what", "quality")
    rivals = [*ours, *repeats, *(["--python", args.rivals_python] if args.rivals_python else [])]
    thrust = ["--thrust", args.thrust] if args.thrust else []
    parts["rivals_cartpole"] = part("rivals", "rivals_cartpole", *rivals, "--task", "CartPole-v1", *thrust)
    parts["rivals_pendulum"] = part("rivals", "rivals_pendulum", *rivals, "--task", "Pendulum-v1")
    rounds: Command = ["--rounds", args.repeats]
    parts["scaling"] = part("scaling", "scaling", EXAMPLES / "ppo_puzzle8_v1.json", *ours, *rounds)
    if mojo.installed_mojo():
        parts["mojo"] = part("mojo", "mojo", *rounds)
    return parts


def run(name: str, command: Command, out: Path) -> str:
    """Runs a part to its end and returns its table; a failure is shown, and ends nothing else."""
    words = [str(part) for part in command]
    print(f"\n== {name}: {shlex.join(words)}", flush=True)
    begun = time.monotonic()
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, end="")
    if done.returncode != 0:
        return f"failed with exit status {done.returncode}\n"
    if not (out / f"{name}.md").exists():
        (out / f"{name}.md").write_text(done.stdout)
    print(f"{time.monotonic() - begun:.0f} s", flush=True)
    return (out / f"{name}.md").read_text()


def all_benchmarks(arguments: list[str]) -> int:
    """Runs the parts of the page that were asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"benchmarks: {', '.join(BENCHMARKS)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", help="parts, with commas")
    parser.add_argument("--list", action="store_true", help="show the commands, and end")
    parser.add_argument("--peer-python", type=Path, help="interpreter of the environment with the peer")
    parser.add_argument("--rivals-python", type=Path, help="interpreter of the environment with the rivals")
    parser.add_argument("--thrust", type=Path, help="binary of benches/rivals/thrust")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="default: %(default)s")
    parser.add_argument("--seconds", type=int, default=60, metavar="S", help="of `machine` (default: %(default)s)")
    parser.add_argument("--trainer", type=Path, default=TRAINER)
    parser.add_argument("--out", type=Path, default=RECORDS, help="folder of the records")
    args = parser.parse_args(arguments)
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


def main() -> int:
    """Runs the benchmark that the first argument names, or all."""
    name, *rest = sys.argv[1:] or [""]
    if name not in BENCHMARKS:
        return all_benchmarks(sys.argv[1:])
    folder = next((f"benchmarks.{folder}" for folder, names in FOLDERS.items() if name in names), "benchmarks")
    benchmark = importlib.import_module(f"{folder}.{name}")
    status: int = benchmark.main(rest)
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchmarkError as error:
        sys.exit(f"benchmark.py: {error}")
