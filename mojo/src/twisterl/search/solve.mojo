"""Solving: problems played to their end, greedily, by the best of many samples, or by tree search."""

from ..env.environment import Environment
from ..parallel import Job, run_all, thread_count, unowned
from ..policy.decision import Decision
from ..policy.forward import Executor
from ..rng import Purpose, Rng, StreamKey
from .mcts import Search, SearchConfig

comptime GROUP = 64
"""Episodes that step together. Fixed, so that results do not depend on the number of threads."""
comptime MAX_STEPS = 1_000_000
"""The default limit on the length of an episode."""
comptime MAX_METHOD_NUMBER = 1 << 16
"""The most tries or simulations that a method may ask for."""


@fieldwise_init
struct Solution(Copyable):
    """The result of playing from one start."""

    var solved: Bool
    var total: Float32
    """The undiscounted sum of rewards."""
    var actions: List[Int]
    var nodes: Int
    """States evaluated, in all tries."""

    def __init__(out self):
        """Creates a result without actions."""
        self.solved = False
        self.total = 0
        self.actions = List[Int]()
        self.nodes = 0

    def better_than(self, other: Self) -> Bool:
        """Returns true if this result is solved and the other is not, or if it is alike and has the higher return."""
        if self.solved != other.solved:
            return self.solved
        return self.total > other.total


@fieldwise_init
struct Play(ImplicitlyCopyable, Movable):
    """The parameters of playing with a policy alone."""

    var greedy: Bool
    """True to take the most probable action, false to sample."""
    var searches: Int
    """Episodes played from each start. The best one is kept."""
    var key: StreamKey
    """The key of the random streams; its index is replaced by the number of the group."""
    var max_steps: Int
    """The longest episode."""
    var threads: Int

    def __init__(out self, *, greedy: Bool, searches: Int = 1, seed: UInt64 = 0, threads: Int = 1):
        """Creates the parameters for solving single problems."""
        self.greedy = greedy
        self.searches = searches
        self.key = StreamKey(seed, Purpose.SOLVE)
        self.max_steps = MAX_STEPS
        self.threads = threads


def play[E: Environment](starts: List[E], executor: Executor, options: Play) raises -> List[Solution]:
    """Plays from every start, many episodes in lock step. Results do not depend on the number of threads."""
    var per_group = max(1, GROUP // options.searches)
    var groups = List[PlayGroup[E]]()
    for first in range(0, len(starts), per_group):
        var group = PlayGroup[E](options, len(groups), unowned(executor))
        for i in range(first, min(first + per_group, len(starts))):
            group.starts.append(starts[i].copy())
        groups.append(group^)
    run_all(groups, thread_count(options.threads))
    _ = executor.max_width  # keeps the executor alive until all threads have ended
    var solutions = List[Solution](capacity=len(starts))
    for group in groups:
        for solution in group.solutions:
            solutions.append(solution.copy())
    return solutions^


struct PlayGroup[E: Environment](Job):
    """Some starts that are played together, with all tries from each."""

    var options: Play
    var index: Int
    """Number of the group, the index of its random stream."""
    var executor: Pointer[Executor, ImmUntrackedOrigin]
    var starts: List[Self.E]
    var solutions: List[Solution]
    """The best try from each start, `[starts]`."""

    def __init__(out self, options: Play, index: Int, executor: Pointer[Executor, ImmUntrackedOrigin]):
        """Creates a group without starts."""
        self.options = options
        self.index = index
        self.executor = executor
        self.starts = List[Self.E]()
        self.solutions = List[Solution]()

    def run(mut self) raises:
        """Plays all tries to their end and keeps the best from each start."""
        var searches = self.options.searches
        var envs = List[Self.E]()
        var tries = List[Solution]()
        var active = List[Int]()
        for slot in range(len(self.starts) * searches):
            envs.append(self.starts[slot // searches].copy())
            tries.append(Solution())
            tries[slot].solved = envs[slot].solved()
            if not tries[slot].solved:
                active.append(slot)
        var rngs: List[Rng] = [Rng(self.options.key.at(UInt64(self.index)))]
        var decision = Decision[Self.E]()
        if not self.executor[].backtracking:
            decision.batch.forbid_backtracking(len(envs))
        for _ in range(self.options.max_steps):
            if len(active) == 0:
                break
            decision.decide(envs, active, self.executor[], self.options.greedy, rngs)
            var remaining = List[Int](capacity=len(active))
            for row in range(len(active)):
                var slot = active[row]
                var step = envs[slot].step(decision.actions[row])
                tries[slot].total += step.reward
                tries[slot].actions.append(decision.actions[row])
                tries[slot].solved = envs[slot].solved()
                if not step.done():
                    remaining.append(slot)
            active = remaining^
        for start in range(len(self.starts)):
            var best = start * searches
            var nodes = 0
            for slot in range(start * searches, (start + 1) * searches):
                nodes += len(tries[slot].actions)
                if tries[slot].better_than(tries[best]):
                    best = slot
            self.solutions.append(tries[best].copy())
            self.solutions[start].nodes = nodes


def search_trees[
    E: Environment
](starts: List[E], executor: Executor, config: SearchConfig, max_steps: Int = MAX_STEPS) raises -> List[Solution]:
    """Plays from every start, each move decided by a tree search.

    A solution found in a tree is the result unless a better one is found or played later. A game stops as soon as it
    cannot beat the solution found.
    """
    var search = Search[E](starts, config)
    var played = List[Solution]()
    var found = List[Solution]()
    var simulations = List[Int](length=len(starts), fill=config.simulations)
    for start in starts:
        played.append(Solution())
        found.append(Solution())
        played[len(played) - 1].solved = start.solved()
        if start.solved():
            simulations[len(played) - 1] = 0
    var no_noise = List[Rng]()
    for _ in range(max_steps):
        search.run(executor, simulations, no_noise)
        var playing = False
        for i in range(len(starts)):
            if simulations[i] == 0:
                continue
            ref game = search.games[i]
            if len(game.solution) > 0:
                var solution = played[i].copy()
                solution.solved = True
                solution.total += game.solution_total
                solution.actions.extend(Span(game.solution))
                if solution.better_than(found[i]):
                    found[i] = solution^
            var step = search.advance(i, game.action)
            played[i].total += step.reward
            played[i].actions.append(search.games[i].action)
            played[i].solved = search.games[i].envs[0].solved()
            # At best the next move solves.
            var bound = played[i].total + search.games[i].envs[0].best_return()
            var cannot_improve = found[i].solved and bound <= found[i].total
            if step.done() or cannot_improve:
                simulations[i] = 0
            else:
                playing = True
        if not playing:
            break
    for i in range(len(starts)):
        if found[i].solved and found[i].better_than(played[i]):
            played[i] = found[i].copy()
    return played^


def solve_with[E: Environment](start: E, executor: Executor, method: String, path: String) raises -> Solution:
    """Plays from one start by a method given as text: greedy, best-of=N, mcts=N or gumbel=N. Raises, naming `path`, for
    any other text.
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
    if number < 1 or number > MAX_METHOD_NUMBER or len(parts) > 2 or takes_number != (len(parts) == 2):
        name = ""
    if name == "greedy":
        return play(starts, executor, Play(greedy=True))[0].copy()
    if name == "best-of":
        return play(starts, executor, Play(greedy=False, searches=number))[0].copy()
    if name == "mcts" or name == "gumbel":
        return search_trees(starts, executor, SearchConfig(use_gumbel=name == "gumbel", simulations=number))[0].copy()
    raise Error(
        path,
        ": expected greedy, best-of=N, mcts=N or gumbel=N with N from 1 to ",
        MAX_METHOD_NUMBER,
        ", found ",
        method,
    )
