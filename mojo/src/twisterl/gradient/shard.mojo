"""The gradient of some rows of an update, by hand-derived backpropagation.

With `y = f(x W + b)` and `d` for the derivative of the loss:

```text
dz = dy * f'(z)        dW = x^T dz        db = sum over rows of dz        dx = dz W^T
```
"""

from ..parallel import Job
from ..policy.forward import Executor, padded
from ..policy.network import Activation
from ..policy.product import LANES, Strided, product
from ..rollout.batch import Batch
from .loss import LossSums, Objective

comptime SHARD = 128
"""Rows whose activations stay in the cache. Fixed, so that results do not depend on the number of threads."""


struct ShardBuffers(Copyable):
    """The memory of a shard, reused between updates."""

    var ones: List[UInt16]
    """The observations of the shard, `[rows, ones]`."""
    var activations: List[List[Float32]]
    """The outputs of each layer, `[layers][SHARD, padded outputs]`."""
    var slopes: List[List[Float32]]
    """The gradient with respect to `activations`, of the same shape."""
    var gradient: List[Float32]
    """The gradient with respect to the model's weights, in their layout."""

    def __init__(out self, model: Executor):
        """Allocates the memory for a network."""
        self.ones = List[UInt16]()
        self.activations = List[List[Float32]]()
        self.slopes = List[List[Float32]]()
        self.gradient = List[Float32](length=len(model.weights), fill=0)
        for layer in range(len(model.network.layers)):
            self.activations.append(List[Float32](length=SHARD * model.padded_width(layer), fill=0))
            self.slopes.append(List[Float32](length=SHARD * model.padded_width(layer), fill=0))


@fieldwise_init
struct Shard[O: Objective](Job):
    """The forward and backward pass of some rows of an update."""

    var objective: Self.O
    var weight: Float64
    """The weight of each row's loss."""
    var batch: Pointer[Batch, ImmUntrackedOrigin]
    var model: Pointer[Executor, ImmUntrackedOrigin]
    var transposed: Pointer[List[List[Float32]], ImmUntrackedOrigin]
    """The transposed weights of each layer, see `Learner.transposed`."""
    var buffers: Pointer[ShardBuffers, MutUntrackedOrigin]
    var rows: Pointer[UInt32, ImmUntrackedOrigin]
    """The rows of the batch, `[count]`."""
    var count: Int
    var sums: LossSums

    def run(mut self) raises:
        """Computes the gradient into the buffers and the loss into `sums`."""
        ref buffers = self.buffers[]
        ref network = self.model[].network
        for i in range(len(buffers.gradient)):
            buffers.gradient.unsafe_get(i) = 0
        self.forward()
        self.evaluate_loss()
        var last = len(network.layers) - 1
        var first_head = network.common
        var value_head = network.common + network.action
        if not self.model[].fused_heads:
            for layer in range(last, value_head - 1, -1):
                self.backward(layer, network.common - 1 if layer == value_head else layer - 1, True)
        for layer in range(value_head - 1, first_head - 1, -1):
            # The features receive gradients from both heads.
            var overwrite = layer != first_head or self.model[].fused_heads
            self.backward(layer, layer - 1, overwrite)
        for layer in range(first_head - 1, 0, -1):
            self.backward(layer, layer - 1, True)
        self.embed_backward()

    def forward(mut self):
        """Computes the outputs of all layers."""
        ref buffers = self.buffers[]
        ref batch = self.batch[]
        ref model = self.model[]
        ref network = model.network
        var per_row = batch.num_ones
        buffers.ones.resize(self.count * per_row, 0)
        for i in range(self.count):
            var row = Int(self.rows[unsafe_offset=i])
            for one in range(per_row):
                buffers.ones.unsafe_get(i * per_row + one) = batch.ones[row * per_row + one]
        var out = List[Float32]()
        swap(out, buffers.activations[0])
        model.embed(buffers.ones, 0, self.count, per_row, out)
        swap(out, buffers.activations[0])
        for layer in range(1, len(network.layers)):
            if model.padded_width(layer) == 0:
                continue
            var source = network.common - 1 if layer == network.common + network.action else layer - 1
            swap(out, buffers.activations[layer])
            model.linear(layer, self.count, buffers.activations[source], out)
            swap(out, buffers.activations[layer])

    def evaluate_loss(mut self):
        """Evaluates the loss and its gradient with respect to the outputs of the heads."""
        ref buffers = self.buffers[]
        ref model = self.model[]
        var actions = model.network.actions
        var head = model.network.common + model.network.action - 1
        var last = len(model.network.layers) - 1
        var width = model.padded_width(head)
        for layer in range(head, last + 1):
            for i in range(len(buffers.slopes[layer])):
                buffers.slopes[layer].unsafe_get(i) = 0
        for i in range(self.count):
            var row = Int(self.rows[unsafe_offset=i])
            var logits = Span(buffers.activations[head])[i * width : i * width + actions]
            var value_at = i * width + actions if model.fused_heads else i * model.padded_width(last)
            var value_layer = head if model.fused_heads else last
            var value = buffers.activations[value_layer][value_at]
            var slopes = Span(buffers.slopes[head])[i * width : i * width + actions]
            var slope = self.objective.evaluate(self.batch[], row, logits, value, self.weight, slopes, self.sums)
            buffers.slopes[value_layer][value_at] = slope

    def backward(mut self, layer: Int, source: Int, overwrite: Bool):
        """Backpropagates through a linear layer whose input is the output of layer `source`.

        The slopes of `source` are overwritten if `overwrite`, and else added to.
        """
        ref buffers = self.buffers[]
        ref model = self.model[]
        self.activation_backward(layer)
        var inputs = model.network.layers[layer].inputs
        var width = model.padded_width(layer)
        var slopes = Strided(buffers.slopes[layer].unsafe_ptr(), width, 1)
        var gradient = buffers.gradient.unsafe_ptr().unsafe_offset(model.offsets[layer])
        var x = buffers.activations[source].unsafe_ptr()
        product(inputs, width, self.count, Strided(x, 1, padded(inputs)), slopes, Strided(gradient, width, 1))
        self.sum_rows(layer, gradient.unsafe_offset(inputs * width))
        if overwrite:
            for i in range(self.count * padded(inputs)):
                buffers.slopes[source].unsafe_get(i) = 0
        var transposed = Strided(self.transposed[][layer].unsafe_ptr(), padded(inputs), 1)
        var to = Strided(buffers.slopes[source].unsafe_ptr(), padded(inputs), 1)
        product(self.count, padded(inputs), width, slopes, transposed, to)

    def embed_backward(mut self):
        """Backpropagates through the embedding: adds the slopes to the weight rows of the ones."""
        ref buffers = self.buffers[]
        ref model = self.model[]
        self.activation_backward(0)
        var width = model.padded_width(0)
        var per_row = self.batch[].num_ones
        var gradient = buffers.gradient.unsafe_ptr().unsafe_offset(model.offsets[0])
        self.sum_rows(0, gradient.unsafe_offset(model.network.layers[0].inputs * width))
        var slopes = buffers.slopes[0].unsafe_ptr()
        for row in range(self.count):
            for one in range(per_row):
                var weight_row = gradient.unsafe_offset(Int(buffers.ones.unsafe_get(row * per_row + one)) * width)
                for column in range(0, width, LANES):
                    var slope = slopes.unsafe_offset(row * width + column).unsafe_load[width=LANES]()
                    var to = weight_row.unsafe_offset(column)
                    to.unsafe_store(to.unsafe_load[width=LANES]() + slope)

    def activation_backward(mut self, layer: Int):
        """Replaces the slopes of a layer's outputs by those of its pre-activations."""
        ref buffers = self.buffers[]
        var activation = self.model[].network.layers[layer].activation
        if activation == Activation.IDENTITY:
            return
        for i in range(0, self.count * self.model[].padded_width(layer), LANES):
            var place = buffers.slopes[layer].unsafe_ptr().unsafe_offset(i)
            var slope = place.unsafe_load[width=LANES]()
            var y = buffers.activations[layer].unsafe_ptr().unsafe_offset(i).unsafe_load[width=LANES]()
            if activation == Activation.RELU:
                place.unsafe_store(y.gt(0).select(slope, SIMD[DType.float32, LANES](0)))
            else:
                place.unsafe_store(slope * (1.0 - y * y))

    def sum_rows(self, layer: Int, to: Pointer[mut=True, Float32, _]):
        """Adds the slopes of all rows to the gradient of a bias, `[padded outputs]`."""
        ref buffers = self.buffers[]
        var width = self.model[].padded_width(layer)
        for row in range(self.count):
            for column in range(0, width, LANES):
                var place = to.unsafe_offset(column)
                var slope = buffers.slopes[layer].unsafe_ptr().unsafe_offset(row * width + column)
                place.unsafe_store(place.unsafe_load[width=LANES]() + slope.unsafe_load[width=LANES]())
