"""Tests of policies against tests/vectors/peer, of policy files, and of corrupt files."""

from std.testing import TestSuite, assert_almost_equal, assert_equal, assert_false, assert_raises, assert_true

from twisterl.config.puzzle_policy import policy_without_weights
from twisterl.config.run_config import RunConfig
from twisterl.env.symmetry import Twist, canonical_action, canonicalize, original_action, square_twists
from twisterl.io.files import decode, read_file
from twisterl.io.json import parse_json
from twisterl.io.safetensors import append_number, parse_tensors
from twisterl.policy.distribution import masked_softmax, sample
from twisterl.policy.evaluator import Evaluation
from twisterl.policy.forward import Executor
from twisterl.policy.network import Activation, MlpSizes, Network
from twisterl.policy.policy import Policy, load_policy, parse_policy
from twisterl.rng import Purpose, Rng, StreamKey

from vectors import booleans, integers, load_vectors, numbers

comptime RUST_POLICY = "benches/runs/puzzle15/policy.safetensors"


def peer(name: String, cells: Int) raises -> Policy:
    """Loads a checkpoint of the peer, a file of bare tensors."""
    var sizes = MlpSizes(512, [256], List[Int](), List[Int](), Activation.RELU)
    var network = Network(cells * cells, 4, sizes)
    var header = Policy(network^, List[Float32](), "Puzzle", "{}", [cells, cells], List[Twist](), False, True)
    return load_policy(String("tests/vectors/peer/", name, ".safetensors"), header^)


def check_golden(name: String, cells: Int) raises:
    """Compares logits, values and probabilities with those of PyTorch, which have six decimals."""
    var executor = Executor(peer(name, cells))
    var json = load_vectors(String("peer/", name, ".golden.json"))
    var cases = json.nodes[json.get(0, "cases")].items.copy()
    assert_equal(len(cases), 64)
    var ones = List[UInt16]()
    for node in cases:
        for one in integers(json, json.get(node, "observation")):
            ones.append(UInt16(one))
    var batch = Evaluation()
    executor.evaluate(ones, 64, batch)
    var alone = Evaluation()
    for i in range(64):
        var logits = numbers(json, json.get(cases[i], "logits"))
        var row = List[Float32](Span(batch.logits)[4 * i : 4 * i + 4])
        for action in range(4):
            assert_almost_equal(row[action].cast[DType.float64](), logits[action], atol=1e-4, rtol=0)
        var value = json.nodes[json.get(cases[i], "value")].number
        assert_almost_equal(batch.values[i].cast[DType.float64](), value, atol=1e-4, rtol=0)
        # A row gives the same result alone and in a batch.
        executor.evaluate(Span(ones)[i * cells : (i + 1) * cells], 1, alone)
        assert_equal(alone.logits, row)
        assert_equal(alone.values[0], batch.values[i])
        var probabilities = numbers(json, json.get(cases[i], "probabilities"))
        masked_softmax(row, booleans(json, json.get(cases[i], "mask")))
        for action in range(4):
            assert_almost_equal(row[action].cast[DType.float64](), probabilities[action], atol=1e-4, rtol=0)


def test_peer_checkpoint_of_the_8_puzzle() raises:
    check_golden("ppo_puzzle8_v1", 9)


def test_peer_checkpoint_of_the_15_puzzle() raises:
    check_golden("ppo_puzzle15_v1", 16)


def test_files_of_the_rust_implementation_are_written_bit_identically() raises:
    var policy = load_policy(RUST_POLICY)
    assert_true(policy.canonical)
    assert_equal(len(policy.twists), 1)
    assert_true(policy.twists[0] == square_twists(4)[0])
    assert_true(policy.to_bytes() == read_file(RUST_POLICY, 1 << 30))


def test_initial_weights_equal_those_of_the_rust_implementation() raises:
    # The first weight of each tensor is the first number of its stream.
    var network = Network(81, 4, MlpSizes(16, [8], List[Int](), [5], Activation.TANH))
    var parameters = network.initial_parameters(3)
    assert_equal(len(parameters), 82 * 16 + 17 * 8 + 9 * 4 + 9 * 5 + 6)
    var rng = Rng(StreamKey(3, Purpose.INIT))
    var first = rng.uniform()
    assert_equal(parameters[0], (2.0 * first - 1.0) / 9.0)
    var executor = Executor(network, parameters)
    assert_equal(executor.parameters(), parameters)


def test_networks_of_any_shape_are_evaluated_by_their_definition() raises:
    for shape in range(4):
        var activation = Activation.TANH if shape % 2 == 0 else Activation.RELU
        var policy_layers: List[Int] = [5, 20]
        var value_layers: List[Int] = [3]
        var common: List[Int] = [33, 17]
        if shape < 2:
            value_layers = List[Int]()
        if shape == 1:
            common = List[Int]()
        if shape == 3:
            policy_layers = List[Int]()
        var network = Network(30, 6, MlpSizes(19, common.copy(), policy_layers^, value_layers^, activation))
        var parameters = network.initial_parameters(UInt64(shape))
        var executor = Executor(network, parameters)
        var out = Evaluation()
        var rng = Rng(StreamKey(1, Purpose.ACT, 0, UInt64(shape)))
        var ones = List[UInt16]()
        for _ in range(130):
            for part in range(3):
                ones.append(UInt16(10 * part + rng.below(10)))
        executor.evaluate(ones, 130, out)
        for row in [0, 1, 64, 129]:
            var features = List[Float64](length=30, fill=0)
            for part in range(3):
                features[Int(ones[3 * row + part])] = 1
            for layer in range(network.common):
                features = apply_layer(network, parameters, layer, features)
            var logits = features.copy()
            for layer in range(network.common, network.common + network.action):
                logits = apply_layer(network, parameters, layer, logits)
            for layer in range(network.common + network.action, len(network.layers)):
                features = apply_layer(network, parameters, layer, features)
            for action in range(6):
                assert_almost_equal(out.logits[6 * row + action].cast[DType.float64](), logits[action], atol=1e-5)
            assert_almost_equal(out.values[row].cast[DType.float64](), features[0], atol=1e-5)


def apply_layer(network: Network, parameters: List[Float32], index: Int, x: List[Float64]) -> List[Float64]:
    """Applies one layer by its definition."""
    from std.math import tanh

    ref layer = network.layers[index]
    var out = List[Float64]()
    for output in range(layer.outputs):
        var sum = parameters[layer.bias_offset() + output].cast[DType.float64]()
        for input in range(layer.inputs):
            var at = input * layer.outputs + output if layer.embedding else output * layer.inputs + input
            sum += x[input] * parameters[layer.offset + at].cast[DType.float64]()
        if layer.activation == Activation.RELU:
            sum = max(sum, 0)
        elif layer.activation == Activation.TANH:
            sum = tanh(sum)
        out.append(sum)
    return out^


def test_a_config_describes_symmetry_and_backtracking() raises:
    var text = (
        '{"env_cls":"Puzzle","env":{"width":3,"height":3},"policy":{"symmetry":"canonical","backtracking":false}}'
    )
    var policy = policy_without_weights(RunConfig(text))
    policy.parameters = policy.network.initial_parameters(0)
    var executor = Executor(policy)
    assert_true(executor.twists == square_twists(3))
    assert_false(executor.backtracking)
    var plain = policy_without_weights(RunConfig('{"env_cls":"Puzzle","env":{"width":3,"height":2}}'))
    assert_false(plain.canonical)
    assert_true(plain.backtracking)
    assert_equal(len(plain.twists), 0)


def test_observations_that_do_not_fit_are_errors() raises:
    var executor = Executor(peer("ppo_puzzle8_v1", 9))
    var out = Evaluation()
    with assert_raises(contains="observation: expected ones below 81, found 81"):
        executor.evaluate([UInt16(1), 81], 1, out)
    with assert_raises(contains="observation: expected equally many ones in each of 2 rows, found 3"):
        executor.evaluate([UInt16(1), 2, 3], 2, out)


def test_corrupt_files_are_errors() raises:
    var good = read_file(RUST_POLICY, 1 << 30)
    with assert_raises(contains="expected a safetensors file, found 3 bytes"):
        _ = parse_policy(Span(good)[0:3])
    with assert_raises(contains="weights.value.0.weight.data_offsets[1]: expected a whole number from 0 to"):
        _ = parse_policy(Span(good)[0 : len(good) - 4])
    with assert_raises(contains="expected a header of at most 1 MiB within the file"):
        _ = parse_policy(List[UInt8](length=64, fill=255))
    with assert_raises(contains="expected metadata `twisterl`, or a config that describes the network"):
        _ = load_policy("tests/vectors/peer/ppo_puzzle8_v1.safetensors")
    with assert_raises(contains="nowhere.safetensors: "):
        _ = load_policy("nowhere.safetensors")
    var wrong = peer("ppo_puzzle8_v1", 9)
    wrong.network = Network(81, 4, MlpSizes(512, [255], List[Int](), List[Int](), Activation.RELU))
    with assert_raises(contains="weights.common.0.weight: expected shape [255,512], found [256,512]"):
        _ = load_policy("tests/vectors/peer/ppo_puzzle8_v1.safetensors", wrong.copy())
    wrong.network = Network(81, 4, MlpSizes(512, List[Int](), List[Int](), List[Int](), Activation.RELU))
    with assert_raises(contains="weights.action.0.weight: expected shape [4,512], found [4,256]"):
        _ = load_policy("tests/vectors/peer/ppo_puzzle8_v1.safetensors", wrong.copy())


def tensor_of(type: String, values: List[UInt64], width: Int) raises -> List[Float32]:
    """Returns the values of a file with one tensor of values with these bits."""
    var header = String('{"x":{"dtype":"', type, '","shape":[', len(values), '],"data_offsets":[0,')
    header += String(width * len(values), "]}}")
    var bytes = List[UInt8]()
    append_number(bytes, UInt64(header.byte_length()), 8)
    bytes.extend(header.as_bytes())
    for value in values:
        append_number(bytes, value, width)
    return parse_tensors(bytes).tensors[0].values.copy()


def test_tensors_of_all_floating_types_are_read() raises:
    # The bits of 1, -2.5 and the smallest number of F16, 2^-24, which BF16 rounds no number to.
    assert_equal(tensor_of("F32", [0x3F800000, 0xC0200000, 0x33800000], 4), [Float32(1), -2.5, 5.9604645e-08])
    assert_equal(tensor_of("F16", [0x3C00, 0xC100, 0x0001], 2), [Float32(1), -2.5, 5.9604645e-08])
    assert_equal(tensor_of("BF16", [0x3F80, 0xC020, 0x3380], 2), [Float32(1), -2.5, 5.9604645e-08])
    assert_equal(tensor_of("F64", [0x3FF0000000000000, 0xC004000000000000], 8), [Float32(1), -2.5])
    for type in ["I64", "BOOL", "F8_E4M3"]:
        with assert_raises(contains=String("weights.x.dtype: expected F32, F64, F16 or BF16, found ", type)):
            _ = tensor_of(type, [0, 0], 8)


def test_text_is_read_without_its_mark_and_other_encodings_are_named() raises:
    var json: List[UInt8] = [UInt8(0xEF), 0xBB, 0xBF]
    json.extend(String('{"a":1}').as_bytes())
    assert_equal(parse_json(decode(json)).to_text(), '{"a":1}')
    assert_equal(decode(List[UInt8]()), "")
    with assert_raises(contains="UTF-16 or UTF-32 (save the file as UTF-8)"):
        _ = decode([UInt8(0xFF), 0xFE, 0x7B, 0x00])
    with assert_raises(contains="other bytes"):
        _ = decode([UInt8(0x7B), 0xFF])


def test_files_that_are_not_regular_are_refused_at_once() raises:
    with assert_raises(contains="/dev/zero: expected a regular file, found a device"):
        _ = load_policy("/dev/zero")
    with assert_raises(contains="tests: expected a regular file, found a folder"):
        _ = load_policy("tests")


def test_files_with_changed_bytes_are_read_or_are_errors() raises:
    var network = Network(16, 4, MlpSizes(3, [2], List[Int](), List[Int](), Activation.RELU))
    var parameters = network.initial_parameters(0)
    var policy = Policy(network^, parameters^, "Puzzle", "{}", [4, 4], square_twists(2), True, False)
    var good = policy.to_bytes()
    assert_equal(parse_policy(good).parameters, policy.parameters)
    assert_true(not parse_policy(good).backtracking)
    var rng = Rng(StreamKey(2, Purpose.ACT))
    var refused = 0
    for _ in range(4000):
        var bytes = good.copy()
        for _ in range(1 + rng.below(3)):
            # Mostly in the header.
            bytes[rng.below(len(bytes) if rng.below(4) == 0 else 1500)] = UInt8(rng.below(256))
        if rng.below(8) == 0:
            bytes.shrink(rng.below(len(bytes)))
        try:
            _ = parse_policy(bytes)
        except:
            refused += 1
    assert_true(2000 < refused and refused < 4000, String(refused))


def test_json_is_parsed_by_the_standard() raises:
    var text = '{"a":[1,2.5e-3,-7],"b\\u00e9\\ud83d\\ude00":{"c":null,"d":true},"e":"x\\n\\"y"}'
    assert_equal(parse_json(text).to_text(), '{"a":[1,2.5e-3,-7],"bé😀":{"c":null,"d":true},"e":"x\\u000a\\"y"}')
    for bad in List[String](
        [
            "",
            "[1,]",
            '{"a":1,"a":2}',
            "01",
            '"\\ud800"',
            "[",
            "tru",
            "1 2",
            "-",
            "1e",
            "{1:2}",
            '"\n"',
            "nul",
            "+1",
            ".5",
        ]
    ):
        with assert_raises(contains="JSON, line "):
            _ = parse_json(bad)
    with assert_raises(contains="expected at most 64 levels"):
        _ = parse_json("[" * 100000)


def test_samples_follow_their_probabilities() raises:
    var p: List[Float32] = [0.1, 0.0, 0.6, 0.3]
    var counts = List[Int](length=4, fill=0)
    var rng = Rng(StreamKey(0, Purpose.ACT))
    for _ in range(100_000):
        counts[sample(p, rng)] += 1
    for i in range(4):
        # Four standard deviations of a binomial of 100,000 draws are at most 0.0064.
        assert_almost_equal(Float64(counts[i]) / 1e5, p[i].cast[DType.float64](), atol=0.0064, rtol=0)
    assert_equal(counts[1], 0)


def test_masked_actions_have_probability_0() raises:
    var logits: List[Float32] = [300, -2, 1, -2]
    var mask: List[Bool] = [False, True, True, True]
    masked_softmax(logits, mask)
    assert_equal(logits[0], 0)
    assert_almost_equal(logits[1] + logits[2] + logits[3], 1, atol=1e-6)
    var none: List[Float32] = [1, 2]
    masked_softmax(none, [False, False])
    assert_equal(none, [0, 0])


def test_a_state_and_its_image_have_one_canonical_form() raises:
    var twists = square_twists(3)
    var rng = Rng(StreamKey(4, Purpose.START))
    var turned = 0
    for _ in range(200):
        var ones = List[UInt16]()
        for cell in range(9):
            ones.append(UInt16(9 * cell + rng.below(9)))
        var image = List[UInt16]()
        for one in ones:
            image.append(UInt16(twists[0].observation[Int(one)]))
        var mask: List[Bool] = [True, False, True, True]
        var turned_mask: List[Bool] = [False, True, True, True]
        var a = canonicalize(twists, ones, mask)
        var b = canonicalize(twists, image, turned_mask)
        sort(ones)
        sort(image)
        assert_equal(ones, image)
        if a != b:
            turned += 1
            assert_equal(mask, turned_mask)
            assert_equal(original_action(twists, a, 2), twists[0].action[original_action(twists, b, 2)])
    assert_true(turned > 150)


def main() raises:
    TestSuite.discover_tests[__functions_in_module()]().run()
