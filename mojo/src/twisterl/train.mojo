"""The program that trains: its arguments, and a run of what they ask for."""

from .args import Args
from .config import RunConfig, load_config
from .es import Asking
from .sizes import SizedWork, on_size
from .trainer import Trainer


def train_program[A: Asking](name: String) raises:
    """All of the program `name`; `A` plays the episodes of evolution strategies."""
    var usage = String(
        "usage: ",
        name,
        " --config FILE [--algorithm ppo|az|es] [--run-path FOLDER] [--num-iterations N] [--seed N]",
    )
    var args = Args(["--algorithm", "--config", "--run-path", "--num-iterations", "--seed"], usage)
    var path = args.get("--config", "")
    if path.byte_length() == 0 or len(args.words) > 0:
        raise Error(usage)
    var config = load_config(path, args.get("--algorithm", ""))
    config.num_iterations = args.whole("--num-iterations", config.num_iterations)
    config.seed = UInt64(args.whole("--seed", Int(config.seed)))
    var parts = path.split("/")
    var run = String(parts[len(parts) - 1].removesuffix(".json"))
    var work = Train[A](config^, args.get("--run-path", "runs/mojo_" + run))
    on_size(work, work.config.height, work.config.width)


@fieldwise_init
struct Train[A: Asking](SizedWork):
    """A run to be made."""

    var config: RunConfig
    var folder: String

    def on[height: Int, width: Int](mut self) raises:
        """Trains, and reports."""
        var trainer = Trainer[height, width, Self.A](self.config)
        trainer.train(self.folder)
        print(self.folder, ": ", trainer.iteration, " iterations, ", trainer.steps, " steps", sep="")
