"""Trains a policy for a sliding puzzle.

    mojo run -I mojo/src mojo/train_puzzle.mojo --config examples/ppo_puzzle8_v1.json [--algorithm ppo|az|es]
        [--run-path FOLDER] [--num-iterations N] [--seed N]

Boards of 2 x 3, 3 x 3, 4 x 4 and 5 x 5 are compiled in; for another size add `-D HEIGHT=4 -D WIDTH=3`.
"""

from twisterl.algorithms.es.es import ThreadBackend
from twisterl.io.args import fail
from twisterl.trainer.program import train_program


def main():
    try:
        train_program[ThreadBackend]("train_puzzle.mojo")
    except error:
        fail(error)
