"""The running average of a policy's weights, which is evaluated and saved."""

from ..policy.forward import Executor


struct WeightAverage(Copyable):
    """An exponential moving average of the weights (Polyak and Juditsky 1992).

    At a high learning rate the weights oscillate around what was learned, and their average does not.
    """

    var decay: Float64
    """The decay per iteration; with 0 the average equals the weights."""
    var executor: Executor
    """The policy with the averaged weights."""

    def __init__(out self, decay: Float64, executor: Executor):
        """Starts at the weights of `executor`."""
        self.decay = decay
        self.executor = executor.copy()

    def update(mut self, weights: List[Float32], iteration: Int):
        """Adds the weights after an iteration, in the layout of `Executor.weights`.

        The decay rises to its value over the first iterations, so that the random initial weights are soon forgotten.
        """
        var rising = (1.0 + Float64(iteration)) / (10.0 + Float64(iteration))
        var share = (1.0 - min(self.decay, rising)).cast[DType.float32]()
        for i in range(len(weights)):
            var before = self.executor.weights.unsafe_get(i)
            self.executor.weights.unsafe_get(i) = before + share * (weights.unsafe_get(i) - before)
