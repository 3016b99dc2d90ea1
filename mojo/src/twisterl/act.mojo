"""One decision for many environments: observe, evaluate, choose. Shared by rollouts and solving."""

from std.math import log

from .distribution import argmax, masked_softmax, sample
from .env import Environment
from .forward import Evaluation, Executor
from .rng import Rng
from .symmetry import Twist, canonical, original

comptime LEAST = Float32(1.1754944e-38)
"""The least positive number of full precision: what a probability counts at least, for its logarithm."""


struct Decision[E: Environment](Copyable):
    """The memory of a decision, reused from step to step. Row `i` is the `i`-th of the slots decided for."""

    var ones: List[UInt16]
    """What was seen, (rows, ONES)."""
    var masks: List[Bool]
    """What was allowed, (rows, ACTIONS)."""
    var frames: List[Int]
    """The twist that led to each row's canonical form, or -1."""
    var evaluation: Evaluation
    """Values, and logits that became probabilities."""
    var actions: List[Int]
    """What was chosen, in the frame of the observations that the policy saw."""
    var moves: List[Int]
    """What was chosen, as the environment takes it."""
    var log_probs: List[Float32]
    """Log-probability of each choice."""
    var last: List[Int]
    """The last action of each slot, or -1, which `see` forbids to take back where another one is allowed. Empty: none is
    forbidden."""

    def __init__(out self):
        self.ones = List[UInt16]()
        self.masks = List[Bool]()
        self.frames = List[Int]()
        self.evaluation = Evaluation()
        self.actions = List[Int]()
        self.moves = List[Int]()
        self.log_probs = List[Float32]()
        self.last = List[Int]()

    def see(mut self, envs: List[Self.E], slots: List[Int], twists: List[Twist]):
        """Observes the environments at `slots`, in canonical form under `twists`."""
        comptime ones = Self.E.ONES
        comptime actions = Self.E.ACTIONS
        self.ones.resize(len(slots) * ones, 0)
        self.masks.resize(len(slots) * actions, False)
        self.frames.clear()
        for row in range(len(slots)):
            var seen = Span(self.ones)[row * ones : (row + 1) * ones]
            var allowed = Span(self.masks)[row * actions : (row + 1) * actions]
            envs[slots[row]].observe(seen)
            envs[slots[row]].action_mask(allowed)
            if len(self.last) > 0 and self.last[slots[row]] >= 0:
                forbid(envs[slots[row]].inverse(self.last[slots[row]]), allowed)
            self.frames.append(canonical(twists, seen, allowed))

    def look(mut self, envs: List[Self.E], slots: List[Int], executor: Executor) raises:
        """Observes and evaluates the environments at `slots`."""
        self.see(envs, slots, executor.twists)
        executor.evaluate(self.ones, len(slots), self.evaluation)

    def choose(mut self, slots: List[Int], twists: List[Twist], greedy: Bool, mut rngs: List[Rng]):
        """Chooses an action for each of `slots`, which were seen and evaluated: the most probable one, or one drawn from the
        distribution by the generator of its slot, or by the one that all have in common.
        """
        comptime actions = Self.E.ACTIONS
        self.actions.clear()
        self.moves.clear()
        self.log_probs.clear()
        for row in range(len(slots)):
            var distribution = Span(self.evaluation.logits)[row * actions : (row + 1) * actions]
            masked_softmax(distribution, Span(self.masks)[row * actions : (row + 1) * actions])
            var action = argmax(distribution) if greedy else sample(distribution, rngs[min(slots[row], len(rngs) - 1)])
            self.log_probs.append(log(max(distribution[action], LEAST)))
            self.actions.append(action)
            self.moves.append(original(twists, self.frames[row], action))

    def decide(
        mut self, envs: List[Self.E], slots: List[Int], executor: Executor, greedy: Bool, mut rngs: List[Rng]
    ) raises:
        """Looks, and chooses."""
        self.look(envs, slots, executor)
        self.choose(slots, executor.twists, greedy, rngs)

    def remember(mut self, slots: List[Int]):
        """Keeps what was chosen for `slots` as their last actions, where those count."""
        if len(self.last) > 0:
            for row in range(len(slots)):
                self.last[slots[row]] = self.moves[row]


def forbid(action: Int, mask: MutSpan[Bool, _]):
    """Forbids an action if another one is allowed."""
    var others = False
    for other in range(len(mask)):
        others = others or (mask[other] and other != action)
    if others:
        mask[action] = False
