"""Trains a policy for a sliding puzzle.

    mojo run -I mojo/src mojo/train_puzzle.mojo --config examples/ppo_puzzle8_v1.json [--algorithm ppo|az|es]
        [--run-path FOLDER] [--num-iterations N] [--seed N]

Boards of 2 x 3, 3 x 3, 4 x 4 and 5 x 5 are compiled in; for another size add `-D HEIGHT=4 -D WIDTH=3`.
"""

from std.sys.defines import get_defined_int

from twisterl.args import Args, fail
from twisterl.config import RunConfig, load_config
from twisterl.fields import short_name
from twisterl.trainer import Trainer

comptime HEIGHT = get_defined_int["HEIGHT", 0]()
comptime WIDTH = get_defined_int["WIDTH", 0]()
comptime USAGE = (
    "usage: train_puzzle.mojo --config FILE [--algorithm ppo|az|es] [--run-path FOLDER] [--num-iterations N] [--seed N]"
)


def main():
    try:
        run_program()
    except error:
        fail(error)


def run_program() raises:
    """All of it."""
    var args = Args(["--algorithm", "--config", "--run-path", "--num-iterations", "--seed"], USAGE)
    var path = args.get("--config", "")
    if path.byte_length() == 0 or len(args.words) > 0:
        raise Error(USAGE)
    var config = load_config(path, args.get("--algorithm", ""))
    config.num_iterations = args.whole("--num-iterations", config.num_iterations)
    config.seed = UInt64(args.whole("--seed", Int(config.seed)))
    var parts = path.split("/")
    var name = String(parts[len(parts) - 1].removesuffix(".json"))
    dispatch(config, args.get("--run-path", "runs/mojo_" + name))


def dispatch(config: RunConfig, folder: String) raises:
    """Trains on a board of the config's size."""
    comptime if HEIGHT > 0 and WIDTH > 0:
        if (config.height, config.width) == (HEIGHT, WIDTH):
            return train[HEIGHT, WIDTH](config, folder)
    else:
        if (config.height, config.width) == (2, 3):
            return train[2, 3](config, folder)
        if (config.height, config.width) == (3, 3):
            return train[3, 3](config, folder)
        if (config.height, config.width) == (4, 4):
            return train[4, 4](config, folder)
        if (config.height, config.width) == (5, 5):
            return train[5, 5](config, folder)
    raise Error(
        "env: expected a size that is compiled in, found ",
        config.height,
        " x ",
        config.width,
        "; add -D HEIGHT=",
        config.height,
        " -D WIDTH=",
        config.width,
        " after `mojo run`",
    )


def train[height: Int, width: Int](config: RunConfig, folder: String) raises:
    """Trains, and reports."""
    var trainer = Trainer[height, width](config)
    trainer.train(folder)
    print(folder, ": ", trainer.iteration, " iterations, ", trainer.steps, " steps", sep="")
