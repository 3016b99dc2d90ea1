"""Compiles fifty circuits by Qiskit alone and with models, in turn, and compares their gates on two qubits.

    twisterl quantum train --map line:5 --kind clifford -o MODELS/clifford5      # and others
    scripts/benchmark.py compiler MODELS --out benches/records/compiler

The circuits are random Cliffords, permutations, Fourier transforms, Trotter steps, and layers of random gates. Sides
are optimization level 3 alone, with the optimization stage `twisterl`, and with its routing stage, too. Each circuit is
compared with the given one by Qiskit's operators, and has to use the edges of the map.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from qiskit import QuantumCircuit, transpile
from qiskit.quantum_info import Operator
from twisterl.quantum import coupling_of, two_qubit_count

from benchmarks.common import circuits, record
from benchmarks.common.process import BenchmarkError
from benchmarks.common.table import table

ALONE = "level 3"
SIDES: dict[str, dict[str, str]] = {
    ALONE: {},
    "with optimization": {"optimization_method": "twisterl"},
    "with routing, too": {"optimization_method": "twisterl", "routing_method": "twisterl"},
}
BASIS = ["cx", "rz", "sx", "x"]
HEADS = ["circuits", "number", "side", "mean gates on two qubits", "of level 3", "most more", "s a circuit"]
Results = dict[str, list[tuple[str, int, float]]]


def measure(name: str, every: int) -> Results:
    """Returns for each side the family, the gates on two qubits and the seconds of each circuit."""
    coupling = coupling_of(name)
    pairs = set(coupling.pairs)
    results: Results = {side: [] for side in SIDES}
    for number, (family, circuit) in enumerate(circuits.suite(coupling.num_qubits)):
        if number % every:
            continue
        for side, methods in SIDES.items():
            begun = time.perf_counter()
            made = transpile(
                circuit,
                coupling_map=coupling.to_qiskit(),
                basis_gates=BASIS,
                optimization_level=3,
                seed_transpiler=number,
                **methods,
            )
            spent = time.perf_counter() - begun
            places = [tuple(sorted(made.find_bit(qubit).index for qubit in each.qubits)) for each in made.data]
            wide = QuantumCircuit(made.num_qubits)
            wide.compose(circuit, range(circuit.num_qubits), inplace=True)
            if not {pair for pair in places if len(pair) == 2} <= pairs:
                raise BenchmarkError(f"circuit {number}, {family}, {side}: expected gates along the edges of the map")
            if not Operator.from_circuit(made).equiv(Operator(wide)):
                raise BenchmarkError(f"circuit {number}, {family}, {side}: expected an equivalent circuit")
            results[side].append((family, two_qubit_count(made), spent))
    return results


def rows(results: Results) -> list[list[str]]:
    """Returns a row for each side, of all circuits and of each family."""
    families = list(dict.fromkeys(family for family, _, _ in results[ALONE]))
    made = []
    for family in ["all", *families]:
        for side, figures in results.items():
            chosen = [i for i, (one, _, _) in enumerate(figures) if family in ("all", one)]
            gates = [figures[i][1] for i in chosen]
            usual = [results[ALONE][i][1] for i in chosen]
            more = max(ours - alone for ours, alone in zip(gates, usual, strict=True))
            seconds = sum(figures[i][2] for i in chosen) / len(chosen)
            shown = [f"{sum(gates) / len(gates):.2f}", f"{sum(gates) / max(sum(usual), 1):.3f}", f"{more:+d}"]
            made.append([family, str(len(chosen)), side, *shown, f"{seconds:.2f}"])
    return made


def main(arguments: list[str]) -> int:
    """Measures, prints, and writes the record."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py compiler", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, help="folder of the models")
    parser.add_argument("--map", default="line:5", help="default: %(default)s")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take each N-th circuit (default: all)")
    parser.add_argument("--out", type=Path, help="the record, without suffix")
    args = parser.parse_args(arguments)
    with circuits.models_in(args.models):
        results = measure(args.map, args.every)
    page = table(HEADS, rows(results), 3)
    print(page, end="")
    if args.out:
        data: dict[str, Any] = {"map": args.map, "sides": results}
        record.write(args.out, "compiler", arguments, data, page)
    return 0
