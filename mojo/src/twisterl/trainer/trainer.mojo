"""The loop around an algorithm: evaluate, iterate, advance the curriculum, log, save."""

from std.os import makedirs
from std.time import perf_counter_ns

from ..algorithms.alphazero import AlphaZero
from ..algorithms.es.es import Es, PopulationBackend, ThreadBackend
from ..algorithms.iteration import Iteration
from ..algorithms.ppo import Ppo
from ..config.context import Algorithm
from ..config.puzzle_policy import check_fits, policy_without_weights
from ..config.run_config import RunConfig
from ..env.puzzle import Puzzle
from ..gradient.loss import LossSums
from ..io.files import write_file
from ..io.json import json_string
from ..parallel import thread_count
from ..policy.forward import Executor
from ..policy.policy import Policy
from ..rollout.collector import Episode
from .curriculum import Curriculum
from .evaluation import evaluate

comptime PROGRESS_NANOSECONDS = 2_000_000_000
"""The time between lines of progress."""


struct Trainer[height: Int, width: Int, B: PopulationBackend = ThreadBackend](Copyable):
    """A run of one of the algorithms on the puzzle. `B` plays the populations of evolution strategies."""

    comptime E = Puzzle[Self.height, Self.width]

    var config: RunConfig
    var env: Self.E
    var threads: Int
    var ppo: Optional[Ppo[Self.E]]
    """The algorithm, if it is PPO."""
    var az: Optional[AlphaZero[Self.E]]
    """The algorithm, if it is AlphaZero."""
    var es: Optional[Es[Self.E]]
    """The algorithm, if it is ES."""
    var backend: Self.B
    var curriculum: Curriculum
    var iteration: Int
    """The number of the next iteration."""
    var steps: Int
    """Environment steps so far."""
    var best: Policy
    """The best policy of the first evaluation so far."""
    var best_success: Float64
    """Its success rate; -1 before the first evaluation."""
    var best_difficulty: Int
    """The difficulty of the curriculum at its evaluation."""

    def __init__(out self, config: RunConfig) raises:
        """Creates a run with initial weights from the seed of `config`."""
        self.config = config.copy()
        self.env = Self.E(config.puzzle.params)
        self.threads = thread_count(config.collecting.num_cores)
        self.ppo = None
        self.az = None
        self.es = None
        self.backend = Self.B()
        self.curriculum = Curriculum(config.learning)
        self.iteration = 0
        self.steps = 0
        self.best_success = -1
        self.best_difficulty = -1
        var policy = policy_without_weights(config)
        check_fits[Self.height, Self.width](policy.network)
        policy.parameters = policy.network.initial_parameters(config.seed)
        self.best = policy^
        var executor = Executor(self.best)
        if config.algorithm == Algorithm.PPO:
            self.ppo = Ppo[Self.E](config, self.env, executor, self.threads)
        elif config.algorithm == Algorithm.AZ:
            self.az = AlphaZero[Self.E](config, self.env, executor, self.threads)
        else:
            self.es = Es[Self.E](config, self.env, executor, self.threads)

    def executor(self) -> Executor:
        """Returns the policy that is evaluated and saved, ready for inference."""
        if self.ppo:
            return self.ppo.value().average.executor.copy()
        if self.az:
            return self.az.value().average.executor.copy()
        return self.es.value().average.executor.copy()

    def policy(self) -> Policy:
        """Returns the policy that is evaluated and saved."""
        var policy = self.best.copy()
        policy.parameters = self.executor().parameters()
        return policy^

    def step(mut self) raises -> String:
        """Runs one iteration: evaluates the current policy, keeps it if it is the best so far, then trains.

        Returns the metrics as one line of JSON.
        """
        var number = self.iteration
        var progress = Float64(number) / Float64(max(self.config.num_iterations, 1))
        if self.config.num_iterations < 0:
            progress = 0
        var iteration = Iteration(number, progress, self.curriculum.difficulty)
        var line = String('{"iteration":', number, ',"difficulty":', iteration.difficulty)
        var evaluated = self.evaluate(iteration, line)
        var start = perf_counter_ns()
        var sums = LossSums()
        var episodes = self.iterate(iteration, sums)
        var seconds = Float64(perf_counter_ns() - start) / 1e9
        self.curriculum.observe(episodes)
        self.curriculum.advance(number, evaluated)
        self.iteration += 1
        var solved = 0
        for episode in episodes:
            solved += Int(episode.solved)
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

    def iterate(mut self, iteration: Iteration, mut sums: LossSums) raises -> List[Episode]:
        """Runs an iteration of the algorithm and counts its steps. Fills `sums` and returns the episodes that ended."""
        if self.ppo:
            ref ppo = self.ppo.value()
            ppo.iterate(iteration)
            sums = ppo.sums
            self.steps += ppo.batch.rows()
            return ppo.episodes.copy()
        var episodes: List[Episode]
        if self.az:
            ref az = self.az.value()
            az.iterate(iteration)
            sums = az.sums
            episodes = az.episodes.copy()
        else:
            self.backend.ask(self.es.value(), iteration)
            self.es.value().tell(iteration)
            episodes = self.es.value().episodes.copy()
        for episode in episodes:
            self.steps += episode.length
        return episodes^

    def evaluate(mut self, iteration: Iteration, mut line: String) raises -> Float64:
        """Runs the evaluations that are due and appends their results to a line of metrics.

        Returns the success rate of the one that the curriculum uses; -1 if it was not due.
        """
        var executor = self.executor()
        var metric = Float64(-1)
        line += ',"evals":{'
        var made = 0
        for position in range(len(self.config.evals)):
            ref eval = self.config.evals[position]
            if iteration.number % eval.every != 0:
                continue
            var result = evaluate(eval, position, self.env, executor, iteration, self.config.seed, self.threads)
            line += String(
                "," if made > 0 else "",
                json_string(eval.name),
                ':{"success":',
                result.success,
                ',"reward":',
                result.reward,
                ',"length":',
                result.length,
                "}",
            )
            made += 1
            if eval.name == self.config.learning.diff_metric:
                metric = result.success
            if position == 0:
                self.keep_if_best(iteration.difficulty, result.success, executor)
        line += "}"
        return metric

    def keep_if_best(mut self, difficulty: Int, success: Float64, executor: Executor):
        """Keeps a policy if it was evaluated at a greater difficulty, or at the same one with at least the same
        success.
        """
        if difficulty < self.best_difficulty:
            return
        if difficulty > self.best_difficulty or success >= self.best_success:
            self.best_success = success
            self.best_difficulty = difficulty
            self.best.parameters = executor.parameters()

    def train(mut self, folder: String, quiet: Bool = False) raises:
        """Runs all iterations. Writes `metrics.jsonl`, `last.safetensors` and `best.safetensors` to `folder`."""
        makedirs(folder, exist_ok=True)
        var log = String()
        var shown = perf_counter_ns()
        while self.config.num_iterations < 0 or self.iteration < self.config.num_iterations:
            var number = self.iteration
            var line = self.step()
            if self.config.log_freq > 0 and number % self.config.log_freq == 0:
                log += line + "\n"
            if not quiet and (perf_counter_ns() - shown > PROGRESS_NANOSECONDS or number == 0):
                shown = perf_counter_ns()
                print("iteration", self.iteration, " difficulty", self.curriculum.difficulty, " steps", self.steps)
            if self.config.checkpoint_freq > 0 and self.iteration % self.config.checkpoint_freq == 0:
                self.save(folder, log)
        # The policy after the last iteration may be the best one.
        var line = String()
        _ = self.evaluate(Iteration(0, 1, self.curriculum.difficulty), line)
        self.save(folder, log)

    def save(self, folder: String, log: String) raises:
        """Writes all files."""
        self.policy().save(folder + "/last.safetensors")
        self.best.save(folder + "/best.safetensors")
        write_file(folder + "/metrics.jsonl", log.as_bytes())
