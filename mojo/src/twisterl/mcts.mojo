"""Tree search for many games in lock step: what self-play and solving use.

Each round, *simulate* finds a leaf in every tree, *expand* makes and evaluates all of them in one batch, and *backup*
takes what they are worth to the roots. Each move begins with an empty tree.
"""

from .act import Decision
from .distribution import masked_log_softmax
from .env import Environment, Step
from .forward import Executor
from .noise import gumbel, mix_dirichlet
from .rng import Rng
from .selection import Gumbel, Puct, halving
from .tree import NONE, State, Tree


@fieldwise_init
struct SearchConfig(ImplicitlyCopyable, Movable):
    """How games are searched."""

    var use_gumbel: Bool
    """Selection by `gumbel`, instead of by `puct`."""
    var puct: Puct
    var gumbel: Gumbel
    var simulations: Int
    """The most simulations of one move."""
    var gamma: Float32
    """The discount of a step."""

    def __init__(out self, *, use_gumbel: Bool, simulations: Int):
        """The usual constants."""
        self.use_gumbel = use_gumbel
        self.puct = Puct()
        self.gumbel = Gumbel()
        self.simulations = simulations
        self.gamma = 1.0


struct Game[E: Environment](Copyable):
    """One game: where it stands, its tree, and the environment of each of its nodes."""

    var tree: Tree
    var envs: List[Self.E]
    """Of each node; that of the root is where the game stands."""
    var wanted: Int
    """Simulations of this move: to be made, and made."""
    var made: Int
    var turns: List[Int]
    """Of Gumbel: what each of them does at the root."""
    var leaf: Int
    """The node that waits for its evaluation, or `NONE`."""
    var policy: List[Float32]
    """What the last search says that the policy should be, (ACTIONS,)."""
    var action: Int
    """What it would play."""
    var solution: List[Int]
    """The actions from the root to the best solution in the tree."""
    var solution_total: Float32
    """What they pay; the lowest number while there is none."""

    def __init__(out self, capacity: Int):
        self.tree = Tree(capacity, Self.E.ACTIONS)
        self.envs = List[Self.E](capacity=capacity)
        self.wanted = 0
        self.made = 0
        self.turns = List[Int]()
        self.leaf = NONE
        self.policy = List[Float32](length=Self.E.ACTIONS, fill=0)
        self.action = 0
        self.solution = List[Int]()
        self.solution_total = -Float32.MAX

    def q(self, action: Int) -> Float32:
        """The mean return of a root's action; the value of the root where it was never visited."""
        var edge = self.tree.edge(0, action)
        return edge.q() if edge.visits > 0 else self.tree.nodes[0].mean()

    def draw(self, temperature: Float32, mut rng: Rng) -> Int:
        """An action drawn in proportion to `visits^(1 / temperature)`; `action` at temperature 0."""
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

    def remember(mut self, node: Int):
        """Notes the way from the root to a solved node, if it is better than the best one known."""
        var way = List[Int]()
        var total = Float32(0)
        var at = node
        while self.tree.nodes[at].parent != NONE:
            way.append(self.tree.nodes[at].action)
            total += self.tree.edge(self.tree.nodes[at].parent, self.tree.nodes[at].action).reward
            at = self.tree.nodes[at].parent
        if total > self.solution_total:
            way.reverse()
            self.solution = way^
            self.solution_total = total


struct Search[E: Environment](Copyable):
    """Searches a fixed number of games. A move is `run`, then `advance` of each game."""

    var config: SearchConfig
    var games: List[Game[Self.E]]
    var nodes: Int
    """States evaluated."""
    var simulations: Int
    """Simulations made, those that came to a known end included."""
    var decision: Decision[Self.E]
    var leaves: List[Self.E]
    """The environments to be evaluated in a round."""
    var owners: List[Int]
    """Their games."""
    var slots: List[Int]

    def __init__(out self, starts: List[Self.E], config: SearchConfig):
        """A game at each of `starts`."""
        self.config = config
        self.games = List[Game[Self.E]](capacity=len(starts))
        self.nodes = 0
        self.simulations = 0
        self.decision = Decision[Self.E]()
        self.leaves = List[Self.E]()
        self.owners = List[Int]()
        self.slots = List[Int]()
        for start in starts:
            self.games.append(Game[Self.E](config.simulations + 1))
            self.begin(len(self.games) - 1, start)

    def begin(mut self, index: Int, start: Self.E):
        """Puts a game where `start` stands."""
        ref game = self.games[index]
        game.envs.clear()
        game.envs.append(start.copy())
        game.tree.clear(start.solved())
        game.solution.clear()
        game.solution_total = -Float32.MAX

    def run(mut self, executor: Executor, simulations: List[Int], mut noise: List[Rng]) raises:
        """Searches each game with so many simulations; 0 leaves it alone. With `noise`, one stream a game, roots are
        explored as in self-play; without any, not.
        """
        self.owners.clear()
        self.leaves.clear()
        for i in range(len(self.games)):
            ref game = self.games[i]
            game.wanted = 0 if game.tree.nodes[0].ended() else min(simulations[i], self.config.simulations)
            game.made = 0
            game.leaf = NONE
            if game.wanted > 0:
                self.wait(i, 0)
        self.expand(executor)
        for i in range(len(self.games)):
            if self.games[i].wanted > 0:
                self.games[i].tree.back_up(0, self.config.gamma)
                self.games[i].leaf = NONE
                self.prepare(i, noise)
        while self.simulate():
            self.expand(executor)
            for i in self.owners:
                self.games[i].tree.back_up(self.games[i].leaf, self.config.gamma)
                self.games[i].leaf = NONE
        for i in range(len(self.games)):
            if self.games[i].wanted > 0:
                self.conclude(i)

    def prepare(mut self, index: Int, mut noise: List[Rng]):
        """Begins a move: noise at the root, and the order of its actions."""
        ref game = self.games[index]
        var open = 0
        for action in range(Self.E.ACTIONS):
            var edge = game.tree.edge(0, action)
            game.tree.root_noise[action] = Float32(0) if self.config.use_gumbel else edge.prior
            open += Int(edge.open())
        if len(noise) > 0:
            if self.config.use_gumbel:
                for action in range(Self.E.ACTIONS):
                    game.tree.root_noise[action] = gumbel(noise[index])
            else:
                ref puct = self.config.puct
                mix_dirichlet(game.tree.root_noise, puct.noise_share, puct.concentration, noise[index])
        if self.config.use_gumbel:
            game.turns = halving(min(self.config.gumbel.considered, min(open, game.wanted)), game.wanted)

    def wait(mut self, index: Int, node: Int):
        """Lets a node of a game be evaluated in this round."""
        self.games[index].leaf = node
        self.owners.append(index)
        self.leaves.append(self.games[index].envs[node].copy())
        self.nodes += 1

    def simulate(mut self) -> Bool:
        """Finds a leaf in each tree, makes its node and steps into it. Returns whether there are any."""
        self.owners.clear()
        self.leaves.clear()
        for i in range(len(self.games)):
            while self.games[i].made < self.games[i].wanted and self.games[i].leaf == NONE:
                self.descend(i)
                self.games[i].made += 1
                self.simulations += 1
        return len(self.owners) > 0

    def descend(mut self, index: Int):
        """One simulation of a game: down to the end of the tree, and a step beyond."""
        ref game = self.games[index]
        var node = 0
        while not game.tree.nodes[node].ended():
            var action = self.choose(game, node)
            var child = game.tree.edge(node, action).child
            if child != NONE:
                node = child
                continue
            child = game.tree.add(node, action)
            game.envs.append(game.envs[node].copy())
            var step = game.envs[child].step(action)
            game.tree.edges[node * Self.E.ACTIONS + action].reward = step.reward
            if step.terminated:
                game.tree.nodes[child].state = State.TERMINATED
                if game.envs[child].solved():
                    game.remember(child)
                node = child
                break
            if step.truncated:
                game.tree.nodes[child].state = State.TRUNCATED
            self.wait(index, child)
            return
        game.tree.back_up(node, self.config.gamma)

    def choose(self, game: Game[Self.E], node: Int) -> Int:
        """The action to follow from an open node, which has at least one."""
        if not self.config.use_gumbel:
            return max(self.config.puct.choose(game.tree, node), 0)
        if node == 0:
            return max(self.config.gumbel.choose_root(game.tree, game.turns[game.made]), 0)
        return max(self.config.gumbel.choose(game.tree, node), 0)

    def expand(mut self, executor: Executor) raises:
        """Evaluates all leaves of the round in one batch."""
        comptime actions = Self.E.ACTIONS
        self.slots.clear()
        for i in range(len(self.leaves)):
            self.slots.append(i)
        self.decision.look(self.leaves, self.slots, executor)
        for row in range(len(self.owners)):
            var logits = Span(self.decision.evaluation.logits)[row * actions : (row + 1) * actions]
            masked_log_softmax(logits, Span(self.decision.masks)[row * actions : (row + 1) * actions])
            ref game = self.games[self.owners[row]]
            var value = self.decision.evaluation.values[row]
            var frame = self.decision.frames[row]
            if frame < 0:
                game.tree.open(game.leaf, logits, value)
            else:
                var own = List[Float32](length=actions, fill=0)
                for action in range(actions):
                    own[action] = logits[executor.twists[frame].action[action]]
                game.tree.open(game.leaf, own, value)

    def conclude(mut self, index: Int):
        """Ends a move: what the search says of the root."""
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
        """Makes a move in a game, and begins its tree anew."""
        ref game = self.games[index]
        var env = game.envs[0].copy()
        var step = env.step(action)
        game.envs.clear()
        game.envs.append(env^)
        game.tree.clear(False)
        if step.terminated:
            game.tree.nodes[0].state = State.TERMINATED
        elif step.truncated:
            game.tree.nodes[0].state = State.TRUNCATED
        game.solution.clear()
        game.solution_total = -Float32.MAX
        return step
