"""Evolution strategies (Salimans et al. 2017), from top to bottom in the order in which they run: ask how well the members
of a population do, each a perturbation of the policy; tell the policy, which moves towards those that did well.

Perturbations come in pairs of opposite sign, and follow from `(seed, iteration, pair)`.
"""

from std.math import isfinite, sqrt

from .act import Decision
from .config import RunConfig
from .env import Environment
from .forward import Evaluator, Executor
from .optimizer import Adam
from .parallel import Job, lent, run_all
from .perturbation import Layout
from .rng import Purpose, Rng
from .rollout import Episode
from .schedule import scheduled
from .sections import EsConfig, Shaping
from .starts import REDRAWS, Starts
from .trainee import Average, Iteration

comptime MAX_EPISODES = 1 << 20
"""The most episodes of a member, for the keys of their streams."""
comptime SLICE = 64
"""Pairs whose perturbations one job adds up. Fixed, so that results do not depend on the number of threads."""


struct Es[E: Environment](Copyable):
    """ES with all that it carries from iteration to iteration."""

    var config: RunConfig
    var env: Self.E
    var layout: Layout
    var weights: List[Float32]
    """The parameters in the middle of the population."""
    var executor: Executor
    var average: Average
    var adam: Adam
    var threads: Int
    var episodes: List[Episode]
    """Of the last iteration, member after member."""
    var fitness: List[Float64]
    """Of each member."""

    def __init__(out self, config: RunConfig, env: Self.E, executor: Executor, threads: Int):
        """Starts from the weights of `executor`."""
        self.config = config.copy()
        self.env = env.copy()
        self.layout = Layout(executor.network, config.es.rank)
        self.weights = executor.parameters()
        self.executor = executor.copy()
        self.average = Average(config.optimizer, executor)
        self.adam = Adam(config.optimizer.adam, self.layout.weights)
        self.threads = threads
        self.episodes = List[Episode]()
        self.fitness = List[Float64]()

    def sigma(self, iteration: Iteration) -> Float64:
        """The standard deviation of the perturbations of an iteration."""
        ref es = self.config.es
        return scheduled(es.sigma_schedule, es.sigma, es.sigma_final, iteration.progress)

    def starts(self, iteration: Iteration) -> Starts[Self.E]:
        """Where the episodes of an iteration begin."""
        ref collecting = self.config.collecting
        return Starts[Self.E](iteration.difficulty, collecting.uniform, collecting.mixed)

    def ask(mut self, iteration: Iteration) raises:
        """Plays the episodes of all members."""
        ref es = self.config.es
        var starts = self.starts(iteration)
        var pairs = List[Pair[Self.E]](capacity=es.population // 2)
        for index in range(es.population // 2):
            var members = Members[Self.E](self.env, es, self.config.seed, UInt64(iteration.number))
            var pair = Pair[Self.E](index, self.sigma(iteration).cast[DType.float32](), members^)
            pair.base = lent(self.executor)
            pair.weights = lent(self.weights)
            pair.layout = lent(self.layout)
            pair.starts = lent(starts)
            pairs.append(pair^)
        run_all(pairs, self.threads)
        _ = starts.difficulty  # lives until all threads are done
        var episodes = List[Episode](capacity=es.population * es.num_episodes)
        for pair in pairs:
            episodes.extend(Span(pair.members.episodes))
        self.judge(episodes^)

    def judge(mut self, var episodes: List[Episode]):
        """Takes the episodes of all members, member after member, and their fitness."""
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
        """Moves the weights by the fitness of all members: one step along
        `1 / (n sigma) sum of (u(2p) - u(2p+1)) E(p)` over the pairs `p` of the `n` members, where `u` is shaped fitness
        and `E` the perturbation, which is the gradient of the mean fitness of the population where `u` is fitness.
        """
        var shaped = shape(self.config.es.shaping, self.fitness)
        var scale = 1.0 / (Float64(len(shaped)) * self.sigma(iteration))
        var slices = List[Slice]()
        for first in range(0, len(shaped) // 2, SLICE):
            var slice = Slice(first, self.config.seed, UInt64(iteration.number))
            slice.layout = lent(self.layout)
            for pair in range(first, min(first + SLICE, len(shaped) // 2)):
                slice.shares.append(((shaped[2 * pair] - shaped[2 * pair + 1]) * scale).cast[DType.float32]())
            slices.append(slice^)
        run_all(slices, self.threads)
        var gradient = List[Float32](length=self.layout.weights, fill=0)
        for slice in slices:
            for i in range(len(gradient)):
                gradient.unsafe_get(i) += slice.sum.unsafe_get(i)
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


trait Asking(Copyable, Deinitable):
    """Who plays the episodes of an iteration."""

    def __init__(out self) raises:
        """Gets ready."""
        ...

    def ask[E: Environment](mut self, mut es: Es[E], iteration: Iteration) raises:
        """Plays the episodes of all members."""
        ...


@fieldwise_init
struct OnThreads(Asking):
    """Pairs of members on the threads of the processor, each with weights of its own."""

    def ask[E: Environment](mut self, mut es: Es[E], iteration: Iteration) raises:
        """Plays the episodes of all members."""
        es.ask(iteration)


struct Pair[E: Environment](Job):
    """The two members of a perturbation, which play from the same starts."""

    var index: Int
    var sigma: Float32
    var members: Members[Self.E]
    var base: Optional[Pointer[Executor, ImmUntrackedOrigin]]
    var weights: Optional[Pointer[List[Float32], ImmUntrackedOrigin]]
    var layout: Optional[Pointer[Layout, ImmUntrackedOrigin]]
    var starts: Optional[Pointer[Starts[Self.E], ImmUntrackedOrigin]]

    def __init__(out self, index: Int, sigma: Float32, var members: Members[Self.E]):
        self.index = index
        self.sigma = sigma
        self.members = members^
        self.base = None
        self.weights = None
        self.layout = None
        self.starts = None

    def run(mut self) raises:
        """Plays the episodes of both."""
        var noise = List[Float32]()
        self.layout.value()[].draw(self.members.seed, self.members.iteration, UInt64(self.index), noise)
        var executor = self.base.value()[].copy()
        for member in range(2):
            var weights = self.weights.value()[].copy()
            self.layout.value()[].add(noise, self.sigma if member == 0 else -self.sigma, weights)
            executor.load(weights)
            self.members.begin(self.index, self.starts.value()[])
            self.members.play(executor, self.base.value()[])


struct Members[E: Environment](Copyable):
    """Members of a population, which play their episodes in lock step."""

    var env: Self.E
    var es: EsConfig
    var seed: UInt64
    var iteration: UInt64
    var envs: List[Self.E]
    """Of the members that play, `es.num_episodes` each."""
    var rngs: List[Rng]
    """What each draws its actions from."""
    var episodes: List[Episode]
    """Of all members, those before and those that play."""

    def __init__(out self, env: Self.E, es: EsConfig, seed: UInt64, iteration: UInt64):
        """None yet."""
        self.env = env.copy()
        self.es = es
        self.seed = seed
        self.iteration = iteration
        self.envs = List[Self.E]()
        self.rngs = List[Rng]()
        self.episodes = List[Episode]()

    def stream(self, purpose: Int, pair: Int, episode: Int, redraw: Int) -> Rng:
        """What an episode draws from."""
        var number = episode if self.es.common_population else pair * MAX_EPISODES + episode
        return Rng(self.seed, purpose, self.iteration, UInt64(number) << 6 | UInt64(redraw))

    def begin(mut self, pair: Int, starts: Starts[Self.E]):
        """Begins the episodes of one more member, which is of `pair`."""
        for slot in range(self.es.num_episodes):
            var env = self.env.copy()
            var difficulty = -1
            for redraw in range(REDRAWS):
                var choice = self.stream(Purpose.CHOICE, pair, slot, redraw)
                var rng = self.stream(Purpose.START, pair, slot, redraw)
                difficulty = starts.begin(env, choice, rng)
                if not env.solved():
                    break
            self.rngs.append(self.stream(Purpose.ACT, pair, slot, 0))
            self.episodes.append(Episode(difficulty, 0, 0, env.solved()))
            self.envs.append(env^)

    def play[V: Evaluator](mut self, mut evaluator: V, base: Executor) raises:
        """Plays what was begun to the end, by the rules of the policy in the middle."""
        var first = len(self.episodes) - len(self.envs)
        var active = List[Int](capacity=len(self.envs))
        for slot in range(len(self.envs)):
            active.append(slot)
        var decision = Decision[Self.E]()
        if not base.backtracking:
            decision.last.resize(len(self.envs), -1)
        for _ in range(self.es.max_steps):
            if len(active) == 0:
                break
            decision.see(self.envs, active, base.twists)
            evaluator.evaluate_slots(decision.ones, active, decision.evaluation)
            decision.choose(active, base.twists, self.es.deterministic, self.rngs)
            decision.remember(active)
            var going = List[Int](capacity=len(active))
            for row in range(len(active)):
                var slot = active[row]
                var step = self.envs[slot].step(decision.moves[row])
                ref episode = self.episodes[first + slot]
                episode.length += 1
                episode.total += step.reward
                episode.solved = self.envs[slot].solved()
                if not step.done():
                    going.append(slot)
            active = going^
        self.envs.clear()
        self.rngs.clear()


struct Slice(Job):
    """The weighted sum of some perturbations."""

    var first: Int
    """The first pair."""
    var seed: UInt64
    var iteration: UInt64
    var layout: Optional[Pointer[Layout, ImmUntrackedOrigin]]
    var shares: List[Float32]
    """The weight of each."""
    var sum: List[Float32]

    def __init__(out self, first: Int, seed: UInt64, iteration: UInt64):
        self.first = first
        self.seed = seed
        self.iteration = iteration
        self.layout = None
        self.shares = List[Float32]()
        self.sum = List[Float32]()

    def run(mut self) raises:
        """Adds them up."""
        ref layout = self.layout.value()[]
        var noise = List[Float32]()
        self.sum.resize(layout.weights, 0)
        for i in range(len(self.shares)):
            layout.draw(self.seed, self.iteration, UInt64(self.first + i), noise)
            layout.add(noise, self.shares[i], self.sum)


def shape(shaping: Int, fitness: List[Float64]) -> List[Float64]:
    """What the weights learn from in place of raw fitness."""
    if shaping == Shaping.CENTERED_RANKS:
        return centered_ranks(fitness)
    return standardized(fitness) if shaping == Shaping.STANDARDIZED else fitness.copy()


def centered_ranks(fitness: List[Float64]) -> List[Float64]:
    """Ranks spread evenly from -0.5 (the least) to 0.5 (Salimans et al. 2017). Members of equal fitness share the mean of
    their ranks, so that what does not tell them apart does not move the weights.
    """
    var sorted = fitness.copy()
    sort(sorted)
    var last = Float64(max(len(fitness), 2) - 1)
    var ranks = List[Float64](capacity=len(fitness))
    for value in fitness:
        var below = search(sorted, value, False)
        var up_to = search(sorted, value, True)
        ranks.append(Float64(below + up_to - 1) / 2.0 / last - 0.5)
    return ranks^


def search(sorted: List[Float64], value: Float64, with_equals: Bool) -> Int:
    """How many numbers of a sorted list are below `value`, or at most `value`."""
    var low = 0
    var high = len(sorted)
    while low < high:
        var middle = (low + high) // 2
        if sorted[middle] < value or (with_equals and sorted[middle] == value):
            low = middle + 1
        else:
            high = middle
    return low


def standardized(fitness: List[Float64]) -> List[Float64]:
    """Mean 0 and standard deviation 1; all 0 where all are equal."""
    var count = Float64(max(len(fitness), 1))
    var mean = Float64(0)
    for value in fitness:
        mean += value / count
    var variance = Float64(0)
    for value in fitness:
        variance += (value - mean) * (value - mean) / count
    var scale = 1.0 / sqrt(variance) if variance > 0 else Float64(0)
    var out = List[Float64](capacity=len(fitness))
    for value in fitness:
        out.append((value - mean) * scale)
    return out^
