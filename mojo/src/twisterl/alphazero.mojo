"""AlphaZero (Silver et al. 2017) for one player, from top to bottom in the order in which it runs: self-play by tree
search, what the search said as targets, then supervised updates on a replay of the last iterations.

Targets of the policy are the shares of the visits (PUCT), or the improved policy (Gumbel: Danihelka et al. 2022); targets of
the value are discounted returns to go. A truncated game is worth what the search last thought of it.
"""

from .batch import Batch
from .config import RunConfig
from .env import Environment
from .forward import Executor
from .learner import Learner
from .loss import Imitation, Sums
from .mcts import Search, SearchConfig
from .parallel import Job, lent, run_all
from .rng import Purpose, Rng
from .rollout import Episode
from .starts import REDRAWS, Starts
from .symmetry import canonical
from .trainee import Average, Iteration

comptime GAMES = 16
"""Games that share their batches. Fixed, so that results do not depend on the number of threads."""


struct AlphaZero[E: Environment](Copyable):
    """AlphaZero with all that it carries from iteration to iteration."""

    var config: RunConfig
    var env: Self.E
    var learner: Learner
    var average: Average
    var replay: List[Batch]
    """Examples of the last iterations, the newest last."""
    var episodes: List[Episode]
    """Those of the last iteration."""
    var sums: Sums
    """Of the losses of the last epoch."""

    def __init__(out self, config: RunConfig, env: Self.E, executor: Executor, threads: Int):
        """Starts from the weights of `executor`."""
        self.config = config.copy()
        self.env = env.copy()
        self.learner = Learner(executor, config.optimizer.adam, threads)
        self.average = Average(config.optimizer, executor)
        self.replay = List[Batch]()
        self.episodes = List[Episode]()
        self.sums = Sums()

    def iterate(mut self, iteration: Iteration) raises:
        """One iteration."""
        self.play(iteration)
        self.update(iteration)

    def play(mut self, iteration: Iteration) raises:
        """Plays games by search, whose examples are the newest of the replay."""
        ref collecting = self.config.collecting
        var search = SearchConfig(use_gumbel=collecting.use_gumbel, simulations=collecting.simulations)
        search.gamma = collecting.gamma.cast[DType.float32]()
        search.puct.exploration = collecting.exploration.cast[DType.float32]()
        search.puct.noise_share = collecting.noise.cast[DType.float32]()
        var starts = Starts[Self.E](iteration.difficulty, collecting.uniform, collecting.mixed)
        var groups = List[SelfPlay[Self.E]]()
        for first in range(0, collecting.num_episodes, GAMES):
            var group = SelfPlay[Self.E](first, min(GAMES, collecting.num_episodes - first), self.env, search)
            group.temperature = Float32(0) if search.use_gumbel else collecting.temperature.cast[DType.float32]()
            group.seed = self.config.seed
            group.iteration = UInt64(iteration.number)
            group.executor = lent(self.learner.model)
            group.starts = lent(starts)
            groups.append(group^)
        run_all(groups, self.learner.threads)
        _ = starts.difficulty  # lives until all threads are done
        var newest = Batch(Self.E.ONES, Self.E.ACTIONS)
        self.episodes.clear()
        for group in groups:
            newest.extend(group.examples)
            self.episodes.extend(Span(group.episodes))
        self.replay.append(newest^)
        while len(self.replay) > collecting.replay_iterations:
            _ = self.replay.pop(0)

    def update(mut self, iteration: Iteration) raises:
        """Epochs of supervised updates on the replay."""
        ref training = self.config.training
        var examples = Batch(Self.E.ONES, Self.E.ACTIONS)
        for batch in self.replay:
            examples.extend(batch)
        var order = List[UInt32](capacity=examples.rows())
        for row in range(examples.rows()):
            order.append(UInt32(row))
        var size = training.minibatch_size if training.minibatch_size > 0 else max(len(order), 1)
        var lr = self.config.optimizer.rate(iteration.progress)
        for epoch in range(training.num_epochs):
            var rng = Rng(self.config.seed, Purpose.SHUFFLE, UInt64(iteration.number), UInt64(epoch))
            rng.shuffle(order)
            self.sums = Sums()
            for first in range(0, len(order), size):
                var rows = Span(order)[first : min(first + size, len(order))]
                self.sums += self.learner.step(Imitation(training.vf_coef), examples, rows, training.max_grad_norm, lr)
        self.average.update(self.learner.model.weights, iteration.number)


struct SelfPlay[E: Environment](Job):
    """Some games in lock step, each to its end."""

    var first: Int
    """Number of the first game."""
    var count: Int
    var env: Self.E
    var config: SearchConfig
    var temperature: Float32
    var seed: UInt64
    var iteration: UInt64
    var executor: Optional[Pointer[Executor, ImmUntrackedOrigin]]
    var starts: Optional[Pointer[Starts[Self.E], ImmUntrackedOrigin]]
    var examples: Batch
    """What the searches said, game after game."""
    var episodes: List[Episode]

    def __init__(out self, first: Int, count: Int, env: Self.E, config: SearchConfig):
        self.first = first
        self.count = count
        self.env = env.copy()
        self.config = config
        self.temperature = 0
        self.seed = 0
        self.iteration = 0
        self.executor = None
        self.starts = None
        self.examples = Batch(Self.E.ONES, Self.E.ACTIONS)
        self.episodes = List[Episode]()

    def stream(self, purpose: Int, game: Int, number: Int) -> Rng:
        """What a move of a game, or a draw of its start, draws from."""
        return Rng(self.seed, purpose, self.iteration, UInt64(self.first + game) << 32 | UInt64(number))

    def run(mut self) raises:
        """Plays."""
        ref executor = self.executor.value()[]
        var begun = self.begin()
        var search = Search[Self.E](begun, self.config)
        var games = List[Batch](length=self.count, fill=Batch(Self.E.ONES, Self.E.ACTIONS))
        var rewards = List[List[Float32]](length=self.count, fill=List[Float32]())
        var hopes = List[Float32](length=self.count, fill=0)
        var simulations = List[Int](length=self.count, fill=self.config.simulations)
        var move = 0
        while True:
            var noise = List[Rng]()
            var over = True
            for game in range(self.count):
                noise.append(self.stream(Purpose.SEARCH, game, move))
                over &= search.games[game].tree.nodes[0].ended()
            if over:
                break
            search.run(executor, simulations, noise)
            for game in range(self.count):
                if search.games[game].tree.nodes[0].ended():
                    continue
                self.learn_from(search, game, games[game])
                var rng = self.stream(Purpose.ACT, game, move)
                var action = search.games[game].draw(self.temperature, rng)
                var q = search.games[game].q(action)
                var step = search.advance(game, action)
                rewards[game].append(step.reward)
                if step.truncated:  # what can still be hoped for
                    hopes[game] = (q - step.reward) / max(self.config.gamma, 1e-6)
            move += 1
        for game in range(self.count):
            self.episodes[game].solved = search.games[game].envs[0].solved()
            self.conclude(games[game], rewards[game], hopes[game], game)

    def begin(mut self) -> List[Self.E]:
        """Begins games that are not solved already."""
        var envs = List[Self.E](length=self.count, fill=self.env)
        for game in range(self.count):
            var difficulty = -1
            for draw in range(REDRAWS):
                var choice = self.stream(Purpose.CHOICE, game, draw)
                var rng = self.stream(Purpose.START, game, draw)
                difficulty = self.starts.value()[].begin(envs[game], choice, rng)
                if not envs[game].solved():
                    break
            self.episodes.append(Episode(difficulty, 0, 0, False))
        return envs^

    def learn_from(self, search: Search[Self.E], game: Int, mut examples: Batch):
        """Adds what the search said of a game's state, in the frame in which the policy sees it."""
        comptime actions = Self.E.ACTIONS
        var ones = List[UInt16](length=Self.E.ONES, fill=0)
        var mask = List[Bool](length=actions, fill=False)
        search.games[game].envs[0].observe(ones)
        search.games[game].envs[0].action_mask(mask)
        var frame = canonical(self.executor.value()[].twists, ones, mask)
        var first = len(examples.policies)
        examples.policies.resize(first + actions, 0)
        for action in range(actions):
            var to = action if frame < 0 else self.executor.value()[].twists[frame].action[action]
            examples.policies[first + to] = search.games[game].policy[action]
        examples.ones.extend(Span(ones))
        examples.masks.extend(Span(mask))

    def conclude(mut self, mut examples: Batch, rewards: List[Float32], hope: Float32, game: Int):
        """Completes the examples of a game by its returns to go."""
        examples.values.resize(len(rewards), 0)
        var value = hope
        for i in range(len(rewards) - 1, -1, -1):
            value = rewards[i] + self.config.gamma * value
            examples.values[i] = value
            self.episodes[game].total += rewards[i]
        self.episodes[game].length = len(rewards)
        self.examples.extend(examples)
