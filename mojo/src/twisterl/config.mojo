"""The config of a run: the JSON of the Rust implementation, with its defaults. What the Mojo port has no part for is
refused by name; fields that belong to another algorithm are read, as they are there, and not used.
"""

from .fields import Fields, one_of, short_name
from .files import read_text
from .json import parse_json
from .network import Activation, Sizes
from .puzzle import PuzzleParams
from .sections import (
    CollectingConfig,
    EsConfig,
    EvalConfig,
    LearningConfig,
    OptimizerConfig,
    TrainingConfig,
    read_collecting,
    read_es,
    read_evals,
    read_learning,
    read_optimizer,
    read_training,
)

comptime MAX_BYTES = 1 << 20
"""The largest config file that is read, in bytes."""


struct Algorithm:
    """The learning algorithms."""

    comptime PPO = 0
    comptime AZ = 1
    comptime ES = 2


struct RunConfig(Copyable):
    """All that a run needs to know."""

    var width: Int
    var height: Int
    var params: PuzzleParams
    var sizes: Sizes
    var canonical: Bool
    """Whether the policy sees of each state and its images only the first."""
    var backtracking: Bool
    """Whether the policy may take its last move back when it plays."""
    var algorithm: Int
    var collecting: CollectingConfig
    var training: TrainingConfig
    var learning: LearningConfig
    var optimizer: OptimizerConfig
    var es: EsConfig
    var evals: List[EvalConfig]
    var log_freq: Int
    """Log metrics in every this many iterations; 0: never."""
    var checkpoint_freq: Int
    """Save the policy in every this many iterations; 0: only at the end."""
    var seed: UInt64
    var num_iterations: Int
    """After which the run ends; -1: it goes on until stopped."""

    def __init__(out self, text: String, algorithm: String = "") raises:
        """Reads a config; `algorithm` (ppo, az or es) takes the place of its `algorithm_cls`. Raises for the first field
        that is unknown, of a wrong type, out of range or not supported.
        """
        var json = parse_json(text)
        var root = Fields(json, 0, "")
        var env_cls = short_name(root.text("env_cls", ""))
        if env_cls != "Puzzle":
            raise root.wrong("env_cls", "Puzzle, the only environment of the Mojo port")
        var env = root.section("env")
        self.width = env.whole("width", 3, 2, 6)
        self.height = env.whole("height", 3, 2, 6)
        self.params = read_puzzle(env)
        env.close()
        var policy_cls = short_name(root.text("policy_cls", "BasicPolicy"))
        if policy_cls != "BasicPolicy" and policy_cls != "Mlp":
            raise root.wrong("policy_cls", "BasicPolicy, the only policy of the Mojo port")
        var policy = root.section("policy")
        self.canonical = one_of(policy, "symmetry", "none", ["none", "canonical"]) == 1
        self.backtracking = policy.flag("backtracking", True)
        self.sizes = read_sizes(policy)
        for key in ["layers", "init", "conv_dim"]:
            policy.refuse(key)
        policy.close()
        self.algorithm = Algorithm.PPO
        var class_name = short_name(root.text("algorithm_cls", "PPO"))
        var chosen = algorithm if algorithm.byte_length() > 0 else class_name.lower()
        if chosen == "az":
            self.algorithm = Algorithm.AZ
        elif chosen == "es":
            self.algorithm = Algorithm.ES
        elif chosen != "ppo":
            raise root.wrong("algorithm_cls", "PPO, AZ or ES, the algorithms of the Mojo port")
        var fields = root.section("algorithm")
        _ = one_of(fields, "device", "cpu", ["cpu"])
        _ = fields.entry("policy")  # the peer repeats sizes here and does not read them
        var is_az = self.algorithm == Algorithm.AZ
        var collecting = fields.section("collecting")
        self.collecting = read_collecting(collecting, is_az)
        collecting.close()
        var training = fields.section("training")
        self.training = read_training(training, is_az)
        training.close()
        var es = fields.section("es")
        self.es = read_es(es)
        es.close()
        var optimizer = fields.section("optimizer")
        self.optimizer = read_optimizer(optimizer)
        optimizer.close()
        self.evals = read_evals(json, fields)
        var learning = fields.section("learning")
        self.learning = read_learning(learning, self.evals, self.params.difficulty)
        learning.close()
        var logging = fields.section("logging")
        self.log_freq = logging.whole("log_freq", 1, 0, 1 << 40)
        self.checkpoint_freq = logging.whole("checkpoint_freq", 10, 0, 1 << 40)
        logging.refuse("checkpoint_seconds")
        if logging.flag("tensorboard", False):
            raise logging.wrong("tensorboard", "false: the Mojo port writes no TensorBoard events")
        logging.close()
        fields.close()
        self.seed = UInt64(root.whole("seed", 0, 0, 1 << 53))
        self.num_iterations = root.whole("num_iterations", -1, 0, 1 << 40)
        root.close()

    def env_text(self) -> String:
        """The parameters of the environment, as JSON."""
        ref p = self.params
        return String(
            '{"width":',
            self.width,
            ',"height":',
            self.height,
            ',"difficulty":',
            p.difficulty,
            ',"depth_slope":',
            p.depth_slope,
            ',"depth_offset":',
            p.depth_offset,
            ',"max_depth":',
            p.max_depth,
            ',"solved_reward":',
            p.solved_reward.cast[DType.float64](),
            ',"failed_reward":',
            p.failed_reward.cast[DType.float64](),
            ',"move_reward":',
            p.move_reward.cast[DType.float64](),
            "}",
        )


def load_config(path: String, algorithm: String = "") raises -> RunConfig:
    """Reads a config file of at most 1 MiB."""
    var text = read_text(path, MAX_BYTES)
    try:
        return RunConfig(text, algorithm)
    except error:
        raise Error(path, ": ", error)


def read_puzzle(mut fields: Fields[_]) raises -> PuzzleParams:
    """The parameters of a puzzle but for its sides."""
    var params = PuzzleParams(
        difficulty=fields.whole("difficulty", 1, 0, 1_000_000), max_depth=fields.whole("max_depth", 128, 1, 1_000_000)
    )
    params.depth_slope = fields.whole("depth_slope", 2, 0, 1_000_000)
    params.depth_offset = fields.whole("depth_offset", 0, 0, 1_000_000)
    params.solved_reward = single(fields, "solved_reward", params.solved_reward)
    params.failed_reward = single(fields, "failed_reward", params.failed_reward)
    params.move_reward = single(fields, "move_reward", params.move_reward)
    return params


def single(mut fields: Fields[_], key: String, default: Float32) raises -> Float32:
    """A number of single precision."""
    return fields.real(key, default.cast[DType.float64](), -3e38, 3e38).cast[DType.float32]()


def read_sizes(mut fields: Fields[_]) raises -> Sizes:
    """The sizes of the network."""
    var activation = one_of(fields, "activation", "relu", ["relu", "tanh"])
    return Sizes(
        fields.whole("embedding_size", 512, 1, 1 << 16),
        fields.wholes("common_layers", [256], 1, 1 << 16, 64),
        fields.wholes("policy_layers", List[Int](), 1, 1 << 16, 64),
        fields.wholes("value_layers", List[Int](), 1, 1 << 16, 64),
        Activation.TANH if activation == 1 else Activation.RELU,
    )
