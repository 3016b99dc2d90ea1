"""The tree of one game: a plain arena that is allocated once, and reused from move to move.

A node is a state, an edge an action from it. Edge `a` of node `n` stands at `n * actions + a`.
"""

from std.math import exp

from .distribution import LOWEST

comptime NONE = -1
"""Stands for no node."""


struct State:
    """What can be done at a node."""

    comptime PENDING = 0
    """It waits for its evaluation."""
    comptime OPEN = 1
    """Its actions can be followed."""
    comptime TERMINATED = 2
    """The episode ends here, and is worth 0."""
    comptime TRUNCATED = 3
    """The episode is cut here, and worth what the value head says."""


@fieldwise_init
struct Node(ImplicitlyCopyable, Movable):
    """A state."""

    var parent: Int
    """The node it was reached from; `NONE` for the root."""
    var action: Int
    """By which action."""
    var state: Int
    var raw_value: Float32
    """What the value head says."""
    var visits: Int
    """Returns backed up to here, its own evaluation among them."""
    var value_sum: Float32

    def mean(self) -> Float32:
        """The mean of all returns backed up to here."""
        return self.value_sum / Float32(max(self.visits, 1))

    def ended(self) -> Bool:
        """Whether the episode is over."""
        return self.state >= State.TERMINATED


@fieldwise_init
struct Edge(ImplicitlyCopyable, Movable):
    """An action from a state."""

    var logit: Float32
    """Log-probability of the action; `LOWEST` where it is masked."""
    var prior: Float32
    """Its probability."""
    var child: Int
    """Where it leads, or `NONE`."""
    var reward: Float32
    """What the transition paid."""
    var visits: Int
    """Returns backed up through it."""
    var value_sum: Float32
    """Their sum: reward plus discounted value of what follows."""

    def open(self) -> Bool:
        """Whether simulations may follow it."""
        return self.logit > LOWEST

    def q(self) -> Float32:
        """The mean return of the action; 0 before its first visit."""
        return self.value_sum / Float32(max(self.visits, 1))


struct Tree(Copyable):
    """The tree of one game."""

    var actions: Int
    var nodes: List[Node]
    var edges: List[Edge]
    var low: Float32
    """The range of the action values, by which they are brought to [0, 1] whatever the scale of the rewards
    (Schrittwieser et al., "Mastering Atari, Go, chess and shogi by planning with a learned model", 2020, equation 5).
    """
    var high: Float32
    var root_noise: List[Float32]
    """The root's priors with noise (PUCT), or its Gumbel variables (Gumbel)."""

    def __init__(out self, capacity: Int, actions: Int):
        """Room for `capacity` nodes; node 0 is the root."""
        self.actions = actions
        self.nodes = List[Node](capacity=capacity)
        self.edges = List[Edge](capacity=capacity * actions)
        self.low = 0
        self.high = 0
        self.root_noise = List[Float32](length=actions, fill=0)
        self.clear(False)

    def clear(mut self, solved: Bool):
        """Forgets everything but a root that waits for its evaluation, or is solved."""
        self.nodes.clear()
        self.edges.clear()
        self.low = Float32.MAX
        self.high = -Float32.MAX
        _ = self.add(NONE, NONE)
        if solved:
            self.nodes[0].state = State.TERMINATED

    def edge(self, node: Int, action: Int) -> Edge:
        """An action from a node."""
        return self.edges[node * self.actions + action]

    def add(mut self, parent: Int, action: Int) -> Int:
        """Adds a node that waits for its evaluation."""
        var node = len(self.nodes)
        self.nodes.append(Node(parent, action, State.PENDING, 0, 0, 0))
        for _ in range(self.actions):
            self.edges.append(Edge(LOWEST, 0, NONE, 0, 0, 0))
        if parent != NONE:
            self.edges[parent * self.actions + action].child = node
        return node

    def open(mut self, node: Int, log_probs: Span[Float32, _], value: Float32):
        """Sets what the policy says of a node."""
        self.nodes[node].raw_value = value
        if self.nodes[node].ended():
            return
        self.nodes[node].state = State.OPEN
        for action in range(self.actions):
            ref edge = self.edges[node * self.actions + action]
            edge.logit = log_probs[action]
            edge.prior = exp(log_probs[action])

    def back_up(mut self, leaf: Int, gamma: Float32):
        """Adds the value of `leaf` to all nodes above it, each return being reward plus `gamma` times the next."""
        var node = leaf
        var value = self.nodes[leaf].raw_value
        while True:
            self.nodes[node].visits += 1
            self.nodes[node].value_sum += value
            var parent = self.nodes[node].parent
            if parent == NONE:
                return
            ref edge = self.edges[parent * self.actions + self.nodes[node].action]
            value = edge.reward + gamma * value
            edge.visits += 1
            edge.value_sum += value
            self.low = min(self.low, edge.q())
            self.high = max(self.high, edge.q())
            node = parent

    def normalised(self, q: Float32) -> Float32:
        """`q` between the lowest value, 0, and the highest, 1; 0 while all are equal."""
        if self.high > self.low:
            return min(max((q - self.low) / (self.high - self.low), 0), 1)
        return 0
