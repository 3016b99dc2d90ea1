"""The position of a run, as algorithms see it."""


@fieldwise_init
struct Iteration(ImplicitlyCopyable, Movable):
    """One iteration of a run."""

    var number: Int
    """The number of the iteration, from 0."""
    var progress: Float64
    """The share of the run that is done, from 0 to 1; 0 for a run without end."""
    var difficulty: Int
    """The difficulty of the curriculum."""
