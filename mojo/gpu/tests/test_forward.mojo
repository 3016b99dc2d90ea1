"""What an accelerator computes, against `Executor`, with the processor in its place: the kernels' places one after the other."""

from max.gpu.host import DeviceContext
from std.testing import TestSuite, assert_almost_equal, assert_equal, assert_raises

from twisterl.config import load_config
from twisterl.es import Es
from twisterl.forward import Evaluation, Executor
from twisterl.network import Activation, Network, Sizes
from twisterl.perturbation import Layout
from twisterl.puzzle import Puzzle
from twisterl.rng import Purpose, Rng
from twisterl.trainee import Iteration
from twisterl_gpu.es import ask_device
from twisterl_gpu.forward import DeviceExecutor

comptime BITS = 16
comptime ONES = 4
comptime SIGMA = Float32(0.1)


def networks() raises -> List[Network]:
    """With heads of one layer, and of several."""
    return [
        Network(BITS, 3, Sizes(24, [20], List[Int](), List[Int](), Activation.RELU)),
        Network(BITS, 5, Sizes(9, [33, 7], [11], [6, 5], Activation.TANH)),
        Network(BITS, 4, Sizes(17, [12], [8, 8], List[Int](), Activation.RELU)),
    ]


def observations(rows: Int, seed: UInt64) -> List[UInt16]:
    """Random ones, (rows, ONES)."""
    var rng = Rng(seed, Purpose.START)
    var ones = List[UInt16]()
    for _ in range(rows * ONES):
        ones.append(UInt16(rng.below(BITS)))
    return ones^


def check(found: List[Float32], expected: List[Float32]) raises:
    """Equal but for rounding."""
    assert_equal(len(found), len(expected))
    for i in range(len(found)):
        assert_almost_equal(found[i], expected[i], atol=1e-5, rtol=1e-5)


def test_a_policy_is_the_same_on_a_device() raises:
    for network in networks():
        var executor = Executor(network, network.initial(3))
        var device = DeviceExecutor(DeviceContext(api="cpu"), executor)
        for rows in [21, 1, 64, 0, 8]:  # more and fewer than there is memory for, and than a strip has
            var ones = observations(rows, UInt64(rows))
            var expected = Evaluation()
            executor.evaluate(ones, rows, expected)
            var found = Evaluation()
            device.evaluate(ones, rows, found)
            check(found.logits, expected.logits)
            check(found.values, expected.values)


def test_other_weights_are_taken() raises:
    var network = networks()[0].copy()
    var executor = Executor(network, network.initial(3))
    var device = DeviceExecutor(DeviceContext(api="cpu"), executor)
    executor.load(network.initial(4))
    device.load(executor)
    var expected = Evaluation()
    executor.evaluate(observations(9, 1), 9, expected)
    var found = Evaluation()
    device.evaluate(observations(9, 1), 9, found)
    check(found.logits, expected.logits)


def test_members_have_their_own_weights() raises:
    for network in networks():
        for rank in [1, 3]:
            var layout = Layout(network, rank)
            var weights = network.initial(3)
            var executor = Executor(network, weights)
            var device = DeviceExecutor(DeviceContext(api="cpu"), executor)
            device.perturb(layout, 7, 11, 5, 2, SIGMA, 1)
            var slots: List[Int] = [19, 0, 3, 2, 8, 7, 6, 1, 12, 13, 4]  # of 5 pairs with 2 environments a member
            var ones = observations(len(slots), 5)
            var found = Evaluation()
            device.evaluate_slots(ones, slots, found)
            var expected = Evaluation()
            for row in range(len(slots)):
                var member = slots[row] // 2
                var noise = List[Float32]()
                layout.draw(7, 11, UInt64(member // 2), noise)
                var own = weights.copy()
                layout.add(noise, SIGMA if member % 2 == 0 else -SIGMA, own)
                executor.load(own)
                executor.evaluate(Span(ones)[row * ONES : (row + 1) * ONES], 1, expected)
                var actions = network.actions
                check(List[Float32](Span(found.logits)[row * actions : (row + 1) * actions]), expected.logits)


def test_what_does_not_fit_is_refused() raises:
    var network = networks()[0].copy()
    var device = DeviceExecutor(DeviceContext(api="cpu"), Executor(network, network.initial(3)))
    var out = Evaluation()
    with assert_raises(contains="expected ones below 16, found 16"):
        device.evaluate([16, 0, 0, 0], 1, out)
    with assert_raises(contains="slot: expected one below 0, found 0"):
        device.evaluate_slots([1, 0, 0, 0], [0], out)
    with assert_raises(contains="algorithm.es.rank: expected 1 or more"):
        device.perturb(Layout(network, 0), 0, 0, 1, 1, SIGMA, 1)


def test_a_population_plays_on_a_device_as_on_threads() raises:
    var config = load_config("examples/es_puzzle8_v1.json")
    config.es.population = 16
    config.es.num_episodes = 3
    var env = Puzzle[3, 3](config.params)
    var network = Network(env.BITS, env.ACTIONS, Sizes(16, [8], List[Int](), List[Int](), Activation.RELU))
    var executor = Executor(network, network.initial(3))
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
