"""Updates of a network: the gradient of a loss, in parallel over fixed shards of the rows, and a step of Adam.

Weights, gradient and moments have the layout of `Executor.weights`, so that nothing is converted between an update and
the next evaluation.
"""

from std.math import isfinite, sqrt

from ..parallel import run_all, unowned, unowned_mut
from ..policy.forward import Executor, padded
from ..policy.product import LANES
from ..rollout.batch import Batch
from .loss import LossSums, Objective
from .optimizer import Adam, AdamConfig
from .shard import SHARD, Shard, ShardBuffers


struct Learner(Copyable):
    """A network in training with its optimizer."""

    var model: Executor
    """The network with its current weights, ready for inference."""
    var gradient: List[Float32]
    """The gradient of the last update, in the layout of the model's weights."""
    var adam: Adam
    var transposed: List[List[Float32]]
    """The transposed weights of each linear layer, `[layers][padded outputs, padded inputs]`."""
    var buffers: List[ShardBuffers]
    """The memory of each shard of an update, `[shards]`."""
    var threads: Int

    def __init__(out self, model: Executor, config: AdamConfig, threads: Int):
        """Starts at the weights of `model`."""
        self.model = model.copy()
        self.gradient = List[Float32](length=len(model.weights), fill=0)
        self.adam = Adam(config, len(model.weights))
        self.transposed = List[List[Float32]]()
        self.buffers = List[ShardBuffers]()
        self.threads = threads
        for layer in range(len(model.network.layers)):
            var size = model.padded_width(layer) * padded(model.network.layers[layer].inputs)
            self.transposed.append(List[Float32](length=size, fill=0))

    def epoch[
        O: Objective
    ](
        mut self, objective: O, batch: Batch, order: List[UInt32], minibatch_size: Int, max_norm: Float64, lr: Float64
    ) raises -> LossSums:
        """Updates the network on all rows of `order`, `minibatch_size` at a time; 0: all at once.

        Returns the statistics of the rows, each before its update. Raises as `step` does.
        """
        var size = minibatch_size if minibatch_size > 0 else max(len(order), 1)
        var sums = LossSums()
        for first in range(0, len(order), size):
            var rows = Span(order)[first : min(first + size, len(order))]
            sums += self.step(objective, batch, rows, max_norm, lr)
        return sums

    def step[
        O: Objective
    ](mut self, objective: O, batch: Batch, rows: Span[UInt32, _], max_norm: Float64, lr: Float64) raises -> LossSums:
        """Updates the network once, on `rows` of the batch, with the gradient clipped to norm `max_norm`.

        Returns the statistics before the update. Raises if the loss or the gradient is not finite.
        """
        var sums = self.differentiate(objective, batch, rows)
        var squares = Float64(0)
        for slope in self.gradient:
            squares += (slope * slope).cast[DType.float64]()
        var norm = sqrt(squares)
        if not isfinite(sums.total) or not isfinite(norm):
            raise Error("training: expected a finite loss, found ", sums.total, " with a gradient of norm ", norm)
        var scale = max_norm / norm if norm > max_norm else Float64(1)
        self.adam.step(self.model.weights, self.gradient, scale.cast[DType.float32](), lr)
        return sums

    def differentiate[O: Objective](mut self, objective: O, batch: Batch, rows: Span[UInt32, _]) raises -> LossSums:
        """Computes the gradient of the mean loss of `rows` into `gradient`. Returns the statistics of the rows."""
        self.transpose()
        var shards = List[Shard[O]]()
        var weight = 1.0 / Float64(max(len(rows), 1))
        while len(self.buffers) * SHARD < len(rows):
            self.buffers.append(ShardBuffers(self.model))
        for first in range(0, len(rows), SHARD):
            var shard = Shard[O](
                objective.copy(),
                weight,
                unowned(batch),
                unowned(self.model),
                unowned(self.transposed),
                unowned_mut(self.buffers[len(shards)]),
                unowned(rows[first]),
                min(SHARD, len(rows) - first),
                LossSums(),
            )
            shards.append(shard^)
        run_all(shards, self.threads)
        _ = batch.rows()  # keeps the batch alive until all threads have ended
        var sums = LossSums()
        var count = len(self.gradient)
        for i in range(count):
            self.gradient.unsafe_get(i) = 0
        for index in range(len(shards)):
            sums += shards[index].sums
            ref part = self.buffers[index].gradient
            for i in range(0, count, LANES):  # the layout is padded to whole vectors
                var place = self.gradient.unsafe_ptr().unsafe_offset(i)
                var more = part.unsafe_ptr().unsafe_offset(i).unsafe_load[width=LANES]()
                place.unsafe_store(place.unsafe_load[width=LANES]() + more)
        return sums

    def transpose(mut self):
        """Transposes the weights of the linear layers."""
        ref model = self.model
        for layer in range(1, len(model.network.layers)):
            var inputs = model.network.layers[layer].inputs
            var width = model.padded_width(layer)
            for input in range(inputs):
                for output in range(width):
                    self.transposed[layer].unsafe_get(output * padded(inputs) + input) = model.weights.unsafe_get(
                        model.offsets[layer] + input * width + output
                    )
