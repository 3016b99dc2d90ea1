"""The training program: command line arguments and the run that they ask for."""

from std.sys import stderr

from ..algorithms.es.es import PopulationBackend
from ..config.context import algorithm_name
from ..config.run_config import Overrides, RunConfig, load_config
from ..env.board_sizes import SizedTask, run_for_size
from ..io.args import Args
from .trainer import Trainer


def train_program[B: PopulationBackend](name: String) raises:
    """Runs the program `name`. `B` plays the populations of evolution strategies."""
    var usage = String(
        "usage: ",
        name,
        " --config FILE [--algorithm ppo|az|es] [--run-path FOLDER] [--num-iterations N] [--seed N]",
    )
    var args = Args(["--algorithm", "--config", "--run-path", "--num-iterations", "--seed"], usage)
    var path = args.get("--config", "")
    if path.byte_length() == 0 or len(args.positional) > 0:
        raise Error(usage)
    var overrides = Overrides(
        algorithm=args.get("--algorithm", ""),
        num_iterations=args.integer("--num-iterations", -1),
        seed=args.unsigned("--seed"),
    )
    var config = load_config(path, overrides)
    if len(config.unused) > 0:
        var fields = String(", ").join(config.unused)
        print("note: ", algorithm_name(config.algorithm), " does not use ", fields, sep="", file=stderr)
    var parts = path.split("/")
    var run = String(parts[len(parts) - 1].removesuffix(".json"))
    var task = TrainTask[B](config^, args.get("--run-path", "runs/mojo_" + run))
    run_for_size(task, task.config.puzzle.height, task.config.puzzle.width)


@fieldwise_init
struct TrainTask[B: PopulationBackend](SizedTask):
    """A run and the folder for its files."""

    var config: RunConfig
    var folder: String

    def run[height: Int, width: Int](mut self) raises:
        """Trains and prints a summary."""
        var trainer = Trainer[height, width, Self.B](self.config)
        trainer.train(self.folder)
        print(self.folder, ": ", trainer.iteration, " iterations, ", trainer.steps, " steps", sep="")
