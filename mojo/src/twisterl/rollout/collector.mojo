"""Transitions for training: many episodes in lock step, in groups of fixed size, whatever the number of threads."""

from ..env.environment import Environment, Step
from ..parallel import Job, run_all, unowned
from ..policy.decision import Decision
from ..policy.forward import Executor
from ..rng import Purpose, Rng, StreamKey
from .batch import Batch
from .starts import REDRAWS, Starts

comptime GROUP = 64
"""Environments that step together. Fixed, so that results do not depend on the number of threads."""


@fieldwise_init
struct Episode(ImplicitlyCopyable, Movable):
    """An episode, finished or running."""

    var difficulty: Int
    """The difficulty of its scramble; -1 for another start."""
    var length: Int
    """Steps taken."""
    var total: Float32
    """The undiscounted sum of rewards."""
    var solved: Bool


struct Collector[E: Environment](Copyable):
    """Environments that play with the current policy."""

    var groups: List[RolloutGroup[Self.E]]
    var threads: Int

    def __init__(out self, env: Self.E, slots: Int, threads: Int):
        """Creates `slots` environments like `env`."""
        self.groups = List[RolloutGroup[Self.E]]()
        self.threads = threads
        for first in range(0, slots, GROUP):
            self.groups.append(RolloutGroup(env, len(self.groups), min(GROUP, slots - first)))

    def collect(
        mut self, executor: Executor, starts: Starts[Self.E], seed: UInt64, iteration: UInt64, steps: Int
    ) raises:
        """Plays `steps` steps of each environment, or one whole episode if 0. Unfinished episodes continue next time."""
        for i in range(len(self.groups)):
            ref group = self.groups[i]
            group.executor = unowned(executor)
            group.starts = unowned(starts)
            group.key = StreamKey(seed, Purpose.ACT, iteration, UInt64(i))
            group.steps = steps
        run_all(self.groups, self.threads)
        _ = executor.max_width  # keeps both alive until all threads have ended
        _ = starts.difficulty


struct RolloutGroup[E: Environment](Job):
    """Environments that step together and their transitions, one row each, in order of time."""

    var executor: Optional[Pointer[Executor, ImmUntrackedOrigin]]
    var starts: Optional[Pointer[Starts[Self.E], ImmUntrackedOrigin]]
    var key: StreamKey
    """The key of the action stream; its index is the number of the group."""
    var steps: Int
    """Steps of each environment; 0: one whole episode each."""
    var starts_drawn: Int
    """Starts drawn in this collection, redraws included."""
    var playing: Bool
    """True if episodes continue from the last collection."""
    var envs: List[Self.E]
    """The environments, `[slots]`."""
    var running: List[Episode]
    """The current episode of each environment, `[slots]`."""
    var episodes: List[Episode]
    """The episodes that ended in this collection, in order of time."""
    var decision: Decision[Self.E]
    var batch: Batch
    """The transitions; `estimate` adds advantages and target values."""
    var values: List[Float32]
    """The value of the state before each action, `[rows]`."""
    var outcomes: List[Step]
    """The outcome of each action, `[rows]`."""
    var slots: List[Int]
    """The environment of each row, `[rows]`."""
    var truncated_values: List[Float32]
    """The value of the state that a truncated row led to; 0 for all other rows, `[rows]`."""
    var last_values: List[Float32]
    """The value of the state of each environment at the end of the collection, `[slots]`."""

    def __init__(out self, env: Self.E, index: Int, count: Int):
        """Creates group `index` with `count` environments like `env`."""
        self.executor = None
        self.starts = None
        self.key = StreamKey(0, Purpose.ACT, 0, UInt64(index))
        self.steps = 0
        self.starts_drawn = 0
        self.playing = False
        self.envs = List[Self.E](length=count, fill=env)
        self.running = List[Episode](length=count, fill=Episode(-1, 0, 0, False))
        self.episodes = List[Episode]()
        self.decision = Decision[Self.E]()
        self.batch = Batch(Self.E.ONES, Self.E.ACTIONS)
        self.values = List[Float32]()
        self.outcomes = List[Step]()
        self.slots = List[Int]()
        self.truncated_values = List[Float32]()
        self.last_values = List[Float32](length=count, fill=0)

    def begin(mut self, slot: Int):
        """Begins the next episode of `slot`. A start that is already solved is drawn again."""
        var difficulty = -1
        for _ in range(REDRAWS):
            var index = self.key.index << 40 | UInt64(self.starts_drawn)
            self.starts_drawn += 1
            difficulty = self.starts.value()[].begin(self.envs[slot], self.key, index)
            if not self.envs[slot].solved():
                break
        self.running[slot] = Episode(difficulty, 0, 0, False)

    def run(mut self) raises:
        """Collects transitions."""
        var rngs: List[Rng] = [Rng(self.key)]
        self.batch.clear()
        self.values.clear()
        self.outcomes.clear()
        self.slots.clear()
        self.truncated_values.clear()
        self.episodes.clear()
        self.starts_drawn = 0
        var active = List[Int]()
        for slot in range(len(self.envs)):
            if self.steps == 0 or not self.playing:
                self.begin(slot)
            active.append(slot)
        self.playing = True
        var truncated = List[Self.E]()
        var truncated_rows = List[Int]()
        var step = 0
        while len(active) > 0 and (self.steps == 0 or step < self.steps):
            self.step(active, rngs, truncated, truncated_rows)
            step += 1
        self.bootstrap(active, truncated, truncated_rows)

    def step(
        mut self,
        mut active: List[Int],
        mut rngs: List[Rng],
        mut truncated: List[Self.E],
        mut truncated_rows: List[Int],
    ) raises:
        """Takes one step in the `active` environments and removes those that will not continue.

        Appends the final states of truncated episodes to `truncated` and their rows to `truncated_rows`.
        """
        self.decision.decide(self.envs, active, self.executor.value()[], False, rngs)
        self.batch.ones.extend(Span(self.decision.batch.ones))
        self.batch.masks.extend(Span(self.decision.batch.masks))
        self.batch.actions.extend(Span(self.decision.canonical_actions))
        self.batch.log_probs.extend(Span(self.decision.log_probs))
        self.values.extend(Span(self.decision.batch.evaluation.values))
        self.slots.extend(Span(active))
        var remaining = List[Int](capacity=len(active))
        for row in range(len(active)):
            var slot = active[row]
            var outcome = self.envs[slot].step(self.decision.actions[row])
            self.outcomes.append(outcome)
            self.truncated_values.append(0)
            self.running[slot].length += 1
            self.running[slot].total += outcome.reward
            if not outcome.done():
                remaining.append(slot)
                continue
            self.running[slot].solved = self.envs[slot].solved()
            self.episodes.append(self.running[slot])
            if outcome.truncated:
                truncated.append(self.envs[slot].copy())
                truncated_rows.append(len(self.outcomes) - 1)
            if self.steps > 0:
                self.begin(slot)
                remaining.append(slot)
        active = remaining^

    def bootstrap(mut self, active: List[Int], truncated: List[Self.E], truncated_rows: List[Int]) raises:
        """Evaluates the final states of truncated episodes and of the `active` environments."""
        var all = List[Int]()
        for i in range(len(truncated)):
            all.append(i)
        self.decision.batch.evaluate(truncated, all, self.executor.value()[])
        for i in range(len(truncated_rows)):
            self.truncated_values[truncated_rows[i]] = self.decision.batch.evaluation.values[i]
        self.decision.batch.evaluate(self.envs, active, self.executor.value()[])
        for i in range(len(active)):
            self.last_values[active[i]] = self.decision.batch.evaluation.values[i]

    def estimate(mut self, gamma: Float32, gae_lambda: Float32):
        """Adds lambda-returns and advantages by generalized advantage estimation (Schulman et al. 2016, equation 16).

        `delta_t = r_t + gamma V(s_t+1) - V(s_t)`, `A_t = delta_t + gamma lambda A_t+1`, and the return is `A_t +
        V(s_t)`. A terminated row has no successor. A truncated row and the last row of an environment bootstrap from
        the value of the state reached.
        """
        var rows = len(self.outcomes)
        self.batch.advantages.resize(rows, 0)
        self.batch.values.resize(rows, 0)
        var next_values = self.last_values.copy()
        var next_advantages = List[Float32](length=len(next_values), fill=0)
        for row in range(rows - 1, -1, -1):
            var slot = self.slots[row]
            var outcome = self.outcomes[row]
            var next_value = next_values[slot]
            var next_advantage = next_advantages[slot]
            if outcome.done():
                next_value = Float32(0) if outcome.terminated else self.truncated_values[row]
                next_advantage = 0
            var advantage = outcome.reward + gamma * (next_value + gae_lambda * next_advantage) - self.values[row]
            self.batch.advantages[row] = advantage
            self.batch.values[row] = advantage + self.values[row]
            next_values[slot] = self.values[row]
            next_advantages[slot] = advantage
