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
    """Draws the quality of each width against its time and its nodes, as `compare` does."""
    from launcher.package_plotting import plotting

    results = [
        {
            "policy": "beam",
            "search": f"{r['width']:,}",
            "success": r["solved"],
            "optimal_fraction": r["optimal"],
            "relative_gap": None if r["ratio"] is None else r["ratio"] - 1,
            "seconds_per_state": r["seconds"],
            "nodes_per_state": r["nodes"],
        }
        for r in rows
    ]
    plotting.save(plotting.compare_figure(results, title), path.with_suffix(""), [path.suffix[1:]])


def title(record: dict[str, Any], states: Path) -> str:
    """Returns the title of the figure of a record."""
    return f"{record['count']:,} instances of {states.stem}, by the width of the beam"


def draw_again(path: Path, states: Path) -> None:
    """Draws the figure of a record beside it, without running anything."""
    found = json.loads(path.read_text("utf-8"))
    draw(found["rows"], title(found, states), path.with_suffix(".png"))


def main(arguments: list[str]) -> int:
    """Solves, prints, and writes the record with its figure."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py search", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--policy", type=Path, help="a run, a checkpoint, or a file of weights")
    parser.add_argument("--states", type=Path, default=paths.ROOT / "tests/data/puzzle15_optimal.json")
    parser.add_argument("--widths", type=int, nargs="+", default=[1, 4, 16, 64, 256, 1024, 4096, 8192])
    parser.add_argument("--count", type=int, help="only the first so many instances")
    parser.add_argument("--single", type=int, default=0, metavar="N", help="also solve N instances one by one")
    trainers.add_option(parser)
    parser.add_argument("--out", type=Path, help="the record and its figure, without suffix")
    parser.add_argument("--draw", type=Path, metavar="RECORD", help="only draw the figure of this record again")
    parser.add_argument("extra", nargs="*", help="further options of `evaluate`, after --")
    args = parser.parse_args(arguments)
    if args.draw:
        draw_again(args.draw, args.states)
        return 0
    if args.policy is None:
        parser.error("the following arguments are required: --policy")
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
        draw(rows, title(results, args.states), args.out.with_suffix(".png"))
    print(page(rows), end="")
    return 0
