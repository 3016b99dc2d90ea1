"""Tests of gradients and updates against finite differences, closed forms and tests/vectors, and of configs."""

from std.testing import TestSuite, assert_almost_equal, assert_equal, assert_false, assert_raises, assert_true

from twisterl.algorithms.es.perturbation import PerturbationKey, PerturbationLayout
from twisterl.algorithms.es.shaping import centered_ranks, standardized
from twisterl.config.collecting import MAX_CORES
from twisterl.config.context import Algorithm
from twisterl.config.run_config import Overrides, RunConfig, load_config
from twisterl.env.puzzle import Puzzle, PuzzleParams
from twisterl.gradient.learner import Learner
from twisterl.gradient.loss import Imitation, Objective, PpoLoss
from twisterl.gradient.optimizer import Adam, AdamConfig
from twisterl.gradient.schedule import Schedule, scheduled
from twisterl.io.json import Json
from twisterl.policy.forward import Executor
from twisterl.policy.network import Activation, MlpSizes, Network
from twisterl.rng import Purpose, Rng, StreamKey
from twisterl.rollout.batch import Batch, row_numbers
from twisterl.rollout.collector import Collector
from twisterl.rollout.starts import Starts
from twisterl.trainer.trainer import Trainer

from vectors import booleans, integer, integers, load_vectors, numbers


def random_batch(rows: Int) -> Batch:
    """Returns random samples of all kinds on 3 x 3 boards."""
    var batch = Batch(9, 4)
    var rng = Rng(StreamKey(5, Purpose.ACT))
    for _ in range(rows):
        for cell in range(9):
            batch.ones.append(UInt16(9 * cell + rng.below(9)))
        var action = rng.below(4)
        var bits = rng.below(16)
        var open = 0
        for a in range(4):
            batch.masks.append(a == action or bits >> a & 1 == 1)
            open += Int(batch.masks[len(batch.masks) - 1])
        for a in range(4):
            batch.policies.append(1.0 / Float32(open) if batch.masks[len(batch.masks) - 4 + a] else Float32(0))
        batch.actions.append(action)
        batch.log_probs.append(-1.2 + rng.uniform() * 0.4)
        batch.advantages.append(2.0 * rng.uniform() - 1.0)
        batch.values.append(2.0 * rng.uniform() - 1.0)
    return batch^


def check_differences[O: Objective](objective: O, network: Network) raises:
    """Compares the gradient with the slope of the loss between two nearby points."""
    var parameters = network.initial_parameters(3)
    var learner = Learner(Executor(network, parameters), AdamConfig(), 2)
    var batch = random_batch(300)
    var rows = row_numbers(300)
    _ = learner.differentiate(objective, batch, rows)
    var gradient = learner.model.to_parameters(learner.gradient)
    # The buffers keep nothing from the update before.
    _ = learner.differentiate(objective, batch, rows)
    assert_equal(learner.model.to_parameters(learner.gradient), gradient)
    var largest = Float64(0)
    for slope in gradient:
        largest = max(largest, abs(slope).cast[DType.float64]())
    comptime h = Float32(1.0 / 128.0)
    for at in range(0, network.num_parameters, 23):
        var near = parameters.copy()
        near[at] = parameters[at] + h
        learner.model.load(near)
        var up = learner.differentiate(objective, batch, rows).total
        near[at] = parameters[at] - h
        learner.model.load(near)
        var down = learner.differentiate(objective, batch, rows).total
        var slope = (up - down) / 300.0 / (2.0 * h.cast[DType.float64]())
        assert_almost_equal(gradient[at].cast[DType.float64](), slope, atol=1e-3 * largest, rtol=0)


def test_gradients_equal_finite_differences() raises:
    var none = List[Int]()
    for activation in [Activation.TANH]:
        var networks: List[Network] = [
            Network(81, 4, MlpSizes(20, [16], none.copy(), none.copy(), activation)),
            Network(81, 4, MlpSizes(20, [16, 7], [5], [8, 9], activation)),
            Network(81, 4, MlpSizes(20, none.copy(), [5], none.copy(), activation)),
            Network(81, 4, MlpSizes(20, none.copy(), none.copy(), [17], activation)),
        ]
        for network in networks:
            check_differences(PpoLoss(0.2, 0.5, 0.01), network)
            check_differences(Imitation(0.7), network)


def recorded_batch(json: Json, node: Int) raises -> Batch:
    """Returns the samples of updates.json."""
    var batch = Batch(4, 4)
    for row in json.nodes[json.get(node, "rows")].items:
        for one in integers(json, json.get(row, "ones")):
            batch.ones.append(UInt16(one))
        for allowed in booleans(json, json.get(row, "mask")):
            batch.masks.append(allowed)
        for share in numbers(json, json.get(row, "policy")):
            batch.policies.append(share.cast[DType.float32]())
        batch.actions.append(integer(json, row, "action"))
        batch.log_probs.append(json.nodes[json.get(row, "log_prob")].number.cast[DType.float32]())
        batch.advantages.append(json.nodes[json.get(row, "advantage")].number.cast[DType.float32]())
        batch.values.append(json.nodes[json.get(row, "value")].number.cast[DType.float32]())
    return batch^


def check_some(found: List[Float32], json: Json, node: Int) raises:
    """Compares every fifth number and the last one."""
    var expected = numbers(json, node)
    assert_equal(len(expected), (len(found) + 4) // 5 + 1)
    for i in range(len(expected)):
        var at = min(5 * i, len(found) - 1) if i + 1 < len(expected) else len(found) - 1
        assert_almost_equal(found[at].cast[DType.float64](), expected[i], atol=1e-5, rtol=0)


def check_update[O: Objective](objective: O, json: Json, node: Int, key: String) raises:
    """Compares loss, gradient and a step of Adam with those of the Rust implementation."""
    var activation = Activation.RELU
    if json.nodes[json.get(node, "activation")].text == "tanh":
        activation = Activation.TANH
    var network = Network(
        16, 4, MlpSizes(10, [7], List[Int](), integers(json, json.get(node, "value_layers")), activation)
    )
    assert_equal(network.num_parameters, integer(json, node, "parameters"))
    var batch = recorded_batch(json, node)
    var rows = row_numbers(batch.rows())
    var update = json.get(node, key)
    var adam = AdamConfig()
    adam.eps = 1e-3
    adam.weight_decay = 0.01
    var learner = Learner(Executor(network, network.initial_parameters(1)), adam, 1)
    var sums = learner.differentiate(objective, batch, rows)
    assert_almost_equal(sums.total / sums.rows, json.nodes[json.get(update, "loss")].number, atol=1e-5, rtol=0)
    check_some(learner.model.to_parameters(learner.gradient), json, json.get(update, "gradient"))
    _ = learner.step(objective, batch, rows, 0.1, 0.01)
    check_some(learner.model.parameters(), json, json.get(update, "after"))


def test_updates_equal_those_of_the_rust_implementation() raises:
    var json = load_vectors("updates.json")
    assert_equal(len(json.nodes[0].items), 2)
    for node in json.nodes[0].items:
        check_update(PpoLoss(0.2, 0.5, 0.03), json, node, "ppo")
        check_update(Imitation(0.7), json, node, "imitation")


def test_updates_are_bit_identical_for_any_number_of_threads() raises:
    var network = Network(81, 4, MlpSizes(32, [24], List[Int](), List[Int](), Activation.RELU))
    var batch = random_batch(700)
    var rows = row_numbers(700)
    var all = List[List[Float32]]()
    for threads in [1, 2, 3, 7]:
        var learner = Learner(Executor(network, network.initial_parameters(0)), AdamConfig(), threads)
        for _ in range(3):
            _ = learner.step(PpoLoss(0.2, 0.5, 0.01), batch, rows, 0.5, 1e-2)
        all.append(learner.model.parameters())
    assert_true(all[0] == all[1] and all[0] == all[2] and all[0] == all[3])
    assert_false(all[0] == network.initial_parameters(0))


def test_a_loss_that_is_not_finite_is_an_error() raises:
    var network = Network(81, 4, MlpSizes(8, List[Int](), List[Int](), List[Int](), Activation.RELU))
    var batch = random_batch(10)
    batch.values[3] = Float32.MAX
    var learner = Learner(Executor(network, network.initial_parameters(0)), AdamConfig(), 1)
    with assert_raises(contains="training: expected a finite loss, found "):
        _ = learner.step(Imitation(1), batch, row_numbers(10), 0.5, 1e-2)
    assert_equal(learner.model.parameters(), network.initial_parameters(0))


def test_adam_agrees_with_its_closed_form() raises:
    # g = 1, -2: m2 = 0.9 * 0.1 - 0.1 * 2 = -0.11, v2 = 0.999 * 0.001 + 0.001 * 4 = 0.004999; with the corrections 0.19
    # and 0.001999 the second step is -0.1 * (-0.11 / 0.19) / (sqrt(0.004999 / 0.001999) + 1e-8).
    var adam = Adam(AdamConfig(), 1)
    var p: List[Float32] = [0]
    adam.step(p, [1.0], 1.0, 0.1)
    assert_almost_equal(p[0], -0.1, atol=2e-6)
    adam.step(p, [-2.0], 1.0, 0.1)
    assert_almost_equal(p[0], -0.1 + 0.1 * (0.11 / 0.19) / 1.581369, atol=2e-6)


def test_schedules_have_the_expected_values() raises:
    for schedule in [Schedule.LINEAR, Schedule.COSINE]:
        assert_equal(scheduled(schedule, 2, 1, 0), 2)
        assert_almost_equal(scheduled(schedule, 2, 1, 0.5), 1.5)
        assert_equal(scheduled(schedule, 2, 1, 1), 1)
    assert_almost_equal(scheduled(Schedule.EXPONENTIAL, 4, 1, 0.5), 2)
    assert_equal(scheduled(Schedule.CONSTANT, 4, 1, 0.5), 4)


def test_advantages_agree_with_their_definition() raises:
    # A_t = sum over k of (gamma lambda)^k delta_t+k within an episode, bootstrapping by the way in which it ended.
    var network = Network(81, 4, MlpSizes(8, List[Int](), List[Int](), List[Int](), Activation.TANH))
    var executor = Executor(network, network.initial_parameters(2))
    var params = PuzzleParams(difficulty=3)
    var collector = Collector(Puzzle[3, 3](params), 10, 1)
    var starts = Starts[Puzzle[3, 3]](3)
    collector.collect(executor, starts, 0, 0, 50)
    ref group = collector.groups[0]
    group.estimate(0.9, 0.8)
    assert_equal(group.batch.rows(), 500)
    var ends = 0
    for row in range(500):
        var sum = Float32(0)
        var factor = Float32(1)
        var at = row
        while True:
            var outcome = group.outcomes[at]
            var next = at + 1
            while next < 500 and group.slots[next] != group.slots[row]:
                next += 1
            var after = group.values[next] if next < 500 else group.last_values[group.slots[row]]
            if outcome.terminated:
                after = 0
            elif outcome.truncated:
                after = group.truncated_values[at]
            sum += factor * (outcome.reward + 0.9 * after - group.values[at])
            factor *= 0.72
            if outcome.done() or next == 500:
                break
            at = next
        assert_almost_equal(group.batch.advantages[row], sum, atol=1e-4)
        assert_almost_equal(group.batch.values[row], sum + group.values[row], atol=1e-4)
        ends += Int(group.outcomes[row].done())
    assert_equal(len(group.episodes), ends)
    assert_true(ends > 20)


def test_ranks_are_spread_evenly_and_equal_fitness_shares_them() raises:
    assert_equal(centered_ranks([3.0, 1.0, 3.0, 9.0, 3.0]), [0.0, -0.5, 0.0, 0.5, 0.0])
    assert_equal(centered_ranks([7.0, 7.0, 7.0]), [0.0, 0.0, 0.0])
    assert_equal(standardized([1.0, 3.0]), [-1.0, 1.0])
    assert_equal(standardized([2.0, 2.0]), [0.0, 0.0])


def test_perturbations_of_any_rank_estimate_a_gradient() raises:
    # For a linear function g w the mean of E (g E) is g, since entries have variance 1 and no correlation.
    var network = Network(12, 4, MlpSizes(6, List[Int](), List[Int](), List[Int](), Activation.RELU))
    for rank in [0, 1, 3]:
        var layout = PerturbationLayout(network, rank)
        assert_equal(layout.num_weights, 13 * 6 + 7 * 4)
        var g = List[Float32]()
        var rng = Rng(StreamKey(8, Purpose.INIT))
        for _ in range(layout.num_weights):
            g.append(rng.normal())
        var estimate = List[Float32](length=network.num_parameters, fill=0)
        var noise = List[Float32]()
        comptime DRAWS = 20_000
        for index in range(DRAWS):
            layout.draw(PerturbationKey(0, 0), UInt64(index), noise)
            var e = List[Float32](length=network.num_parameters, fill=0)
            layout.add(noise, 1.0, e)
            var along = Float32(0)
            for i in range(layout.num_weights):
                along += g[i] * e[i]
            for i in range(layout.num_weights):
                estimate[i] += along * e[i] / DRAWS
        for i in range(network.num_parameters):
            # The deviation of an entry is about |g| / sqrt(draws) = 0.08 at rank 1 less than twice that.
            assert_almost_equal(estimate[i], g[i] if i < layout.num_weights else Float32(0), atol=0.6)


def es_config(threads: Int) raises -> RunConfig:
    """Returns the config of a small population."""
    return RunConfig(
        String(
            '{"env_cls":"Puzzle","env":{"difficulty":4},"policy":{"embedding_size":8,"common_layers":[]},',
            '"algorithm_cls":"ES","algorithm":{"es":{"population":6,"num_episodes":3,"deterministic":false},"collecting":',
            '{"num_cores":',
            threads,
            '},"learning":{"diff_metric":"rollout"},"evals":{}},"num_iterations":3}',
        )
    )


def test_populations_do_not_depend_on_threads() raises:
    var all = List[List[Float32]]()
    for threads in [1, 2]:
        var trainer = Trainer[3, 3](es_config(threads))
        trainer.threads = threads
        for _ in range(3):
            _ = trainer.step()
        assert_equal(len(trainer.es.value().episodes), 18)
        all.append(trainer.es.value().weights.copy())
    assert_equal(all[0], all[1])


def test_the_configs_of_the_repository_are_read() raises:
    var ppo = load_config("examples/ppo_puzzle8_v1.json")
    assert_equal(ppo.algorithm, Algorithm.PPO)
    assert_true(ppo.policy.canonical)
    assert_equal(ppo.collecting.num_envs, 128)
    assert_equal(ppo.optimizer.schedule, Schedule.COSINE)
    assert_equal(ppo.evals[0].name, "random_boards")
    assert_equal(load_config("examples/az_puzzle8_v1.json").algorithm, Algorithm.AZ)
    assert_equal(load_config("examples/az_puzzle8_v1.json", Overrides(algorithm="ppo")).algorithm, Algorithm.PPO)
    var peer = load_config("tests/configs/ppo_puzzle15_v1.peer.json")
    assert_equal((peer.puzzle.width, peer.puzzle.height, peer.num_iterations), (4, 4, -1))


def check_error(text: String, message: String) raises:
    """Asserts that a config is an error with this message."""
    with assert_raises(contains=message):
        _ = RunConfig(text)


def test_wrong_and_unsupported_fields_are_errors_by_name() raises:
    check_error('{"env_cls":"Grid"}', 'env_cls: expected Puzzle, the only environment of the Mojo port, found "Grid"')
    check_error('{"env_cls":"Puzzle","env":{"width":7}}', "env.width: expected a whole number from 2 to 6, found 7")
    check_error('{"env_cls":"Puzzle","env":{"widht":3}}', "env.widht: unknown field, expected one of width, height")
    check_error(
        '{"env_cls":"Puzzle","policy":{"layers":{}}}', "policy.layers: expected no such entry: the Mojo port does not"
    )
    for seed in ['"x"', "-1", "1.5", "18446744073709551616"]:
        check_error(
            String('{"env_cls":"Puzzle","seed":', seed, "}"), "seed: expected a whole number, at least 0 and below 2^64"
        )
    check_error('{"env_cls":"Puzzle","algorithm_cls":"BackwardScramble"}', "algorithm_cls: expected PPO, AZ or ES")
    var within = '{"env_cls":"Puzzle","algorithm_cls":"AZ","algorithm":'
    check_error(
        within + '{"collecting":{"full_searches":0.5}}}', "algorithm.collecting.full_searches: expected 1: the Mojo"
    )
    check_error(within + '{"collecting":{"max_expand_depth":2}}}', "algorithm.collecting.max_expand_depth: expected 1")
    check_error(
        within + '{"collecting":{"experts":{}}}}', "algorithm.collecting.experts: expected no such entry: the Mojo port"
    )
    check_error(
        within + '{"logging":{"tensorboard":true}}}', "algorithm.logging.tensorboard: expected false: the Mojo port"
    )
    check_error(within + '{"optimizer":{"amsgrad":true}}}', "algorithm.optimizer.amsgrad: expected false, found true")
    check_error(
        within + '{"optimizer":{"lr":-1}}}', "algorithm.optimizer.lr: expected a number from 0.0 to 1000.0, found -1"
    )
    check_error(
        within + '{"learning":{"diff_metric":"x"}}}', "algorithm.learning.diff_metric: expected `rollout` or the name"
    )
    var eval = within + '{"evals":{"e":{'
    check_error(
        eval + '"objective":"return"}}}}', "algorithm.evals.e.objective: expected length: the Mojo port counts moves"
    )
    check_error(eval + '"objective":"cost"}}}}', 'evals.e.objective: expected length or return, found "cost"')
    check_error(eval + '"invert":"both"}}}}', "algorithm.evals.e.invert: expected never: the puzzle has no inverse")
    check_error(eval + '"invert":"each"}}}}', 'algorithm.evals.e.invert: expected never or both, found "each"')
    var defaults = within + '{"learning":{"diff_metric":"e"},"evals":{"e":{"objective":"length","invert":"never"}}}}'
    assert_equal(len(RunConfig(defaults, Overrides()).evals), 1)
    check_error(within + '{"es":{"population":3}}}', "algorithm.es.population: expected an even number")
    check_error(within + '{"device":"cuda"}}', 'algorithm.device: expected cpu, found "cuda"')
    check_error(within + "{", "JSON, line 1: expected")


def test_seeds_below_2_64_and_all_spellings_of_all_processors_are_read() raises:
    var seed = '{"env_cls":"Puzzle","seed":18446744073709551615}'
    assert_equal(RunConfig(seed, Overrides()).seed, UInt64.MAX)
    assert_equal(RunConfig(seed, Overrides(seed=UInt64(1) << 63)).seed, UInt64(1) << 63)
    for cores in ["null", "0", "-1"]:
        var text = String('{"env_cls":"Puzzle","algorithm":{"collecting":{"num_cores":', cores, "}}}")
        assert_equal(RunConfig(text, Overrides()).collecting.num_cores, MAX_CORES)
    assert_equal(RunConfig('{"env_cls":"Puzzle"}', Overrides()).collecting.num_cores, 32)


def test_fields_that_would_have_no_effect_are_errors() raises:
    var starts = '"algorithm":{"collecting":{"starts":{"failures":0.5}}}}'
    var path = String("algorithm.collecting.starts.failures: expected 0 for ")
    check_error('{"env_cls":"Puzzle","algorithm_cls":"AZ",' + starts, path + "AZ, which does not probe for failures")
    check_error('{"env_cls":"Puzzle","algorithm_cls":"ES",' + starts, path + "ES, which does not probe for failures")
    var within = '{"env_cls":"Puzzle","algorithm":'
    check_error(
        within + '{"optimizer":{"betas":["x",0.5]}}}', "algorithm.optimizer.betas: expected numbers from 0 to 0.999999"
    )
    check_error(
        within + '{"optimizer":{"schedule":"cosine"}}}',
        "algorithm.optimizer.lr_final: expected the learning rate at which the schedule ends, found nothing",
    )
    check_error(
        within + '{"optimizer":{"lr_final":1e-4}}}',
        "num_iterations: expected the iterations after which algorithm.optimizer.lr_final is reached, found nothing",
    )
    check_error(within + '{"training":{"ent_coef_final":0}}}', "algorithm.training.ent_coef_final is reached")
    check_error(within + '{"es":{"sigma_final":0.1}}}', "algorithm.es.sigma_final is reached")
    _ = RunConfig(within + '{"optimizer":{"lr_final":1e-4}}}', Overrides(num_iterations=3))
    check_error(
        within + '{"learning":{"diff_start":5,"diff_max":4}}}',
        "algorithm.learning.diff_start: expected at most diff_max, which is 4, found 5",
    )
    check_error(within + '{"evals":{"rollout":{}}}}', "algorithm.evals: expected names of 1 to 64 bytes other than")
    check_error(
        within + '{"es":{"population":1048576,"num_episodes":65536}}}',
        "algorithm.es.num_episodes: expected population x num_episodes of at most 16777216, found 65536",
    )
    check_error(
        within + '{"collecting":{"reward_scale":2}}}', "algorithm.collecting.reward_scale: expected 1: the Mojo port"
    )


def test_fields_of_other_algorithms_are_reported() raises:
    var text = String(
        '{"env_cls":"Puzzle","algorithm":{"collecting":{"gamma":0.9,"lambda":0.9,"C":2,"num_walks":3,"reward_scale":1},',
        '"training":{"num_epochs":2,"clip_ratio":0.2},"es":{},"learning":{"diff_metric":"rollout"},"evals":{}}}',
    )
    var ppo: List[String] = ["algorithm.collecting.C", "algorithm.collecting.num_walks", "algorithm.es"]
    assert_equal(RunConfig(text, Overrides(algorithm="ppo")).unused, ppo)
    var az: List[String] = [
        "algorithm.collecting.lambda",
        "algorithm.collecting.num_walks",
        "algorithm.training.clip_ratio",
        "algorithm.es",
    ]
    assert_equal(RunConfig(text, Overrides(algorithm="az")).unused, az)
    var es: List[String] = [
        "algorithm.collecting.lambda",
        "algorithm.collecting.gamma",
        "algorithm.collecting.C",
        "algorithm.collecting.num_walks",
        "algorithm.training.clip_ratio",
        "algorithm.training.num_epochs",
    ]
    assert_equal(RunConfig(text, Overrides(algorithm="es")).unused, es)


def main() raises:
    TestSuite.discover_tests[__functions_in_module()]().run()
