#!/usr/bin/env python3
"""Evolution strategies distributed over processes: each plays a part of the population and sends a few kilobytes.

    python examples/es_distributed.py examples/es_cartpole_v1.json --workers 2 --iterations 20

The workers here are processes of this machine. Other machines can take part through anything that carries bytes: all
create the same ES and are told the same results, so that weights are never transferred.
"""

import argparse
import multiprocessing
import os
from multiprocessing.connection import Connection
from typing import Any

from twisterl.utils import load_config, prepare_algorithm


def work(
    connection: Connection, config: dict[str, Any], share: tuple[int, int], iterations: int, save: str | None
) -> None:
    """Play the members of `share` in each iteration, and tell the results of all."""
    es = prepare_algorithm(config)
    for _ in range(iterations):
        connection.send(es.ask_range(*share, num_cores=1))
        metrics = es.tell(connection.recv(), num_cores=1)
        connection.send({"iteration": metrics["iteration"], **metrics["rollout"]})
    if save:
        es.save(save)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--save", help="folder for a checkpoint of the end")
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    population, workers = prepare_algorithm(config).population, max(1, arguments.workers)
    context = multiprocessing.get_context("spawn")
    connections = []
    for i in range(workers):
        share = (population * i // workers, population * (i + 1) // workers)
        here, there = context.Pipe()
        save = arguments.save if i == 0 else None
        context.Process(target=work, args=(there, config, share, arguments.iterations, save), daemon=not save).start()
        there.close()  # so that a worker that dies ends this program, too
        connections.append(here)
    for _ in range(arguments.iterations):
        parts = [connection.recv() for connection in connections]
        for connection in connections:
            connection.send(parts)
        done = [connection.recv() for connection in connections]
        print(f"iteration {done[0]['iteration']}: mean reward {done[0]['reward']:.2f}, {sum(map(len, parts)):,} bytes")


if __name__ == "__main__":
    main()
