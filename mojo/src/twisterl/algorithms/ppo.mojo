"""Proximal policy optimization (Schulman et al. 2017), in the order in which it runs: collect transitions with the
current policy, estimate advantages, then several epochs of clipped updates on minibatches.
"""

from ..config.run_config import RunConfig
from ..env.environment import Environment
from ..gradient.learner import Learner
from ..gradient.loss import LossSums, PpoLoss
from ..gradient.schedule import Schedule, scheduled
from ..gradient.weight_average import WeightAverage
from ..policy.forward import Executor
from ..rng import Purpose, Rng, StreamKey
from ..rollout.batch import Batch, row_numbers
from ..rollout.collector import Collector, Episode
from ..rollout.failures import Failures
from ..rollout.starts import Starts
from .iteration import Iteration


struct Ppo[E: Environment](Copyable):
    """PPO with its state between iterations."""

    var config: RunConfig
    var env: Self.E
    var collector: Collector[Self.E]
    var failures: Failures[Self.E]
    var learner: Learner
    var average: WeightAverage
    var batch: Batch
    """The transitions of the last iteration."""
    var episodes: List[Episode]
    """The episodes that ended in the last iteration."""
    var sums: LossSums
    """The statistics of the last epoch."""

    def __init__(out self, config: RunConfig, env: Self.E, executor: Executor, threads: Int):
        """Starts at the weights of `executor`."""
        ref collecting = config.collecting
        var slots = collecting.num_envs if collecting.num_envs > 0 else collecting.num_episodes
        self.config = config.copy()
        self.env = env.copy()
        self.collector = Collector[Self.E](env, slots, threads)
        self.failures = Failures[Self.E](collecting.failures_config)
        self.learner = Learner(executor, config.optimizer.adam, threads)
        self.average = WeightAverage(config.optimizer.averaging, executor)
        self.batch = Batch(Self.E.ONES, Self.E.ACTIONS)
        self.episodes = List[Episode]()
        self.sums = LossSums()

    def iterate(mut self, iteration: Iteration) raises:
        """Runs one iteration."""
        self.collect(iteration)
        self.estimate()
        self.update(iteration)

    def collect(mut self, iteration: Iteration) raises:
        """Plays with the current policy. Probes for failures first if it is time to."""
        ref collecting = self.config.collecting
        var seed = self.config.seed
        var number = UInt64(iteration.number)
        var probing = collecting.failures > 0 or collecting.uniform > 0
        if probing and iteration.number % collecting.failures_config.probe_every == 0:
            var key = StreamKey(seed, Purpose.PROBE, number)
            self.failures.probe(self.env, self.learner.model, iteration.difficulty, key, self.learner.threads)
        var starts = Starts[Self.E](iteration.difficulty, collecting.uniform * self.failures.solved, collecting.mixed)
        starts.remembered = collecting.failures * self.failures.solved
        starts.memory = self.failures.states.copy()
        var steps = collecting.rollout_length if collecting.num_envs > 0 else 0
        self.collector.collect(self.learner.model, starts, seed, number, steps)

    def estimate(mut self):
        """Joins the transitions of all groups, with advantages and returns, into one batch."""
        ref collecting = self.config.collecting
        self.batch.clear()
        self.episodes.clear()
        for i in range(len(self.collector.groups)):
            ref group = self.collector.groups[i]
            group.estimate(collecting.gamma.cast[DType.float32](), collecting.gae_lambda.cast[DType.float32]())
            self.batch.extend(group.batch)
            self.episodes.extend(Span(group.episodes))
        if self.config.training.normalize_advantage:
            self.batch.normalize_advantages()

    def update(mut self, iteration: Iteration) raises:
        """Runs the epochs of clipped updates."""
        ref training = self.config.training
        var lr = self.config.optimizer.rate(iteration.progress)
        var ent_coef = scheduled(Schedule.LINEAR, training.ent_coef, training.ent_coef_final, iteration.progress)
        var objective = PpoLoss(training.clip_ratio, training.vf_coef, ent_coef)
        var order = row_numbers(self.batch.rows())
        for epoch in range(training.num_epochs):
            if training.minibatch_size > 0:
                var rng = Rng(StreamKey(self.config.seed, Purpose.SHUFFLE, UInt64(iteration.number), UInt64(epoch)))
                rng.shuffle(order)
            self.sums = self.learner.epoch(
                objective, self.batch, order, training.minibatch_size, training.max_grad_norm, lr
            )
            if self.sums.kl / max(self.sums.rows, 1.0) > training.target_kl:
                break
        self.average.update(self.learner.model.weights, iteration.number)
