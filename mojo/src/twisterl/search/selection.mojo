"""Action selection within a tree: PUCT and Gumbel AlphaZero."""

from std.math import exp, sqrt

from ..policy.distribution import LOWEST
from .tree import NONE, Tree


@fieldwise_init
struct Puct(ImplicitlyCopyable, Movable):
    """Selects the action of the highest value plus exploration bonus (Silver et al., "A general reinforcement learning
    algorithm that masters chess, shogi, and Go through self-play", 2018), with values normalized to [0, 1].
    """

    var exploration: Float32
    """`c`, the weight of the exploration bonus."""
    var first_play_reduction: Float32
    """The value of an unvisited action is the parent's value minus this times the square root of the visited actions'
    total prior.
    """
    var noise_share: Float32
    """The share of Dirichlet noise in the priors of the root, in self-play."""
    var concentration: Float32
    """The sum of the Dirichlet parameters."""

    def __init__(out self):
        """Creates the default constants."""
        self.exploration = 1.25
        self.first_play_reduction = 0.2
        self.noise_share = 0.25
        self.concentration = 10.0

    def choose(self, tree: Tree, node: Int) -> Int:
        """Returns the action to follow from `node`: the first of the highest `q(a) + c * prior(a) * sqrt(N) /
        (1 + N(a))`.

        `N` includes the evaluation of the node itself, so that the first choice follows the prior.
        """
        var visited_prior = Float32(0)
        for action in range(tree.actions):
            if tree.edge(node, action).visits > 0:
                visited_prior += tree.edge(node, action).prior
        var unvisited_q = tree.normalized(tree.nodes[node].mean()) - self.first_play_reduction * sqrt(visited_prior)
        var scale = self.exploration * sqrt(Float32(max(tree.nodes[node].visits, 1)))
        var best = NONE
        var highest = LOWEST
        for action in range(tree.actions):
            var edge = tree.edge(node, action)
            if not edge.open():
                continue
            var prior = tree.root_noise[action] if node == 0 else edge.prior
            var q = tree.normalized(edge.q()) if edge.visits > 0 else unvisited_q
            var score = q + scale * prior / (1.0 + Float32(edge.visits))
            if best == NONE or score > highest:
                best = action
                highest = score
        return best


@fieldwise_init
struct Gumbel(ImplicitlyCopyable, Movable):
    """Improves the policy with any number of simulations (Danihelka et al., "Policy improvement by planning with
    Gumbel", ICLR 2022).
    """

    var considered: Int
    """`m`, the most actions of the root that are searched."""
    var visit: Float32
    """`c_visit` of equation 8."""
    var scale: Float32
    """`c_scale` of equation 8."""

    def __init__(out self):
        """Creates the paper's constants, for values between 0 and 1."""
        self.considered = 16
        self.visit = 50.0
        self.scale = 0.1

    def improved_logits(self, tree: Tree, node: Int) -> List[Float32]:
        """Returns `logits + sigma(completed q)` for the actions of `node`, `[actions]`; `LOWEST` if masked.

        The values of unvisited actions are completed by the mixed value (equation 33).
        """
        var visits = 0
        var most = 0
        var visited_prior = Float32(0)
        var weighted_q = Float32(0)
        for action in range(tree.actions):
            var edge = tree.edge(node, action)
            visits += edge.visits
            most = max(most, edge.visits)
            if edge.visits > 0:
                var prior = max(edge.prior, 1e-38)  # avoids dividing by a prior that rounds to 0
                visited_prior += prior
                weighted_q += prior * edge.q()
        var mixed = tree.nodes[node].raw_value
        if visits > 0:
            mixed = (mixed + Float32(visits) * weighted_q / visited_prior) / (1.0 + Float32(visits))
        var scale = (self.visit + Float32(most)) * self.scale
        var logits = List[Float32](length=tree.actions, fill=LOWEST)
        for action in range(tree.actions):
            var edge = tree.edge(node, action)
            if edge.open():
                logits[action] = edge.logit + scale * tree.normalized(edge.q() if edge.visits > 0 else mixed)
        return logits^

    def improved_policy(self, tree: Tree, node: Int) -> List[Float32]:
        """Returns the improved policy at `node`, `softmax(logits + sigma(completed q))` (equation 11),
        `[actions]`.
        """
        var policy = self.improved_logits(tree, node)
        var most = LOWEST
        for logit in policy:
            most = max(most, logit)
        var sum = Float32(0)
        for action in range(tree.actions):
            policy[action] = exp(policy[action] - most) if policy[action] > LOWEST else Float32(0)
            sum += policy[action]
        for action in range(tree.actions):
            policy[action] = policy[action] / sum if sum > 0 else Float32(0)
        return policy^

    def choose(self, tree: Tree, node: Int) -> Int:
        """Returns the action to follow from a node below the root: the one whose share of the visits is
        furthest below the improved policy (equation 14).
        """
        var policy = self.improved_policy(tree, node)
        var visits = 1
        for action in range(tree.actions):
            visits += tree.edge(node, action).visits
        var best = NONE
        var highest = LOWEST
        for action in range(tree.actions):
            var edge = tree.edge(node, action)
            var score = policy[action] - Float32(edge.visits) / Float32(visits)
            if edge.open() and (best == NONE or score > highest):
                best = action
                highest = score
        return best

    def choose_root(self, tree: Tree, visits: Int) -> Int:
        """Returns the best action of the root by `g + logits + sigma(completed q)` among those with `visits`
        visits.
        """
        var logits = self.improved_logits(tree, 0)
        var best = NONE
        var highest = LOWEST
        for action in range(tree.actions):
            var edge = tree.edge(0, action)
            var score = logits[action] + tree.root_noise[action]
            if edge.open() and edge.visits == visits and (best == NONE or score > highest):
                best = action
                highest = score
        return best

    def decide(self, tree: Tree) -> Int:
        """Returns the action to play: the best of the most visited ones."""
        var most = 0
        for action in range(tree.actions):
            most = max(most, tree.edge(0, action).visits)
        return self.choose_root(tree, most)


def sequential_halving(considered: Int, simulations: Int) -> List[Int]:
    """Returns the visits that the root's action of each simulation must have had before, `[simulations]`.

    Sequential halving over the best `considered` actions (algorithm 1): each phase visits the remaining actions equally
    often and keeps the better half, down to two.
    """
    var required_visits = List[Int](capacity=simulations)
    if considered <= 1:
        for simulation in range(simulations):
            required_visits.append(simulation)
        return required_visits^
    var phases = 0
    while 1 << phases < considered:
        phases += 1
    var left = considered
    var visits = 0
    while len(required_visits) < simulations:
        for _ in range(max(1, simulations // (phases * left))):
            for _ in range(left):
                if len(required_visits) < simulations:
                    required_visits.append(visits)
            visits += 1
        left = max(2, left // 2)
    return required_visits^
