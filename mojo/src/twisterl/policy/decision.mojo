"""Decisions for many environments at once, built on `BatchedEvaluation`. Rollouts and solving share them."""

from std.math import log

from ..env.environment import Environment
from ..env.symmetry import Twist, original_action
from ..rng import Rng
from .batched_evaluation import BatchedEvaluation
from .distribution import argmax, masked_softmax, sample
from .forward import Executor

comptime MIN_PROBABILITY = Float32(1.1754944e-38)
"""The smallest normal number. Smaller probabilities are replaced by it before the logarithm is taken."""


struct Decision[E: Environment](Copyable):
    """One decision for each of many environments. The memory is reused between steps.

    Row `i` belongs to the `i`-th of the slots that were decided for.
    """

    var batch: BatchedEvaluation[Self.E]
    """Observations, masks and values; its logits are replaced by probabilities."""
    var canonical_actions: List[Int]
    """The chosen actions in the canonical form that the policy evaluated, `[rows]`."""
    var actions: List[Int]
    """The chosen actions as the environments take them, `[rows]`."""
    var log_probs: List[Float32]
    """The log-probabilities of the chosen actions, `[rows]`."""

    def __init__(out self):
        self.batch = BatchedEvaluation[Self.E]()
        self.canonical_actions = List[Int]()
        self.actions = List[Int]()
        self.log_probs = List[Float32]()

    def choose(mut self, slots: List[Int], twists: List[Twist], greedy: Bool, mut rngs: List[Rng]):
        """Chooses an action for each of `slots`, which were evaluated before.

        It is the most probable action if `greedy`, and else drawn by the generator of the slot or by the only
        generator.
        """
        comptime actions = Self.E.ACTIONS
        self.canonical_actions.clear()
        self.actions.clear()
        self.log_probs.clear()
        for row in range(len(slots)):
            var distribution = Span(self.batch.evaluation.logits)[row * actions : (row + 1) * actions]
            masked_softmax(distribution, Span(self.batch.masks)[row * actions : (row + 1) * actions])
            var action = argmax(distribution) if greedy else sample(distribution, rngs[min(slots[row], len(rngs) - 1)])
            self.log_probs.append(log(max(distribution[action], MIN_PROBABILITY)))
            self.canonical_actions.append(action)
            self.actions.append(original_action(twists, self.batch.frames[row], action))
        self.batch.record_actions(slots, self.actions)

    def decide(
        mut self, envs: List[Self.E], slots: List[Int], executor: Executor, greedy: Bool, mut rngs: List[Rng]
    ) raises:
        """Evaluates the environments at `slots` and chooses their actions."""
        self.batch.evaluate(envs, slots, executor)
        self.choose(slots, executor.twists, greedy, rngs)
