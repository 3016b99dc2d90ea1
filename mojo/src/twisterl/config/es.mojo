"""The section `algorithm.es` of a config."""

from ..io.json_fields import JsonFields
from .context import Algorithm, ConfigContext
from .training import read_schedule

comptime MAX_POPULATION = 1 << 20
"""The largest population."""
comptime MAX_EPISODES = 1 << 24
"""The most episodes of a population."""


struct FitnessShaping:
    """The transformations of fitness before the weights learn from it."""

    comptime CENTERED_RANKS = 0
    comptime STANDARDIZED = 1
    comptime NONE = 2


struct CommonRandomNumbers:
    """The members that share start states and random numbers."""

    comptime PAIR = 0
    """The two members of a perturbation."""
    comptime POPULATION = 1
    """The whole population."""


@fieldwise_init
struct EsConfig(ImplicitlyCopyable, Movable):
    """Evolution strategies."""

    var population: Int
    """Members, two per perturbation: one adds it and one subtracts it."""
    var rank: Int
    """The rank of the perturbation of each weight matrix; 0: full."""
    var num_episodes: Int
    """Episodes of each member."""
    var common: Int
    """One of `CommonRandomNumbers`."""
    var deterministic: Bool
    """True if members take their most probable action, false if they sample."""
    var max_steps: Int
    """The longest episode."""
    var sigma: Float64
    """The standard deviation of the perturbation of each weight."""
    var sigma_final: Float64
    """The standard deviation at the end of the run."""
    var sigma_schedule: Int
    """One of `Schedule`."""
    var by_success: Bool
    """True if the fitness of an episode is 1 if it is solved and else 0, false if it is the sum of its rewards."""
    var shaping: Int
    """One of `FitnessShaping`."""
    var momentum: Bool
    """True for gradient ascent with momentum, false for Adam."""


def read_es(mut fields: JsonFields[_], context: ConfigContext) raises -> EsConfig:
    """Reads `algorithm.es`."""
    var sigma = fields.number("sigma", 0.05, 1e-300, 1e3)
    var config = EsConfig(
        population=fields.integer("population", 512, 2, MAX_POPULATION),
        rank=fields.integer("rank", 1, 0, 256),
        num_episodes=fields.integer("num_episodes", 8, 1, 1 << 16),
        common=fields.choice("common", "pair", ["pair", "population"]),
        deterministic=fields.boolean("deterministic", True),
        max_steps=fields.integer("max_steps", 1_000_000, 1, 1_000_000),
        sigma=sigma,
        sigma_final=fields.number("sigma_final", sigma, 1e-300, 1e3),
        sigma_schedule=read_schedule(fields, "sigma_schedule", "linear"),
        by_success=fields.choice("fitness", "return", ["return", "success"]) == 1,
        shaping=fields.choice("shaping", "centered_ranks", ["centered_ranks", "standardized", "none"]),
        momentum=fields.choice("optimizer", "adam", ["adam", "sgd"]) == 1,
    )
    if config.population % 2 != 0:
        raise fields.error("population", "an even number: two members per perturbation")
    if config.population * config.num_episodes > MAX_EPISODES:
        raise fields.error("num_episodes", String("population x num_episodes of at most ", MAX_EPISODES))
    context.check_end(fields, "sigma_final")
    return config
