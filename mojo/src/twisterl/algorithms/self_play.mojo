"""Self-play: games by tree search, whose searches give the targets of AlphaZero.

Target policies are the shares of the visits (PUCT) or the improved policy (Gumbel: Danihelka et al. 2022). Target
values are discounted returns; a truncated game bootstraps from the value that the search gave its last move.
"""

from ..env.environment import Environment
from ..env.symmetry import canonical_action
from ..parallel import Job
from ..policy.batched_evaluation import BatchedEvaluation
from ..policy.forward import Executor
from ..rng import Purpose, Rng, StreamKey
from ..rollout.batch import Batch
from ..rollout.collector import Episode
from ..rollout.starts import Starts
from ..search.mcts import Search, SearchConfig


struct SelfPlay[E: Environment](Job):
    """Some games in lock step, each played to its end."""

    var first: Int
    """The number of the first game among those of the iteration."""
    var count: Int
    """The number of games."""
    var env: Self.E
    var config: SearchConfig
    var temperature: Float32
    """The temperature at which moves are drawn."""
    var key: StreamKey
    """The key of the random streams, for its seed and iteration."""
    var executor: Optional[Pointer[Executor, ImmUntrackedOrigin]]
    var starts: Optional[Pointer[Starts[Self.E], ImmUntrackedOrigin]]
    var samples: Batch
    """One sample per move, game after game."""
    var episodes: List[Episode]
    """The games, `[count]`."""

    def __init__(out self, first: Int, count: Int, env: Self.E, config: SearchConfig, key: StreamKey):
        """Creates the games. `executor` and `starts` must be set before they are run."""
        self.first = first
        self.count = count
        self.env = env.copy()
        self.config = config
        self.temperature = 0
        self.key = key
        self.executor = None
        self.starts = None
        self.samples = Batch(Self.E.ONES, Self.E.ACTIONS)
        self.episodes = List[Episode]()

    def key_of(self, purpose: Int, game: Int, number: Int) -> StreamKey:
        """Returns the key of the stream of a game's move."""
        return self.key.derive(purpose, UInt64(self.first + game) << 32 | UInt64(number))

    def run(mut self) raises:
        """Plays all games."""
        ref executor = self.executor.value()[]
        var starts = self.begin()
        var search = Search[Self.E](starts, self.config)
        var observation = BatchedEvaluation[Self.E]()
        var samples = List[Batch](length=self.count, fill=Batch(Self.E.ONES, Self.E.ACTIONS))
        var rewards = List[List[Float32]](length=self.count, fill=List[Float32]())
        var bootstrap_values = List[Float32](length=self.count, fill=0)
        var simulations = List[Int](length=self.count, fill=self.config.simulations)
        var move = 0
        while True:
            var noise = List[Rng]()
            var over = True
            for game in range(self.count):
                noise.append(Rng(self.key_of(Purpose.SEARCH, game, move)))
                over &= search.games[game].tree.nodes[0].ended()
            if over:
                break
            search.run(executor, simulations, noise)
            for game in range(self.count):
                if search.games[game].tree.nodes[0].ended():
                    continue
                self.add_sample(search, game, observation, samples[game])
                var rng = Rng(self.key_of(Purpose.ACT, game, move))
                var action = search.games[game].sample_action(self.temperature, rng)
                var q = search.games[game].q(action)
                var step = search.advance(game, action)
                rewards[game].append(step.reward)
                if step.truncated:
                    bootstrap_values[game] = (q - step.reward) / max(self.config.gamma, 1e-6)
            move += 1
        for game in range(self.count):
            self.episodes[game].solved = search.games[game].envs[0].solved()
            self.end_game(game, samples[game], rewards[game], bootstrap_values[game])

    def begin(mut self) -> List[Self.E]:
        """Begins games that are not solved. Returns their environments, `[count]`."""
        var envs = List[Self.E](length=self.count, fill=self.env)
        for game in range(self.count):
            var key = self.key_of(Purpose.START, game, 0)
            var difficulty = self.starts.value()[].begin_unsolved(envs[game], key)
            self.episodes.append(Episode(difficulty, 0, 0, False))
        return envs^

    def add_sample(
        self, search: Search[Self.E], game: Int, mut observation: BatchedEvaluation[Self.E], mut samples: Batch
    ):
        """Adds the state of a searched game with its improved policy, both in canonical form."""
        comptime actions = Self.E.ACTIONS
        ref twists = self.executor.value()[].twists
        observation.observe(search.games[game].envs, [0], twists)
        var first = len(samples.policies)
        samples.policies.resize(first + actions, 0)
        for action in range(actions):
            var to = canonical_action(twists, observation.frames[0], action)
            samples.policies[first + to] = search.games[game].policy[action]
        samples.ones.extend(Span(observation.ones))
        samples.masks.extend(Span(observation.masks))

    def end_game(mut self, game: Int, mut samples: Batch, rewards: List[Float32], bootstrap_value: Float32):
        """Adds the returns of a game as target values to its samples, and these to all samples."""
        samples.values.resize(len(rewards), 0)
        var value = bootstrap_value
        for i in range(len(rewards) - 1, -1, -1):
            value = rewards[i] + self.config.gamma * value
            samples.values[i] = value
            self.episodes[game].total += rewards[i]
        self.episodes[game].length = len(rewards)
        self.samples.extend(samples)
