"""The network description: plain data from which inference and gradients are built.

A trunk embeds sparse binary observations; an action head and a value head follow. Tensor names, order and memory layout
equal those of the Rust implementation.
"""

from std.math import sqrt

from ..rng import Purpose, Rng, StreamKey

comptime MAX_WIDTH = 1 << 16
"""The most inputs or outputs of a layer."""


struct Activation:
    """The function applied to each output of a layer."""

    comptime IDENTITY = 0
    """`x`"""
    comptime RELU = 1
    """`max(x, 0)`"""
    comptime TANH = 2
    """Hyperbolic tangent."""


def activation_name(activation: Int) -> String:
    """Returns the name of an activation in files."""
    if activation == Activation.IDENTITY:
        return "identity"
    return "relu" if activation == Activation.RELU else "tanh"


def parse_activation(name: String, path: String) raises -> Int:
    """Returns the activation of this name. Raises, naming `path`, if there is none."""
    for activation in range(3):
        if activation_name(activation) == name:
            return activation
    raise Error(path, ": expected identity, relu or tanh, found ", name)


@fieldwise_init
struct Layer(Copyable):
    """One layer, `y = f(x W^T + b)`. The first layer of a network is an embedding, which sums the weight rows of the
    ones.

    The weights begin at `offset` of the flat parameter vector: `[outputs, inputs]` row-major, or `[inputs, outputs]`
    for an embedding. The bias `[outputs]` follows.
    """

    var name: String
    """The name of its tensors, without `.weight` and `.bias`."""
    var inputs: Int
    var outputs: Int
    var activation: Int
    """One of `Activation`."""
    var embedding: Bool
    var offset: Int

    def weight_index(self, output: Int, input: Int) -> Int:
        """Returns the position of a weight in the parameter vector."""
        if self.embedding:
            return self.offset + input * self.outputs + output
        return self.offset + output * self.inputs + input

    def bias_offset(self) -> Int:
        """Returns the position of the bias in the parameter vector."""
        return self.offset + self.inputs * self.outputs


@fieldwise_init
struct MlpSizes(Copyable):
    """The sizes of a network, as configs give them under `policy`."""

    var embedding_size: Int
    var common_layers: List[Int]
    """Widths of the trunk's hidden layers."""
    var policy_layers: List[Int]
    """Widths of the action head's hidden layers."""
    var value_layers: List[Int]
    """Widths of the value head's hidden layers."""
    var activation: Int
    """The activation after every layer except for the last of each head."""


struct Network(Copyable):
    """An embedding and a multi-layer perceptron with two heads."""

    var bits: Int
    """The width of the observation."""
    var actions: Int
    """The number of actions."""
    var layers: List[Layer]
    """The trunk, the action head, the value head."""
    var common: Int
    """The number of layers of the trunk."""
    var action: Int
    """The number of layers of the action head."""
    var num_parameters: Int

    def __init__(out self, bits: Int, actions: Int):
        """Creates a network without layers."""
        self.bits = bits
        self.actions = actions
        self.layers = List[Layer]()
        self.common = 0
        self.action = 0
        self.num_parameters = 0

    def __init__(out self, bits: Int, actions: Int, sizes: MlpSizes) raises:
        """Creates a multi-layer perceptron.

        Its tensors are named `embeddings`, `common.0`, `common.2`, ..., `action.0`, ..., `value.0`, ...; the odd
        numbers are the activations between the layers. Raises if a width is out of range.
        """
        self = Network(bits, actions)
        self.add_layer("embeddings", bits, sizes.embedding_size, sizes.activation)
        var features = self.add_hidden_layers("common", sizes.embedding_size, sizes.common_layers, sizes.activation)
        self.common = len(self.layers)
        var last = self.add_hidden_layers("action", features, sizes.policy_layers, sizes.activation)
        self.add_layer(String("action.", 2 * len(sizes.policy_layers)), last, actions, Activation.IDENTITY)
        self.action = len(self.layers) - self.common
        last = self.add_hidden_layers("value", features, sizes.value_layers, sizes.activation)
        self.add_layer(String("value.", 2 * len(sizes.value_layers)), last, 1, Activation.IDENTITY)

    def add_hidden_layers(mut self, part: String, inputs: Int, widths: List[Int], activation: Int) raises -> Int:
        """Adds hidden layers and returns the width of the last."""
        var width = inputs
        for i in range(len(widths)):
            self.add_layer(String(part, ".", 2 * i), width, widths[i], activation)
            width = widths[i]
        return width

    def add_layer(mut self, name: String, inputs: Int, outputs: Int, activation: Int) raises:
        """Adds a layer. The first one is an embedding."""
        for width in [inputs, outputs]:
            if width < 1 or width > MAX_WIDTH:
                raise Error("policy.", name, ": expected widths from 1 to ", MAX_WIDTH, ", found ", width)
        self.layers.append(Layer(name, inputs, outputs, activation, len(self.layers) == 0, self.num_parameters))
        self.num_parameters += (inputs + 1) * outputs

    def check(self) raises:
        """Raises unless the layers fit each other, the observation and the actions, and have distinct names."""
        self.check_chain(0, self.common, self.bits)
        var features = self.layers[self.common - 1].outputs
        self.check_chain(self.common, self.common + self.action, features)
        self.check_chain(self.common + self.action, len(self.layers), features)
        self.check_outputs(self.common + self.action - 1, self.actions)
        self.check_outputs(len(self.layers) - 1, 1)
        for i in range(len(self.layers)):
            for j in range(i):
                if self.layers[i].name == self.layers[j].name:
                    raise Error("network: expected distinct layer names, found ", self.layers[i].name, " twice")

    def check_chain(self, start: Int, end: Int, inputs: Int) raises:
        """Raises unless each layer from `start` to `end` - 1 has as many inputs as the one before it has outputs."""
        if end <= start:
            raise Error("network: expected at least one layer in each part, found none")
        var width = inputs
        for i in range(start, end):
            if self.layers[i].inputs != width:
                raise Error(
                    "policy.", self.layers[i].name, ": expected ", width, " inputs, found ", self.layers[i].inputs
                )
            width = self.layers[i].outputs

    def check_outputs(self, layer: Int, width: Int) raises:
        """Raises unless a layer has `width` outputs."""
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
        """Returns the number of ones in each of `rows` observations. Raises if they do not fit the network."""
        var per_row = len(ones) // max(rows, 1)
        if per_row * rows != len(ones):
            raise Error("observation: expected equally many ones in each of ", rows, " rows, found ", len(ones))
        for i in range(len(ones)):
            if Int(ones.unsafe_get(i)) >= self.bits:
                raise Error("observation: expected ones below ", self.bits, ", found ", ones[i])
        return per_row

    def max_outputs(self) -> Int:
        """Returns the most outputs of a layer."""
        var width = 0
        for layer in self.layers:
            width = max(width, layer.outputs)
        return width

    def initial_parameters(self, seed: UInt64) -> List[Float32]:
        """Returns random parameters, `[num_parameters]`, uniform in `±1/sqrt(inputs)`. Each tensor draws from a stream
        of its own.
        """
        var parameters = List[Float32](capacity=self.num_parameters)
        for i in range(len(self.layers)):
            ref layer = self.layers[i]
            var bound = 1.0 / sqrt(Float32(layer.inputs))
            for tensor in range(2):
                var rng = Rng(StreamKey(seed, Purpose.INIT, 0, UInt64(2 * i + tensor)))
                for _ in range(layer.outputs * (layer.inputs if tensor == 0 else 1)):
                    parameters.append((2.0 * rng.uniform() - 1.0) * bound)
        return parameters^
