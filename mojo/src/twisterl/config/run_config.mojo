"""The config of a run: the JSON of the Rust implementation with its defaults.

Fields that ask for what the Mojo port does not implement are errors. Fields that the chosen algorithm does not use are
listed in `RunConfig.unused`.
"""

from ..io.files import read_text
from ..io.json import parse_json
from ..io.json_fields import JsonFields, short_name
from ..policy.network import Activation, MlpSizes
from .collecting import CollectingConfig, read_collecting
from .context import Algorithm, ConfigContext
from .es import EsConfig, read_es
from .evals import EvalConfig, read_evals
from .puzzle_spec import PuzzleSpec
from .training import (
    LearningConfig,
    OptimizerConfig,
    TrainingConfig,
    read_learning,
    read_optimizer,
    read_training,
)

comptime MAX_BYTES = 1 << 20
"""The largest config file that is read, in bytes."""


struct Overrides(Copyable):
    """Values that replace those of a config file."""

    var algorithm: String
    """ppo, az or es; empty: that of the config."""
    var num_iterations: Int
    """-1: that of the config."""
    var seed: Optional[UInt64]
    """None: that of the config."""

    def __init__(out self, *, algorithm: String = "", num_iterations: Int = -1, seed: Optional[UInt64] = None):
        self.algorithm = algorithm
        self.num_iterations = num_iterations
        self.seed = seed


@fieldwise_init
struct PolicyConfig(Copyable):
    """The policy."""

    var sizes: MlpSizes
    var canonical: Bool
    """True if the policy evaluates the canonical form of each state."""
    var backtracking: Bool
    """True if the policy may undo its last move when it plays."""


struct RunConfig(Copyable):
    """Everything that a run depends on."""

    var puzzle: PuzzleSpec
    var policy: PolicyConfig
    var algorithm: Int
    """One of `Algorithm`."""
    var collecting: CollectingConfig
    var training: TrainingConfig
    var learning: LearningConfig
    var optimizer: OptimizerConfig
    var es: EsConfig
    var evals: List[EvalConfig]
    """The evaluations, in the order in which they are made."""
    var log_freq: Int
    """Iterations between logged metrics; 0: never."""
    var checkpoint_freq: Int
    """Iterations between saved policies; 0: only at the end."""
    var seed: UInt64
    var num_iterations: Int
    """Iterations of the run; -1: no end."""
    var unused: List[String]
    """The paths of fields that are present and that the algorithm does not use."""

    def __init__(out self, text: String, overrides: Overrides = Overrides()) raises:
        """Parses a config. Raises for a field that is unknown, of a wrong type, out of range or not supported."""
        var json = parse_json(text)
        var root = JsonFields(json, 0, "")
        # For editors.
        _ = root.string("$schema", "")
        if short_name(root.string("env_cls", "")) != "Puzzle":
            raise root.error("env_cls", "Puzzle, the only environment of the Mojo port")
        var env = root.section("env")
        self.puzzle = PuzzleSpec(env)
        env.close()
        var policy_cls = short_name(root.string("policy_cls", "BasicPolicy"))
        if policy_cls != "BasicPolicy" and policy_cls != "Mlp":
            raise root.error("policy_cls", "BasicPolicy, the only policy of the Mojo port")
        var policy = root.section("policy")
        self.policy = read_policy(policy)
        policy.close()
        self.algorithm = read_algorithm(root, overrides.algorithm)
        self.seed = root.seed("seed")
        if overrides.seed:
            self.seed = overrides.seed.value()
        self.num_iterations = root.integer("num_iterations", -1, 0, 1 << 40)
        if overrides.num_iterations >= 0:
            self.num_iterations = overrides.num_iterations
        var context = ConfigContext(self.algorithm, self.num_iterations >= 0, List[String]())
        var fields = root.section("algorithm")
        root.close()
        _ = fields.choice("device", "cpu", ["cpu"])
        _ = fields.entry("policy")  # the peer repeats sizes here and does not read them
        var collecting = fields.section("collecting")
        self.collecting = read_collecting(collecting, context)
        collecting.close()
        var training = fields.section("training")
        self.training = read_training(training, context)
        training.close()
        var es = fields.section("es")
        self.es = read_es(es, context)
        es.close()
        context.only_for(fields, [Algorithm.ES], ["es"])
        var optimizer = fields.section("optimizer")
        self.optimizer = read_optimizer(optimizer, context)
        optimizer.close()
        self.evals = read_evals(json, fields)
        var learning = fields.section("learning")
        self.learning = read_learning(learning, self.evals, self.puzzle.params.difficulty)
        learning.close()
        var logging = fields.section("logging")
        self.log_freq = logging.integer("log_freq", 1, 0, 1 << 40)
        self.checkpoint_freq = logging.integer("checkpoint_freq", 10, 0, 1 << 40)
        logging.refuse("checkpoint_seconds")
        if logging.boolean("tensorboard", False):
            raise logging.error("tensorboard", "false: the Mojo port writes no TensorBoard events")
        logging.close()
        fields.close()
        self.unused = context.unused.copy()


def load_config(path: String, overrides: Overrides = Overrides()) raises -> RunConfig:
    """Loads a config file of at most 1 MiB."""
    var text = read_text(path, MAX_BYTES)
    try:
        return RunConfig(text, overrides)
    except error:
        raise Error(path, ": ", error)


def read_algorithm(mut root: JsonFields[_], override: String) raises -> Int:
    """Reads `algorithm_cls` unless `override` (ppo, az or es) replaces it. Returns one of `Algorithm`."""
    var name = short_name(root.string("algorithm_cls", "PPO")).lower()
    if override.byte_length() > 0:
        name = override
    if name == "ppo":
        return Algorithm.PPO
    if name == "az":
        return Algorithm.AZ
    if name == "es":
        return Algorithm.ES
    if override.byte_length() > 0:
        raise Error("--algorithm: expected ppo, az or es, the algorithms of the Mojo port, found ", override)
    raise root.error("algorithm_cls", "PPO, AZ or ES, the algorithms of the Mojo port")


def read_policy(mut fields: JsonFields[_]) raises -> PolicyConfig:
    """Reads `policy`."""
    var activation = fields.choice("activation", "relu", ["relu", "tanh"])
    var sizes = MlpSizes(
        fields.integer("embedding_size", 512, 1, 1 << 16),
        fields.integers("common_layers", [256], 1, 1 << 16, 64),
        fields.integers("policy_layers", List[Int](), 1, 1 << 16, 64),
        fields.integers("value_layers", List[Int](), 1, 1 << 16, 64),
        Activation.TANH if activation == 1 else Activation.RELU,
    )
    var canonical = fields.choice("symmetry", "none", ["none", "canonical"]) == 1
    var backtracking = fields.boolean("backtracking", True)
    for key in ["layers", "init", "conv_dim"]:
        fields.refuse(key)
    if fields.boolean("normalize_observations", False):
        raise fields.error("normalize_observations", "false: observations of the Mojo port are binary")
    _ = fields.number("clip_observations", 10, 0, 1e9)  # applies to normalized observations only
    if fields.has("distribution") and len(fields.items("distribution", 1024)) > 0:
        raise fields.error("distribution", "no entries: the Mojo port has the categorical distribution only")
    return PolicyConfig(sizes^, canonical, backtracking)
