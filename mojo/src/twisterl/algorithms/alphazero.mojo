"""AlphaZero (Silver et al. 2017) for one player, in the order in which it runs: self-play by tree search, then
supervised updates on a replay of the last iterations.
"""

from ..config.run_config import RunConfig
from ..env.environment import Environment
from ..gradient.learner import Learner
from ..gradient.loss import Imitation, LossSums
from ..gradient.weight_average import WeightAverage
from ..parallel import run_all, unowned
from ..policy.forward import Executor
from ..rng import Purpose, Rng, StreamKey
from ..rollout.batch import Batch, row_numbers
from ..rollout.collector import Episode
from ..rollout.starts import Starts
from ..search.mcts import SearchConfig
from .iteration import Iteration
from .self_play import SelfPlay

comptime GAMES = 16
"""Games that share evaluation batches. Fixed, so that results do not depend on the number of threads."""


struct AlphaZero[E: Environment](Copyable):
    """AlphaZero with its state between iterations."""

    var config: RunConfig
    var env: Self.E
    var learner: Learner
    var average: WeightAverage
    var replay: List[Batch]
    """The samples of the last iterations, the newest last."""
    var episodes: List[Episode]
    """The games of the last iteration."""
    var sums: LossSums
    """The statistics of the last epoch."""

    def __init__(out self, config: RunConfig, env: Self.E, executor: Executor, threads: Int):
        """Starts at the weights of `executor`."""
        self.config = config.copy()
        self.env = env.copy()
        self.learner = Learner(executor, config.optimizer.adam, threads)
        self.average = WeightAverage(config.optimizer.averaging, executor)
        self.replay = List[Batch]()
        self.episodes = List[Episode]()
        self.sums = LossSums()

    def iterate(mut self, iteration: Iteration) raises:
        """Runs one iteration."""
        self.play(iteration)
        self.update(iteration)

    def play(mut self, iteration: Iteration) raises:
        """Plays games by search and adds their samples to the replay."""
        ref collecting = self.config.collecting
        var search = SearchConfig(use_gumbel=collecting.use_gumbel, simulations=collecting.simulations)
        search.gamma = collecting.gamma.cast[DType.float32]()
        search.puct.exploration = collecting.exploration.cast[DType.float32]()
        search.puct.noise_share = collecting.noise.cast[DType.float32]()
        var starts = Starts[Self.E](iteration.difficulty, collecting.uniform, collecting.mixed)
        var key = StreamKey(self.config.seed, Purpose.ACT, UInt64(iteration.number))
        var groups = List[SelfPlay[Self.E]]()
        for first in range(0, collecting.num_episodes, GAMES):
            var count = min(GAMES, collecting.num_episodes - first)
            var group = SelfPlay[Self.E](first, count, self.env, search, key)
            group.temperature = Float32(0) if search.use_gumbel else collecting.temperature.cast[DType.float32]()
            group.executor = unowned(self.learner.model)
            group.starts = unowned(starts)
            groups.append(group^)
        run_all(groups, self.learner.threads)
        _ = starts.difficulty  # keeps the starts alive until all threads have ended
        var newest = Batch(Self.E.ONES, Self.E.ACTIONS)
        self.episodes.clear()
        for group in groups:
            newest.extend(group.samples)
            self.episodes.extend(Span(group.episodes))
        self.replay.append(newest^)
        while len(self.replay) > collecting.replay_iterations:
            _ = self.replay.pop(0)

    def update(mut self, iteration: Iteration) raises:
        """Runs the epochs of supervised updates on the replay."""
        ref training = self.config.training
        var samples = Batch(Self.E.ONES, Self.E.ACTIONS)
        for batch in self.replay:
            samples.extend(batch)
        var order = row_numbers(samples.rows())
        var objective = Imitation(training.vf_coef)
        var lr = self.config.optimizer.rate(iteration.progress)
        for epoch in range(training.num_epochs):
            var rng = Rng(StreamKey(self.config.seed, Purpose.SHUFFLE, UInt64(iteration.number), UInt64(epoch)))
            rng.shuffle(order)
            self.sums = self.learner.epoch(
                objective, samples, order, training.minibatch_size, training.max_grad_norm, lr
            )
        self.average.update(self.learner.model.weights, iteration.number)
