"""Solves instances of known optimal length by beams of growing width: quality against nodes and seconds.

Each width solves all instances of --states with the policy of --policy, on all cores, and gives a row: the share
solved, the mean length over the optimal one, the share solved optimally, and nodes and seconds a board. `--single`
solves the first N instances one after the other as well, each on all cores, for the seconds that one user waits.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import paths, record
from benchmarks.common import trainer as trainers
from benchmarks.common.table import table

Rows = list[dict[str, Any]]


def row(width: int, found: dict[str, Any]) -> dict[str, Any]:
    """Returns what a record keeps of the figures of one width."""
    return {
        "width": width,
        "solved": found["solved"] / found["count"],
        "ratio": found["mean_length"] / found["mean_optimal"] if found["solved"] else None,
        "optimal": found["optimal_fraction"],
        "nodes": found["nodes_per_state"],
        "seconds": found["seconds_per_state"],
    }


def page(rows: Rows) -> str:
    """Returns the rows in Markdown."""
    cells = []
    for r in rows:
        ratio = f"{r['ratio']:.4f}" if r["ratio"] else "-"
        quality = [f"{r['width']:,}", f"{r['solved']:.1%}", ratio, f"{r['optimal']:.1%}"]
        cells.append([*quality, f"{r['nodes']:,.0f}", f"{r['seconds']:.4f}"])
    return table(["beam", "solved", "mean / optimal", "optimal", "nodes", "seconds a board"], cells, 0)


def draw(rows: Rows, title: str, path: Path) -> None:
    """Draws the excess length and the share solved optimally against seconds a board."""
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


def main(arguments: list[str]) -> int:
    """Solves, prints, and writes the record with its figure."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py search", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--policy", type=Path, required=True, help="a run, a checkpoint, or a file of weights")
    parser.add_argument("--states", type=Path, default=paths.ROOT / "tests/data/puzzle15_optimal.json")
    parser.add_argument("--widths", type=int, nargs="+", default=[1, 4, 16, 64, 256, 1024, 4096, 8192])
    parser.add_argument("--count", type=int, help="only the first so many instances")
    parser.add_argument("--single", type=int, default=0, metavar="N", help="also solve N instances one by one")
    trainers.add_option(parser)
    parser.add_argument("--out", type=Path, help="the record and its figure, without suffix")
    parser.add_argument("extra", nargs="*", help="further options of `evaluate`, after --")
    args = parser.parse_args(arguments)
    trainer = trainers.chosen(parser, args)
    instances = json.loads(args.states.read_text("utf-8-sig"))["instances"][: args.count]
    rows: Rows = []
    single: Rows = []
    with tempfile.TemporaryDirectory() as folder:

        def solve(width: int, chosen: list[Any]) -> dict[str, Any]:
            states = Path(folder) / "states.json"
            states.write_text(json.dumps({"instances": chosen}))
            return trainer.evaluate(args.policy, "--states", states, "--search", f"beam={width}", *args.extra)

        for width in args.widths:
            rows.append(row(width, solve(width, instances)))
            print(json.dumps(rows[-1]), flush=True)
            if args.single:
                times = [solve(width, [instance])["seconds_per_state"] for instance in instances[: args.single]]
                single.append({"width": width, "mean_seconds": sum(times) / len(times), "count": len(times)})
                print(json.dumps(single[-1]), flush=True)
    if args.out:
        results = {"count": len(instances), "rows": rows, "single": single}
        record.write(args.out, "search", arguments, results, page(rows))
        title = f"{len(instances)} instances of {args.states.stem}, by width of the beam"
        draw(rows, title, args.out.with_suffix(".png"))
    print(page(rows), end="")
    return 0
