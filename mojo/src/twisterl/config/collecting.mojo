"""The section `algorithm.collecting` of a config."""

from ..io.json_fields import JsonFields
from ..rollout.failures import FailuresConfig
from .context import Algorithm, ConfigContext, algorithm_name

comptime MAX_COUNT = 1 << 20
"""The largest count of episodes, environments or steps."""
comptime MAX_CORES = 4096
"""The largest bound on threads."""
comptime MAX_STEPS = 1 << 24
"""The most environment steps of an iteration that `num_envs` and `rollout_length` may ask for."""
comptime MAX_NODES = 1 << 22
"""The most tree nodes of a move in all games."""


@fieldwise_init
struct CollectingConfig(ImplicitlyCopyable, Movable):
    """The collection of episodes."""

    var num_cores: Int
    """The most threads."""
    var num_episodes: Int
    """Whole episodes per iteration if `num_envs` is 0 (PPO); games per iteration (AlphaZero)."""
    var num_envs: Int
    """Environments that are stepped `rollout_length` times per iteration (PPO)."""
    var rollout_length: Int
    """Steps of each environment per iteration (PPO)."""
    var gamma: Float64
    """The discount of rewards."""
    var gae_lambda: Float64
    """Lambda of generalized advantage estimation (PPO)."""
    var uniform: Float64
    """The share of uniformly random starts."""
    var mixed: Float64
    """The share of scrambles whose difficulty is drawn from 1 to the current one."""
    var failures: Float64
    """The share of starts from remembered failures (PPO)."""
    var failures_config: FailuresConfig
    var simulations: Int
    """Simulations per move (AlphaZero)."""
    var use_gumbel: Bool
    """True for selection by Gumbel, false for PUCT (AlphaZero)."""
    var exploration: Float64
    """The exploration constant of PUCT (AlphaZero)."""
    var temperature: Float64
    """Moves of self-play are drawn in proportion to `visits^(1 / temperature)` (AlphaZero with PUCT)."""
    var noise: Float64
    """The share of Dirichlet noise at the root (AlphaZero with PUCT)."""
    var replay_iterations: Int
    """Iterations whose games are learned from (AlphaZero)."""


def read_cores(mut fields: JsonFields[_]) raises -> Int:
    """Reads an upper bound on threads; 0, -1 and null stand for all processors."""
    var all = fields.is_null("num_cores")
    var cores = fields.integer("num_cores", 32, -1, MAX_CORES)
    return MAX_CORES if all or cores < 1 else cores


def read_collecting(mut fields: JsonFields[_], mut context: ConfigContext) raises -> CollectingConfig:
    """Reads `algorithm.collecting`."""
    var is_az = context.algorithm == Algorithm.AZ
    # Processes are for environments written in Python.
    _ = fields.integer("workers", 1, 1, 1)
    var starts = fields.section("starts")
    var config = CollectingConfig(
        num_cores=read_cores(fields),
        num_episodes=fields.integer("num_episodes", 512 if is_az else 512 * 32, 1, MAX_COUNT),
        num_envs=fields.integer("num_envs", 0, 1, MAX_COUNT),
        rollout_length=fields.integer("rollout_length", 32, 1, MAX_COUNT),
        gamma=fields.number("gamma", 0.995, 0, 1),
        gae_lambda=fields.number("lambda", 0.995, 0, 1),
        uniform=starts.number("uniform", 0, 0, 1),
        mixed=starts.number("mixed", 0, 0, 1),
        failures=starts.number("failures", 0, 0, 1),
        failures_config=FailuresConfig(
            starts.integer("failure_memory", 1000, 1, MAX_COUNT),
            starts.integer("probe_states", 2048, 1, MAX_COUNT),
            starts.integer("probe_every", 5, 1, 1 << 40),
        ),
        simulations=fields.integer("num_mcts_searches", 1000, 1, 1 << 16),
        use_gumbel=fields.choice("selection", "puct", ["puct", "gumbel"]) == 1,
        exploration=fields.number("C", 1.41, 0, 1e6),
        temperature=fields.number("temperature", 1, 0, 1e3),
        noise=fields.number("noise", 0, 0, 1),
        replay_iterations=fields.integer("replay_iterations", 1, 1, 1000),
    )
    if config.uniform + config.mixed + config.failures > 1.0 + 1e-9:
        raise starts.error("uniform", "shares uniform + mixed + failures of at most 1")
    if context.algorithm != Algorithm.PPO and config.failures > 0:
        var name = algorithm_name(context.algorithm)
        raise starts.error("failures", String("0 for ", name, ", which does not probe for failures"))
    context.only_for(starts, [Algorithm.PPO], ["failure_memory", "probe_states", "probe_every"])
    starts.close()
    if config.num_envs * config.rollout_length > MAX_STEPS:
        raise fields.error("num_envs", String("num_envs x rollout_length of at most ", MAX_STEPS))
    if is_az and config.num_episodes * config.simulations > MAX_NODES:
        raise fields.error("num_mcts_searches", String("num_episodes x num_mcts_searches of at most ", MAX_NODES))
    context.only_for(fields, [Algorithm.PPO], ["num_envs", "rollout_length", "lambda"])
    context.only_for(fields, [Algorithm.PPO, Algorithm.AZ], ["num_episodes", "gamma", "max_steps"])
    context.only_for(
        fields,
        [Algorithm.AZ],
        ["num_mcts_searches", "selection", "C", "temperature", "noise", "replay_iterations"],
    )
    check_unsupported(fields, context)
    return config


def check_unsupported(mut fields: JsonFields[_], mut context: ConfigContext) raises:
    """Raises if a field asks for what the Mojo port does not implement, and reports those of other algorithms as
    unused.
    """
    if fields.number("reward_scale", 1, 0, 1e9) != 1:
        raise fields.error("reward_scale", "1: the Mojo port does not scale rewards")
    if fields.boolean("normalize_rewards", False):
        raise fields.error("normalize_rewards", "false: the Mojo port does not normalize rewards")
    _ = fields.number("clip_rewards", 10, 0, 1e9)  # applies to normalized rewards only
    _ = fields.seed("seed")  # the seed is that of the run, as in the peer
    fields.refuse("experts")
    if context.algorithm != Algorithm.ES:
        fields.refuse("max_steps")
    context.only_for(fields, [], ["num_walks", "walk_length", "walk_window"])
    if context.algorithm != Algorithm.AZ:
        fields.report_unused(
            [
                "num_mcts_searches_start",
                "full_searches",
                "num_fast_searches",
                "surprise",
                "max_expand_depth",
                "forced_playouts",
            ],
            context.unused,
        )
        return
    fields.refuse("num_mcts_searches_start")
    if fields.number("full_searches", 1, 0, 1) != 1:
        raise fields.error("full_searches", "1: the Mojo port searches every move in full")
    _ = fields.integer("num_fast_searches", 4, 1, 1 << 16)  # applies to moves that are not searched in full
    if fields.number("surprise", 0, 0, 1) != 0:
        raise fields.error("surprise", "0: the Mojo port weights all samples equally")
    if fields.integer("max_expand_depth", 1, 1, 1 << 16) != 1:
        raise fields.error("max_expand_depth", "1: the Mojo port adds one node per simulation")
    if fields.number("forced_playouts", 0, 0, 1e6) != 0:
        raise fields.error("forced_playouts", "0: the Mojo port does not force visits")
