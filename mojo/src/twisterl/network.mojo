"""The network description: plain data from which inference and gradients are built.

A trunk reads sparse binary observations by an embedding, and two heads on it give the logits of the actions and the
value. Tensor names, order and memory layout are those of the Rust implementation.
"""

from std.math import sqrt

from .rng import Purpose, Rng

comptime MAX_WIDTH = 1 << 16
"""The most values of a layer."""


struct Activation:
    """The function applied to each output of a layer."""

    comptime IDENTITY = 0
    """`x`"""
    comptime RELU = 1
    """`max(x, 0)`"""
    comptime TANH = 2
    """Hyperbolic tangent."""


def activation_name(activation: Int) -> String:
    """What files call it."""
    if activation == Activation.IDENTITY:
        return "identity"
    return "relu" if activation == Activation.RELU else "tanh"


def activation_of(name: String, path: String) raises -> Int:
    """What a file's name of it means."""
    for activation in range(3):
        if activation_name(activation) == name:
            return activation
    raise Error(path, ": expected identity, relu or tanh, found ", name)


@fieldwise_init
struct Layer(Copyable):
    """One layer, `y = f(x W^T + b)`; the first one is an embedding, which sums the weight rows of the ones of its input.

    Its weights stand at `offset` of the flat vector of all parameters, (outputs, inputs) row-major, those of an embedding
    (inputs, outputs); its bias follows.
    """

    var name: String
    """Name of its tensors, without `.weight` and `.bias`."""
    var inputs: Int
    var outputs: Int
    var activation: Int
    var embedding: Bool
    var offset: Int

    def bias(self) -> Int:
        """Where the bias stands."""
        return self.offset + self.inputs * self.outputs


@fieldwise_init
struct Sizes(Copyable):
    """The sizes of a network, as configs give them under `policy`."""

    var embedding_size: Int
    var common_layers: List[Int]
    var policy_layers: List[Int]
    var value_layers: List[Int]
    var activation: Int
    """Applied after every layer but the last of each head."""


struct Network(Copyable):
    """An embedding and a multi-layer perceptron with two heads."""

    var bits: Int
    """Width of the observation."""
    var actions: Int
    """Number of actions."""
    var layers: List[Layer]
    """Trunk, action head, value head."""
    var common: Int
    """Layers of the trunk."""
    var action: Int
    """Layers of the action head."""
    var count: Int
    """Number of parameters."""

    def __init__(out self, bits: Int, actions: Int):
        """Without layers."""
        self.bits = bits
        self.actions = actions
        self.layers = List[Layer]()
        self.common = 0
        self.action = 0
        self.count = 0

    def __init__(out self, bits: Int, actions: Int, sizes: Sizes) raises:
        """A multi-layer perceptron under the tensor names `embeddings`, `common.0`, `common.2`, ..., `action.0`, ...,
        `value.0`, ... (the odd numbers are the activations between the layers).
        """
        self = Network(bits, actions)
        self.add("embeddings", bits, sizes.embedding_size, sizes.activation)
        var features = self.stack("common", sizes.embedding_size, sizes.common_layers, sizes.activation)
        self.common = len(self.layers)
        var last = self.stack("action", features, sizes.policy_layers, sizes.activation)
        self.add(String("action.", 2 * len(sizes.policy_layers)), last, actions, Activation.IDENTITY)
        self.action = len(self.layers) - self.common
        last = self.stack("value", features, sizes.value_layers, sizes.activation)
        self.add(String("value.", 2 * len(sizes.value_layers)), last, 1, Activation.IDENTITY)

    def stack(mut self, part: String, inputs: Int, widths: List[Int], activation: Int) raises -> Int:
        """Adds hidden layers, and returns the width of the last."""
        var width = inputs
        for i in range(len(widths)):
            self.add(String(part, ".", 2 * i), width, widths[i], activation)
            width = widths[i]
        return width

    def add(mut self, name: String, inputs: Int, outputs: Int, activation: Int) raises:
        """Adds a layer; the first is an embedding."""
        for width in [inputs, outputs]:
            if width < 1 or width > MAX_WIDTH:
                raise Error("policy.", name, ": expected widths of 1 to ", MAX_WIDTH, ", found ", width)
        self.layers.append(Layer(name, inputs, outputs, activation, len(self.layers) == 0, self.count))
        self.count += (inputs + 1) * outputs

    def check(self) raises:
        """Whether the layers fit each other, the observation and the actions, and have names that differ."""
        self.follow(0, self.common, self.bits)
        var features = self.layers[self.common - 1].outputs
        self.follow(self.common, self.common + self.action, features)
        self.follow(self.common + self.action, len(self.layers), features)
        self.ends(self.common + self.action - 1, self.actions)
        self.ends(len(self.layers) - 1, 1)
        for i in range(len(self.layers)):
            for j in range(i):
                if self.layers[i].name == self.layers[j].name:
                    raise Error("network: expected layer names that differ, found ", self.layers[i].name, " twice")

    def follow(self, start: Int, end: Int, inputs: Int) raises:
        """Whether each layer takes what the one before it gives."""
        if end <= start:
            raise Error("network: expected at least one layer in each part, found none")
        var width = inputs
        for i in range(start, end):
            if self.layers[i].inputs != width:
                raise Error(
                    "policy.", self.layers[i].name, ": expected ", width, " inputs, found ", self.layers[i].inputs
                )
            width = self.layers[i].outputs

    def ends(self, layer: Int, width: Int) raises:
        """Whether a head has the right width."""
        if self.layers[layer].outputs != width:
            raise Error(
                "policy.",
                self.layers[layer].name,
                ": expected ",
                width,
                " outputs, found ",
                self.layers[layer].outputs,
            )

    def ones_per_row(self, ones: Span[UInt16, _], rows: Int) raises -> Int:
        """The ones of each of `rows` observations, equally many each. Raises if they do not fit the network."""
        var per_row = len(ones) // max(rows, 1)
        if per_row * rows != len(ones):
            raise Error("observation: expected equally many ones in each of ", rows, " rows, found ", len(ones))
        for i in range(len(ones)):
            if Int(ones.unsafe_get(i)) >= self.bits:
                raise Error("observation: expected ones below ", self.bits, ", found ", ones[i])
        return per_row

    def widest(self) -> Int:
        """The greatest width of a layer's output."""
        var width = 0
        for layer in self.layers:
            width = max(width, layer.outputs)
        return width

    def initial(self, seed: UInt64) -> List[Float32]:
        """Fresh parameters, (count,): weights and biases of a layer are uniform in `±1/sqrt(inputs)`, each tensor from a
        stream of its own.
        """
        var parameters = List[Float32](capacity=self.count)
        for i in range(len(self.layers)):
            ref layer = self.layers[i]
            var bound = 1.0 / sqrt(Float32(layer.inputs))
            for tensor in range(2):
                var rng = Rng(seed, Purpose.INIT, 0, UInt64(2 * i + tensor))
                for _ in range(layer.outputs * (layer.inputs if tensor == 0 else 1)):
                    parameters.append((2.0 * rng.uniform() - 1.0) * bound)
        return parameters^
