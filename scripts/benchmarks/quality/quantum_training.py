"""Trains policies that synthesise circuits with several seeds, and measures them on uniformly random targets.

    scripts/benchmark.py quantum_training permutation9 clifford3 --seeds 3 --python PYTHON --out benches/records/quantum

PYTHON is an interpreter that has Qiskit, by default this one. It draws the targets, finds the fewest actions that solve
each where the group is small enough for a search of all of it, and has Qiskit's own methods make circuits for the same
targets. For each search, the table has the median and the worst seed: the share of the targets solved, the mean number
of actions of their solutions, that over the fewest possible, or else over the gates of Qiskit's method, and
milliseconds of processor time a target. The actions of Pauli networks are gates of all kinds, so that their CX are
counted instead, by the rewards.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import paths, record
from benchmarks.common import trainer as trainers
from benchmarks.common.process import foreign_environment, last_json, output
from benchmarks.common.table import table
from benchmarks.common.trainer import Trainer
from benchmarks.quality.recipes import BOTH, GREEDY, RECIPES, Method, Recipe

WORKER = paths.WORKERS / "quantum/targets.py"
SMOKE = ["num_iterations=2", "algorithm.collecting.num_walks=32"]
HEADS = ["problem", "search", "solved, worst seed", "mean", "worst", "ratio", "worst", "of", "optimal", "ms"]


def targets_of(config: dict[str, Any], count: int, seed: int, python: Path) -> dict[str, Any]:
    """Returns random targets of a config's environment, with what is known of them."""
    command = [python, WORKER, config["env_cls"], json.dumps(config["env"]), count, seed]
    found: dict[str, Any] = last_json(output(command, env=foreign_environment()))
    return found


def states_file(targets: dict[str, Any], path: Path) -> Path:
    """Writes targets as a file of states, and returns its path."""
    fewest = targets["optimal"] or [None] * len(targets["states"])
    pairs = zip(targets["states"], fewest, strict=True)
    path.write_text(json.dumps({"instances": [row({"state": s, "optimal": o}) for s, o in pairs]}))
    return path


def row(fields: dict[str, Any]) -> dict[str, Any]:
    """Returns an object without the fields that are not known."""
    return {name: value for name, value in fields.items() if value is not None}


def gates(config: dict[str, Any], found: dict[str, Any], targets: dict[str, Any]) -> float | None:
    """Returns the mean number of gates that count: actions, or the CX of Pauli networks."""
    if config["env_cls"] != "PauliNetwork" or not found["solved"]:
        mean: float | None = found["mean_length"] if found["solved"] else None
        return mean
    env = config["env"]
    rotations = statistics.fmean(state[0] for state in targets["states"])
    earned = found["success"] + env.get("pauli_layer_reward", 0.01) * rotations - found["mean_reward"]
    return float(earned / env["metrics_weights"]["n_cnots"])


def processor_seconds() -> float:
    """Returns the time that processors have spent on programs that were run and have ended."""
    times = os.times()
    return times.children_user + times.children_system


def measure(trainer: Trainer, run: Path, states: Path, methods: list[Method]) -> dict[str, Any]:
    """Returns the figures of each search with the policy of a run."""
    found = {}
    for method in methods:
        begun = processor_seconds()
        figures = trainer.evaluate(run, "--states", states, "--num-cores", 1, *method)
        figures["processor_seconds_per_state"] = (processor_seconds() - begun) / figures["count"]
        found[" ".join(method)] = figures
    return found


def train(trainer: Trainer, recipe: Recipe, run: Path, seed: int, args: argparse.Namespace) -> float:
    """Trains, and returns the seconds of processors."""
    changes = trainers.overrides([*recipe.changes, *args.set, *(SMOKE if args.smoke else [])])
    begun = processor_seconds()
    options = ["--seed", seed, "--num-cores", args.num_cores, *changes]
    trainer.train(paths.EXAMPLES / f"quantum/{recipe.config}.json", run, *options)
    return processor_seconds() - begun


def problem(trainer: Trainer, name: str, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Trains a recipe with each seed and measures it."""
    recipe = RECIPES[name]
    methods = [GREEDY, (*GREEDY, *BOTH), *recipe.methods]
    seeds: list[dict[str, Any]] = []
    targets: dict[str, Any] = {}
    config: dict[str, Any] = {}
    for seed in range(1 if args.smoke else args.seeds):
        run = args.runs / f"{name}-{seed}" if args.runs else folder / f"{name}-{seed}"
        known = (run / "config.json").is_file()
        seconds = None if known else train(trainer, recipe, run, seed, args)
        if not targets:
            config = json.loads((run / "config.json").read_text())
            if args.target_difficulty is not None:
                config["env"]["difficulty"] = args.target_difficulty
            count = args.targets or (10 if args.smoke else recipe.targets)
            targets = targets_of(config, count, args.target_seed, args.python)
            states = states_file(targets, folder / f"{name}.json")
        found = measure(trainer, run, states, methods)
        for figures in found.values():
            figures["gates"] = gates(config, figures, targets)
            figures.pop("lengths", None)
        seeds.append({"seed": seed, "processor_seconds": seconds, "found": found})
        print(json.dumps({"problem": name, **seeds[-1]}), flush=True)
    optimal = targets["optimal"] and statistics.fmean(targets["optimal"])
    return {"targets": len(targets["states"]), "optimal": optimal, "anchors": targets["anchors"], "seeds": seeds}


def lines(name: str, found: dict[str, Any]) -> list[list[str]]:
    """Returns the rows of the table for a problem."""
    if found["optimal"]:
        anchor, title = found["optimal"], "the fewest"
    else:
        title, figures = next(iter(found["anchors"].items()), ("", {"mean": float("nan")}))
        anchor = figures["mean"]
    rows = []
    for search in found["seeds"][0]["found"]:
        all_seeds = [seed["found"][search] for seed in found["seeds"]]
        means = [figures["gates"] or float("nan") for figures in all_seeds]
        middle, worst = statistics.median(means), max(means)
        cells = [f"{min(figures['success'] for figures in all_seeds):.1%}"]
        cells += [f"{mean:.3f}" for mean in (middle, worst)] + [f"{mean / anchor:.4f}" for mean in (middle, worst)]
        fractions = [figures.get("optimal_fraction") for figures in all_seeds]
        known = [fraction for fraction in fractions if fraction is not None]
        share = f"{statistics.median(known):.1%}" if known else ""
        spent = statistics.median(figures["processor_seconds_per_state"] for figures in all_seeds)
        rows.append([name, search.replace("--", ""), *cells, f"{anchor:.3f} ({title})", share, f"{1000 * spent:.2f}"])
    return rows


def main(arguments: list[str]) -> int:
    """Trains, measures, prints, and writes the record."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py quantum_training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("problems", nargs="*", metavar="PROBLEM", help=f"all by default: {', '.join(RECIPES)}")
    parser.add_argument("--seeds", type=int, default=3, help="seeds 0 to N-1")
    parser.add_argument("--targets", type=int, help="their number (default: that of the recipe)")
    parser.add_argument("--target-seed", type=int, default=0)
    parser.add_argument("--target-difficulty", type=int, help="rotations of evolutions (default: as in training)")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="an interpreter that has Qiskit")
    parser.add_argument("--num-cores", type=int, default=2, help="of training")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="change the configs")
    parser.add_argument("--runs", type=Path, help="folder of runs: those in it are measured, others trained into it")
    trainers.add_option(parser)
    parser.add_argument("--out", type=Path, help="the record, without suffix")
    parser.add_argument("--smoke", action="store_true", help="one seed and a few iterations")
    args = parser.parse_args(arguments)
    if unknown := set(args.problems) - set(RECIPES):
        parser.error(f"expected some of {', '.join(RECIPES)}, found {', '.join(sorted(unknown))}")
    trainer = trainers.chosen(parser, args)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in args.problems or RECIPES:
            found[name] = problem(trainer, name, args, Path(folder))
    page = table(HEADS, [line for name in found for line in lines(name, found[name])], 2)
    print(page, end="")
    if args.out:
        record.write(args.out, "quantum_training", arguments, {"problems": found}, page)
    return 0
