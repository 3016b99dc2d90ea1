"""Evaluations during training."""

from ..algorithms.iteration import Iteration
from ..config.evals import EvalConfig
from ..env.environment import Environment
from ..policy.forward import Executor
from ..rng import Purpose, Rng, StreamKey
from ..search.mcts import SearchConfig
from ..search.solve import Play, Solution, play, search_trees


@fieldwise_init
struct EvaluationResult(ImplicitlyCopyable, Movable):
    """Means over the episodes of an evaluation."""

    var success: Float64
    """The share of solved episodes."""
    var reward: Float64
    """The mean undiscounted return."""
    var length: Float64
    """The mean length of the solved episodes; 0 if there are none."""


def evaluate[
    E: Environment
](
    config: EvalConfig, position: Int, env: E, executor: Executor, iteration: Iteration, seed: UInt64, threads: Int
) raises -> EvaluationResult:
    """Runs the evaluation at `position` among those of the config. `seed` is that of the run."""
    var options = Play(
        greedy=config.deterministic, searches=config.num_searches, threads=min(threads, config.num_cores)
    )
    options.key = StreamKey(seed + config.seed, Purpose.EVALUATE, UInt64(position) << 48 | UInt64(iteration.number))
    options.max_steps = config.max_steps
    var starts = List[E](length=config.num_episodes, fill=env)
    for i in range(config.num_episodes):
        var rng = Rng(options.key.at(UInt64(1) << 63 | UInt64(i)))
        starts[i].set_difficulty(config.difficulty if config.difficulty >= 0 else iteration.difficulty)
        if config.uniform:
            starts[i].reset_uniform(rng)
        else:
            starts[i].reset(rng)
    var solutions: List[Solution]
    if config.simulations > 0:
        var search = SearchConfig(use_gumbel=False, simulations=config.simulations)
        search.puct.exploration = config.exploration.cast[DType.float32]()
        solutions = search_trees(starts, executor, search, options.max_steps)
    else:
        solutions = play(starts, executor, options)
    var solved = 0
    var total = Float64(0)
    var length = 0
    for solution in solutions:
        total += solution.total.cast[DType.float64]()
        if solution.solved:
            solved += 1
            length += len(solution.actions)
    var count = Float64(max(len(solutions), 1))
    return EvaluationResult(Float64(solved) / count, total / count, Float64(length) / Float64(max(solved, 1)))
