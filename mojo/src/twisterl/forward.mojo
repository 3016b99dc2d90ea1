"""Inference: a batch of observations in, logits and values out."""

from std.math import tanh

from .network import Activation, Network
from .policy import Policy, place
from .product import LANES, Strided, product
from .symmetry import Twist

comptime BLOCK = 64
"""Rows that pass through all layers together, so that what is in between stays in the cache."""


struct Evaluation(Copyable):
    """The outcome of one evaluation, with its working memory, both reused between calls."""

    var logits: List[Float32]
    """Unmasked, (rows, actions)."""
    var values: List[Float32]
    """(rows,)"""
    var features: List[Float32]
    """What the heads read of a block, (BLOCK, padded features)."""
    var left: List[Float32]
    var right: List[Float32]

    def __init__(out self):
        self.logits = List[Float32]()
        self.values = List[Float32]()
        self.features = List[Float32]()
        self.left = List[Float32]()
        self.right = List[Float32]()


trait Evaluator:
    """What evaluates the observations of environments that play in lock step."""

    def evaluate_slots(mut self, ones: Span[UInt16, _], slots: List[Int], mut out: Evaluation) raises:
        """Evaluates a row for each of `slots`, the numbers of the environments that were observed. Fills the logits; the
        values only where it has them. Raises if an observation does not fit the network.
        """
        ...


def whole(width: Int) -> Int:
    """A width rounded up to whole vectors."""
    return (width + LANES - 1) // LANES * LANES


struct Executor(Copyable, Evaluator):
    """A network with its weights, laid out for inference: matrices (inputs, outputs), with outputs padded to whole
    vectors by zeros. Heads of one layer each are one matrix.
    """

    var network: Network
    var weights: List[Float32]
    var places: List[Int]
    """Where each layer's matrix stands; its bias follows."""
    var one_head: Bool
    var widest: Int
    var twists: List[Twist]
    """Those under which observations are brought into canonical form before they are evaluated; none: they are evaluated
    as they are.
    """
    var backtracking: Bool
    """Whether play may take its last move back."""

    def __init__(out self, policy: Policy) raises:
        """The executor of a policy."""
        self = Executor(policy.network, policy.parameters)
        self.backtracking = policy.backtracking
        if policy.canonical:
            self.twists = policy.twists.copy()

    def __init__(out self, network: Network, parameters: List[Float32]) raises:
        """Raises if the parameters are not those of the network."""
        network.check()
        self.twists = List[Twist]()
        self.backtracking = True
        self.network = network.copy()
        self.places = List[Int]()
        self.weights = List[Float32]()
        self.widest = whole(max(network.widest(), network.actions + 1))
        self.one_head = network.action == 1 and len(network.layers) == network.common + 2
        var size = 0
        for i in range(len(network.layers)):
            self.places.append(size)
            size += (network.layers[i].inputs + 1) * self.width(i)
        self.weights.resize(size, 0.0)
        self.load(parameters)

    def width(self, layer: Int) -> Int:
        """The padded width of a layer's output."""
        var outputs = self.network.layers[layer].outputs
        if self.one_head and layer >= self.network.common:
            return whole(outputs + 1) if layer == self.network.common else 0
        return whole(outputs)

    def load(mut self, parameters: List[Float32]) raises:
        """Takes other parameters, (count,)."""
        if len(parameters) != self.network.count:
            raise Error("weights: expected ", self.network.count, " parameters, found ", len(parameters))
        for i in range(len(self.network.layers)):
            ref layer = self.network.layers[i]
            for output in range(layer.outputs):
                for input in range(layer.inputs + 1):
                    var at = layer.bias() + output if input == layer.inputs else place(layer, output, input)
                    self.weights[self.place(i, output, input)] = parameters[at]

    def parameters(self) -> List[Float32]:
        """The parameters, (count,), as `load` took them."""
        return self.flat(self.weights)

    def flat(self, weights: List[Float32]) -> List[Float32]:
        """Numbers in the layout of the weights, in that of parameters."""
        var parameters = List[Float32](length=self.network.count, fill=0)
        for i in range(len(self.network.layers)):
            ref layer = self.network.layers[i]
            for output in range(layer.outputs):
                for input in range(layer.inputs + 1):
                    var at = layer.bias() + output if input == layer.inputs else place(layer, output, input)
                    parameters[at] = weights[self.place(i, output, input)]
        return parameters^

    def place(self, layer: Int, output: Int, input: Int) -> Int:
        """Where a weight stands; the bias is that of the input beyond the last."""
        if self.one_head and layer == len(self.network.layers) - 1:  # the value is the last column of the logits
            var head = layer - 1
            return self.places[head] + input * self.width(head) + self.network.actions + output
        return self.places[layer] + input * self.width(layer) + output

    def evaluate(self, ones: Span[UInt16, _], rows: Int, mut out: Evaluation) raises:
        """Evaluates `rows` observations, given by their ones, equally many each. Raises if one does not fit the network."""
        var per_row = self.network.ones_per_row(ones, rows)
        out.logits.resize(rows * self.network.actions, 0.0)
        out.values.resize(rows, 0.0)
        out.features.resize(BLOCK * self.widest, 0.0)
        out.left.resize(BLOCK * self.widest, 0.0)
        out.right.resize(BLOCK * self.widest, 0.0)
        var start = 0
        while start < rows:
            var count = min(BLOCK, rows - start)
            self.block(ones, start, count, per_row, out)
            start += count

    def evaluate_slots(mut self, ones: Span[UInt16, _], slots: List[Int], mut out: Evaluation) raises:
        """The same for each of `slots`, whichever they are."""
        self.evaluate(ones, len(slots), out)

    def block(self, ones: Span[UInt16, _], start: Int, rows: Int, per_row: Int, mut out: Evaluation):
        """Evaluates the rows from `start` on."""
        self.embed(ones, start, rows, per_row, out.features)
        for layer in range(1, self.network.common):
            self.linear(layer, rows, out.features, out.left)
            swap(out.features, out.left)
        var actions = self.network.actions
        self.head(self.network.common, self.network.action, rows, out)
        var width = self.width(self.network.common + self.network.action - 1)
        for row in range(rows):
            for action in range(actions):
                out.logits[(start + row) * actions + action] = out.left[row * width + action]
        if self.one_head:
            for row in range(rows):
                out.values[start + row] = out.left[row * width + actions]
            return
        var first = self.network.common + self.network.action
        var last = len(self.network.layers) - 1
        self.head(first, last + 1 - first, rows, out)
        for row in range(rows):
            out.values[start + row] = out.left[row * self.width(last)]

    def head(self, first: Int, count: Int, rows: Int, mut out: Evaluation):
        """Passes the features through `count` layers, into `left`."""
        self.linear(first, rows, out.features, out.left)
        for layer in range(first + 1, first + count):
            self.linear(layer, rows, out.left, out.right)
            swap(out.left, out.right)

    def embed(self, ones: Span[UInt16, _], start: Int, rows: Int, per_row: Int, mut to: List[Float32]):
        """Sums the weight rows of the ones of each observation."""
        var width = self.width(0)
        ref layer = self.network.layers[0]
        var weights = self.weights.unsafe_ptr().unsafe_offset(self.places[0])
        var out = to.unsafe_ptr()
        var bias = weights.unsafe_offset(layer.inputs * width)
        for row in range(rows):
            var first = (start + row) * per_row
            for column in range(0, width, LANES):
                var sum = bias.unsafe_offset(column).unsafe_load[width=LANES]()
                for i in range(first, first + per_row):
                    sum += weights.unsafe_offset(Int(ones.unsafe_get(i)) * width + column).unsafe_load[width=LANES]()
                out.unsafe_offset(row * width + column).unsafe_store(activated(sum, layer.activation))

    def linear(self, layer: Int, rows: Int, x: List[Float32], mut to: List[Float32]):
        """One linear layer, from (rows, padded inputs) to (rows, padded outputs)."""
        var inputs = self.network.layers[layer].inputs
        var width = self.width(layer)
        var weights = self.weights.unsafe_ptr().unsafe_offset(self.places[layer])
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
            Strided(x.unsafe_ptr(), whole(inputs), 1),
            Strided(weights, width, 1),
            Strided(out, width, 1),
        )
        var activation = self.network.layers[layer].activation
        if activation != Activation.IDENTITY:
            for i in range(0, rows * width, LANES):
                var place = out.unsafe_offset(i)
                place.unsafe_store(activated(place.unsafe_load[width=LANES](), activation))


@always_inline
def activated(x: SIMD[DType.float32, _], activation: Int) -> type_of(x):
    """The activation function of each lane."""
    if activation == Activation.RELU:
        return max(x, 0)
    return tanh(x) if activation == Activation.TANH else x
