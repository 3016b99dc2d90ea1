"""Routes random circuits by the stage `twisterl` and by SABRE in the same pipeline of Qiskit's compiler, in turn.

    twisterl quantum train --map line:5 --kind routing -o MODELS/line5      # and grid:3x3
    scripts/benchmark.py routing MODELS --out benches/records/routing

Both sides run the layout and the routing stage of the preset pass manager on the same circuits with the same seeds,
after its first stage, which both share. At levels 2 and 3 of optimization, SABRE has 20 trials for the layout and 20
for each route. Every circuit is compared with what it was made of. Ratios are those of sums over all circuits of a map;
the last one is that of the times of processors, which others on the machine change less than those on the clock.
"""

import argparse
import time
from pathlib import Path
from typing import Any, NamedTuple

from qiskit.transpiler import generate_preset_pass_manager
from twisterl.quantum import coupling_of

from benchmarks.common import circuits, record
from benchmarks.common.process import BenchmarkError
from benchmarks.common.table import table

# The maps, each with the number of gates of its circuits.
MAPS = {"line:5": 50, "grid:3x3": 100, "falcon:27": 300}
SIDES = ("sabre", "twisterl")
METHODS = ("twisterl", "windows", "sabre")
COUNTS = [
    "map",
    "gates",
    "SWAPs of SABRE",
    "of twisterl",
    "ratio",
    "fewer / equal / more",
    "by models / windows / SABRE",
]
TIMES = ["ms of SABRE", "of twisterl", "ratio", "of processors"]


class Figures(NamedTuple):
    """The numbers of SWAPs, the methods and the times of one side, one a circuit."""

    swaps: list[int]
    methods: list[str]
    seconds: list[float]
    processor_seconds: list[float]


def pipeline(name: str, side: str, level: int, seed: int) -> Any:
    """Returns the stages of layout and routing."""
    manager = preset(name, side, level, seed)
    manager.init = manager.translation = manager.optimization = manager.scheduling = None
    return manager


def preset(name: str, side: str, level: int, seed: int) -> Any:
    """Returns the preset pass manager."""
    return generate_preset_pass_manager(
        optimization_level=level,
        coupling_map=coupling_of(name).to_qiskit(),
        seed_transpiler=seed,
        routing_method=side,
    )


def measure(name: str, gates: int, count: int, level: int) -> dict[str, Figures]:
    """Routes the circuits of a map by both sides in turn."""
    coupling = coupling_of(name)
    pairs = set(coupling.pairs)
    found = {side: Figures([], [], [], []) for side in SIDES}
    for seed in range(-1, count):  # the first one loads what both sides load once
        circuit = circuits.random_pairs(coupling.num_qubits, gates, max(seed, 0))
        circuit = preset(name, SIDES[0], level, 0).init.run(circuit)
        for side, figures in found.items():
            manager = pipeline(name, side, level, max(seed, 0))
            begun, processor_begun = time.perf_counter(), time.process_time()
            made = manager.run(circuit)
            spent, processor_spent = time.perf_counter() - begun, time.process_time() - processor_begun
            if not circuits.is_routed(circuit, made, pairs):
                raise BenchmarkError(f"{name}: expected a routed circuit by {side}, found another one (seed {seed})")
            if seed >= 0:
                figures.swaps.append(made.count_ops().get("swap", 0))
                figures.methods.append((manager.property_set["twisterl_routing"] or {"method": side})["method"])
                figures.seconds.append(spent)
                figures.processor_seconds.append(processor_spent)
    return found


def row(name: str, gates: int, found: dict[str, Figures]) -> list[str]:
    """Returns the row of a map."""
    sabre, ours = found["sabre"], found["twisterl"]
    count = len(sabre.swaps)
    differences = [b - a for a, b in zip(sabre.swaps, ours.swaps, strict=True)]
    split = [sum(d < 0 for d in differences), differences.count(0), sum(d > 0 for d in differences)]
    return [
        name,
        str(gates),
        f"{sum(sabre.swaps) / count:.2f}",
        f"{sum(ours.swaps) / count:.2f}",
        f"{sum(ours.swaps) / max(sum(sabre.swaps), 1):.3f}",
        " / ".join(map(str, split)),
        " / ".join(str(ours.methods.count(method)) for method in METHODS),
        f"{1000 * sum(sabre.seconds) / count:.1f}",
        f"{1000 * sum(ours.seconds) / count:.1f}",
        f"{sum(ours.seconds) / sum(sabre.seconds):.2f}",
        f"{sum(ours.processor_seconds) / sum(sabre.processor_seconds):.2f}",
    ]


def main(arguments: list[str]) -> int:
    """Measures, prints, and writes the record."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py routing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, help="folder of the models")
    parser.add_argument("--maps", nargs="+", metavar="MAP", default=list(MAPS), help="default: %(default)s")
    parser.add_argument("--gates", type=int, help="of each circuit (default: 10 a qubit, as of the maps by default)")
    parser.add_argument("--circuits", type=int, default=50, metavar="N", help="of each map (default: %(default)s)")
    parser.add_argument("--level", type=int, default=2, choices=range(4), help="of optimization (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="the record, without suffix")
    args = parser.parse_args(arguments)
    rows, results = [], dict[str, Any]()
    with circuits.models_in(args.models):
        for name in args.maps:
            gates = args.gates or MAPS.get(name, 10 * coupling_of(name).num_qubits)
            found = measure(name, gates, args.circuits, args.level)
            rows.append(row(name, gates, found))
            results[name] = {"gates": gates, **{side: figures._asdict() for side, figures in found.items()}}
    page = table([*COUNTS, *TIMES], rows)
    print(page, end="")
    if args.out:
        record.write(args.out, "routing", arguments, {"level": args.level, "maps": results}, page)
    return 0
