"""The search tree of one game: a plain arena that is allocated once and reused for every move.

A node is a state and an edge is an action from it. The edge of action `a` from node `n` is number `n * actions + a`.
"""

from std.math import exp

from ..policy.distribution import LOWEST

comptime NONE = -1
"""No node or action."""


struct NodeState:
    """The states of a node."""

    comptime PENDING = 0
    """Its evaluation is missing."""
    comptime OPEN = 1
    """It was evaluated, and its actions can be followed."""
    comptime TERMINATED = 2
    """The episode ends here with value 0."""
    comptime TRUNCATED = 3
    """The episode is cut here, with the value of the value head."""


@fieldwise_init
struct Node(ImplicitlyCopyable, Movable):
    """A state."""

    var parent: Int
    """The node it was reached from; `NONE` for the root."""
    var action: Int
    """The action that led to it; `NONE` for the root."""
    var state: Int
    """One of `NodeState`."""
    var raw_value: Float32
    """The value of the value head."""
    var visits: Int
    """Returns backed up to this node, its own evaluation included."""
    var value_sum: Float32
    """The sum of these returns."""

    def mean(self) -> Float32:
        """Returns the mean of all returns backed up to this node."""
        return self.value_sum / Float32(max(self.visits, 1))

    def ended(self) -> Bool:
        """Returns true if the episode is over."""
        return self.state >= NodeState.TERMINATED


@fieldwise_init
struct Edge(ImplicitlyCopyable, Movable):
    """An action from a state."""

    var logit: Float32
    """The log-probability of the action; `LOWEST` if it is masked."""
    var prior: Float32
    """The probability of the action."""
    var child: Int
    """The node it leads to; `NONE` before its first visit."""
    var reward: Float32
    """The reward of the transition."""
    var visits: Int
    """Returns backed up through this edge."""
    var value_sum: Float32
    """The sum of these returns, each the reward plus the discounted return of the child."""

    def open(self) -> Bool:
        """Returns true if the action is allowed."""
        return self.logit > LOWEST

    def q(self) -> Float32:
        """Returns the mean return of the action; 0 before its first visit."""
        return self.value_sum / Float32(max(self.visits, 1))


struct Tree(Copyable):
    """The tree of one game."""

    var actions: Int
    """The number of actions of every node."""
    var nodes: List[Node]
    """All nodes, `[nodes]`; node 0 is the root."""
    var edges: List[Edge]
    """All edges, `[nodes, actions]`."""
    var low: Float32
    """The lowest action value in the tree. Values are normalized from the range `low` to `high` to [0, 1], whatever the
    scale of the rewards (Schrittwieser et al., "Mastering Atari, Go, chess and shogi by planning with a learned model",
    2020, equation 5).
    """
    var high: Float32
    """The highest action value in the tree."""
    var root_noise: List[Float32]
    """The root's priors with noise (PUCT) or its Gumbel variables (Gumbel), `[actions]`."""

    def __init__(out self, capacity: Int, actions: Int):
        """Allocates memory for `capacity` nodes."""
        self.actions = actions
        self.nodes = List[Node](capacity=capacity)
        self.edges = List[Edge](capacity=capacity * actions)
        self.low = 0
        self.high = 0
        self.root_noise = List[Float32](length=actions, fill=0)
        self.clear(False)

    def clear(mut self, solved: Bool):
        """Removes everything except for a root that is pending, or terminated if `solved`."""
        self.nodes.clear()
        self.edges.clear()
        self.low = Float32.MAX
        self.high = -Float32.MAX
        _ = self.add(NONE, NONE)
        if solved:
            self.nodes[0].state = NodeState.TERMINATED

    def edge(self, node: Int, action: Int) -> Edge:
        """Returns the edge of an action from a node."""
        return self.edges[node * self.actions + action]

    def add(mut self, parent: Int, action: Int) -> Int:
        """Adds a pending node and returns its number."""
        var node = len(self.nodes)
        self.nodes.append(Node(parent, action, NodeState.PENDING, 0, 0, 0))
        for _ in range(self.actions):
            self.edges.append(Edge(LOWEST, 0, NONE, 0, 0, 0))
        if parent != NONE:
            self.edges[parent * self.actions + action].child = node
        return node

    def open(mut self, node: Int, log_probs: Span[Float32, _], value: Float32):
        """Stores the evaluation of a node: the log-probabilities of its actions, `[actions]`, and its value."""
        self.nodes[node].raw_value = value
        if self.nodes[node].ended():
            return
        self.nodes[node].state = NodeState.OPEN
        for action in range(self.actions):
            ref edge = self.edges[node * self.actions + action]
            edge.logit = log_probs[action]
            edge.prior = exp(log_probs[action])

    def back_up(mut self, leaf: Int, gamma: Float32):
        """Adds the value of `leaf` to all nodes and edges above it. Each return is the reward plus `gamma` times the
        next.
        """
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

    def normalized(self, q: Float32) -> Float32:
        """Returns `q` relative to the range of action values, in [0, 1]; 0 while the range is empty."""
        if self.high > self.low:
            return min(max((q - self.low) / (self.high - self.low), 0), 1)
        return 0
