"""Updates: a gradient by hand-derived backpropagation, in parallel over fixed shards of the rows, and a step of Adam.

Weights, gradient and moments have the layout of `Executor`, so that nothing is converted between an update and the next
act. With `y = f(x W + b)` and `d` for the derivative of the loss:

```text
dz = dy * f'(z)        dW = x^T dz        db = sum over rows of dz        dx = dz W^T
```
"""

from std.math import isfinite, sqrt

from .batch import Batch
from .forward import Executor, whole
from .loss import Objective, Sums
from .network import Activation
from .optimizer import Adam, AdamConfig
from .parallel import Job, lent, lent_mut, run_all
from .product import LANES, Strided, product

comptime SHARD = 128
"""Rows whose activations stay in the cache. Fixed, so that results do not depend on the number of threads."""


struct Learner(Copyable):
    """A network in training."""

    var model: Executor
    """The network with its current weights, ready to act."""
    var gradient: List[Float32]
    """Of the last update, as long as the model's weights."""
    var adam: Adam
    var turned: List[List[Float32]]
    """The transposed weights of each linear layer, (padded outputs, padded inputs)."""
    var memories: List[Memory]
    """One for each shard of an update."""
    var threads: Int

    def __init__(out self, model: Executor, config: AdamConfig, threads: Int):
        """Starts from the weights of `model`."""
        self.model = model.copy()
        self.gradient = List[Float32](length=len(model.weights), fill=0)
        self.adam = Adam(config, len(model.weights))
        self.turned = List[List[Float32]]()
        self.memories = List[Memory]()
        self.threads = threads
        for layer in range(len(model.network.layers)):
            var size = model.width(layer) * whole(model.network.layers[layer].inputs)
            self.turned.append(List[Float32](length=size, fill=0))

    def step[
        O: Objective
    ](mut self, objective: O, batch: Batch, rows: Span[UInt32, _], max_norm: Float64, lr: Float64) raises -> Sums:
        """One update on `rows` of the batch; longer gradients are cut to `max_norm`. Returns the sums before it. Raises
        if the loss is no longer finite.
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

    def differentiate[O: Objective](mut self, objective: O, batch: Batch, rows: Span[UInt32, _]) raises -> Sums:
        """Makes `gradient` that of the mean loss of `rows`, whose sums are returned."""
        self.turn()
        var shards = List[Shard[O]]()
        var weight = 1.0 / Float64(max(len(rows), 1))
        while len(self.memories) * SHARD < len(rows):
            self.memories.append(Memory(self.model))
        for first in range(0, len(rows), SHARD):
            var shard = Shard[O](
                objective.copy(),
                weight,
                lent(batch),
                lent(self.model),
                lent(self.turned),
                lent_mut(self.memories[len(shards)]),
                lent(rows[first]),
                min(SHARD, len(rows) - first),
                Sums(),
            )
            shards.append(shard^)
        run_all(shards, self.threads)
        _ = batch.rows()  # lives until all threads are done
        var sums = Sums()
        var count = len(self.gradient)
        for i in range(count):
            self.gradient.unsafe_get(i) = 0
        for index in range(len(shards)):
            sums += shards[index].sums
            ref part = self.memories[index].gradient
            for i in range(0, count, LANES):  # layers are whole vectors
                var place = self.gradient.unsafe_ptr().unsafe_offset(i)
                var more = part.unsafe_ptr().unsafe_offset(i).unsafe_load[width=LANES]()
                place.unsafe_store(place.unsafe_load[width=LANES]() + more)
        return sums

    def turn(mut self):
        """Transposes the weights of the linear layers."""
        ref model = self.model
        for layer in range(1, len(model.network.layers)):
            var inputs = model.network.layers[layer].inputs
            var width = model.width(layer)
            for input in range(inputs):
                for output in range(width):
                    self.turned[layer].unsafe_get(output * whole(inputs) + input) = model.weights.unsafe_get(
                        model.places[layer] + input * width + output
                    )


struct Memory(Copyable):
    """What a shard works in."""

    var ones: List[UInt16]
    var activations: List[List[Float32]]
    """The outputs of each layer, (SHARD, padded width)."""
    var slopes: List[List[Float32]]
    """The gradient by them."""
    var gradient: List[Float32]
    """As long as the model's weights."""

    def __init__(out self, model: Executor):
        self.ones = List[UInt16]()
        self.activations = List[List[Float32]]()
        self.slopes = List[List[Float32]]()
        self.gradient = List[Float32](length=len(model.weights), fill=0)
        for layer in range(len(model.network.layers)):
            self.activations.append(List[Float32](length=SHARD * model.width(layer), fill=0))
            self.slopes.append(List[Float32](length=SHARD * model.width(layer), fill=0))


@fieldwise_init
struct Shard[O: Objective](Job):
    """Some rows of an update, forwards and backwards."""

    var objective: Self.O
    var weight: Float64
    """Of a row's loss."""
    var batch: Pointer[Batch, ImmUntrackedOrigin]
    var model: Pointer[Executor, ImmUntrackedOrigin]
    var turned: Pointer[List[List[Float32]], ImmUntrackedOrigin]
    var memory: Pointer[Memory, MutUntrackedOrigin]
    var rows: Pointer[UInt32, ImmUntrackedOrigin]
    var count: Int
    var sums: Sums

    def run(mut self) raises:
        """Computes their gradient, into the memory."""
        ref memory = self.memory[]
        ref network = self.model[].network
        for i in range(len(memory.gradient)):
            memory.gradient.unsafe_get(i) = 0
        self.forward()
        self.judge()
        var last = len(network.layers) - 1
        var first_head = network.common
        var value_head = network.common + network.action
        if not self.model[].one_head:
            for layer in range(last, value_head - 1, -1):
                self.backward(layer, network.common - 1 if layer == value_head else layer - 1, True)
        for layer in range(value_head - 1, first_head - 1, -1):
            # The features hear from both heads.
            var fresh = layer != first_head or self.model[].one_head
            self.backward(layer, layer - 1, fresh)
        for layer in range(first_head - 1, 0, -1):
            self.backward(layer, layer - 1, True)
        self.embed_backward()

    def forward(mut self):
        """Computes the outputs of all layers."""
        ref memory = self.memory[]
        ref batch = self.batch[]
        ref model = self.model[]
        ref network = model.network
        var per_row = batch.ones_width
        memory.ones.resize(self.count * per_row, 0)
        for i in range(self.count):
            var row = Int(self.rows[unsafe_offset=i])
            for one in range(per_row):
                memory.ones.unsafe_get(i * per_row + one) = batch.ones[row * per_row + one]
        var out = List[Float32]()
        swap(out, memory.activations[0])
        model.embed(memory.ones, 0, self.count, per_row, out)
        swap(out, memory.activations[0])
        for layer in range(1, len(network.layers)):
            if model.width(layer) == 0:
                continue
            var source = network.common - 1 if layer == network.common + network.action else layer - 1
            swap(out, memory.activations[layer])
            model.linear(layer, self.count, memory.activations[source], out)
            swap(out, memory.activations[layer])

    def judge(mut self):
        """Evaluates the loss, and its gradient by the outputs of the heads."""
        ref memory = self.memory[]
        ref model = self.model[]
        var actions = model.network.actions
        var head = model.network.common + model.network.action - 1
        var last = len(model.network.layers) - 1
        var width = model.width(head)
        for layer in range(head, last + 1):
            for i in range(len(memory.slopes[layer])):
                memory.slopes[layer].unsafe_get(i) = 0
        for i in range(self.count):
            var row = Int(self.rows[unsafe_offset=i])
            var logits = Span(memory.activations[head])[i * width : i * width + actions]
            var value_at = i * width + actions if model.one_head else i * model.width(last)
            var value_layer = head if model.one_head else last
            var value = memory.activations[value_layer][value_at]
            var slopes = Span(memory.slopes[head])[i * width : i * width + actions]
            var slope = self.objective.evaluate(self.batch[], row, logits, value, self.weight, slopes, self.sums)
            memory.slopes[value_layer][value_at] = slope

    def backward(mut self, layer: Int, source: Int, fresh: Bool):
        """Goes back through a linear layer that reads layer `source`, whose slopes are set if `fresh` and else added to."""
        ref memory = self.memory[]
        ref model = self.model[]
        self.through_activation(layer)
        var inputs = model.network.layers[layer].inputs
        var width = model.width(layer)
        var slopes = Strided(memory.slopes[layer].unsafe_ptr(), width, 1)
        var place = memory.gradient.unsafe_ptr().unsafe_offset(model.places[layer])
        var x = memory.activations[source].unsafe_ptr()
        product(inputs, width, self.count, Strided(x, 1, whole(inputs)), slopes, Strided(place, width, 1))
        self.sum_rows(layer, place.unsafe_offset(inputs * width))
        if fresh:
            for i in range(self.count * whole(inputs)):
                memory.slopes[source].unsafe_get(i) = 0
        var turned = Strided(self.turned[][layer].unsafe_ptr(), whole(inputs), 1)
        var to = Strided(memory.slopes[source].unsafe_ptr(), whole(inputs), 1)
        product(self.count, whole(inputs), width, slopes, turned, to)

    def embed_backward(mut self):
        """Goes back through the embedding: the rows of the ones get the slopes."""
        ref memory = self.memory[]
        ref model = self.model[]
        self.through_activation(0)
        var width = model.width(0)
        var per_row = self.batch[].ones_width
        var place = memory.gradient.unsafe_ptr().unsafe_offset(model.places[0])
        self.sum_rows(0, place.unsafe_offset(model.network.layers[0].inputs * width))
        var slopes = memory.slopes[0].unsafe_ptr()
        for row in range(self.count):
            for one in range(per_row):
                var target = place.unsafe_offset(Int(memory.ones.unsafe_get(row * per_row + one)) * width)
                for column in range(0, width, LANES):
                    var slope = slopes.unsafe_offset(row * width + column).unsafe_load[width=LANES]()
                    var to = target.unsafe_offset(column)
                    to.unsafe_store(to.unsafe_load[width=LANES]() + slope)

    def through_activation(mut self, layer: Int):
        """Makes the slopes by a layer's outputs those by what its activation function was applied to."""
        ref memory = self.memory[]
        var activation = self.model[].network.layers[layer].activation
        if activation == Activation.IDENTITY:
            return
        for i in range(0, self.count * self.model[].width(layer), LANES):
            var place = memory.slopes[layer].unsafe_ptr().unsafe_offset(i)
            var slope = place.unsafe_load[width=LANES]()
            var y = memory.activations[layer].unsafe_ptr().unsafe_offset(i).unsafe_load[width=LANES]()
            if activation == Activation.RELU:
                place.unsafe_store(y.gt(0).select(slope, SIMD[DType.float32, LANES](0)))
            else:
                place.unsafe_store(slope * (1.0 - y * y))

    def sum_rows(self, layer: Int, to: Pointer[mut=True, Float32, _]):
        """Adds the slopes of all rows to the gradient of a bias."""
        ref memory = self.memory[]
        var width = self.model[].width(layer)
        for row in range(self.count):
            for column in range(0, width, LANES):
                var place = to.unsafe_offset(column)
                var slope = memory.slopes[layer].unsafe_ptr().unsafe_offset(row * width + column)
                place.unsafe_store(place.unsafe_load[width=LANES]() + slope.unsafe_load[width=LANES]())
