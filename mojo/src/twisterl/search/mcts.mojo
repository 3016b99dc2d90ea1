"""Tree search for many games in lock step, used by self-play and solving.

Each round, *simulate* finds a leaf in every tree, *expand* evaluates all leaves in one batch, and *back up* adds their
values to the nodes above. Every move begins with an empty tree.
"""

from ..env.environment import Environment, Step
from ..env.symmetry import canonical_action
from ..policy.batched_evaluation import BatchedEvaluation
from ..policy.distribution import masked_log_softmax
from ..policy.forward import Executor
from ..rng import Rng
from .root_noise import gumbel, mix_dirichlet
from .selection import Gumbel, Puct, sequential_halving
from .tree import NONE, NodeState, Tree


@fieldwise_init
struct SearchConfig(ImplicitlyCopyable, Movable):
    """The parameters of a search."""

    var use_gumbel: Bool
    """True to select by `gumbel`, false to select by `puct`."""
    var puct: Puct
    var gumbel: Gumbel
    var simulations: Int
    """The most simulations of one move."""
    var gamma: Float32
    """The discount per step."""

    def __init__(out self, *, use_gumbel: Bool, simulations: Int):
        """Creates a config with the default constants and no discount."""
        self.use_gumbel = use_gumbel
        self.puct = Puct()
        self.gumbel = Gumbel()
        self.simulations = simulations
        self.gamma = 1.0


struct Game[E: Environment](Copyable):
    """One game: its tree and the environment of each node."""

    var tree: Tree
    var envs: List[Self.E]
    """The environment in the state of each node, `[nodes]`; that of the root is the game's current state."""
    var planned: Int
    """Simulations to run for this move."""
    var done: Int
    """Simulations run for this move."""
    var required_visits: List[Int]
    """Gumbel: visits that the root's action of each simulation must have had before, `[planned]`."""
    var leaf: Int
    """The node that waits for its evaluation; `NONE` if there is none."""
    var policy: List[Float32]
    """The improved policy of the last search, `[ACTIONS]`."""
    var action: Int
    """The best action of the last search."""
    var solution: List[Int]
    """The actions from the root to the best solution in the tree; empty if there is none."""
    var solution_total: Float32
    """The return of the solution; the lowest number if there is none."""

    def __init__(out self, capacity: Int):
        """Allocates memory for `capacity` nodes."""
        self.tree = Tree(capacity, Self.E.ACTIONS)
        self.envs = List[Self.E](capacity=capacity)
        self.planned = 0
        self.done = 0
        self.required_visits = List[Int]()
        self.leaf = NONE
        self.policy = List[Float32](length=Self.E.ACTIONS, fill=0)
        self.action = 0
        self.solution = List[Int]()
        self.solution_total = -Float32.MAX

    def clear_solution(mut self):
        """Forgets the solution."""
        self.solution.clear()
        self.solution_total = -Float32.MAX

    def q(self, action: Int) -> Float32:
        """Returns the mean return of an action of the root; the root's mean value if the action was never visited."""
        var edge = self.tree.edge(0, action)
        return edge.q() if edge.visits > 0 else self.tree.nodes[0].mean()

    def sample_action(self, temperature: Float32, mut rng: Rng) -> Int:
        """Draws an action in proportion to `visits^(1 / temperature)`. Returns the best action at temperature 0."""
        if temperature <= 0:
            return self.action
        var most = 1
        for action in range(Self.E.ACTIONS):
            most = max(most, self.tree.edge(0, action).visits)
        var weights = List[Float32]()
        var sum = Float32(0)
        for action in range(Self.E.ACTIONS):
            var share = Float32(self.tree.edge(0, action).visits) / Float32(most)
            weights.append(share ** (1.0 / temperature) if share > 0 else Float32(0))
            sum += weights[action]
        var left = rng.uniform() * sum
        for action in range(Self.E.ACTIONS):
            left -= weights[action]
            if left < 0:
                return action
        return self.action

    def record_solution(mut self, node: Int):
        """Stores the path from the root to a solved node if its return is higher than that of the stored solution."""
        var path = List[Int]()
        var total = Float32(0)
        var at = node
        while self.tree.nodes[at].parent != NONE:
            path.append(self.tree.nodes[at].action)
            total += self.tree.edge(self.tree.nodes[at].parent, self.tree.nodes[at].action).reward
            at = self.tree.nodes[at].parent
        if total > self.solution_total:
            path.reverse()
            self.solution = path^
            self.solution_total = total


struct Search[E: Environment](Copyable):
    """A search of a fixed number of games. Each move is a call of `run` and of `advance` for each game."""

    var config: SearchConfig
    var games: List[Game[Self.E]]
    var nodes: Int
    """States evaluated so far."""
    var simulations: Int
    """Simulations run so far, those that ended at a terminal node included."""
    var batch: BatchedEvaluation[Self.E]
    var leaves: List[Self.E]
    """The environments to evaluate in this round, `[leaves]`."""
    var leaf_games: List[Int]
    """The game of each leaf, `[leaves]`."""
    var slots: List[Int]
    """The numbers of the leaves, `[leaves]`."""

    def __init__(out self, starts: List[Self.E], config: SearchConfig):
        """Begins a game at each of `starts`."""
        self.config = config
        self.games = List[Game[Self.E]](capacity=len(starts))
        self.nodes = 0
        self.simulations = 0
        self.batch = BatchedEvaluation[Self.E]()
        self.leaves = List[Self.E]()
        self.leaf_games = List[Int]()
        self.slots = List[Int]()
        for start in starts:
            self.games.append(Game[Self.E](config.simulations + 1))
            self.begin(len(self.games) - 1, start)

    def begin(mut self, index: Int, start: Self.E):
        """Begins game `index` at `start`."""
        ref game = self.games[index]
        game.envs.clear()
        game.envs.append(start.copy())
        game.tree.clear(start.solved())
        game.clear_solution()

    def run(mut self, executor: Executor, simulations: List[Int], mut noise: List[Rng]) raises:
        """Searches each game with its number of simulations, `[games]`; 0 skips a game.

        `noise` holds one generator per game for exploration noise at the root, as in self-play. Without generators
        there is no noise.
        """
        self.leaf_games.clear()
        self.leaves.clear()
        for i in range(len(self.games)):
            ref game = self.games[i]
            game.planned = 0 if game.tree.nodes[0].ended() else min(simulations[i], self.config.simulations)
            game.done = 0
            game.leaf = NONE
            if game.planned > 0:
                self.request_evaluation(i, 0)
        self.expand(executor)
        for i in range(len(self.games)):
            if self.games[i].planned > 0:
                self.games[i].tree.back_up(0, self.config.gamma)
                self.games[i].leaf = NONE
                self.begin_move(i, noise)
        while self.simulate():
            self.expand(executor)
            for i in self.leaf_games:
                self.games[i].tree.back_up(self.games[i].leaf, self.config.gamma)
                self.games[i].leaf = NONE
        for i in range(len(self.games)):
            if self.games[i].planned > 0:
                self.end_move(i)

    def begin_move(mut self, index: Int, mut noise: List[Rng]):
        """Adds noise to an evaluated root and schedules its actions."""
        ref game = self.games[index]
        var allowed = 0
        for action in range(Self.E.ACTIONS):
            var edge = game.tree.edge(0, action)
            game.tree.root_noise[action] = Float32(0) if self.config.use_gumbel else edge.prior
            allowed += Int(edge.open())
        if len(noise) > 0:
            if self.config.use_gumbel:
                for action in range(Self.E.ACTIONS):
                    game.tree.root_noise[action] = gumbel(noise[index])
            else:
                ref puct = self.config.puct
                mix_dirichlet(game.tree.root_noise, puct.noise_share, puct.concentration, noise[index])
        if self.config.use_gumbel:
            var considered = min(self.config.gumbel.considered, min(allowed, game.planned))
            game.required_visits = sequential_halving(considered, game.planned)

    def request_evaluation(mut self, index: Int, node: Int):
        """Adds a node of a game to the leaves of this round."""
        self.games[index].leaf = node
        self.leaf_games.append(index)
        self.leaves.append(self.games[index].envs[node].copy())
        self.nodes += 1

    def simulate(mut self) -> Bool:
        """Runs simulations of each game until one reaches a leaf. Returns true if there is any leaf to evaluate."""
        self.leaf_games.clear()
        self.leaves.clear()
        for i in range(len(self.games)):
            while self.games[i].done < self.games[i].planned and self.games[i].leaf == NONE:
                self.descend(i)
                self.games[i].done += 1
                self.simulations += 1
        return len(self.leaf_games) > 0

    def descend(mut self, index: Int):
        """Runs one simulation of a game: follows the tree to a leaf and takes one step beyond it."""
        ref game = self.games[index]
        var node = 0
        while not game.tree.nodes[node].ended():
            var action = self.select(game, node)
            var child = game.tree.edge(node, action).child
            if child != NONE:
                node = child
                continue
            child = game.tree.add(node, action)
            game.envs.append(game.envs[node].copy())
            var step = game.envs[child].step(action)
            game.tree.edges[node * Self.E.ACTIONS + action].reward = step.reward
            if step.terminated:
                game.tree.nodes[child].state = NodeState.TERMINATED
                if game.envs[child].solved():
                    game.record_solution(child)
                node = child
                break
            if step.truncated:
                game.tree.nodes[child].state = NodeState.TRUNCATED
            self.request_evaluation(index, child)
            return
        game.tree.back_up(node, self.config.gamma)

    def select(self, game: Game[Self.E], node: Int) -> Int:
        """Returns the action to follow from an open node, which has at least one."""
        if not self.config.use_gumbel:
            return max(self.config.puct.choose(game.tree, node), 0)
        if node == 0:
            return max(self.config.gumbel.choose_root(game.tree, game.required_visits[game.done]), 0)
        return max(self.config.gumbel.choose(game.tree, node), 0)

    def expand(mut self, executor: Executor) raises:
        """Evaluates all leaves of the round in one batch and opens their nodes."""
        comptime actions = Self.E.ACTIONS
        self.slots.clear()
        for i in range(len(self.leaves)):
            self.slots.append(i)
        self.batch.evaluate(self.leaves, self.slots, executor)
        var log_probs = List[Float32](length=actions, fill=0)
        for row in range(len(self.leaf_games)):
            var logits = Span(self.batch.evaluation.logits)[row * actions : (row + 1) * actions]
            masked_log_softmax(logits, Span(self.batch.masks)[row * actions : (row + 1) * actions])
            for action in range(actions):
                log_probs[action] = logits[canonical_action(executor.twists, self.batch.frames[row], action)]
            ref game = self.games[self.leaf_games[row]]
            game.tree.open(game.leaf, log_probs, self.batch.evaluation.values[row])

    def end_move(mut self, index: Int):
        """Stores the improved policy and the best action of a searched root."""
        ref game = self.games[index]
        if self.config.use_gumbel:
            game.policy = self.config.gumbel.improved_policy(game.tree, 0)
            game.action = max(self.config.gumbel.decide(game.tree), 0)
            return
        var visits = 0
        for action in range(Self.E.ACTIONS):
            visits += game.tree.edge(0, action).visits
        game.action = 0
        for action in range(Self.E.ACTIONS):
            var edge = game.tree.edge(0, action)
            game.policy[action] = Float32(edge.visits) / Float32(max(visits, 1))
            var best = game.tree.edge(0, game.action)
            if edge.visits > best.visits or (edge.visits == best.visits and edge.q() > best.q()):
                game.action = action

    def advance(mut self, index: Int, action: Int) -> Step:
        """Applies an action to a game and clears its tree."""
        ref game = self.games[index]
        var env = game.envs[0].copy()
        var step = env.step(action)
        game.envs.clear()
        game.envs.append(env^)
        game.tree.clear(False)
        if step.terminated:
            game.tree.nodes[0].state = NodeState.TERMINATED
        elif step.truncated:
            game.tree.nodes[0].state = NodeState.TRUNCATED
        game.clear_solution()
        return step
