#!/usr/bin/env python3
"""Solves instances of known optimal length by beams of growing width: quality against nodes and seconds.

Each width solves all instances of --states with the policy of --policy, on all cores, and gives a row: the share
solved, the mean length over the optimal one, the share solved optimally, and nodes and seconds a board. `--single`
solves the first N instances one after the other as well, each on all cores, for the seconds that one user waits.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def evaluate(arguments: argparse.Namespace, search: str, states: Path) -> dict:
    """The figures of one search on `states`."""
    command = [arguments.trainer, "evaluate", arguments.policy, "--states", states, "--search", search, "--json"]
    command += arguments.extra
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{search}: {result.stderr.strip()}")
    return json.loads(result.stdout)


def row(width: int, found: dict) -> dict:
    """What a record keeps of the figures."""
    return {
        "width": width,
        "solved": found["solved"] / found["count"],
        "ratio": found["mean_length"] / found["mean_optimal"] if found["solved"] else None,
        "optimal": found["optimal_fraction"],
        "nodes": found["nodes_per_state"],
        "seconds": found["seconds_per_state"],
    }


def table(rows: list[dict]) -> str:
    """The rows in Markdown."""
    lines = ["| beam | solved | mean / optimal | optimal | nodes | seconds a board |", "|---:" * 6 + "|"]
    for r in rows:
        ratio = f"{r['ratio']:.4f}" if r["ratio"] else "-"
        cells = [f"{r['width']:,}", f"{r['solved']:.1%}", ratio, f"{r['optimal']:.1%}"]
        cells += [f"{r['nodes']:,.0f}", f"{r['seconds']:.4f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def draw(rows: list[dict], title: str, path: Path) -> None:
    """Excess length and share optimal against seconds a board."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = [r for r in rows if r["ratio"]]
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    seconds = [r["seconds"] for r in rows]
    excess = [max(100 * (r["ratio"] - 1), 1e-3) for r in rows]
    axes[0].loglog(seconds, excess, "o-")
    axes[0].set_ylabel("moves above optimal, %")
    axes[1].semilogx(seconds, [100 * r["optimal"] for r in rows], "o-")
    axes[1].set_ylabel("solved optimally, %")
    axes[1].set_ylim(-3, 103)
    for axis, values in zip(axes, [excess, [100 * r["optimal"] for r in rows]], strict=True):
        axis.set_xlabel("seconds a board")
        axis.grid(alpha=0.3, which="both")
        for r, x, y in zip(rows, seconds, values, strict=True):
            axis.annotate(f"{r['width']:,}", (x, y), textcoords="offset points", xytext=(5, 5), fontsize=8)
    figure.suptitle(title)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", type=Path, required=True, help="a run, a checkpoint, or a file of weights")
    parser.add_argument("--states", type=Path, default=ROOT / "tests/data/puzzle15_optimal.json")
    parser.add_argument("--widths", type=int, nargs="+", default=[1, 4, 16, 64, 256, 1024, 4096, 8192])
    parser.add_argument("--count", type=int, help="only the first so many instances")
    parser.add_argument("--single", type=int, default=0, metavar="N", help="also solve N instances one by one")
    parser.add_argument("--trainer", type=Path, default=ROOT / "target/release/twisterl-train")
    parser.add_argument("--out", type=Path, help="record to write, NAME.json, beside NAME.md and NAME.png")
    parser.add_argument("extra", nargs="*", help="further options of `evaluate`, after --")
    arguments = parser.parse_args()
    if not arguments.trainer.is_file():
        parser.error(f"{arguments.trainer}: no such file; cargo build --release -p twisterl-train")
    instances = json.loads(arguments.states.read_text())["instances"][: arguments.count]
    rows, single = [], []
    with tempfile.TemporaryDirectory() as folder:
        states = Path(folder) / "states.json"
        for width in arguments.widths:
            states.write_text(json.dumps({"instances": instances}))
            rows.append(row(width, evaluate(arguments, f"beam={width}", states)))
            print(json.dumps(rows[-1]), flush=True)
            found = []
            for instance in instances[: arguments.single]:
                states.write_text(json.dumps({"instances": [instance]}))
                found.append(evaluate(arguments, f"beam={width}", states)["seconds_per_state"])
            if found:
                single.append({"width": width, "mean_seconds": sum(found) / len(found), "count": len(found)})
                print(json.dumps(single[-1]), flush=True)
    if arguments.out:
        command = "python scripts/benchmark_search.py " + " ".join(sys.argv[1:])
        machine = {"processor": platform.machine(), "cores": os.cpu_count()}
        record = {"command": command, "machine": machine, "count": len(instances), "rows": rows, "single": single}
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")
        arguments.out.with_suffix(".md").write_text(table(rows))
        title = f"{len(instances)} instances of {arguments.states.stem}, by width of the beam"
        draw(rows, title, arguments.out.with_suffix(".png"))
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
