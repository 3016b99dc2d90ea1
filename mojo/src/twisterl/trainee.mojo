"""A policy in training, as the algorithms carry it: the one that acts, and the running average that is evaluated."""

from .forward import Executor
from .sections import OptimizerConfig


@fieldwise_init
struct Iteration(ImplicitlyCopyable, Movable):
    """Where a run stands."""

    var number: Int
    """From 0."""
    var progress: Float64
    """Share of the run that is done."""
    var difficulty: Int
    """Of the curriculum."""


struct Average(Copyable):
    """An exponential moving average of the weights (Polyak and Juditsky 1992). At a high learning rate the weights jitter
    about what was learned; their average does not.
    """

    var decay: Float64
    var executor: Executor

    def __init__(out self, config: OptimizerConfig, executor: Executor):
        """Starts at the weights of `executor`."""
        self.decay = config.averaging
        self.executor = executor.copy()

    def update(mut self, weights: List[Float32], number: Int):
        """Takes in the weights after iteration `number`. The decay rises to its value over the first iterations, so that
        the random weights of the beginning are soon forgotten; with a decay of 0 the average is the weights.
        """
        var rising = (1.0 + Float64(number)) / (10.0 + Float64(number))
        var share = (1.0 - min(self.decay, rising)).cast[DType.float32]()
        for i in range(len(weights)):
            var before = self.executor.weights.unsafe_get(i)
            self.executor.weights.unsafe_get(i) = before + share * (weights.unsafe_get(i) - before)
