"""The environment contract."""

from ..rng import Rng


@fieldwise_init
struct Step(Equatable, ImplicitlyCopyable, Movable, Writable):
    """The outcome of one action."""

    var reward: Float32
    """Reward of the transition."""
    var terminated: Bool
    """True if the problem ended (solved or lost). The value of the state reached is 0."""
    var truncated: Bool
    """True if a budget ran out. The return bootstraps from the value of the state reached."""

    @always_inline
    def done(self) -> Bool:
        """Returns true if the episode is over."""
        return self.terminated or self.truncated


trait Environment(Copyable, Deinitable):
    """A problem with one discrete action and a sparse binary observation.

    Environments are deterministic except for `reset` and `reset_uniform`, which draw from the given generator. Only
    `state` and `render` allocate memory. Every action from 0 to `ACTIONS` - 1 is valid, masked ones included.
    """

    comptime NAME: StaticString
    """The name in configs and policy files."""
    comptime ACTIONS: Int
    """The number of actions."""
    comptime BITS: Int
    """The width of the observation."""
    comptime ONES: Int
    """The number of ones in every observation."""

    def reset(mut self, mut rng: Rng):
        """Begins an episode at a scramble of the current difficulty."""
        ...

    def reset_uniform(mut self, mut rng: Rng):
        """Begins an episode at a uniformly random state, with the budget of the current difficulty."""
        ...

    def step(mut self, action: Int) -> Step:
        """Applies an action."""
        ...

    def observe(self, ones: MutSpan[UInt16, _]):
        """Writes the positions of the ones of the observation, `[ONES]`."""
        ...

    def action_mask(self, mask: MutSpan[Bool, _]):
        """Writes true for each allowed action, `[ACTIONS]`."""
        ...

    def solved(self) -> Bool:
        """Returns true if the current state solves the problem."""
        ...

    def state(self) -> List[Int]:
        """Returns the current state as integers."""
        ...

    def set_state(mut self, state: List[Int]) raises:
        """Begins an episode at `state` with the full budget. Raises if the state is not reachable."""
        ...

    def difficulty(self) -> Int:
        """Returns the difficulty of the episodes that `reset` begins."""
        ...

    def set_difficulty(mut self, difficulty: Int):
        """Sets the difficulty of the episodes that `reset` begins."""
        ...

    def limit_budget(mut self):
        """Reduces the remaining budget to that of the current difficulty if it is larger."""
        ...

    def state_key(self) -> UInt64:
        """Returns a hash of the current state. Equal states have equal keys."""
        ...

    def best_return(self) -> Float32:
        """Returns an upper bound on the undiscounted return of the rest of the episode."""
        ...

    def inverse(self, action: Int) -> Int:
        """Returns the action that undoes `action` in any state that `action` changed."""
        ...

    def render(self) -> String:
        """Returns the current state as text for people."""
        ...

    def action_name(self, action: Int) -> String:
        """Returns the name of an action in printed solutions."""
        ...


@always_inline
def folded_product(a: UInt64, b: UInt64) -> UInt64:
    """Returns the exclusive or of the two halves of the 128-bit product."""
    var product = a.cast[DType.uint128]() * b.cast[DType.uint128]()
    return product.cast[DType.uint64]() ^ (product >> 64).cast[DType.uint64]()
