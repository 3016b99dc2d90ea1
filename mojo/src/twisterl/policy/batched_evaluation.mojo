"""Batched evaluation of environments: observe, mask, canonicalize, evaluate."""

from ..env.environment import Environment
from ..env.symmetry import Twist, canonicalize
from .evaluator import Evaluation
from .forward import Executor


struct BatchedEvaluation[E: Environment](Copyable):
    """The observations of many environments and their evaluation. The memory is reused between steps.

    Row `i` belongs to the `i`-th of the slots that were observed.
    """

    var ones: List[UInt16]
    """Observations in canonical form, `[rows, ONES]`."""
    var masks: List[Bool]
    """Allowed actions in the canonical form, `[rows, ACTIONS]`."""
    var frames: List[Int]
    """The twist that leads to each row's canonical form, or -1, `[rows]`."""
    var evaluation: Evaluation
    """Logits and values of the rows."""
    var last_actions: List[Int]
    """The last action of each slot, or -1, `[slots]`. Empty: backtracking is allowed."""

    def __init__(out self):
        self.ones = List[UInt16]()
        self.masks = List[Bool]()
        self.frames = List[Int]()
        self.evaluation = Evaluation()
        self.last_actions = List[Int]()

    def forbid_backtracking(mut self, slots: Int):
        """Masks, from now on, the action that undoes the last action of a slot, unless no other action is allowed."""
        self.last_actions.resize(slots, -1)

    def observe(mut self, envs: List[Self.E], slots: List[Int], twists: List[Twist]):
        """Observes the environments at `slots`, in canonical form under `twists`."""
        comptime ones = Self.E.ONES
        comptime actions = Self.E.ACTIONS
        self.ones.resize(len(slots) * ones, 0)
        self.masks.resize(len(slots) * actions, False)
        self.frames.clear()
        for row in range(len(slots)):
            var row_ones = Span(self.ones)[row * ones : (row + 1) * ones]
            var row_mask = Span(self.masks)[row * actions : (row + 1) * actions]
            ref env = envs[slots[row]]
            env.observe(row_ones)
            env.action_mask(row_mask)
            if len(self.last_actions) > 0 and self.last_actions[slots[row]] >= 0:
                forbid(env.inverse(self.last_actions[slots[row]]), row_mask)
            self.frames.append(canonicalize(twists, row_ones, row_mask))

    def evaluate(mut self, envs: List[Self.E], slots: List[Int], executor: Executor) raises:
        """Observes and evaluates the environments at `slots`."""
        self.observe(envs, slots, executor.twists)
        executor.evaluate(self.ones, len(slots), self.evaluation)

    def record_actions(mut self, slots: List[Int], actions: List[Int]):
        """Records the actions taken at `slots` as their last actions, if backtracking is forbidden."""
        if len(self.last_actions) > 0:
            for row in range(len(slots)):
                self.last_actions[slots[row]] = actions[row]


def forbid(action: Int, mask: MutSpan[Bool, _]):
    """Masks `action` if another action is allowed."""
    var others = False
    for other in range(len(mask)):
        others = others or (mask[other] and other != action)
    if others:
        mask[action] = False
