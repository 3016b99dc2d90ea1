"""Trains a policy for a sliding puzzle.

    mojo run -I mojo/src mojo/train_puzzle.mojo --config examples/ppo_puzzle8_v1.json [--algorithm ppo|az|es]
        [--run-path FOLDER] [--num-iterations N] [--seed N]

Boards of 2 x 3, 3 x 3, 4 x 4 and 5 x 5 are compiled in; for another size add `-D HEIGHT=4 -D WIDTH=3`.
"""

from twisterl.args import Args, fail
from twisterl.config import RunConfig, load_config
from twisterl.fields import short_name
from twisterl.sizes import SizedWork, on_size
from twisterl.trainer import Trainer

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
    var work = Train(config^, args.get("--run-path", "runs/mojo_" + name))
    on_size(work, work.config.height, work.config.width)


@fieldwise_init
struct Train(SizedWork):
    """A run to be made."""

    var config: RunConfig
    var folder: String

    def on[height: Int, width: Int](mut self) raises:
        """Trains, and reports."""
        var trainer = Trainer[height, width](self.config)
        trainer.train(self.folder)
        print(self.folder, ": ", trainer.iteration, " iterations, ", trainer.steps, " steps", sep="")
