"""The sections of `algorithm` in a config, each with its reader: ranges and defaults are those of the Rust implementation.
"""

from .fields import Fields, one_of
from .json import Json
from .optimizer import AdamConfig
from .schedule import Schedule, scheduled
from .starts import FailuresConfig

comptime MOST = 1 << 20
comptime NEVER = 1e300
"""Stands for a bound that was not given."""


@fieldwise_init
struct CollectingConfig(ImplicitlyCopyable, Movable):
    """How episodes are collected."""

    var num_cores: Int
    """Upper bound on threads."""
    var num_episodes: Int
    """Whole episodes an iteration, where `num_envs` is 0."""
    var num_envs: Int
    """Environments that are stepped `rollout_length` times an iteration."""
    var rollout_length: Int
    var gamma: Float64
    """Discount of rewards."""
    var gae_lambda: Float64
    """Lambda of generalised advantage estimation."""
    var uniform: Float64
    """Share of uniformly random starts."""
    var mixed: Float64
    """Share of scrambles of a difficulty drawn from 1 to the current one."""
    var failures: Float64
    """Share of starts from remembered failures."""
    var failures_config: FailuresConfig
    var simulations: Int
    """Simulations a move (AlphaZero)."""
    var use_gumbel: Bool
    """Selection in the tree by Gumbel instead of PUCT (AlphaZero)."""
    var exploration: Float64
    """Constant of PUCT (AlphaZero)."""
    var temperature: Float64
    """Moves of self-play are drawn in proportion to `visits^(1 / temperature)` (AlphaZero with PUCT)."""
    var noise: Float64
    """Share of Dirichlet noise at the root (AlphaZero with PUCT)."""
    var replay_iterations: Int
    """Iterations whose games are learned from (AlphaZero)."""


@fieldwise_init
struct TrainingConfig(ImplicitlyCopyable, Movable):
    """How the policy is updated."""

    var num_epochs: Int
    """Passes over the samples of an iteration."""
    var vf_coef: Float64
    """Weight of the value loss."""
    var ent_coef: Float64
    """Weight of the entropy bonus."""
    var ent_coef_final: Float64
    """Weight of the entropy bonus at the end of the run, towards which it goes linearly."""
    var clip_ratio: Float64
    """How far the probability ratio may move from 1 before it stops to pay."""
    var normalize_advantage: Bool
    var minibatch_size: Int
    """Samples of an update; 0: all of the iteration."""
    var max_grad_norm: Float64
    """Longer gradients are cut to this norm."""
    var target_kl: Float64
    """No further epoch once the approximate KL divergence from the old policy exceeds this."""


@fieldwise_init
struct LearningConfig(Copyable):
    """How problems get harder."""

    var diff_threshold: Float64
    """The share solved from which on the difficulty goes up."""
    var diff_max: Int
    var diff_metric: String
    """Which share solved counts: the name of an evaluation, or `rollout`."""
    var diff_start: Int
    var diff_step: Int
    var diff_warmup: Int
    """Iterations before it may go up for the first time."""


@fieldwise_init
struct OptimizerConfig(ImplicitlyCopyable, Movable):
    """How the weights move."""

    var adam: AdamConfig
    var lr: Float64
    var lr_final: Float64
    var schedule: Int
    var averaging: Float64
    """Decay, an iteration, of the running average of the weights, which is what is evaluated and saved."""

    def rate(self, progress: Float64) -> Float64:
        """The learning rate at a share of the run."""
        return scheduled(self.schedule, self.lr, self.lr_final, progress)


struct Shaping:
    """What ES makes of fitness."""

    comptime CENTERED_RANKS = 0
    comptime STANDARDIZED = 1
    comptime NONE = 2


@fieldwise_init
struct EsConfig(ImplicitlyCopyable, Movable):
    """Evolution strategies."""

    var population: Int
    """Members, two for each perturbation: one adds it, one subtracts it."""
    var rank: Int
    """Of the perturbation of each weight matrix; 0: full."""
    var num_episodes: Int
    """Episodes of each member."""
    var common_population: Bool
    """Whether the whole population plays from the same starts, instead of the two members of a perturbation."""
    var deterministic: Bool
    """Members take their most likely action instead of sampling."""
    var max_steps: Int
    var sigma: Float64
    """Standard deviation of the perturbation of each weight."""
    var sigma_final: Float64
    var sigma_schedule: Int
    var by_success: Bool
    """Whether an episode is worth 1 if it is solved, instead of the sum of its rewards."""
    var shaping: Int
    var momentum: Bool
    """Whether the weights move in proportion to the gradient, with momentum, instead of by Adam."""


@fieldwise_init
struct EvalConfig(Copyable):
    """One evaluation."""

    var name: String
    var num_episodes: Int
    var deterministic: Bool
    var num_searches: Int
    """Tries from each start, of which the best counts."""
    var simulations: Int
    """Simulations a move of a tree search by PUCT; 0: no search."""
    var exploration: Float64
    var seed: Int
    """Added to the seed of the run."""
    var difficulty: Int
    """Of the starts; -1: that of the curriculum."""
    var max_steps: Int
    var every: Int
    """Evaluate in every this many iterations."""
    var uniform: Bool
    """From uniformly random states, instead of scrambles."""


def read_collecting(mut fields: Fields[_], is_az: Bool) raises -> CollectingConfig:
    """`algorithm.collecting`"""
    var starts = fields.section("starts")
    var config = CollectingConfig(
        num_cores=fields.whole("num_cores", 32, 1, 4096),
        num_episodes=fields.whole("num_episodes", 512 if is_az else 512 * 32, 1, MOST),
        num_envs=fields.whole("num_envs", 0, 1, MOST),
        rollout_length=fields.whole("rollout_length", 32, 1, MOST),
        gamma=fields.real("gamma", 0.995, 0, 1),
        gae_lambda=fields.real("lambda", 0.995, 0, 1),
        uniform=starts.real("uniform", 0, 0, 1),
        mixed=starts.real("mixed", 0, 0, 1),
        failures=starts.real("failures", 0, 0, 1),
        failures_config=FailuresConfig(
            starts.whole("failure_memory", 1000, 1, MOST),
            starts.whole("probe_states", 2048, 1, MOST),
            starts.whole("probe_every", 5, 1, 1 << 40),
        ),
        simulations=fields.whole("num_mcts_searches", 1000, 1, 1 << 16),
        use_gumbel=one_of(fields, "selection", "puct", ["puct", "gumbel"]) == 1,
        exploration=fields.real("C", 1.41, 0, 1e6),
        temperature=fields.real("temperature", 1, 0, 1e3),
        noise=fields.real("noise", 0, 0, 1),
        replay_iterations=fields.whole("replay_iterations", 1, 1, 1000),
    )
    starts.close()
    if config.uniform + config.mixed + config.failures > 1.0 + 1e-9:
        raise starts.wrong("uniform", "shares uniform + mixed + failures of at most 1")
    if config.num_envs * config.rollout_length > 1 << 24:
        raise fields.wrong("num_envs", "num_envs x rollout_length of at most 2^24")
    if is_az:
        if config.num_episodes * config.simulations > 1 << 22:
            raise fields.wrong("num_mcts_searches", "num_episodes x num_mcts_searches of at most 2^22")
        fields.refuse("num_mcts_searches_start")
        if fields.real("full_searches", 1, 0, 1) != 1:
            raise fields.wrong("full_searches", "1: the Mojo port searches every move in full")
        if fields.real("surprise", 0, 0, 1) != 0:
            raise fields.wrong("surprise", "0: the Mojo port weighs all examples alike")
        if fields.whole("max_expand_depth", 1, 1, 1 << 16) != 1:
            raise fields.wrong("max_expand_depth", "1: the Mojo port adds one node a simulation")
        if fields.real("forced_playouts", 0, 0, 1e6) != 0:
            raise fields.wrong("forced_playouts", "0: the Mojo port forces no visits")
    fields.refuse("experts")
    # Of other algorithms, or read for the peer's sake.
    for name in [
        "num_mcts_searches_start",
        "full_searches",
        "num_fast_searches",
        "surprise",
        "max_expand_depth",
        "forced_playouts",
        "seed",
        "num_walks",
        "walk_length",
        "walk_window",
    ]:
        _ = fields.entry(name)
    return config


def read_training(mut fields: Fields[_], is_az: Bool) raises -> TrainingConfig:
    """`algorithm.training`"""
    var ent_coef = fields.real("ent_coef", 0.01, 0, 1e6)
    return TrainingConfig(
        num_epochs=fields.whole("num_epochs", 10, 1, 10_000),
        vf_coef=fields.real("vf_coef", 1.0 if is_az else 0.8, 0, 1e6),
        ent_coef=ent_coef,
        ent_coef_final=fields.real("ent_coef_final", ent_coef, 0, 1e6),
        clip_ratio=fields.real("clip_ratio", 0.1, 1e-300, 1e6),
        normalize_advantage=fields.flag("normalize_advantage", False),
        minibatch_size=fields.whole("minibatch_size", 0, 1, 1 << 24),
        max_grad_norm=fields.real("max_grad_norm", NEVER, 1e-300, 1e9),
        target_kl=fields.real("target_kl", NEVER, 1e-300, 1e9),
    )


def read_learning(mut fields: Fields[_], evals: List[EvalConfig], difficulty: Int) raises -> LearningConfig:
    """`algorithm.learning`"""
    var config = LearningConfig(
        fields.real("diff_threshold", 0.85, 0, 1),
        fields.whole("diff_max", 1_000_000, 0, 1_000_000),
        fields.text("diff_metric", "ppo_deterministic"),
        fields.whole("diff_start", difficulty, 0, 1_000_000),
        fields.whole("diff_step", 1, 1, 1_000_000),
        fields.whole("diff_warmup", 0, 0, 1 << 40),
    )
    var known = config.diff_metric == "rollout"
    for eval in evals:
        known |= eval.name == config.diff_metric
    if not known:
        raise fields.wrong("diff_metric", "`rollout` or the name of one of algorithm.evals")
    return config^


def read_schedule(mut fields: Fields[_], key: String, default: String) raises -> Int:
    """How a value changes over a run."""
    return one_of(fields, key, default, ["constant", "linear", "cosine", "exponential"])


def read_optimizer(mut fields: Fields[_]) raises -> OptimizerConfig:
    """`algorithm.optimizer`"""
    var adam = AdamConfig()
    if fields.has("betas"):
        var nodes = fields.items("betas", 2)
        if len(nodes) != 2:
            raise fields.wrong("betas", "two numbers")
        for node in nodes:
            ref beta = fields.json[].nodes[node]
            if not (beta.number >= 0 and beta.number <= 0.999999):
                raise fields.wrong("betas", "numbers from 0 to 0.999999")
        adam.beta1 = fields.json[].nodes[nodes[0]].number
        adam.beta2 = fields.json[].nodes[nodes[1]].number
    adam.eps = fields.real("eps", 1e-8, 1e-300, 1).cast[DType.float32]()
    adam.weight_decay = fields.real("weight_decay", 0, 0, 1e3).cast[DType.float32]()
    if fields.flag("amsgrad", False):
        raise fields.wrong("amsgrad", "false")
    var lr = fields.real("lr", 3e-4, 0, 1e3)
    var has_final = fields.has("lr_final")
    var lr_final = fields.real("lr_final", lr, 0, 1e3)
    var schedule = read_schedule(fields, "schedule", "linear" if has_final else "constant")
    if schedule == Schedule.EXPONENTIAL and (lr <= 0 or lr_final <= 0):
        raise fields.wrong("lr_final", "rates above 0 for an exponential schedule")
    if schedule == Schedule.CONSTANT and has_final:
        raise fields.wrong("schedule", "linear, cosine or exponential with lr_final")
    return OptimizerConfig(adam, lr, lr_final, schedule, fields.real("averaging", 0, 0, 0.999999))


def read_es(mut fields: Fields[_]) raises -> EsConfig:
    """`algorithm.es`"""
    var population = fields.whole("population", 512, 2, MOST)
    if population % 2 != 0:
        raise fields.wrong("population", "an even number: two members for each perturbation")
    var sigma = fields.real("sigma", 0.05, 1e-300, 1e3)
    return EsConfig(
        population=population,
        rank=fields.whole("rank", 1, 0, 256),
        num_episodes=fields.whole("num_episodes", 8, 1, 1 << 16),
        common_population=one_of(fields, "common", "pair", ["pair", "population"]) == 1,
        deterministic=fields.flag("deterministic", True),
        max_steps=fields.whole("max_steps", 1_000_000, 1, 1_000_000),
        sigma=sigma,
        sigma_final=fields.real("sigma_final", sigma, 1e-300, 1e3),
        sigma_schedule=read_schedule(fields, "sigma_schedule", "linear"),
        by_success=one_of(fields, "fitness", "return", ["return", "success"]) == 1,
        shaping=one_of(fields, "shaping", "centered_ranks", ["centered_ranks", "standardized", "none"]),
        momentum=one_of(fields, "optimizer", "adam", ["adam", "sgd"]) == 1,
    )


def read_evals(json: Json, mut algorithm: Fields[_]) raises -> List[EvalConfig]:
    """`algorithm.evals`; those of the peer where none are given."""
    var evals = List[EvalConfig]()
    if not algorithm.has("evals"):
        for name in ["ppo_deterministic", "ppo_1", "ppo_10", "mcts_100"]:
            var eval = Fields(json, -1, name)
            evals.append(read_eval(name, eval))
            evals[len(evals) - 1].deterministic = name == "ppo_deterministic" or name == "mcts_100"
            evals[len(evals) - 1].num_searches = 10 if name == "ppo_10" else 1
            evals[len(evals) - 1].simulations = 100 if name == "mcts_100" else 0
        return evals^
    var all = algorithm.section("evals")
    for key in json.nodes[all.node].keys:
        if len(evals) == 64:
            raise all.wrong(key, "at most 64 evaluations")
        var eval = all.section(key)
        evals.append(read_eval(key, eval))
        eval.close()
    return evals^


def read_eval(name: String, mut fields: Fields[_]) raises -> EvalConfig:
    """One evaluation."""
    _ = fields.whole("num_cores", 32, 1, 4096)
    var config = EvalConfig(
        name,
        num_episodes=fields.whole("num_episodes", 100, 1, 10_000_000),
        deterministic=fields.flag("deterministic", True),
        num_searches=fields.whole("num_searches", 1, 1, 1 << 16),
        simulations=fields.whole("num_mcts_searches", 0, 0, 1 << 16),
        exploration=fields.real("C", 1.41, 0, 1e6),
        seed=fields.whole("seed", 0, 0, 1 << 53),
        difficulty=fields.whole("difficulty", -1, 0, 1_000_000),
        max_steps=fields.whole("max_steps", 1_000_000, 1, 1_000_000),
        every=fields.whole("every", 1, 1, 1 << 40),
        uniform=one_of(fields, "start", "scramble", ["scramble", "uniform"]) == 1,
    )
    var depth = fields.whole("max_expand_depth", 1, 1, 1 << 16)
    if config.simulations > 0 and depth != 1:
        raise fields.wrong("max_expand_depth", "1: the Mojo port adds one node a simulation")
    if config.simulations > 0 and not config.deterministic:
        raise fields.wrong("deterministic", "true with num_mcts_searches: the Mojo port plays the move most visited")
    return config^
