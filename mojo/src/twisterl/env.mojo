"""The contract between a problem and everything that plays it."""

from .rng import Rng


@fieldwise_init
struct Step(Equatable, ImplicitlyCopyable, Movable, Writable):
    """What one step gave."""

    var reward: Float32
    """Reward of the transition just made."""
    var terminated: Bool
    """The problem ended (solved, lost): nothing follows, so its value is 0."""
    var truncated: Bool
    """A budget ran out: the value of the state reached stands for what would follow."""

    @always_inline
    def done(self) -> Bool:
        """Whether the episode is over."""
        return self.terminated or self.truncated


trait Environment(Copyable, Deinitable):
    """A problem with one discrete action and a sparse binary observation.

    It is deterministic but for `reset`, which is handed a generator. Nothing here takes memory from the heap but
    `state` and `render`, and no action of 0 to `ACTIONS` - 1 fails, masked ones included.
    """

    comptime NAME: StaticString
    """The name under which configs and policies ask for it."""
    comptime ACTIONS: Int
    """Number of actions."""
    comptime BITS: Int
    """Width of the observation."""
    comptime ONES: Int
    """Ones of every observation."""

    def reset(mut self, mut rng: Rng):
        """Begins an episode of the current difficulty."""
        ...

    def reset_uniform(mut self, mut rng: Rng):
        """Begins an episode at a state drawn uniformly from all, with the budget of the current difficulty."""
        ...

    def step(mut self, action: Int) -> Step:
        """Makes one move."""
        ...

    def observe(self, ones: MutSpan[UInt16, _]):
        """Writes the positions of the `ONES` ones of what is to be seen now."""
        ...

    def action_mask(self, mask: MutSpan[Bool, _]):
        """Writes which of the `ACTIONS` actions may be taken now."""
        ...

    def solved(self) -> Bool:
        """Whether the problem is solved in the current state."""
        ...

    def state(self) -> List[Int]:
        """The current state as whole numbers."""
        ...

    def set_state(mut self, state: List[Int]) raises:
        """Begins an episode at a given state, with the full budget. Raises if it can never be in this state."""
        ...

    def difficulty(self) -> Int:
        """How hard the episodes are that `reset` begins."""
        ...

    def set_difficulty(mut self, difficulty: Int):
        """Sets how hard they are."""
        ...

    def limit_budget(mut self):
        """Cuts the budget of the episode just begun to that of the current difficulty, where it is larger."""
        ...

    def state_key(self) -> UInt64:
        """A number by which search knows the current state again: equal states have equal keys."""
        ...

    def best_return(self) -> Float32:
        """An upper bound on the undiscounted return that the rest of the episode can still bring."""
        ...

    def inverse(self, action: Int) -> Int:
        """The action that undoes `action` wherever that changed something."""
        ...

    def render(self) -> String:
        """The current state as text for people."""
        ...

    def action_name(self, action: Int) -> String:
        """What an action is called in printed solutions."""
        ...


@always_inline
def folded(a: UInt64, b: UInt64) -> UInt64:
    """The two halves of the 128-bit product, one over the other."""
    var product = a.cast[DType.uint128]() * b.cast[DType.uint128]()
    return product.cast[DType.uint64]() ^ (product >> 64).cast[DType.uint64]()
