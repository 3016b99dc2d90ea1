"""Tests of inference on accelerators against `Executor`. The processor runs the kernels, one position after the other.
"""

from max.gpu.host import DeviceContext
from std.testing import TestSuite, assert_almost_equal, assert_equal, assert_raises

from twisterl.algorithms.es.es import Es
from twisterl.algorithms.es.perturbation import PerturbationKey, PerturbationLayout
from twisterl.algorithms.iteration import Iteration
from twisterl.config.run_config import load_config
from twisterl.env.puzzle import Puzzle
from twisterl.policy.evaluator import Evaluation
from twisterl.policy.forward import Executor
from twisterl.policy.network import Activation, MlpSizes, Network
from twisterl.rng import Purpose, Rng, StreamKey
from twisterl_gpu.es import ask_device
from twisterl_gpu.forward import DeviceExecutor

comptime BITS = 16
comptime ONES = 4
comptime SIGMA = Float32(0.1)


def networks() raises -> List[Network]:
    """Returns networks with heads of one layer and of several."""
    return [
        Network(BITS, 3, MlpSizes(24, [20], List[Int](), List[Int](), Activation.RELU)),
        Network(BITS, 5, MlpSizes(9, [33, 7], [11], [6, 5], Activation.TANH)),
        Network(BITS, 4, MlpSizes(17, [12], [8, 8], List[Int](), Activation.RELU)),
    ]


def observations(rows: Int, seed: UInt64) -> List[UInt16]:
    """Returns random observations, `[rows, ONES]`."""
    var rng = Rng(StreamKey(seed, Purpose.START))
    var ones = List[UInt16]()
    for _ in range(rows * ONES):
        ones.append(UInt16(rng.below(BITS)))
    return ones^


def assert_close(found: List[Float32], expected: List[Float32]) raises:
    """Asserts that two lists are equal up to rounding."""
    assert_equal(len(found), len(expected))
    for i in range(len(found)):
        assert_almost_equal(found[i], expected[i], atol=1e-5, rtol=1e-5)


def test_a_policy_evaluates_equally_on_a_device() raises:
    for network in networks():
        var executor = Executor(network, network.initial_parameters(3))
        var device = DeviceExecutor(DeviceContext(api="cpu"), executor)
        for rows in [21, 1, 64, 0, 8]:  # more and fewer rows than allocated, and than in a strip
            var ones = observations(rows, UInt64(rows))
            var expected = Evaluation()
            executor.evaluate(ones, rows, expected)
            var found = Evaluation()
            device.evaluate(ones, rows, found)
            assert_close(found.logits, expected.logits)
            assert_close(found.values, expected.values)


def test_load_replaces_the_weights() raises:
    var network = networks()[0].copy()
    var executor = Executor(network, network.initial_parameters(3))
    var device = DeviceExecutor(DeviceContext(api="cpu"), executor)
    executor.load(network.initial_parameters(4))
    device.load(executor)
    var expected = Evaluation()
    executor.evaluate(observations(9, 1), 9, expected)
    var found = Evaluation()
    device.evaluate(observations(9, 1), 9, found)
    assert_close(found.logits, expected.logits)


def test_members_have_their_own_weights() raises:
    var key = PerturbationKey(7, 11)
    for network in networks():
        for rank in [1, 3]:
            var layout = PerturbationLayout(network, rank)
            var weights = network.initial_parameters(3)
            var executor = Executor(network, weights)
            var device = DeviceExecutor(DeviceContext(api="cpu"), executor)
            device.perturb(layout, key, 5, 2, SIGMA, 1)
            var slots: List[Int] = [19, 0, 3, 2, 8, 7, 6, 1, 12, 13, 4]  # of 5 pairs with 2 environments per member
            var ones = observations(len(slots), 5)
            var found = Evaluation()
            device.evaluate_slots(ones, slots, found)
            var expected = Evaluation()
            for row in range(len(slots)):
                var member = slots[row] // 2
                var noise = List[Float32]()
                layout.draw(key, UInt64(member // 2), noise)
                var own = weights.copy()
                layout.add(noise, SIGMA if member % 2 == 0 else -SIGMA, own)
                executor.load(own)
                executor.evaluate(Span(ones)[row * ONES : (row + 1) * ONES], 1, expected)
                var actions = network.actions
                assert_close(List[Float32](Span(found.logits)[row * actions : (row + 1) * actions]), expected.logits)


def test_wrong_input_is_an_error() raises:
    var network = networks()[0].copy()
    var device = DeviceExecutor(DeviceContext(api="cpu"), Executor(network, network.initial_parameters(3)))
    var out = Evaluation()
    with assert_raises(contains="expected ones below 16, found 16"):
        device.evaluate([16, 0, 0, 0], 1, out)
    with assert_raises(contains="population: expected one, found none"):
        device.evaluate_slots([1, 0, 0, 0], [0], out)
    device.perturb(PerturbationLayout(network, 1), PerturbationKey(0, 0), 1, 2, SIGMA, 1)
    with assert_raises(contains="slot: expected a number from 0 to 3, found 4"):
        device.evaluate_slots([1, 0, 0, 0], [4], out)
    with assert_raises(contains="algorithm.es.rank: expected 1 or more"):
        device.perturb(PerturbationLayout(network, 0), PerturbationKey(0, 0), 1, 1, SIGMA, 1)


def test_a_population_plays_equally_on_a_device_and_on_threads() raises:
    var config = load_config("examples/es_puzzle8_v1.json")
    config.es.population = 16
    config.es.num_episodes = 3
    var env = Puzzle[3, 3](config.puzzle.params)
    var network = Network(env.BITS, env.ACTIONS, MlpSizes(16, [8], List[Int](), List[Int](), Activation.RELU))
    var executor = Executor(network, network.initial_parameters(3))
    var iteration = Iteration(5, 0.5, 6)
    var threads = Es(config, env, executor, 1)
    threads.ask(iteration)
    var device = DeviceExecutor(DeviceContext(api="cpu"), executor)
    var es = Es(config, env, executor, 1)
    ask_device(device, es, iteration)
    assert_equal(es.fitness, threads.fitness)
    assert_equal(len(es.episodes), 48)
    for i in range(48):
        assert_equal(es.episodes[i].length, threads.episodes[i].length)
        assert_equal(es.episodes[i].solved, threads.episodes[i].solved)


def main() raises:
    TestSuite.discover_tests[__functions_in_module()]().run()
