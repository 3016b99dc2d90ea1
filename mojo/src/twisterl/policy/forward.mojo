"""Inference on the processor: a batch of observations in, logits and values out."""

from std.math import tanh

from ..env.symmetry import Twist
from .evaluator import Evaluation, Evaluator
from .network import Activation, Network
from .policy import Policy
from .product import LANES, Strided, product

comptime BLOCK = 64
"""Rows that pass through all layers together, so that the outputs in between stay in the cache."""


def padded(width: Int) -> Int:
    """Returns `width` rounded up to a multiple of the vector width."""
    return (width + LANES - 1) // LANES * LANES


struct Executor(Copyable, Evaluator):
    """A network with its weights in the memory layout of inference.

    Matrices are `[inputs, outputs]`, with the outputs padded by zeros to a multiple of the vector width. If each head
    has one layer, both are one matrix: the fused heads.
    """

    var network: Network
    var weights: List[Float32]
    """The matrices and biases of all layers."""
    var offsets: List[Int]
    """The position of each layer's matrix in `weights`, `[layers]`. Its bias follows."""
    var fused_heads: Bool
    var max_width: Int
    """The most padded outputs of a layer."""
    var twists: List[Twist]
    """The symmetries under which observations are canonicalized before they are evaluated; empty: they are not."""
    var backtracking: Bool
    """True if play may undo its last move."""

    def __init__(out self, policy: Policy) raises:
        """Creates the executor of a policy. Raises if its parameters do not fit its network."""
        self = Executor(policy.network, policy.parameters)
        self.backtracking = policy.backtracking
        if policy.canonical:
            self.twists = policy.twists.copy()

    def __init__(out self, network: Network, parameters: List[Float32]) raises:
        """Creates the executor of a network. Raises if the parameters do not fit it."""
        network.check()
        self.twists = List[Twist]()
        self.backtracking = True
        self.network = network.copy()
        self.offsets = List[Int]()
        self.weights = List[Float32]()
        self.max_width = padded(max(network.max_outputs(), network.actions + 1))
        self.fused_heads = network.action == 1 and len(network.layers) == network.common + 2
        var size = 0
        for i in range(len(network.layers)):
            self.offsets.append(size)
            size += (network.layers[i].inputs + 1) * self.padded_width(i)
        self.weights.resize(size, 0.0)
        self.load(parameters)

    def padded_width(self, layer: Int) -> Int:
        """Returns the padded outputs of a layer; 0 for a value layer that is part of the fused heads."""
        var outputs = self.network.layers[layer].outputs
        if self.fused_heads and layer >= self.network.common:
            return padded(outputs + 1) if layer == self.network.common else 0
        return padded(outputs)

    def load(mut self, parameters: List[Float32]) raises:
        """Replaces the parameters, `[num_parameters]`. Raises if their number is another."""
        if len(parameters) != self.network.num_parameters:
            raise Error("weights: expected ", self.network.num_parameters, " parameters, found ", len(parameters))
        for i in range(len(self.network.layers)):
            ref layer = self.network.layers[i]
            for output in range(layer.outputs):
                for input in range(layer.inputs + 1):
                    var at = layer.bias_offset() + output
                    if input < layer.inputs:
                        at = layer.weight_index(output, input)
                    self.weights[self.weight_index(i, output, input)] = parameters[at]

    def parameters(self) -> List[Float32]:
        """Returns the parameters, `[num_parameters]`, in the layout of `Layer`."""
        return self.to_parameters(self.weights)

    def to_parameters(self, weights: List[Float32]) -> List[Float32]:
        """Converts numbers from the layout of `weights` to that of parameters, `[num_parameters]`."""
        var parameters = List[Float32](length=self.network.num_parameters, fill=0)
        for i in range(len(self.network.layers)):
            ref layer = self.network.layers[i]
            for output in range(layer.outputs):
                for input in range(layer.inputs + 1):
                    var at = layer.bias_offset() + output
                    if input < layer.inputs:
                        at = layer.weight_index(output, input)
                    parameters[at] = weights[self.weight_index(i, output, input)]
        return parameters^

    def weight_index(self, layer: Int, output: Int, input: Int) -> Int:
        """Returns the position of a weight in `weights`. The input after the last one is the bias."""
        if self.fused_heads and layer == len(self.network.layers) - 1:  # the value is the column after the logits
            var head = layer - 1
            return self.offsets[head] + input * self.padded_width(head) + self.network.actions + output
        return self.offsets[layer] + input * self.padded_width(layer) + output

    def evaluate(self, ones: Span[UInt16, _], rows: Int, mut out: Evaluation) raises:
        """Evaluates the observations `ones`, `[rows, ones]`. Raises if one does not fit the network."""
        var per_row = self.network.ones_per_row(ones, rows)
        out.logits.resize(rows * self.network.actions, 0.0)
        out.values.resize(rows, 0.0)
        out.features.resize(BLOCK * self.max_width, 0.0)
        out.left.resize(BLOCK * self.max_width, 0.0)
        out.right.resize(BLOCK * self.max_width, 0.0)
        var start = 0
        while start < rows:
            var count = min(BLOCK, rows - start)
            self.evaluate_block(ones, start, count, per_row, out)
            start += count

    def evaluate_slots(mut self, ones: Span[UInt16, _], slots: List[Int], mut out: Evaluation) raises:
        """Evaluates one row for each of `slots`, all with the same weights."""
        self.evaluate(ones, len(slots), out)

    def evaluate_block(self, ones: Span[UInt16, _], start: Int, rows: Int, per_row: Int, mut out: Evaluation):
        """Evaluates `rows` rows from row `start` on."""
        self.embed(ones, start, rows, per_row, out.features)
        for layer in range(1, self.network.common):
            self.linear(layer, rows, out.features, out.left)
            swap(out.features, out.left)
        var actions = self.network.actions
        self.evaluate_head(self.network.common, self.network.action, rows, out)
        var width = self.padded_width(self.network.common + self.network.action - 1)
        for row in range(rows):
            for action in range(actions):
                out.logits[(start + row) * actions + action] = out.left[row * width + action]
        if self.fused_heads:
            for row in range(rows):
                out.values[start + row] = out.left[row * width + actions]
            return
        var first = self.network.common + self.network.action
        var last = len(self.network.layers) - 1
        self.evaluate_head(first, last + 1 - first, rows, out)
        for row in range(rows):
            out.values[start + row] = out.left[row * self.padded_width(last)]

    def evaluate_head(self, first: Int, count: Int, rows: Int, mut out: Evaluation):
        """Applies `count` layers to the features and leaves the result in `out.left`."""
        self.linear(first, rows, out.features, out.left)
        for layer in range(first + 1, first + count):
            self.linear(layer, rows, out.left, out.right)
            swap(out.left, out.right)

    def embed(self, ones: Span[UInt16, _], start: Int, rows: Int, per_row: Int, mut to: List[Float32]):
        """Sums the embedding's weight rows of each observation's ones into `to`, `[rows, padded outputs]`."""
        var width = self.padded_width(0)
        ref layer = self.network.layers[0]
        var weights = self.weights.unsafe_ptr().unsafe_offset(self.offsets[0])
        var out = to.unsafe_ptr()
        var bias = weights.unsafe_offset(layer.inputs * width)
        for row in range(rows):
            var first = (start + row) * per_row
            for column in range(0, width, LANES):
                var sum = bias.unsafe_offset(column).unsafe_load[width=LANES]()
                for i in range(first, first + per_row):
                    sum += weights.unsafe_offset(Int(ones.unsafe_get(i)) * width + column).unsafe_load[width=LANES]()
                out.unsafe_offset(row * width + column).unsafe_store(activate(sum, layer.activation))

    def linear(self, layer: Int, rows: Int, x: List[Float32], mut to: List[Float32]):
        """Applies a linear layer to `x`, `[rows, padded inputs]`, into `to`, `[rows, padded outputs]`."""
        var inputs = self.network.layers[layer].inputs
        var width = self.padded_width(layer)
        var weights = self.weights.unsafe_ptr().unsafe_offset(self.offsets[layer])
        var out = to.unsafe_ptr()
        var bias = weights.unsafe_offset(inputs * width)
        for row in range(rows):
            for column in range(0, width, LANES):
                out.unsafe_offset(row * width + column).unsafe_store(
                    bias.unsafe_offset(column).unsafe_load[width=LANES]()
                )
        product(
            rows,
            width,
            inputs,
            Strided(x.unsafe_ptr(), padded(inputs), 1),
            Strided(weights, width, 1),
            Strided(out, width, 1),
        )
        var activation = self.network.layers[layer].activation
        if activation != Activation.IDENTITY:
            for i in range(0, rows * width, LANES):
                var place = out.unsafe_offset(i)
                place.unsafe_store(activate(place.unsafe_load[width=LANES](), activation))


@always_inline
def activate(x: SIMD[DType.float32, _], activation: Int) -> type_of(x):
    """Applies an activation to each lane."""
    if activation == Activation.RELU:
        return max(x, 0)
    return tanh(x) if activation == Activation.TANH else x
