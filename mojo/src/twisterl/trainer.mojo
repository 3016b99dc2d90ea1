"""The loop around an algorithm: evaluate, iterate, move the curriculum on, log, save."""

from std.os import makedirs
from std.time import perf_counter_ns

from .alphazero import AlphaZero
from .config import Algorithm, RunConfig
from .env import Environment
from .es import Asking, Es, OnThreads
from .files import write_file
from .forward import Executor
from .json import quoted
from .loss import Sums
from .mcts import SearchConfig
from .network import Network
from .parallel import cores
from .policy import Policy
from .ppo import Ppo
from .puzzle import Puzzle
from .rng import Purpose, Rng
from .rollout import Episode
from .sections import EvalConfig
from .solve import Outcome, Play, play, search_trees
from .symmetry import Twist, square_twists
from .trainee import Iteration

comptime ROLLOUT_EPISODES = 200
"""Training episodes at the current difficulty that the special metric `rollout` waits for before it judges."""


@fieldwise_init
struct Score(ImplicitlyCopyable, Movable):
    """Means over the episodes of an evaluation."""

    var success: Float64
    """Share solved."""
    var reward: Float64
    """Undiscounted return."""
    var length: Float64
    """Length of the solved episodes; 0 where none was."""


def evaluate[
    E: Environment
](
    config: EvalConfig, position: Int, env: E, executor: Executor, iteration: Iteration, seed: UInt64, threads: Int
) raises -> Score:
    """Plays the evaluation that stands at `position` among those of the config."""
    var how = Play(
        greedy=config.deterministic, searches=config.num_searches, seed=seed + UInt64(config.seed), threads=threads
    )
    how.purpose = Purpose.EVALUATE
    how.iteration = UInt64(position) << 48 | UInt64(iteration.number)
    how.max_steps = config.max_steps
    var starts = List[E](length=config.num_episodes, fill=env)
    for i in range(config.num_episodes):
        var rng = Rng(how.seed, how.purpose, how.iteration, UInt64(1) << 63 | UInt64(i))
        starts[i].set_difficulty(config.difficulty if config.difficulty >= 0 else iteration.difficulty)
        if config.uniform:
            starts[i].reset_uniform(rng)
        else:
            starts[i].reset(rng)
    var outcomes: List[Outcome]
    if config.simulations > 0:
        var search = SearchConfig(use_gumbel=False, simulations=config.simulations)
        search.puct.exploration = config.exploration.cast[DType.float32]()
        outcomes = search_trees(starts, executor, search, how.max_steps)
    else:
        outcomes = play(starts, executor, how)
    var solved = 0
    var total = Float64(0)
    var length = 0
    for outcome in outcomes:
        total += outcome.total.cast[DType.float64]()
        if outcome.solved:
            solved += 1
            length += len(outcome.actions)
    var count = Float64(max(len(outcomes), 1))
    return Score(Float64(solved) / count, total / count, Float64(length) / Float64(max(solved, 1)))


struct Curriculum(Copyable):
    """The difficulty of training episodes, which goes up as they are solved."""

    var difficulty: Int
    var episodes: Int
    """Training episodes that began at it since it was last judged."""
    var solved: Int
    """Those of them that were solved."""

    def __init__(out self, config: RunConfig):
        """Begins where the config says."""
        self.difficulty = config.learning.diff_start
        self.episodes = 0
        self.solved = 0

    def observe(mut self, episodes: List[Episode]):
        """Takes note of training episodes."""
        for episode in episodes:
            if episode.difficulty == self.difficulty:
                self.episodes += 1
                self.solved += Int(episode.solved)

    def advance(mut self, config: RunConfig, iteration: Int, evaluated: Float64):
        """Moves on if the metric allows: `evaluated` is the success of the evaluation that it names, negative where that
        was not made.
        """
        ref learning = config.learning
        var success = evaluated
        if learning.diff_metric == "rollout":
            if self.episodes < ROLLOUT_EPISODES:
                return
            success = Float64(self.solved) / Float64(self.episodes)
            self.episodes = 0
            self.solved = 0
        var earned = success >= 0 and success >= learning.diff_threshold
        if not earned or iteration < learning.diff_warmup or self.difficulty >= learning.diff_max:
            return
        self.difficulty = min(self.difficulty + learning.diff_step, learning.diff_max)
        self.episodes = 0
        self.solved = 0


struct Trainer[height: Int, width: Int, A: Asking = OnThreads](Copyable):
    """A run of one of the algorithms on the puzzle; `A` plays the episodes of evolution strategies."""

    comptime E = Puzzle[Self.height, Self.width]

    var config: RunConfig
    var env: Self.E
    var threads: Int
    var ppo: Optional[Ppo[Self.E]]
    var az: Optional[AlphaZero[Self.E]]
    var es: Optional[Es[Self.E]]
    var asking: Self.A
    var curriculum: Curriculum
    var iteration: Int
    """Iterations made."""
    var steps: Int
    """Steps of environments made in them."""
    var best: Policy
    """The best of what was evaluated."""
    var best_success: Float64
    var best_difficulty: Int

    def __init__(out self, config: RunConfig) raises:
        """Starts from fresh weights."""
        self.config = config.copy()
        self.env = Self.E(config.params)
        self.threads = cores(config.collecting.num_cores)
        self.ppo = None
        self.az = None
        self.es = None
        self.asking = Self.A()
        self.curriculum = Curriculum(config)
        self.iteration = 0
        self.steps = 0
        self.best_success = -1
        self.best_difficulty = -1
        var cells = Self.E.CELLS
        var network = Network(Self.E.BITS, Self.E.ACTIONS, config.sizes)
        var twists = List[Twist]()
        comptime if Self.height == Self.width:
            twists = square_twists(Self.width)
        var parameters = network.initial(config.seed)
        self.best = Policy(
            network^,
            parameters^,
            "Puzzle",
            config.env_text(),
            [cells, cells],
            twists^,
            config.canonical,
            config.backtracking,
        )
        var executor = Executor(self.best)
        if config.algorithm == Algorithm.PPO:
            self.ppo = Ppo[Self.E](config, self.env, executor, self.threads)
        elif config.algorithm == Algorithm.AZ:
            self.az = AlphaZero[Self.E](config, self.env, executor, self.threads)
        else:
            self.es = Es[Self.E](config, self.env, executor, self.threads)

    def executor(self) -> Executor:
        """The policy that is evaluated and saved."""
        if self.ppo:
            return self.ppo.value().average.executor.copy()
        if self.az:
            return self.az.value().average.executor.copy()
        return self.es.value().average.executor.copy()

    def policy(self) -> Policy:
        """The same as a policy."""
        var policy = self.best.copy()
        policy.parameters = self.executor().parameters()
        return policy^

    def step(mut self) raises -> String:
        """One iteration: evaluates the current policy, which is kept if it is the best so far, then trains. Returns its
        metrics as a line of JSON.
        """
        var number = self.iteration
        var progress = Float64(number) / Float64(max(self.config.num_iterations, 1))
        if self.config.num_iterations < 0:
            progress = 0
        var at = Iteration(number, progress, self.curriculum.difficulty)
        var line = String('{"iteration":', number, ',"difficulty":', at.difficulty)
        var evaluated = self.evaluate(at, line)
        var start = perf_counter_ns()
        var episodes: List[Episode]
        var sums = Sums()
        if self.ppo:
            self.ppo.value().iterate(at)
            episodes = self.ppo.value().episodes.copy()
            sums = self.ppo.value().sums
            self.steps += self.ppo.value().batch.rows()
        elif self.az:
            self.az.value().iterate(at)
            episodes = self.az.value().episodes.copy()
            sums = self.az.value().sums
        else:
            self.asking.ask(self.es.value(), at)
            self.es.value().tell(at)
            episodes = self.es.value().episodes.copy()
        var seconds = Float64(perf_counter_ns() - start) / 1e9
        var solved = 0
        for episode in episodes:
            solved += Int(episode.solved)
            if not self.ppo:
                self.steps += episode.length
        self.curriculum.observe(episodes)
        self.curriculum.advance(self.config, number, evaluated)
        self.iteration += 1
        line += String(
            ',"env_steps":',
            self.steps,
            ',"rollout":{"episodes":',
            len(episodes),
            ',"success":',
            Float64(solved) / Float64(max(len(episodes), 1)),
            '},"losses":{',
        )
        if sums.rows > 0:
            line += String(
                '"total_loss":',
                sums.total / sums.rows,
                ',"policy_loss":',
                sums.policy / sums.rows,
                ',"value_loss":',
                sums.value / sums.rows,
                ',"entropy":',
                sums.entropy / sums.rows,
            )
        return line + String('},"time":{"seconds":', seconds, "}}")

    def evaluate(mut self, at: Iteration, mut line: String) raises -> Float64:
        """Makes the evaluations that are due, and adds them to a line of metrics. Returns the success of that which the
        curriculum asks for, -1 where it was not made.
        """
        var executor = self.executor()
        var metric = Float64(-1)
        line += ',"evals":{'
        var made = 0
        for position in range(len(self.config.evals)):
            ref eval = self.config.evals[position]
            if at.number % eval.every != 0:
                continue
            var score = evaluate(eval, position, self.env, executor, at, self.config.seed, self.threads)
            line += String(
                "," if made > 0 else "",
                quoted(eval.name),
                ':{"success":',
                score.success,
                ',"reward":',
                score.reward,
                ',"length":',
                score.length,
                "}",
            )
            made += 1
            if eval.name == self.config.learning.diff_metric:
                metric = score.success
            # The first evaluation decides; a harder problem solved as well is better.
            var harder = at.difficulty >= self.best_difficulty
            if (
                position == 0
                and harder
                and (at.difficulty > self.best_difficulty or score.success >= self.best_success)
            ):
                self.best_success = score.success
                self.best_difficulty = at.difficulty
                self.best.parameters = executor.parameters()
        line += "}"
        return metric

    def train(mut self, folder: String, quiet: Bool = False) raises:
        """Trains to the end: fills `folder` with `metrics.jsonl`, `last.safetensors` and `best.safetensors`."""
        makedirs(folder, exist_ok=True)
        var log = String()
        var shown = perf_counter_ns()
        while self.config.num_iterations < 0 or self.iteration < self.config.num_iterations:
            var number = self.iteration
            var line = self.step()
            if self.config.log_freq > 0 and number % self.config.log_freq == 0:
                log += line + "\n"
            if not quiet and (perf_counter_ns() - shown > 2_000_000_000 or number == 0):
                shown = perf_counter_ns()
                print("iteration", self.iteration, " difficulty", self.curriculum.difficulty, " steps", self.steps)
            if self.config.checkpoint_freq > 0 and self.iteration % self.config.checkpoint_freq == 0:
                self.save(folder, log)
        # The last policy has its evaluation, too.
        var line = String()
        var progress = Float64(1)
        _ = self.evaluate(Iteration(0, progress, self.curriculum.difficulty), line)
        self.save(folder, log)

    def save(self, folder: String, log: String) raises:
        """Writes all files."""
        self.policy().save(folder + "/last.safetensors")
        self.best.save(folder + "/best.safetensors")
        write_file(folder + "/metrics.jsonl", log.as_bytes())
