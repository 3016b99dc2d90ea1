"""Fitness shaping: the transformation of fitness before the weights learn from it."""

from std.math import sqrt

from ...config.es import FitnessShaping


def shape_fitness(shaping: Int, fitness: List[Float64]) -> List[Float64]:
    """Applies one of `FitnessShaping` to the fitness of all members, `[population]`."""
    if shaping == FitnessShaping.CENTERED_RANKS:
        return centered_ranks(fitness)
    return standardized(fitness) if shaping == FitnessShaping.STANDARDIZED else fitness.copy()


def centered_ranks(fitness: List[Float64]) -> List[Float64]:
    """Returns ranks spread evenly from -0.5 (lowest) to 0.5 (Salimans et al. 2017), `[population]`.

    Members of equal fitness share the mean of their ranks, so that fitness that does not distinguish members does not
    move the weights.
    """
    var sorted = fitness.copy()
    sort(sorted)
    var last = Float64(max(len(fitness), 2) - 1)
    var ranks = List[Float64](capacity=len(fitness))
    for value in fitness:
        var below = count_below(sorted, value, False)
        var up_to = count_below(sorted, value, True)
        ranks.append(Float64(below + up_to - 1) / 2.0 / last - 0.5)
    return ranks^


def count_below(sorted: List[Float64], value: Float64, with_equals: Bool) -> Int:
    """Returns the count of numbers in a sorted list that are below `value`, or at most `value` if `with_equals`."""
    var low = 0
    var high = len(sorted)
    while low < high:
        var middle = (low + high) // 2
        if sorted[middle] < value or (with_equals and sorted[middle] == value):
            low = middle + 1
        else:
            high = middle
    return low


def standardized(fitness: List[Float64]) -> List[Float64]:
    """Returns fitness with mean 0 and standard deviation 1, `[population]`; all 0 if all are equal."""
    var count = Float64(max(len(fitness), 1))
    var mean = Float64(0)
    for value in fitness:
        mean += value / count
    var variance = Float64(0)
    for value in fitness:
        variance += (value - mean) * (value - mean) / count
    var scale = 1.0 / sqrt(variance) if variance > 0 else Float64(0)
    var out = List[Float64](capacity=len(fitness))
    for value in fitness:
        out.append((value - mean) * scale)
    return out^
