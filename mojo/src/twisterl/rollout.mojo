"""Transitions for training: many episodes in lock step, in groups of fixed size, whatever the number of threads."""

from .act import Decision
from .batch import Batch
from .env import Environment, Step
from .forward import Executor
from .parallel import Job, lent, run_all
from .rng import Purpose, Rng
from .starts import REDRAWS, Starts

comptime GROUP = 64
"""Environments that step together."""


@fieldwise_init
struct Episode(ImplicitlyCopyable, Movable):
    """An episode that ended."""

    var difficulty: Int
    """That of its scramble; -1 where it began otherwise."""
    var length: Int
    var total: Float32
    """Undiscounted sum of rewards."""
    var solved: Bool


struct Collector[E: Environment](Copyable):
    """Environments that play with the current policy."""

    var groups: List[Group[Self.E]]
    var threads: Int

    def __init__(out self, env: Self.E, slots: Int, threads: Int):
        """So many environments like `env`."""
        self.groups = List[Group[Self.E]]()
        self.threads = threads
        for first in range(0, slots, GROUP):
            self.groups.append(Group(env, len(self.groups), min(GROUP, slots - first)))

    def collect(
        mut self, executor: Executor, starts: Starts[Self.E], seed: UInt64, iteration: UInt64, steps: Int
    ) raises:
        """Plays `steps` steps of each environment, episodes running on from one collection to the next; 0: one whole
        episode of each.
        """
        for i in range(len(self.groups)):
            ref group = self.groups[i]
            group.executor = lent(executor)
            group.starts = lent(starts)
            group.seed = seed
            group.iteration = iteration
            group.steps = steps
        run_all(self.groups, self.threads)
        _ = executor.widest  # live until all threads are done
        _ = starts.difficulty


struct Group[E: Environment](Job):
    """Environments that step together, and their transitions, row by row."""

    var index: Int
    var executor: Optional[Pointer[Executor, ImmUntrackedOrigin]]
    var starts: Optional[Pointer[Starts[Self.E], ImmUntrackedOrigin]]
    var seed: UInt64
    var iteration: UInt64
    var steps: Int
    var begun: Int
    """Episodes begun in this collection."""
    var playing: Bool
    """Whether episodes run on from the last collection."""
    var envs: List[Self.E]
    var live: List[Episode]
    """The episode of each environment, as far as it came."""
    var episodes: List[Episode]
    """Those that ended, in order of time."""
    var decision: Decision[Self.E]
    var batch: Batch
    """What was seen and done; without advantages and targets of values."""
    var values: List[Float32]
    """The value seen before each action."""
    var outcomes: List[Step]
    """What it gave."""
    var slots: List[Int]
    """The environment of each row."""
    var cut_values: List[Float32]
    """Value of the state that a truncated row led to; 0 for all other rows."""
    var last_values: List[Float32]
    """Value of the state in which each environment stands at the end."""

    def __init__(out self, env: Self.E, index: Int, count: Int):
        self.index = index
        self.executor = None
        self.starts = None
        self.seed = 0
        self.iteration = 0
        self.steps = 0
        self.begun = 0
        self.playing = False
        self.envs = List[Self.E](length=count, fill=env)
        self.live = List[Episode](length=count, fill=Episode(-1, 0, 0, False))
        self.episodes = List[Episode]()
        self.decision = Decision[Self.E]()
        self.batch = Batch(Self.E.ONES, Self.E.ACTIONS)
        self.values = List[Float32]()
        self.outcomes = List[Step]()
        self.slots = List[Int]()
        self.cut_values = List[Float32]()
        self.last_values = List[Float32](length=count, fill=0)

    def begin(mut self, slot: Int):
        """Begins the next episode of `slot`; a start that is solved already is drawn again."""
        var difficulty = -1
        for _ in range(REDRAWS):
            var index = UInt64(self.index) << 40 | UInt64(self.begun)
            self.begun += 1
            var choice = Rng(self.seed, Purpose.CHOICE, self.iteration, index)
            var rng = Rng(self.seed, Purpose.START, self.iteration, index)
            difficulty = self.starts.value()[].begin(self.envs[slot], choice, rng)
            if not self.envs[slot].solved():
                break
        self.live[slot] = Episode(difficulty, 0, 0, False)

    def run(mut self) raises:
        """Collects."""
        var rngs: List[Rng] = [Rng(self.seed, Purpose.ACT, self.iteration, UInt64(self.index))]
        self.batch.clear()
        self.values.clear()
        self.outcomes.clear()
        self.slots.clear()
        self.cut_values.clear()
        self.episodes.clear()
        self.begun = 0
        var active = List[Int]()
        for slot in range(len(self.envs)):
            if self.steps == 0 or not self.playing:
                self.begin(slot)
            active.append(slot)
        self.playing = True
        var cut = List[Self.E]()
        var cut_rows = List[Int]()
        var step = 0
        while len(active) > 0 and (self.steps == 0 or step < self.steps):
            self.step(active, rngs, cut, cut_rows)
            step += 1
        self.bootstrap(active, cut, cut_rows)

    def step(
        mut self, mut active: List[Int], mut rngs: List[Rng], mut cut: List[Self.E], mut cut_rows: List[Int]
    ) raises:
        """One step of the `active` environments, of which only those go on that are not over."""
        self.decision.decide(self.envs, active, self.executor.value()[], False, rngs)
        self.batch.ones.extend(Span(self.decision.ones))
        self.batch.masks.extend(Span(self.decision.masks))
        self.batch.actions.extend(Span(self.decision.actions))
        self.batch.log_probs.extend(Span(self.decision.log_probs))
        self.values.extend(Span(self.decision.evaluation.values))
        self.slots.extend(Span(active))
        var going = List[Int](capacity=len(active))
        for row in range(len(active)):
            var slot = active[row]
            var outcome = self.envs[slot].step(self.decision.moves[row])
            self.outcomes.append(outcome)
            self.cut_values.append(0)
            self.live[slot].length += 1
            self.live[slot].total += outcome.reward
            if not outcome.done():
                going.append(slot)
                continue
            self.live[slot].solved = self.envs[slot].solved()
            self.episodes.append(self.live[slot])
            if outcome.truncated:
                cut.append(self.envs[slot].copy())
                cut_rows.append(len(self.outcomes) - 1)
            if self.steps > 0:
                self.begin(slot)
                going.append(slot)
        active = going^

    def bootstrap(mut self, active: List[Int], cut: List[Self.E], cut_rows: List[Int]) raises:
        """Evaluates where truncated episodes and the environments at the end have come to."""
        var all = List[Int]()
        for i in range(len(cut)):
            all.append(i)
        self.decision.look(cut, all, self.executor.value()[])
        for i in range(len(cut_rows)):
            self.cut_values[cut_rows[i]] = self.decision.evaluation.values[i]
        self.decision.look(self.envs, active, self.executor.value()[])
        for i in range(len(active)):
            self.last_values[active[i]] = self.decision.evaluation.values[i]

    def estimate(mut self, gamma: Float32, gae_lambda: Float32):
        """Completes the batch by lambda-returns and advantages by generalised advantage estimation (Schulman et al. 2016,
        equation 16): `delta_t = r_t + gamma V(s_t+1) - V(s_t)`, `A_t = delta_t + gamma lambda A_t+1`, return
        `A_t + V(s_t)`. A terminated row has no successor; a truncated one, and the last of an environment, bootstrap
        from the value reached.
        """
        var rows = len(self.outcomes)
        self.batch.advantages.resize(rows, 0)
        self.batch.values.resize(rows, 0)
        var next_values = self.last_values.copy()
        var next_advantages = List[Float32](length=len(next_values), fill=0)
        for row in range(rows - 1, -1, -1):
            var slot = self.slots[row]
            var outcome = self.outcomes[row]
            var value = next_values[slot]
            var follows = next_advantages[slot]
            if outcome.done():
                value = Float32(0) if outcome.terminated else self.cut_values[row]
                follows = 0
            var advantage = outcome.reward + gamma * (value + gae_lambda * follows) - self.values[row]
            self.batch.advantages[row] = advantage
            self.batch.values[row] = advantage + self.values[row]
            next_values[slot] = self.values[row]
            next_advantages[slot] = advantage
