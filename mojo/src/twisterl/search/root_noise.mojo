"""Exploration noise at the root of a search: Gumbel and Dirichlet variables."""

from std.math import cos, log, sqrt

from ..rng import Rng

comptime TAU = 6.283185307179586


def gumbel(mut rng: Rng) -> Float32:
    """Draws a standard Gumbel variable."""
    # Bounded away from 1, whose logarithm is 0.
    return (-log(-log(min(rng.positive(), 1.0 - 1e-16)))).cast[DType.float32]()


def gamma(shape: Float64, mut rng: Rng) -> Float64:
    """Draws a gamma variable of this shape and scale 1 (Marsaglia and Tsang, "A simple method for generating gamma
    variables", 2000).
    """
    if shape < 1.0:
        return gamma(shape + 1.0, rng) * rng.positive() ** (1.0 / shape)
    var d = shape - 1.0 / 3.0
    var c = 1.0 / sqrt(9.0 * d)
    while True:
        var x = sqrt(-2.0 * log(rng.positive())) * cos(TAU * rng.uniform64())
        var root = 1.0 + c * x
        var v = root * root * root
        if v > 0.0 and log(rng.positive()) < 0.5 * x * x + d - d * v + d * log(v):
            return d * v


def mix_dirichlet(mut priors: List[Float32], share: Float32, concentration: Float32, mut rng: Rng):
    """Mixes a symmetric Dirichlet variable with weight `share` into the positive entries of `priors`, `[actions]`. Each
    of its parameters is `concentration` divided by their number.
    """
    var parts = List[Float64]()
    var sum = 0.0
    var count = 0
    for prior in priors:
        if prior > 0:
            count += 1
    if count == 0 or concentration <= 0:
        return
    for _ in range(count):
        parts.append(gamma(concentration.cast[DType.float64]() / Float64(count), rng))
        sum += parts[len(parts) - 1]
    var next = 0
    for i in range(len(priors)):
        if priors[i] > 0:
            var part = parts[next] / sum if sum > 0 else 1.0 / Float64(count)
            priors[i] = (1.0 - share) * priors[i] + share * part.cast[DType.float32]()
            next += 1
