"""Schedules: values that change over a run."""

from std.math import cos

comptime PI = 3.141592653589793


struct Schedule:
    """The kinds of schedule."""

    comptime CONSTANT = 0
    comptime LINEAR = 1
    comptime COSINE = 2
    comptime EXPONENTIAL = 3


def scheduled(schedule: Int, first: Float64, last: Float64, progress: Float64) -> Float64:
    """Returns the value at `progress` (0 to 1) of a schedule from `first` to `last`."""
    var done = min(max(progress, 0), 1)
    if schedule == Schedule.LINEAR:
        return first + (last - first) * done
    if schedule == Schedule.EXPONENTIAL:
        return first * (last / first) ** done
    if schedule == Schedule.COSINE:
        return last + (first - last) * 0.5 * (1.0 + cos(PI * done))
    return first
