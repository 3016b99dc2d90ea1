"""Tests of solving and tree search on problems with known answers, and with a policy of the Rust implementation."""

from std.math import exp, log, sqrt
from std.testing import TestSuite, assert_almost_equal, assert_equal, assert_false, assert_raises, assert_true

from twisterl.config.puzzle_policy import load_puzzle_policy
from twisterl.config.puzzle_spec import PuzzleSpec
from twisterl.env.puzzle import Puzzle, PuzzleParams
from twisterl.policy.forward import Executor
from twisterl.policy.network import Activation, MlpSizes, Network
from twisterl.rng import Purpose, Rng, StreamKey
from twisterl.search.mcts import SearchConfig
from twisterl.search.root_noise import gamma, gumbel, mix_dirichlet
from twisterl.search.selection import Gumbel, Puct, sequential_halving
from twisterl.search.solve import Play, Solution, play, search_trees
from twisterl.search.tree import NONE, NodeState, Tree

from vectors import integers, load_vectors

comptime Small = Puzzle[2, 3]


def uniform_policy(bits: Int) raises -> Executor:
    """Returns a policy with equal probabilities and values everywhere."""
    var network = Network(bits, 4, MlpSizes(1, List[Int](), List[Int](), List[Int](), Activation.RELU))
    return Executor(network, List[Float32](length=network.num_parameters, fill=0))


def small(state: List[Int]) raises -> Small:
    """Returns a board of 2 x 3 with a cost per move."""
    var params = PuzzleParams(max_depth=40)
    params.move_reward = -0.02
    var puzzle = Small(params)
    puzzle.set_state(state)
    return puzzle^


def opened(log_probs: List[Float32], value: Float32) -> Tree:
    """Returns a tree whose root has been evaluated."""
    var tree = Tree(16, len(log_probs))
    tree.open(0, log_probs, value)
    tree.back_up(0, 1.0)
    return tree^


def follow(mut tree: Tree, action: Int, reward: Float32, value: Float32):
    """Simulates one action of the root."""
    var child = tree.edge(0, action).child
    if child == NONE:
        child = tree.add(0, action)
        tree.edges[action].reward = reward
    tree.open(child, [log(Float32(0.5)), log(Float32(0.5))], value)
    tree.back_up(child, 1.0)


def test_backups_add_rewards_to_discounted_values() raises:
    var tree = opened([log(Float32(0.5)), log(Float32(0.5))], 3.0)
    var child = tree.add(0, 1)
    tree.edges[1].reward = 0.5
    tree.open(child, [log(Float32(0.9)), log(Float32(0.1))], 2.0)
    tree.back_up(child, 0.9)
    var below = tree.add(child, 0)
    tree.edges[2 * child].reward = -1.0
    tree.nodes[below].state = NodeState.TERMINATED
    tree.back_up(below, 0.9)
    # Returns to the child: 2 and -1 + 0; to the root: 3, 0.5 + 0.9 * 2 and 0.5 + 0.9 * -1.
    assert_almost_equal(tree.nodes[child].mean(), 0.5)
    assert_almost_equal(tree.edge(0, 1).q(), (2.3 - 0.4) / 2)
    assert_almost_equal(tree.nodes[0].mean(), (3.0 + 2.3 - 0.4) / 3, atol=1e-6)
    assert_equal(tree.nodes[0].visits, 3)
    assert_almost_equal(tree.high, 2.3, atol=1e-6)
    assert_almost_equal(tree.low, -1.0)


def test_puct_follows_its_formula() raises:
    var tree = opened([log(Float32(0.7)), log(Float32(0.3))], 0.0)
    tree.root_noise = [0.7, 0.3]
    var puct = Puct()
    assert_equal(puct.choose(tree, 0), 0)
    follow(tree, 0, 0, -1.0)
    follow(tree, 1, 0, 1.0)
    # Values 0 and 1; exploration 1.25 * sqrt(3) / 2 times the priors: 0.76 against 1.32.
    assert_equal(puct.choose(tree, 0), 1)
    puct.exploration = 6.0
    # 3.64 against 2.56.
    assert_equal(puct.choose(tree, 0), 0)


def test_gumbel_improves_the_policy_by_its_equations() raises:
    var tree = opened([log(Float32(0.7)), log(Float32(0.3))], 0.5)
    follow(tree, 1, 0, 1.0)
    follow(tree, 1, 0, 0.0)
    follow(tree, 1, 0, 1.0)
    # Equation 33: the mixed value is (0.5 + 3 * q) / 4 with q = 2/3, so 0.625; the range of values is [0.5, 1].
    var q = Float32(2.0 / 3.0)
    var scale = Float32((50 + 3) * 0.1)
    var a = 0.7 * exp(scale * (0.625 - 0.5) / 0.5)
    var b = 0.3 * exp(scale * (q - 0.5) / 0.5)
    var policy = Gumbel().improved_policy(tree, 0)
    assert_almost_equal(policy[0], a / (a + b), atol=1e-5)
    assert_almost_equal(policy[1], b / (a + b), atol=1e-5)
    assert_equal(Gumbel().decide(tree), 1)


def test_sequential_halving_visits_equally_often_and_keeps_the_better_half() raises:
    assert_equal(sequential_halving(4, 8), [0, 0, 0, 0, 1, 1, 2, 2])
    assert_equal(sequential_halving(1, 3), [0, 1, 2])
    assert_equal(sequential_halving(2, 5), [0, 0, 1, 1, 2])
    assert_equal(len(sequential_halving(16, 100)), 100)


def test_noise_has_the_moments_of_its_distributions() raises:
    # Closed forms: Gumbel has mean 0.5772, Gamma has its shape as mean, and a part of a Dirichlet of n parameters a has
    # mean 1/n and variance (n - 1) / (n^2 (n a + 1)).
    var rng = Rng(StreamKey(5, Purpose.SEARCH))
    comptime DRAWS = 40_000
    var g = Float64(0)
    var small_shape = Float64(0)
    var large_shape = Float64(0)
    var part = Float64(0)
    var squares = Float64(0)
    for _ in range(DRAWS):
        g += gumbel(rng).cast[DType.float64]() / DRAWS
        small_shape += gamma(0.3, rng) / DRAWS
        large_shape += gamma(2.5, rng) / DRAWS
        var priors: List[Float32] = [0.25, 0.25, 0.0, 0.25, 0.25]
        mix_dirichlet(priors, 1.0, 2.0, rng)
        assert_equal(priors[2], 0)
        var first = priors[0].cast[DType.float64]()
        part += first / DRAWS
        squares += (first - 0.25) * (first - 0.25) / DRAWS
    assert_almost_equal(g, 0.5772, atol=0.03)
    assert_almost_equal(small_shape, 0.3, atol=0.02)
    assert_almost_equal(large_shape, 2.5, atol=0.05)
    assert_almost_equal(part, 0.25, atol=0.006)
    assert_almost_equal(squares, 3.0 / 48.0, atol=0.005)


def test_search_solves_near_boards_with_a_uniform_policy() raises:
    var executor = uniform_policy(36)
    # Two and four moves away.
    var starts: List[Small] = [small([1, 4, 2, 3, 0, 5]), small([1, 2, 5, 3, 0, 4])]
    var puct = search_trees(starts, executor, SearchConfig(use_gumbel=False, simulations=400))
    var by_gumbel = search_trees(starts, executor, SearchConfig(use_gumbel=True, simulations=400))
    for outcome in [puct[0].copy(), by_gumbel[0].copy()]:
        assert_true(outcome.solved)
        assert_equal(outcome.actions, [1, 0])
        assert_almost_equal(outcome.total, 0.98, atol=1e-6)
    for outcome in [puct[1].copy(), by_gumbel[1].copy()]:
        assert_true(outcome.solved)
        assert_equal(outcome.actions, [2, 1, 0, 0])


def test_an_unsolved_search_returns_the_moves_it_played() raises:
    var starts: List[Small] = [small([5, 4, 0, 2, 1, 3])]
    var config = SearchConfig(use_gumbel=False, simulations=2)
    var solution = search_trees(starts, uniform_policy(36), config, 3)[0].copy()
    assert_false(solution.solved)
    assert_equal(len(solution.actions), 3)
    assert_almost_equal(solution.total, -0.06, atol=1e-6)


def test_play_without_backtracking_does_not_oscillate() raises:
    # Without backtracking, play on 2 x 2 goes round a cycle of all 12 boards and so solves each of them.
    var starts = List[Puzzle[2, 2]]()
    for i in range(20):
        var puzzle = Puzzle[2, 2](PuzzleParams(max_depth=40))
        var rng = Rng(StreamKey(3, Purpose.START, 0, UInt64(i)))
        puzzle.reset_uniform(rng)
        puzzle.budget = 40
        starts.append(puzzle^)
    var executor = uniform_policy(16)
    for greedy in [True, False]:
        executor.backtracking = True
        var solved = 0
        for outcome in play(starts, executor, Play(greedy=greedy)):
            solved += Int(outcome.solved)
        assert_true(solved < 20 or not greedy)
        executor.backtracking = False
        for outcome in play(starts, executor, Play(greedy=greedy)):
            assert_true(outcome.solved)
            assert_true(len(outcome.actions) <= 12)


def test_solved_boards_need_no_move() raises:
    var starts: List[Small] = [small([0, 1, 2, 3, 4, 5])]
    for outcome in [
        play(starts, uniform_policy(36), Play(greedy=True))[0].copy(),
        search_trees(starts, uniform_policy(36), SearchConfig(use_gumbel=True, simulations=4))[0].copy(),
    ]:
        assert_true(outcome.solved)
        assert_equal(len(outcome.actions), 0)


def test_solutions_depend_neither_on_threads_nor_on_other_starts() raises:
    var starts = List[Small]()
    for i in range(100):
        var rng = Rng(StreamKey(3, Purpose.START, 0, UInt64(i)))
        starts.append(small([1, 4, 2, 3, 0, 5]))
        starts[i].reset_uniform(rng)
        starts[i].budget = 30
    var executor = uniform_policy(36)
    var one = play(starts, executor, Play(greedy=False, searches=4, threads=1))
    var two = play(starts, executor, Play(greedy=False, searches=4, threads=2))
    for i in range(100):
        assert_equal(one[i].actions, two[i].actions)
        # The best of four tries ends as reported.
        var puzzle = starts[i].copy()
        for action in one[i].actions:
            _ = puzzle.step(action)
        assert_equal(puzzle.solved(), one[i].solved)
    var config = SearchConfig(use_gumbel=True, simulations=20)
    var together = search_trees(starts, executor, config, 8)
    for i in range(0, 100, 20):
        var alone: List[Small] = [starts[i].copy()]
        assert_equal(search_trees(alone, executor, config, 8)[0].actions, together[i].actions)


def test_a_policy_trained_in_rust_solves_the_15_puzzle() raises:
    var policy = load_puzzle_policy("benches/runs/puzzle15/policy.safetensors")
    var spec = PuzzleSpec(policy.env, "env")
    assert_equal((spec.height, spec.width), (4, 4))
    var optimal = load_vectors("../data/puzzle15_optimal.json")
    var starts = List[Puzzle[4, 4]]()
    var boards = optimal.nodes[optimal.get(0, "instances")].items.copy()
    for i in range(40):
        var puzzle = Puzzle[4, 4](spec.params)
        puzzle.set_state(integers(optimal, optimal.get(boards[i], "state")))
        starts.append(puzzle^)
    var executor = Executor(policy)
    var greedy = play(starts, executor, Play(greedy=True, threads=2))
    var sampled = play(starts, executor, Play(greedy=False, searches=16, threads=2))
    var solved = 0
    for i in range(len(starts)):
        solved += Int(greedy[i].solved)
        assert_true(sampled[i].solved)
        var puzzle = starts[i].copy()
        for action in sampled[i].actions:
            _ = puzzle.step(action)
        assert_true(puzzle.solved())
    assert_true(solved >= 30, String(solved))


def main() raises:
    TestSuite.discover_tests[__functions_in_module()]().run()
