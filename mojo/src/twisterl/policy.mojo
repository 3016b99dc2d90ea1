"""A policy: everything needed to play a problem, in one value and one file.

Files are those of the Rust implementation: safetensors under the peer's tensor names, with all else of a policy in one
metadata entry. Matrices in a file are (outputs, inputs); an embedding is transposed on the way.
"""

from std.math import isfinite

from .fields import Fields, short_name
from .files import read_file, write_file
from .json import Json, parse_json, quoted
from .network import Activation, Layer, Network, activation_name, activation_of
from .safetensors import Tensor, TensorFile, parse_tensors, serialize_tensors
from .symmetry import Twist

comptime FORMAT = 1
"""The version of the description that is written and read."""
comptime MAX_FILE = 1 << 30
"""The largest file that is read, in bytes."""


@fieldwise_init
struct Policy(Copyable):
    """A network with its weights, and the problem they are for."""

    var network: Network
    var parameters: List[Float32]
    """All weights, (network.count,), as `Layer` says."""
    var env_cls: String
    """The name of the environment."""
    var env: String
    """Its parameters, as JSON."""
    var shape: List[Int]
    """The shape of its observations."""
    var twists: List[Twist]
    """The symmetries of the problem, without the identity."""
    var canonical: Bool
    """Whether the policy sees of each state and its images only the first."""
    var backtracking: Bool
    """Whether it may take its last move back when it plays."""

    def save(self, path: String) raises:
        """Writes the policy as a file. Equal policies give equal bytes."""
        write_file(path, self.to_bytes())

    def to_bytes(self) raises -> List[UInt8]:
        """The policy as a file. Raises if a weight is not finite."""
        var tensors = List[Tensor]()
        for layer in self.network.layers:
            for tensor in range(2):
                var name = layer.name + (".weight" if tensor == 0 else ".bias")
                var inputs = layer.inputs if tensor == 0 else 1
                var values = List[Float32](capacity=inputs * layer.outputs)
                for output in range(layer.outputs):
                    for input in range(inputs):
                        var at = place(layer, output, input) if tensor == 0 else layer.bias() + output
                        if not isfinite(self.parameters[at]):
                            raise Error("weights.", name, ": expected finite values, found ", self.parameters[at])
                        values.append(self.parameters[at])
                var shape: List[Int] = [layer.outputs]
                if tensor == 0:
                    shape.append(layer.inputs)
                tensors.append(Tensor(name, shape^, values^))
        return serialize_tensors(tensors, self.description())

    def description(self) -> String:
        """All but the weights, as JSON."""
        var text = String('{"format":', FORMAT, ',"env_cls":', quoted(self.env_cls), ',"env":', self.env)
        text += String(',"network":{"observation":{"type":"sparse_binary","shape":', joined(self.shape))
        text += String('},"actions":[{"type":"discrete","n":', self.network.actions, '}],"common":')
        var heads = self.network.common + self.network.action
        text += self.layers(0, self.network.common)
        text += String(',"action":', self.layers(self.network.common, heads))
        text += String(',"value":', self.layers(heads, len(self.network.layers)), '},"twists":[')
        for i in range(len(self.twists)):
            text += String(
                "," if i > 0 else "",
                '{"observation":',
                joined(self.twists[i].observation),
                ',"action":',
                joined(self.twists[i].action),
                "}",
            )
        text += String('],"symmetry":', '"canonical"' if self.canonical else '"none"')
        return text + ("}" if self.backtracking else ',"backtracking":false}')

    def layers(self, start: Int, end: Int) -> String:
        """The description of some layers."""
        var text = String("[")
        for i in range(start, end):
            ref layer = self.network.layers[i]
            text += String(
                "," if i > start else "",
                '{"type":',
                '"embedding"' if layer.embedding else '"linear"',
                ',"name":',
                quoted(layer.name),
                ',"inputs":',
                layer.inputs,
                ',"outputs":',
                layer.outputs,
                ',"activation":',
                quoted(activation_name(layer.activation)),
                "}",
            )
        return text + "]"


def place(layer: Layer, output: Int, input: Int) -> Int:
    """Where a weight stands in the flat vector."""
    if layer.embedding:
        return layer.offset + input * layer.outputs + output
    return layer.offset + output * layer.inputs + input


def joined(numbers: List[Int]) -> String:
    """Whole numbers as JSON."""
    var text = String("[")
    for i in range(len(numbers)):
        text += String("," if i > 0 else "", numbers[i])
    return text + "]"


def load_policy(path: String, fallback: Optional[Policy] = None) raises -> Policy:
    """Reads a file. One that we or the Rust implementation wrote is complete in itself; one of bare tensors (the peer's)
    takes all but its weights from `fallback`, which is otherwise ignored.
    """
    var bytes = read_file(path, MAX_FILE)
    try:
        return policy_of(bytes, fallback)
    except error:
        raise Error(path, ": ", error)


def policy_of(bytes: Span[UInt8, _], fallback: Optional[Policy] = None) raises -> Policy:
    """The policy that a file of these bytes holds."""
    var file = parse_tensors(bytes)
    if file.metadata:
        var policy = described(file.metadata.value())
        policy.parameters = parameters_of(policy.network, file)
        return policy^
    if not fallback:
        raise Error("weights: expected metadata `twisterl`, or a config that describes the network, found neither")
    var policy = fallback.value().copy()
    policy.parameters = parameters_of(policy.network, file)
    return policy^


def parameters_of(network: Network, file: TensorFile) raises -> List[Float32]:
    """The weights of `network` from the tensors of a file. Raises for a tensor that is missing, superfluous, misshapen or
    not finite.
    """
    var parameters = List[Float32](length=network.count, fill=0)
    for layer in network.layers:
        for tensor in range(2):
            var name = layer.name + (".weight" if tensor == 0 else ".bias")
            var shape: List[Int] = [layer.outputs]
            if tensor == 0:
                shape.append(layer.inputs)
            var at = file.find(name)
            if at < 0:
                raise Error("weights.", name, ": expected a tensor of shape ", joined(shape), ", found none")
            ref found = file.tensors[at]
            if found.shape != shape:
                raise Error("weights.", name, ": expected shape ", joined(shape), ", found ", joined(found.shape))
            for i in range(len(found.values)):
                if not isfinite(found.values[i]):
                    raise Error("weights.", name, ": expected finite values, found ", found.values[i])
                var to = layer.bias() + i
                if tensor == 0:
                    to = place(layer, i // layer.inputs, i % layer.inputs)
                parameters[to] = found.values[i]
    if len(file.tensors) != 2 * len(network.layers):
        for tensor in file.tensors:
            if not expects(network, tensor.name):
                raise Error(
                    "weights.",
                    tensor.name,
                    ": expected no tensor of this name in this network, found one of shape ",
                    joined(tensor.shape),
                )
    return parameters^


def expects(network: Network, name: String) -> Bool:
    """Whether a network has a tensor of this name."""
    for layer in network.layers:
        if name == layer.name + ".weight" or name == layer.name + ".bias":
            return True
    return False


def described(text: String) raises -> Policy:
    """All of a policy but its weights, from its description."""
    var json = parse_json(text)
    var header = Fields(json, 0, "policy")
    var format = header.whole("format", 0, 0, 1 << 30)
    if format != FORMAT:
        raise Error("policy.format: expected ", FORMAT, ", the only one this version reads, found ", format)
    var env_cls = short_name(header.text("env_cls", ""))
    var env = json.to_text(header.needed("env"))
    var fields = header.section("network")
    var observation = fields.section("observation")
    var type = observation.text("type", "")
    if type != "sparse_binary":
        raise observation.wrong("type", "sparse_binary, the only observations of the Mojo port")
    var shape = observation.wholes("shape", List[Int](), 1, 1 << 16, 8)
    observation.close()
    var bits = 1
    for extent in shape:
        bits = min(bits * extent, 1 << 20)
    var components = fields.items("actions", 64)
    if len(components) != 1:
        raise Error(
            "policy.network.actions: expected one component, all that the Mojo port has, found ", len(components)
        )
    var component = Fields(json, components[0], "policy.network.actions[0]")
    if component.text("type", "") != "discrete":
        raise component.wrong("type", "discrete, the only actions of the Mojo port")
    var actions = component.whole("n", 0, 1, 1 << 16)
    component.close()
    var network = Network(bits, actions)
    for part in ["common", "action", "value"]:
        read_layers(json, fields, part, network)
        if part == "common":
            network.common = len(network.layers)
        elif part == "action":
            network.action = len(network.layers) - network.common
    fields.close()
    network.check()
    var twists = List[Twist]()
    if header.has("twists"):
        var nodes = header.items("twists", 1024)
        for i in range(len(nodes)):
            var twist = Fields(json, nodes[i], String("policy.twists[", i, "]"))
            twists.append(
                Twist(
                    twist.wholes("observation", List[Int](), 0, bits - 1, bits),
                    twist.wholes("action", List[Int](), 0, actions - 1, actions),
                )
            )
            twist.close()
            twists[i].check(bits, actions)
    var symmetry = header.text("symmetry", "none")
    if symmetry != "none" and symmetry != "canonical":
        raise header.wrong("symmetry", "none or canonical")
    var backtracking = header.flag("backtracking", True)
    header.close()
    return Policy(network^, List[Float32](), env_cls, env, shape^, twists^, symmetry == "canonical", backtracking)


def read_layers(json: Json, mut network_fields: Fields[_], part: String, mut network: Network) raises:
    """Adds the layers of one part of the network."""
    var nodes = network_fields.items(part, 64)
    for i in range(len(nodes)):
        var path = String("policy.network.", part, "[", i, "]")
        var layer = Fields(json, nodes[i], path)
        var first = len(network.layers) == 0
        if layer.text("type", "") != ("embedding" if first else "linear"):
            raise layer.wrong("type", "embedding for the first layer and linear for all others")
        var activation = activation_of(layer.text("activation", "relu"), layer.name("activation"))
        network.add(
            layer.text("name", ""),
            layer.whole("inputs", 0, 1, 1 << 16),
            layer.whole("outputs", 0, 1, 1 << 16),
            activation,
        )
        layer.close()
