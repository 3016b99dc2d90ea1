"""The section `algorithm.evals` of a config."""

from ..io.json import Json
from ..io.json_fields import JsonFields
from .collecting import read_cores

comptime MAX_EVALS = 64
"""The most evaluations of a config."""
comptime MAX_NAME = 64
"""The longest name of an evaluation, in bytes."""


@fieldwise_init
struct EvalConfig(Copyable):
    """One evaluation."""

    var name: String
    var num_cores: Int
    """The most threads."""
    var num_episodes: Int
    var deterministic: Bool
    """True to take the most probable action, false to sample."""
    var num_searches: Int
    """Tries from each start, of which the best counts; 1 with a tree search, which draws nothing at random."""
    var simulations: Int
    """Simulations per move of a tree search by PUCT; 0: no search."""
    var exploration: Float64
    """The exploration constant of PUCT."""
    var seed: UInt64
    """A number added to the seed of the run."""
    var difficulty: Int
    """The difficulty of the starts; -1: that of the curriculum."""
    var max_steps: Int
    """The longest episode."""
    var every: Int
    """Iterations between evaluations."""
    var uniform: Bool
    """True to start from uniformly random states, false to start from scrambles."""


def read_evals(json: Json, mut algorithm: JsonFields[_]) raises -> List[EvalConfig]:
    """Reads `algorithm.evals`. Returns the peer's evaluations if there are none."""
    var evals = List[EvalConfig]()
    if not algorithm.has("evals"):
        for name in ["ppo_deterministic", "ppo_1", "ppo_10", "mcts_100"]:
            var fields = JsonFields(json, -1, name)
            evals.append(read_eval(name, fields))
            evals[len(evals) - 1].deterministic = name == "ppo_deterministic" or name == "mcts_100"
            evals[len(evals) - 1].num_searches = 10 if name == "ppo_10" else 1
            evals[len(evals) - 1].simulations = 100 if name == "mcts_100" else 0
        return evals^
    var all = algorithm.section("evals")
    for key in json.nodes[all.node].keys:
        if len(evals) == MAX_EVALS:
            raise all.error(key, String("at most ", MAX_EVALS, " evaluations"))
        if key.byte_length() == 0 or key.byte_length() > MAX_NAME or key == "rollout":
            raise Error(
                all.path, ": expected names of 1 to ", MAX_NAME, " bytes other than `rollout`, found `", key, "`"
            )
        var fields = all.section(key)
        evals.append(read_eval(key, fields))
        fields.close()
    return evals^


def read_eval(name: String, mut fields: JsonFields[_]) raises -> EvalConfig:
    """Reads one evaluation."""
    var config = EvalConfig(
        name,
        num_cores=read_cores(fields),
        num_episodes=fields.integer("num_episodes", 100, 1, 10_000_000),
        deterministic=fields.boolean("deterministic", True),
        num_searches=fields.integer("num_searches", 1, 1, 1 << 16),
        simulations=fields.integer("num_mcts_searches", 0, 0, 1 << 16),
        exploration=fields.number("C", 1.41, 0, 1e6),
        seed=fields.seed("seed"),
        difficulty=fields.integer("difficulty", -1, 0, 1_000_000),
        max_steps=fields.integer("max_steps", 1_000_000, 1, 1_000_000),
        every=fields.integer("every", 1, 1, 1 << 40),
        uniform=fields.choice("start", "scramble", ["scramble", "uniform"]) == 1,
    )
    var depth = fields.integer("max_expand_depth", 1, 1, 1 << 16)
    if fields.choice("objective", "length", ["length", "return"]) != 0:
        raise fields.error("objective", "length: the Mojo port counts moves")
    if fields.choice("invert", "never", ["never", "both"]) != 0:
        raise fields.error("invert", "never: the puzzle has no inverse problems")
    if config.simulations > 0 and depth != 1:
        raise fields.error("max_expand_depth", "1: the Mojo port adds one node per simulation")
    if config.simulations > 0 and not config.deterministic:
        raise fields.error("deterministic", "true with num_mcts_searches: the Mojo port plays the most visited move")
    return config^
