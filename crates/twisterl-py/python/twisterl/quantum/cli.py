"""The command `twisterl quantum`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisterl.errors import TwisteRLError
from twisterl.plotting.terminal import Parser, counted, escape_controls, message, output
from twisterl.quantum.coupling import Coupling, coupling_of

KINDS = "permutation, linear_function, clifford, pauli_network or routing"
EPILOG = """\
Examples:
  %(prog)s train --map line:4 --kind linear_function --minutes 2
  %(prog)s train --map grid:2x3 --kind permutation -o models/grid6
  %(prog)s train --map line:4 --kind pauli_network --minutes 10
  %(prog)s train --map grid:3x3 --kind routing --minutes 2
  %(prog)s models
  %(prog)s models --map "0-1,1-2,2-3" --kind clifford
  %(prog)s models my_models --check
"""


def main(arguments: Sequence[str] | None = None, prog: str = "twisterl quantum") -> int:
    """Parse the command line, run the command, and return the exit code."""
    parser = _parser(prog)
    args = parser.parse_args(arguments)
    if args.command is None:
        parser.print_help()
        return 2
    try:
        return _train(args) if args.command == "train" else _models(args)
    except (TwisteRLError, ImportError) as error:
        message(f"{prog} {args.command}: {error}")
        return 1


def _train(args: argparse.Namespace) -> int:
    from twisterl.quantum.models import default_folder, train_model

    coupling, _ = _coupling(args.map)
    folder = args.output or default_folder() / f"{args.kind}_{_name(args.map)}"
    options = {"iterations": args.iterations, "minutes": args.minutes, "seed": args.seed, "run_path": args.run_path}
    model = train_model(coupling, args.kind, folder, **options, quiet=args.quiet)
    output(f"{escape_controls(folder)}: {_described(model)}")
    return 0


def _models(args: argparse.Namespace) -> int:
    from twisterl.quantum.models import Library, placement
    from twisterl.quantum.targets import model_kind_named

    library = Library(args.folder)
    wanted, numbers = (None, []) if args.map is None else _coupling(args.map)
    kind = None if args.kind is None else model_kind_named(args.kind)
    shown = 0
    failed = len(library.broken)
    for model in library:
        place = None if wanted is None else placement(model.coupling, wanted)
        if (wanted is not None and place is None) or (kind is not None and model.kind is not kind):
            continue
        shown += 1
        output(f"{escape_controls(model.name)}: {_described(model)}")
        if place is not None:
            here = ", ".join(str(numbers[qubit]) for qubit in place.places)
            output(f"  its qubits 0 to {len(numbers) - 1} are {here} of the map")
        if args.check:
            solved = _checked(model)
            failed += solved < 10
            output(f"  {solved} of 10 random targets solved, and the circuits verified")
    for path, error in library.broken:
        message(f"{escape_controls(path)}: {error}")
    if not shown:
        what = " for this map" if wanted is not None else ""
        message(f"{escape_controls(library.folder)}: no models{what}; `twisterl quantum train` makes one")
    return 1 if failed or not shown else 0


def _checked(model: Any) -> int:
    """Return how many of 10 random targets a model solves."""
    import numpy as np

    from twisterl.quantum.answers import answer
    from twisterl.quantum.compiler.routing import routes_random_circuit
    from twisterl.quantum.models.training import random_target

    solved, rng = 0, np.random.default_rng(0)
    for _ in range(10):
        if model.kind.name == "routing":
            solved += routes_random_circuit(model, rng)
            continue
        target = random_target(model, rng)
        gates = model.solve(target)
        if gates is not None:
            answer(target, gates, model.coupling)
            solved += 1
    return solved


def _described(model: Any) -> str:
    coupling, figures = model.coupling, model.figures
    edges = counted(len(coupling.pairs), "edge")
    text = f"{model.kind.name}, {counted(coupling.num_qubits, 'qubit')}, {edges}"
    if "solved" in figures:
        text += f", {100 * figures['solved']:.1f} % solved"
    if "two_qubit_gates" in figures:
        text += f", {figures['two_qubit_gates']:.2f} two-qubit gates on average"
    if "swaps_per_gate" in figures:
        text += f", {figures['swaps_per_gate']:.2f} SWAPs a gate on average"
    return text


def _coupling(text: str) -> tuple[Coupling, list[int]]:
    """Return a map from its text, a name or edges such as 7-3,3-5, and the numbers of its qubits in the text."""
    edges = [pair.strip().split("-") for pair in text.split(",")]
    if not all(len(pair) == 2 and all(part.strip().isdecimal() for part in pair) for pair in edges):
        named = coupling_of(text)
        return named, list(range(named.num_qubits))
    listed = coupling_of([(int(a), int(b)) for a, b in edges])
    numbers = sorted({qubit for edge in listed.edges for qubit in edge})
    return listed.induced(numbers), numbers


def _name(text: str) -> str:
    """Return the text of a map as the name of a folder."""
    return "".join(letter if letter.isalnum() else "_" for letter in text)[:60]


def _parser(prog: str) -> Parser:
    parser = Parser(
        prog=prog,
        description="Models of quantum circuits: train, list, check and find them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    train = commands.add_parser("train", help="train a model for a coupling map", description="Train a model.")
    train.add_argument(
        "--map",
        required=True,
        metavar="MAP",
        help="a name such as line:5, ring:5, grid:3x3, star:5, "
        "full:4, heavy-hex:3, falcon:27; or edges such as 0-1,1-2",
    )
    train.add_argument("--kind", required=True, metavar="KIND", help=f"the targets of the model: {KINDS}")
    train.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="a new folder for the model (default: one below $TWISTERL_QUANTUM_MODELS or the user's folder of models)",
    )
    train.add_argument("--minutes", type=float, metavar="N", help="time for training")
    train.add_argument("--iterations", type=int, metavar="N", help="iterations of training (default: by qubits)")
    train.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    train.add_argument("--run-path", type=Path, metavar="DIR", help="a folder for the run (default: a temporary one)")
    train.add_argument("--quiet", action="store_true", help="show no progress")
    models = commands.add_parser("models", help="list, check and find models", description="List models.")
    models.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="DIR",
        help="a folder of models (default: $TWISTERL_QUANTUM_MODELS or the user's)",
    )
    models.add_argument("--map", metavar="MAP", help="only those that fit a map, however its qubits are numbered")
    models.add_argument("--kind", metavar="KIND", help="only those of a kind")
    models.add_argument("--check", action="store_true", help="let each solve random targets")
    return parser
