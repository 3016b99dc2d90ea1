"""The sections `algorithm.training`, `algorithm.learning` and `algorithm.optimizer` of a config."""

from ..gradient.optimizer import AdamConfig
from ..gradient.schedule import Schedule, scheduled
from ..io.json import JsonKind
from ..io.json_fields import JsonFields
from .context import Algorithm, ConfigContext
from .evals import EvalConfig

comptime UNLIMITED = 1e300
"""The value of a limit that was not given."""
comptime ROLLOUT_METRIC = "rollout"
"""The value of `diff_metric` that asks for the success of training episodes instead of an evaluation."""


@fieldwise_init
struct TrainingConfig(ImplicitlyCopyable, Movable):
    """The update of the policy by gradients."""

    var num_epochs: Int
    """Passes over the samples of an iteration."""
    var vf_coef: Float64
    """The weight of the value loss."""
    var ent_coef: Float64
    """The weight of the entropy bonus (PPO)."""
    var ent_coef_final: Float64
    """The weight of the entropy bonus at the end of the run, approached linearly (PPO)."""
    var clip_ratio: Float64
    """The distance of the probability ratio from 1 beyond which the objective is clipped (PPO)."""
    var normalize_advantage: Bool
    """True to normalize the advantages of an iteration (PPO)."""
    var minibatch_size: Int
    """Samples of an update; 0: all of the iteration."""
    var max_grad_norm: Float64
    """The norm to which gradients are clipped."""
    var target_kl: Float64
    """The approximate KL divergence from the acting policy after which no further epoch begins (PPO)."""


def read_training(mut fields: JsonFields[_], mut context: ConfigContext) raises -> TrainingConfig:
    """Reads `algorithm.training`."""
    var ent_coef = fields.number("ent_coef", 0.01, 0, 1e6)
    var config = TrainingConfig(
        num_epochs=fields.integer("num_epochs", 10, 1, 10_000),
        vf_coef=fields.number("vf_coef", 1.0 if context.algorithm == Algorithm.AZ else 0.8, 0, 1e6),
        ent_coef=ent_coef,
        ent_coef_final=fields.number("ent_coef_final", ent_coef, 0, 1e6),
        clip_ratio=fields.number("clip_ratio", 0.1, 1e-300, 1e6),
        normalize_advantage=fields.boolean("normalize_advantage", False),
        minibatch_size=fields.integer("minibatch_size", 0, 1, 1 << 24),
        max_grad_norm=fields.number("max_grad_norm", UNLIMITED, 1e-300, 1e9),
        target_kl=fields.number("target_kl", UNLIMITED, 1e-300, 1e9),
    )
    context.check_end(fields, "ent_coef_final")
    context.only_for(
        fields, [Algorithm.PPO], ["ent_coef", "ent_coef_final", "clip_ratio", "normalize_advantage", "target_kl"]
    )
    context.only_for(
        fields, [Algorithm.PPO, Algorithm.AZ], ["num_epochs", "vf_coef", "minibatch_size", "max_grad_norm"]
    )
    return config


@fieldwise_init
struct LearningConfig(Copyable):
    """The curriculum."""

    var diff_threshold: Float64
    """The success rate from which on the difficulty increases."""
    var diff_max: Int
    """The greatest difficulty."""
    var diff_metric: String
    """The success rate that counts: the name of an evaluation, or `ROLLOUT_METRIC`."""
    var diff_start: Int
    """The first difficulty."""
    var diff_step: Int
    """The increase of the difficulty."""
    var diff_warmup: Int
    """Iterations before the first increase."""


def read_learning(mut fields: JsonFields[_], evals: List[EvalConfig], difficulty: Int) raises -> LearningConfig:
    """Reads `algorithm.learning`. `difficulty` is that of the environment, the default of `diff_start`."""
    var config = LearningConfig(
        fields.number("diff_threshold", 0.85, 0, 1),
        fields.integer("diff_max", 1_000_000, 0, 1_000_000),
        fields.string("diff_metric", "ppo_deterministic"),
        fields.integer("diff_start", difficulty, 0, 1_000_000),
        fields.integer("diff_step", 1, 1, 1_000_000),
        fields.integer("diff_warmup", 0, 0, 1 << 40),
    )
    var known = config.diff_metric == ROLLOUT_METRIC
    for eval in evals:
        known |= eval.name == config.diff_metric
    if not known:
        raise fields.error("diff_metric", "`rollout` or the name of one of algorithm.evals")
    if fields.has("diff_start") and config.diff_start > config.diff_max:
        raise fields.error("diff_start", String("at most diff_max, which is ", config.diff_max))
    return config^


@fieldwise_init
struct OptimizerConfig(ImplicitlyCopyable, Movable):
    """The optimizer and the learning rate."""

    var adam: AdamConfig
    var lr: Float64
    """The learning rate at the beginning of the run."""
    var lr_final: Float64
    """The learning rate at the end of the run."""
    var schedule: Int
    """One of `Schedule`."""
    var averaging: Float64
    """The decay, per iteration, of the running average of the weights, which is evaluated and saved."""

    def rate(self, progress: Float64) -> Float64:
        """Returns the learning rate at `progress` (0 to 1) of the run."""
        return scheduled(self.schedule, self.lr, self.lr_final, progress)


def read_schedule(mut fields: JsonFields[_], key: String, default: String) raises -> Int:
    """Reads the name of a schedule. Returns one of `Schedule`."""
    return fields.choice(key, default, ["constant", "linear", "cosine", "exponential"])


def read_optimizer(mut fields: JsonFields[_], context: ConfigContext) raises -> OptimizerConfig:
    """Reads `algorithm.optimizer`."""
    var adam = AdamConfig()
    if fields.has("betas"):
        var nodes = fields.items("betas", 2)
        if len(nodes) != 2:
            raise fields.error("betas", "two numbers")
        for node in nodes:
            ref beta = fields.json[].nodes[node]
            if beta.kind != JsonKind.NUMBER or not (beta.number >= 0 and beta.number <= 0.999999):
                raise fields.error("betas", "numbers from 0 to 0.999999")
        adam.beta1 = fields.json[].nodes[nodes[0]].number
        adam.beta2 = fields.json[].nodes[nodes[1]].number
    adam.eps = fields.number("eps", 1e-8, 1e-300, 1).cast[DType.float32]()
    adam.weight_decay = fields.number("weight_decay", 0, 0, 1e3).cast[DType.float32]()
    if fields.boolean("amsgrad", False):
        raise fields.error("amsgrad", "false")
    var lr = fields.number("lr", 3e-4, 0, 1e3)
    var has_final = fields.has("lr_final")
    var lr_final = fields.number("lr_final", lr, 0, 1e3)
    context.check_end(fields, "lr_final")
    var schedule = read_schedule(fields, "schedule", "linear" if has_final else "constant")
    if schedule == Schedule.EXPONENTIAL and has_final and (lr <= 0 or lr_final <= 0):
        raise fields.error("lr_final", "rates above 0 for an exponential schedule")
    if schedule == Schedule.CONSTANT and has_final:
        raise fields.error("schedule", "linear, cosine or exponential with lr_final")
    if schedule != Schedule.CONSTANT and not has_final:
        raise fields.error("lr_final", "the learning rate at which the schedule ends")
    return OptimizerConfig(adam, lr, lr_final, schedule, fields.number("averaging", 0, 0, 0.999999))
