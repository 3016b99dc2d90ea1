"""Proximal policy optimisation (Schulman et al. 2017), from top to bottom in the order in which it runs: collect with the
current policy, estimate advantages, then several epochs of clipped updates on minibatches.
"""

from .batch import Batch
from .config import RunConfig
from .env import Environment
from .forward import Executor
from .learner import Learner
from .loss import PpoLoss, Sums
from .rng import Purpose, Rng
from .rollout import Collector, Episode
from .schedule import Schedule, scheduled
from .solve import Play
from .starts import Failures, Starts
from .trainee import Average, Iteration


struct Ppo[E: Environment](Copyable):
    """PPO with all that it carries from iteration to iteration."""

    var config: RunConfig
    var env: Self.E
    var collector: Collector[Self.E]
    var failures: Failures[Self.E]
    var learner: Learner
    var average: Average
    var batch: Batch
    var episodes: List[Episode]
    """Those that ended in the last iteration."""
    var sums: Sums
    """Of the losses of the last epoch."""

    def __init__(out self, config: RunConfig, env: Self.E, executor: Executor, threads: Int):
        """Starts from the weights of `executor`."""
        ref collecting = config.collecting
        var slots = collecting.num_envs if collecting.num_envs > 0 else collecting.num_episodes
        self.config = config.copy()
        self.env = env.copy()
        self.collector = Collector[Self.E](env, slots, threads)
        self.failures = Failures[Self.E](collecting.failures_config)
        self.learner = Learner(executor, config.optimizer.adam, threads)
        self.average = Average(config.optimizer, executor)
        self.batch = Batch(Self.E.ONES, Self.E.ACTIONS)
        self.episodes = List[Episode]()
        self.sums = Sums()

    def iterate(mut self, iteration: Iteration) raises:
        """One iteration."""
        self.collect(iteration)
        self.estimate()
        self.update(iteration)

    def collect(mut self, iteration: Iteration) raises:
        """Plays with the current policy."""
        ref collecting = self.config.collecting
        var number = UInt64(iteration.number)
        var probing = collecting.failures > 0 or collecting.uniform > 0
        if probing and iteration.number % collecting.failures_config.probe_every == 0:
            var how = Play(greedy=True, seed=self.config.seed, threads=self.learner.threads)
            how.iteration = number
            self.failures.probe(self.env, self.learner.model, iteration.difficulty, how)
        var starts = Starts[Self.E](iteration.difficulty, collecting.uniform * self.failures.solved, collecting.mixed)
        starts.remembered = collecting.failures * self.failures.solved
        starts.memory = self.failures.states.copy()
        var steps = collecting.rollout_length if collecting.num_envs > 0 else 0
        self.collector.collect(self.learner.model, starts, self.config.seed, number, steps)

    def estimate(mut self):
        """Advantages and returns of all transitions, as one batch."""
        ref collecting = self.config.collecting
        self.batch.clear()
        self.episodes.clear()
        for i in range(len(self.collector.groups)):
            ref group = self.collector.groups[i]
            group.estimate(collecting.gamma.cast[DType.float32](), collecting.gae_lambda.cast[DType.float32]())
            self.batch.extend(group.batch)
            self.episodes.extend(Span(group.episodes))
        if self.config.training.normalize_advantage:
            self.batch.normalise_advantages()

    def update(mut self, iteration: Iteration) raises:
        """Epochs of clipped updates."""
        ref training = self.config.training
        var lr = self.config.optimizer.rate(iteration.progress)
        var bonus = scheduled(Schedule.LINEAR, training.ent_coef, training.ent_coef_final, iteration.progress)
        var objective = PpoLoss(training.clip_ratio, training.vf_coef, bonus)
        var order = List[UInt32](capacity=self.batch.rows())
        for row in range(self.batch.rows()):
            order.append(UInt32(row))
        var size = training.minibatch_size if training.minibatch_size > 0 else len(order)
        for epoch in range(training.num_epochs):
            if training.minibatch_size > 0:
                var rng = Rng(self.config.seed, Purpose.SHUFFLE, UInt64(iteration.number), UInt64(epoch))
                rng.shuffle(order)
            self.sums = Sums()
            for first in range(0, len(order), size):
                var rows = Span(order)[first : min(first + size, len(order))]
                self.sums += self.learner.step(objective, self.batch, rows, training.max_grad_norm, lr)
            if self.sums.kl / max(self.sums.rows, 1.0) > training.target_kl:
                break
        self.average.update(self.learner.model.weights, iteration.number)
