"""The episodes of a population of perturbed policies."""

from ...config.es import CommonRandomNumbers, EsConfig
from ...env.environment import Environment
from ...parallel import Job
from ...policy.decision import Decision
from ...policy.evaluator import Evaluator
from ...policy.forward import Executor
from ...rng import Purpose, Rng, StreamKey
from ...rollout.collector import Episode
from ...rollout.starts import REDRAWS, Starts
from .perturbation import PerturbationKey, PerturbationLayout

comptime MAX_MEMBER_EPISODES = 1 << 20
"""The stride between the stream numbers of pairs; members have fewer episodes."""


struct PopulationRollout[E: Environment](Copyable):
    """Members of a population that play their episodes in lock step."""

    var env: Self.E
    var config: EsConfig
    var key: PerturbationKey
    var envs: List[Self.E]
    """The environments of the members that play, `[members, config.num_episodes]`."""
    var rngs: List[Rng]
    """The generator of each environment's actions."""
    var episodes: List[Episode]
    """The episodes of all members that have played, and of those that play."""

    def __init__(out self, env: Self.E, config: EsConfig, key: PerturbationKey):
        """Creates a rollout without members."""
        self.env = env.copy()
        self.config = config
        self.key = key
        self.envs = List[Self.E]()
        self.rngs = List[Rng]()
        self.episodes = List[Episode]()

    def stream(self, purpose: Int, pair: Int, episode: Int) -> StreamKey:
        """Returns the key of the first stream of an episode. Members with common random numbers have equal keys."""
        var shared = self.config.common == CommonRandomNumbers.POPULATION
        var number = episode if shared else pair * MAX_MEMBER_EPISODES + episode
        return StreamKey(self.key.seed, purpose, self.key.iteration, UInt64(number * REDRAWS))

    def begin(mut self, pair: Int, starts: Starts[Self.E]):
        """Begins the episodes of one more member, which belongs to `pair`."""
        for slot in range(self.config.num_episodes):
            var env = self.env.copy()
            var difficulty = starts.begin_unsolved(env, self.stream(Purpose.START, pair, slot))
            self.rngs.append(Rng(self.stream(Purpose.ACT, pair, slot)))
            self.episodes.append(Episode(difficulty, 0, 0, env.solved()))
            self.envs.append(env^)

    def play[V: Evaluator](mut self, mut evaluator: V, base: Executor) raises:
        """Plays the episodes begun to their end, with the symmetry and backtracking of `base`, the unperturbed policy."""
        var first = len(self.episodes) - len(self.envs)
        var active = List[Int](capacity=len(self.envs))
        for slot in range(len(self.envs)):
            active.append(slot)
        var decision = Decision[Self.E]()
        if not base.backtracking:
            decision.batch.forbid_backtracking(len(self.envs))
        for _ in range(self.config.max_steps):
            if len(active) == 0:
                break
            decision.batch.observe(self.envs, active, base.twists)
            evaluator.evaluate_slots(decision.batch.ones, active, decision.batch.evaluation)
            decision.choose(active, base.twists, self.config.deterministic, self.rngs)
            var remaining = List[Int](capacity=len(active))
            for row in range(len(active)):
                var slot = active[row]
                var step = self.envs[slot].step(decision.actions[row])
                ref episode = self.episodes[first + slot]
                episode.length += 1
                episode.total += step.reward
                episode.solved = self.envs[slot].solved()
                if not step.done():
                    remaining.append(slot)
            active = remaining^
        self.envs.clear()
        self.rngs.clear()


struct MemberPair[E: Environment](Job):
    """The two members of a perturbation, which play from the same starts."""

    var index: Int
    """The number of the perturbation."""
    var sigma: Float32
    """The standard deviation of the perturbation."""
    var rollout: PopulationRollout[Self.E]
    var base: Pointer[Executor, ImmUntrackedOrigin]
    """The unperturbed policy."""
    var weights: Pointer[List[Float32], ImmUntrackedOrigin]
    """Its parameters, `[num_parameters]`."""
    var layout: Pointer[PerturbationLayout, ImmUntrackedOrigin]
    var starts: Pointer[Starts[Self.E], ImmUntrackedOrigin]

    def __init__(
        out self,
        index: Int,
        sigma: Float32,
        var rollout: PopulationRollout[Self.E],
        base: Pointer[Executor, ImmUntrackedOrigin],
        weights: Pointer[List[Float32], ImmUntrackedOrigin],
        layout: Pointer[PerturbationLayout, ImmUntrackedOrigin],
        starts: Pointer[Starts[Self.E], ImmUntrackedOrigin],
    ):
        self.index = index
        self.sigma = sigma
        self.rollout = rollout^
        self.base = base
        self.weights = weights
        self.layout = layout
        self.starts = starts

    def run(mut self) raises:
        """Plays the episodes of both members."""
        var noise = List[Float32]()
        self.layout[].draw(self.rollout.key, UInt64(self.index), noise)
        var executor = self.base[].copy()
        for member in range(2):
            var weights = self.weights[].copy()
            self.layout[].add(noise, self.sigma if member == 0 else -self.sigma, weights)
            executor.load(weights)
            self.rollout.begin(self.index, self.starts[])
            self.rollout.play(executor, self.base[])
