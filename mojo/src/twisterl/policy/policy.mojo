"""A policy: everything needed to play a problem, in one value and one file.

Files are those of the Rust implementation: safetensors under the peer's tensor names, with everything else of the
policy as JSON in one metadata entry. Matrices in files are `[outputs, inputs]`; embeddings are transposed on the way.
"""

from std.math import isfinite

from ..env.symmetry import Twist
from ..io.files import read_file, write_file
from ..io.json import Json, json_integers, json_string, parse_json
from ..io.json_fields import JsonFields, short_name
from ..io.safetensors import Tensor, TensorFile, parse_tensors, serialize_tensors
from .network import Activation, Layer, Network, activation_name, parse_activation

comptime FORMAT = 1
"""The version of the description that is written and read."""
comptime MAX_FILE = 1 << 30
"""The largest file that is read, in bytes."""


@fieldwise_init
struct Policy(Copyable):
    """A network with its weights and the problem they are for."""

    var network: Network
    var parameters: List[Float32]
    """All weights, `[network.num_parameters]`, in the layout of `Layer`."""
    var env_cls: String
    """The name of the environment."""
    var env: String
    """The parameters of the environment, as JSON."""
    var shape: List[Int]
    """The shape of the observation."""
    var twists: List[Twist]
    """The symmetries of the problem, without the identity."""
    var canonical: Bool
    """True if the policy evaluates the canonical form of each state."""
    var backtracking: Bool
    """True if the policy may undo its last move when it plays."""

    def save(self, path: String) raises:
        """Writes the policy to a file. Equal policies give equal bytes."""
        write_file(path, self.to_bytes())

    def to_bytes(self) raises -> List[UInt8]:
        """Returns the policy as the bytes of a file. Raises if a weight is not finite."""
        var tensors = List[Tensor]()
        for layer in self.network.layers:
            for tensor in range(2):
                var name = layer.name + (".weight" if tensor == 0 else ".bias")
                var inputs = layer.inputs if tensor == 0 else 1
                var values = List[Float32](capacity=inputs * layer.outputs)
                for output in range(layer.outputs):
                    for input in range(inputs):
                        var at = layer.bias_offset() + output
                        if tensor == 0:
                            at = layer.weight_index(output, input)
                        if not isfinite(self.parameters[at]):
                            raise Error("weights.", name, ": expected finite values, found ", self.parameters[at])
                        values.append(self.parameters[at])
                var shape: List[Int] = [layer.outputs]
                if tensor == 0:
                    shape.append(layer.inputs)
                tensors.append(Tensor(name, shape^, values^))
        return serialize_tensors(tensors, self.description())

    def description(self) -> String:
        """Returns everything except for the weights, as JSON."""
        var text = String('{"format":', FORMAT, ',"env_cls":', json_string(self.env_cls), ',"env":', self.env)
        text += String(',"network":{"observation":{"type":"sparse_binary","shape":', json_integers(self.shape))
        text += String('},"actions":[{"type":"discrete","n":', self.network.actions, '}],"common":')
        var heads = self.network.common + self.network.action
        text += self.describe_layers(0, self.network.common)
        text += String(',"action":', self.describe_layers(self.network.common, heads))
        text += String(',"value":', self.describe_layers(heads, len(self.network.layers)), '},"twists":[')
        for i in range(len(self.twists)):
            text += String(
                "," if i > 0 else "",
                '{"observation":',
                json_integers(self.twists[i].observation),
                ',"action":',
                json_integers(self.twists[i].action),
                "}",
            )
        text += String('],"symmetry":', '"canonical"' if self.canonical else '"none"')
        return text + ("}" if self.backtracking else ',"backtracking":false}')

    def describe_layers(self, start: Int, end: Int) -> String:
        """Returns the layers from `start` to `end` - 1 as JSON."""
        var text = String("[")
        for i in range(start, end):
            ref layer = self.network.layers[i]
            text += String(
                "," if i > start else "",
                '{"type":',
                '"embedding"' if layer.embedding else '"linear"',
                ',"name":',
                json_string(layer.name),
                ',"inputs":',
                layer.inputs,
                ',"outputs":',
                layer.outputs,
                ',"activation":',
                json_string(activation_name(layer.activation)),
                "}",
            )
        return text + "]"


def load_policy(path: String, header: Optional[Policy] = None) raises -> Policy:
    """Loads a policy file.

    Files of this and of the Rust implementation are self-contained and ignore `header`. A file of bare tensors (the
    peer's) takes everything except for its weights from `header`.
    """
    var bytes = read_file(path, MAX_FILE)
    try:
        return parse_policy(bytes, header)
    except error:
        raise Error(path, ": ", error)


def parse_policy(bytes: Span[UInt8, _], header: Optional[Policy] = None) raises -> Policy:
    """Returns the policy in the bytes of a file. See `load_policy`."""
    var file = parse_tensors(bytes)
    if file.metadata:
        var policy = parse_description(file.metadata.value())
        policy.parameters = read_parameters(policy.network, file)
        return policy^
    if not header:
        raise Error("weights: expected metadata `twisterl`, or a config that describes the network, found neither")
    var policy = header.value().copy()
    policy.parameters = read_parameters(policy.network, file)
    return policy^


def read_parameters(network: Network, file: TensorFile) raises -> List[Float32]:
    """Returns the weights of `network`, `[num_parameters]`, from the tensors of a file.

    Raises if a tensor is missing, unexpected, of another shape or not finite.
    """
    var parameters = List[Float32](length=network.num_parameters, fill=0)
    for layer in network.layers:
        for tensor in range(2):
            var name = layer.name + (".weight" if tensor == 0 else ".bias")
            var shape: List[Int] = [layer.outputs]
            if tensor == 0:
                shape.append(layer.inputs)
            var at = file.find(name)
            if at < 0:
                raise Error("weights.", name, ": expected a tensor of shape ", json_integers(shape), ", found none")
            ref found = file.tensors[at]
            if found.shape != shape:
                raise Error(
                    "weights.", name, ": expected shape ", json_integers(shape), ", found ", json_integers(found.shape)
                )
            for i in range(len(found.values)):
                if not isfinite(found.values[i]):
                    raise Error("weights.", name, ": expected finite values, found ", found.values[i])
                var to = layer.bias_offset() + i
                if tensor == 0:
                    to = layer.weight_index(i // layer.inputs, i % layer.inputs)
                parameters[to] = found.values[i]
    if len(file.tensors) != 2 * len(network.layers):
        for tensor in file.tensors:
            if not has_tensor(network, tensor.name):
                raise Error(
                    "weights.",
                    tensor.name,
                    ": expected no tensor of this name in this network, found one of shape ",
                    json_integers(tensor.shape),
                )
    return parameters^


def has_tensor(network: Network, name: String) -> Bool:
    """Returns true if a network has a tensor of this name."""
    for layer in network.layers:
        if name == layer.name + ".weight" or name == layer.name + ".bias":
            return True
    return False


def parse_description(text: String) raises -> Policy:
    """Returns a policy without weights from its description in JSON."""
    var json = parse_json(text)
    var fields = JsonFields(json, 0, "policy")
    var format = fields.integer("format", 0, 0, 1 << 30)
    if format != FORMAT:
        raise Error("policy.format: expected ", FORMAT, ", the only version that is read, found ", format)
    var env_cls = short_name(fields.string("env_cls", ""))
    var env = json.to_text(fields.required("env"))
    var network_fields = fields.section("network")
    var shape = List[Int]()
    var network = parse_network(json, network_fields, shape)
    var twists = List[Twist]()
    if fields.has("twists"):
        var nodes = fields.items("twists", 1024)
        for i in range(len(nodes)):
            var twist = JsonFields(json, nodes[i], String("policy.twists[", i, "]"))
            twists.append(
                Twist(
                    twist.integers("observation", List[Int](), 0, network.bits - 1, network.bits),
                    twist.integers("action", List[Int](), 0, network.actions - 1, network.actions),
                )
            )
            twist.close()
            twists[i].check(network.bits, network.actions)
    var canonical = fields.choice("symmetry", "none", ["none", "canonical"]) == 1
    var backtracking = fields.boolean("backtracking", True)
    fields.close()
    return Policy(network^, List[Float32](), env_cls, env, shape^, twists^, canonical, backtracking)


def parse_network(json: Json, mut fields: JsonFields[_], mut shape: List[Int]) raises -> Network:
    """Returns the network of a description and writes the shape of its observation to `shape`."""
    var observation = fields.section("observation")
    if observation.string("type", "") != "sparse_binary":
        raise observation.error("type", "sparse_binary, the only observations of the Mojo port")
    shape = observation.integers("shape", List[Int](), 1, 1 << 16, 8)
    observation.close()
    var bits = 1
    for extent in shape:
        bits = min(bits * extent, 1 << 20)
    var components = fields.items("actions", 64)
    if len(components) != 1:
        raise Error(
            "policy.network.actions: expected one component, the only number that the Mojo port supports, found ",
            len(components),
        )
    var component = JsonFields(json, components[0], "policy.network.actions[0]")
    if component.string("type", "") != "discrete":
        raise component.error("type", "discrete, the only actions of the Mojo port")
    var actions = component.integer("n", 0, 1, 1 << 16)
    component.close()
    var network = Network(bits, actions)
    for part in ["common", "action", "value"]:
        parse_layers(json, fields, part, network)
        if part == "common":
            network.common = len(network.layers)
        elif part == "action":
            network.action = len(network.layers) - network.common
    fields.close()
    network.check()
    return network^


def parse_layers(json: Json, mut fields: JsonFields[_], part: String, mut network: Network) raises:
    """Adds the layers of one part of a description to `network`."""
    var nodes = fields.items(part, 64)
    for i in range(len(nodes)):
        var path = String("policy.network.", part, "[", i, "]")
        var layer = JsonFields(json, nodes[i], path)
        var first = len(network.layers) == 0
        if layer.string("type", "") != ("embedding" if first else "linear"):
            raise layer.error("type", "embedding for the first layer and linear for all others")
        var activation = parse_activation(layer.string("activation", "relu"), layer.path_of("activation"))
        network.add_layer(
            layer.string("name", ""),
            layer.integer("inputs", 0, 1, 1 << 16),
            layer.integer("outputs", 0, 1, 1 << 16),
            activation,
        )
        layer.close()
