"""Evolution strategies (Salimans et al. 2017), in the order in which they run: *ask* plays the episodes of a population
of perturbed policies, and *tell* moves the policy towards the members that did well.

Perturbations come in pairs of opposite sign and derive from `(seed, iteration, pair)`.
"""

from std.math import isfinite

from ...config.run_config import RunConfig
from ...env.environment import Environment
from ...gradient.optimizer import Adam
from ...gradient.schedule import scheduled
from ...gradient.weight_average import WeightAverage
from ...parallel import run_all, unowned
from ...policy.forward import Executor
from ...rollout.collector import Episode
from ...rollout.starts import Starts
from ..iteration import Iteration
from .gradient import estimate_gradient
from .perturbation import PerturbationKey, PerturbationLayout
from .population import MemberPair, PopulationRollout
from .shaping import shape_fitness


struct Es[E: Environment](Copyable):
    """Evolution strategies with their state between iterations."""

    var config: RunConfig
    var env: Self.E
    var layout: PerturbationLayout
    var weights: List[Float32]
    """The mean parameters of the population, `[num_parameters]`."""
    var executor: Executor
    """The policy with the mean parameters."""
    var average: WeightAverage
    var adam: Adam
    var threads: Int
    var episodes: List[Episode]
    """The episodes of the last iteration, `[population, config.es.num_episodes]`."""
    var fitness: List[Float64]
    """The fitness of the members in the last iteration, `[population]`."""

    def __init__(out self, config: RunConfig, env: Self.E, executor: Executor, threads: Int):
        """Starts at the weights of `executor`."""
        self.config = config.copy()
        self.env = env.copy()
        self.layout = PerturbationLayout(executor.network, config.es.rank)
        self.weights = executor.parameters()
        self.executor = executor.copy()
        self.average = WeightAverage(config.optimizer.averaging, executor)
        self.adam = Adam(config.optimizer.adam, self.layout.num_weights)
        self.threads = threads
        self.episodes = List[Episode]()
        self.fitness = List[Float64]()

    def sigma(self, iteration: Iteration) -> Float64:
        """Returns the standard deviation of the perturbations of an iteration."""
        ref es = self.config.es
        return scheduled(es.sigma_schedule, es.sigma, es.sigma_final, iteration.progress)

    def starts(self, iteration: Iteration) -> Starts[Self.E]:
        """Returns the start states of an iteration."""
        ref collecting = self.config.collecting
        return Starts[Self.E](iteration.difficulty, collecting.uniform, collecting.mixed)

    def key(self, iteration: Iteration) -> PerturbationKey:
        """Returns the key of the perturbations of an iteration."""
        return PerturbationKey(self.config.seed, UInt64(iteration.number))

    def ask(mut self, iteration: Iteration) raises:
        """Plays the episodes of all members on the threads of the processor."""
        ref es = self.config.es
        var starts = self.starts(iteration)
        var pairs = List[MemberPair[Self.E]](capacity=es.population // 2)
        for index in range(es.population // 2):
            var pair = MemberPair[Self.E](
                index,
                self.sigma(iteration).cast[DType.float32](),
                PopulationRollout[Self.E](self.env, es, self.key(iteration)),
                unowned(self.executor),
                unowned(self.weights),
                unowned(self.layout),
                unowned(starts),
            )
            pairs.append(pair^)
        run_all(pairs, self.threads)
        _ = starts.difficulty  # keeps the starts alive until all threads have ended
        var episodes = List[Episode](capacity=es.population * es.num_episodes)
        for pair in pairs:
            episodes.extend(Span(pair.rollout.episodes))
        self.set_episodes(episodes^)

    def set_episodes(mut self, var episodes: List[Episode]):
        """Stores the episodes of all members, `[population, num_episodes]`, and computes their fitness."""
        ref es = self.config.es
        self.episodes = episodes^
        self.fitness.clear()
        for member in range(es.population):
            var sum = Float64(0)
            for i in range(member * es.num_episodes, (member + 1) * es.num_episodes):
                ref episode = self.episodes[i]
                sum += Float64(Int(episode.solved)) if es.by_success else episode.total.cast[DType.float64]()
            self.fitness.append(sum / Float64(es.num_episodes))

    def tell(mut self, iteration: Iteration) raises:
        """Moves the mean parameters along the gradient estimate. Raises if it is not finite."""
        var shaped = shape_fitness(self.config.es.shaping, self.fitness)
        var gradient = estimate_gradient(self.layout, self.key(iteration), shaped, self.sigma(iteration), self.threads)
        for slope in gradient:
            if not isfinite(slope):
                raise Error("training: expected a finite gradient, found ", slope)
        var lr = self.config.optimizer.rate(iteration.progress)
        if self.config.es.momentum:
            self.adam.momentum_step(self.weights, gradient, -1.0, lr)
        else:
            self.adam.step(self.weights, gradient, -1.0, lr)
        self.executor.load(self.weights)
        self.average.update(self.executor.weights, iteration.number)


trait PopulationBackend(Copyable, Deinitable):
    """The device on which a population plays."""

    def __init__(out self) raises:
        """Creates a backend that has no state yet."""
        ...

    def ask[E: Environment](mut self, mut es: Es[E], iteration: Iteration) raises:
        """Plays the episodes of all members and stores them in `es`."""
        ...


@fieldwise_init
struct ThreadBackend(PopulationBackend):
    """The threads of the processor. Each pair of members has weights of its own."""

    def ask[E: Environment](mut self, mut es: Es[E], iteration: Iteration) raises:
        """Plays the episodes of all members and stores them in `es`."""
        es.ask(iteration)
