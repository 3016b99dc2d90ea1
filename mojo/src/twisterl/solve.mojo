"""Problems played to their end: greedily, by the best of many samples, or by tree search."""

from .act import Decision
from .env import Environment
from .forward import Executor
from .mcts import Search, SearchConfig
from .parallel import Job, cores, lent, run_all
from .rng import Purpose, Rng

comptime GROUP = 64
"""Episodes that step together."""
comptime MAX_STEPS = 1_000_000


@fieldwise_init
struct Outcome(Copyable):
    """How one start was played."""

    var solved: Bool
    var total: Float32
    """Undiscounted sum of rewards."""
    var actions: List[Int]
    var nodes: Int
    """States evaluated for it, in all tries."""

    def __init__(out self):
        self.solved = False
        self.total = 0
        self.actions = List[Int]()
        self.nodes = 0

    def better_than(self, other: Self) -> Bool:
        """Solved before unsolved, then the higher return."""
        if self.solved != other.solved:
            return self.solved
        return self.total > other.total


@fieldwise_init
struct Play(ImplicitlyCopyable, Movable):
    """How problems are played with a policy alone."""

    var greedy: Bool
    """Whether the most probable action is taken, instead of one drawn from the distribution."""
    var searches: Int
    """Episodes played from each start, of which the best is kept."""
    var seed: UInt64
    var purpose: Int
    """What the plays are for: with the seed and the iteration, it keys the streams of the actions."""
    var iteration: UInt64
    var max_steps: Int
    """The longest episode."""
    var threads: Int

    def __init__(out self, *, greedy: Bool, searches: Int = 1, seed: UInt64 = 0, threads: Int = 1):
        """Playing to solve."""
        self.greedy = greedy
        self.searches = searches
        self.seed = seed
        self.purpose = Purpose.SOLVE
        self.iteration = 0
        self.max_steps = MAX_STEPS
        self.threads = threads


def play[E: Environment](starts: List[E], executor: Executor, how: Play) raises -> List[Outcome]:
    """Plays every start, many in lock step. The outcomes do not depend on the number of threads."""
    var per_group = max(1, GROUP // how.searches)
    var groups = List[Group[E]]()
    for first in range(0, len(starts), per_group):
        var group = Group[E](how, len(groups), lent(executor))
        for i in range(first, min(first + per_group, len(starts))):
            group.starts.append(starts[i].copy())
        groups.append(group^)
    run_all(groups, cores(how.threads))
    _ = executor.widest  # lives until all threads are done
    var outcomes = List[Outcome](capacity=len(starts))
    for group in groups:
        for outcome in group.outcomes:
            outcomes.append(outcome.copy())
    return outcomes^


struct Group[E: Environment](Job):
    """Some starts that are played together, all tries at each."""

    var how: Play
    var index: Int
    var executor: Pointer[Executor, ImmUntrackedOrigin]
    var starts: List[Self.E]
    var outcomes: List[Outcome]

    def __init__(out self, how: Play, index: Int, executor: Pointer[Executor, ImmUntrackedOrigin]):
        self.how = how
        self.index = index
        self.executor = executor
        self.starts = List[Self.E]()
        self.outcomes = List[Outcome]()

    def run(mut self) raises:
        """Plays them to their end."""
        var searches = self.how.searches
        var envs = List[Self.E]()
        var tries = List[Outcome]()
        var active = List[Int]()
        for slot in range(len(self.starts) * searches):
            envs.append(self.starts[slot // searches].copy())
            tries.append(Outcome())
            tries[slot].solved = envs[slot].solved()
            if not tries[slot].solved:
                active.append(slot)
        var rngs: List[Rng] = [Rng(self.how.seed, self.how.purpose, self.how.iteration, UInt64(self.index))]
        var decision = Decision[Self.E]()
        if not self.executor[].backtracking:
            decision.last.resize(len(envs), -1)
        for _ in range(self.how.max_steps):
            if len(active) == 0:
                break
            decision.decide(envs, active, self.executor[], self.how.greedy, rngs)
            decision.remember(active)
            var left = List[Int](capacity=len(active))
            for row in range(len(active)):
                var slot = active[row]
                var step = envs[slot].step(decision.moves[row])
                tries[slot].total += step.reward
                tries[slot].actions.append(decision.moves[row])
                tries[slot].solved = envs[slot].solved()
                if not step.done():
                    left.append(slot)
            active = left^
        for start in range(len(self.starts)):
            var best = start * searches
            var nodes = 0
            for slot in range(start * searches, (start + 1) * searches):
                nodes += len(tries[slot].actions)
                if tries[slot].better_than(tries[best]):
                    best = slot
            self.outcomes.append(tries[best].copy())
            self.outcomes[start].nodes = nodes


def search_trees[
    E: Environment
](starts: List[E], executor: Executor, config: SearchConfig, max_steps: Int = MAX_STEPS) raises -> List[Outcome]:
    """Plays every start move by move, each decided by a tree search. A solution that a tree comes upon is followed to its
    end, unless a later one is better.
    """
    var search = Search[E](starts, config)
    var outcomes = List[Outcome]()
    var found = List[Outcome]()
    var simulations = List[Int](length=len(starts), fill=config.simulations)
    for start in starts:
        outcomes.append(Outcome())
        found.append(Outcome())
        outcomes[len(outcomes) - 1].solved = start.solved()
        if start.solved():
            simulations[len(outcomes) - 1] = 0
    var no_noise = List[Rng]()
    for _ in range(max_steps):
        search.run(executor, simulations, no_noise)
        var playing = False
        for i in range(len(starts)):
            if simulations[i] == 0:
                continue
            ref game = search.games[i]
            if len(game.solution) > 0:
                var way = outcomes[i].copy()
                way.solved = True
                way.total += game.solution_total
                way.actions.extend(Span(game.solution))
                if way.better_than(found[i]):
                    found[i] = way^
            var step = search.advance(i, game.action)
            outcomes[i].total += step.reward
            outcomes[i].actions.append(search.games[i].action)
            outcomes[i].solved = search.games[i].envs[0].solved()
            # One more move solves at best.
            var hopeless = (
                found[i].solved and outcomes[i].total + search.games[i].envs[0].best_return() <= found[i].total
            )
            if step.done() or hopeless:
                simulations[i] = 0
            else:
                playing = True
        if not playing:
            break
    for i in range(len(starts)):
        if found[i].better_than(outcomes[i]):
            outcomes[i] = found[i].copy()
    return outcomes^


def solve_by[E: Environment](start: E, executor: Executor, method: String, path: String) raises -> Outcome:
    """Plays from one start by a method that is given as text: greedy, best-of=N, mcts=N or gumbel=N. Raises, under the
    name `path`, for any other text.
    """
    var starts: List[E] = [start.copy()]
    var parts = method.split("=")
    var number = 1
    if len(parts) == 2:
        try:
            number = Int(parts[1])
        except:
            number = 0
    var name = String(parts[0])
    var takes_number = name == "best-of" or name == "mcts" or name == "gumbel"
    if number < 1 or number > 1 << 16 or len(parts) > 2 or takes_number != (len(parts) == 2):
        name = ""
    if name == "greedy":
        return play(starts, executor, Play(greedy=True))[0].copy()
    if name == "best-of":
        return play(starts, executor, Play(greedy=False, searches=number))[0].copy()
    if name == "mcts" or name == "gumbel":
        return search_trees(starts, executor, SearchConfig(use_gumbel=name == "gumbel", simulations=number))[0].copy()
    raise Error(path, ": expected greedy, best-of=N, mcts=N or gumbel=N with N from 1 to 65536, found ", method)
