"""The curriculum: the difficulty of training episodes, which increases as they are solved."""

from ..config.training import LearningConfig, ROLLOUT_METRIC
from ..rollout.collector import Episode

comptime ROLLOUT_EPISODES = 200
"""Training episodes at the current difficulty before their success rate counts."""


struct Curriculum(Copyable):
    """The current difficulty and the training episodes that count towards the next one."""

    var config: LearningConfig
    var difficulty: Int
    """The current difficulty."""
    var episodes: Int
    """Training episodes at this difficulty since the last decision."""
    var solved: Int
    """Those of them that were solved."""

    def __init__(out self, config: LearningConfig):
        """Begins at `config.diff_start`."""
        self.config = config.copy()
        self.difficulty = config.diff_start
        self.episodes = 0
        self.solved = 0

    def observe(mut self, episodes: List[Episode]):
        """Counts the training episodes at the current difficulty."""
        for episode in episodes:
            if episode.difficulty == self.difficulty:
                self.episodes += 1
                self.solved += Int(episode.solved)

    def advance(mut self, iteration: Int, evaluated: Float64):
        """Increases the difficulty if the success rate allows.

        `evaluated` is the success rate of the evaluation `config.diff_metric`; negative if it was not made.
        """
        var success = evaluated
        if self.config.diff_metric == ROLLOUT_METRIC:
            if self.episodes < ROLLOUT_EPISODES:
                return
            success = Float64(self.solved) / Float64(self.episodes)
            self.episodes = 0
            self.solved = 0
        var earned = success >= 0 and success >= self.config.diff_threshold
        if not earned or iteration < self.config.diff_warmup or self.difficulty >= self.config.diff_max:
            return
        self.difficulty = min(self.difficulty + self.config.diff_step, self.config.diff_max)
        self.episodes = 0
        self.solved = 0
