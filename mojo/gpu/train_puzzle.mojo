"""Trains like mojo/train_puzzle.mojo, but the populations of evolution strategies play on an accelerator if there is
one.

    mojo build -I mojo/src -I mojo/gpu [--target-accelerator sm_90] -o train_puzzle mojo/gpu/train_puzzle.mojo
    ./train_puzzle --config examples/es_puzzle8_v1.json

The program is built for the accelerator of this machine unless another is named.
"""

from max.gpu.host import DeviceContext

from twisterl.io.args import fail
from twisterl.trainer.program import train_program
from twisterl_gpu.es import DeviceBackend


def main():
    try:
        if DeviceContext.number_of_devices() > 0:
            print("on", DeviceContext().name())
        else:
            print("no accelerator found: on the processor")
        train_program[DeviceBackend]("train_puzzle.mojo")
    except error:
        fail(error)
