"""Tests of random streams and the puzzle against tests/vectors, and of the rules by hand."""

from std.memory import bitcast
from std.testing import TestSuite, assert_almost_equal, assert_equal, assert_false, assert_raises, assert_true

from twisterl.env.environment import Step
from twisterl.env.puzzle import Puzzle, PuzzleParams
from twisterl.env.symmetry import puzzle_twists
from twisterl.io.json import Json
from twisterl.rng import Purpose, Rng, StreamKey

from vectors import booleans, hexadecimal, integer, integers, load_vectors, numbers, strings


def test_streams_equal_those_of_the_rust_implementation() raises:
    var json = load_vectors("streams.json")
    var streams = json.nodes[json.get(0, "streams")].items.copy()
    assert_equal(len(streams), 3)
    for node in streams:
        var key = strings(json, json.get(node, "key"))
        var rng = Rng(
            StreamKey(hexadecimal(key[0]), Int(hexadecimal(key[1])), hexadecimal(key[2]), hexadecimal(key[3]))
        )
        var words = rng.copy()
        for word in integers(json, json.get(node, "words")):
            assert_equal(Int(words.next_u32()), word)
        var later = rng.copy()
        for _ in range(1000):
            _ = later.next_u32()
        for word in integers(json, json.get(node, "later")):
            assert_equal(Int(later.next_u32()), word)
        var wide = rng.copy()
        _ = wide.next_u32()
        for text in strings(json, json.get(node, "wide")):
            assert_equal(wide.next_u64(), hexadecimal(text))
        var single = rng.copy()
        for number in numbers(json, json.get(node, "single")):
            assert_equal(single.uniform(), number.cast[DType.float32]())
        var double = rng.copy()
        for number in numbers(json, json.get(node, "double")):
            assert_equal(double.uniform64(), number)
        var bound = 1
        for number in integers(json, json.get(node, "below")):
            assert_equal(rng.below(bound), number)
            bound += 1


def test_normal_numbers_have_the_expected_moments() raises:
    var rng = Rng(StreamKey(3, Purpose.PERTURB))
    var sum = 0.0
    var squares = 0.0
    var fourth = 0.0
    comptime DRAWS = 100_000
    for _ in range(DRAWS):
        var x = rng.normal().cast[DType.float64]()
        sum += x
        squares += x * x
        fourth += x * x * x * x
    # Four standard deviations of each mean. Fourth cumulants add up: -32/8 of the ones and -1/120 of the uniform
    # variable, over the variance 8 + 1/12 squared.
    assert_almost_equal(sum / DRAWS, 0.0, atol=0.013)
    assert_almost_equal(squares / DRAWS, 1.0, atol=0.018)
    assert_almost_equal(fourth / DRAWS, 3.0 - (4.0 + 1.0 / 120.0) / (8.0 + 1.0 / 12.0) ** 2, atol=0.13)


def test_shuffles_are_uniform() raises:
    # 3! orders, 60,000 draws: 10,000 each with standard deviation 91.
    var counts = List[Int](length=27, fill=0)
    var rng = Rng(StreamKey(0, Purpose.SHUFFLE))
    for _ in range(60_000):
        var items: List[UInt32] = [0, 1, 2]
        rng.shuffle(items)
        counts[Int(9 * items[0] + 3 * items[1] + items[2])] += 1
    var orders = 0
    for count in counts:
        if count > 0:
            orders += 1
            assert_true(9600 < count and count < 10400)
    assert_equal(orders, 6)


def new[height: Int, width: Int](difficulty: Int = 1, max_depth: Int = 128) raises -> Puzzle[height, width]:
    """Returns a solved puzzle."""
    return Puzzle[height, width](PuzzleParams(difficulty=difficulty, max_depth=max_depth))


def check_recorded[height: Int, width: Int](json: Json, node: Int) raises:
    """Plays one trajectory of puzzle.json, recorded by the Rust implementation."""
    assert_equal((integer(json, node, "height"), integer(json, node, "width")), (height, width))
    var puzzle = new[height, width](max_depth=integer(json, node, "max_depth"))
    puzzle.set_state(integers(json, json.get(node, "start")))
    var last = Step(0, False, False)
    var moves = 0
    var actions = json.nodes[json.get(node, "actions")].text
    for after in json.nodes[json.get(node, "after")].items:
        while moves < integer(json, after, "moves"):
            last = puzzle.step(Int(actions.as_bytes()[moves]) - ord("0"))
            moves += 1
        assert_equal(puzzle.state(), integers(json, json.get(after, "board")))
        var mask = Array[Bool, 4](fill=False)
        puzzle.action_mask(mask)
        assert_equal(List[Bool](Span(mask)), booleans(json, json.get(after, "mask")))
        var ones = List[UInt16](length=height * width, fill=0)
        puzzle.observe(ones)
        var expected = integers(json, json.get(after, "ones"))
        for i in range(height * width):
            assert_equal(Int(ones[i]), expected[i])
        assert_equal(puzzle.solved(), json.nodes[json.get(after, "solved")].flag)
        assert_equal(last.reward, json.nodes[json.get(after, "reward")].number.cast[DType.float32]())
        assert_equal(last.terminated, json.nodes[json.get(after, "terminated")].flag)
        assert_equal(last.truncated, json.nodes[json.get(after, "truncated")].flag)


def test_recorded_trajectories_are_reproduced() raises:
    var json = load_vectors("puzzle.json")
    var all = json.nodes[0].items.copy()
    assert_equal(len(all), 3)
    check_recorded[3, 3](json, all[0])
    check_recorded[4, 4](json, all[1])
    check_recorded[2, 3](json, all[2])


struct Digest:
    """The 64-bit FNV-1a hash (Fowler, Noll, Vo)."""

    var value: UInt64

    def __init__(out self):
        self.value = 0xCBF29CE484222325

    def update(mut self, number: UInt64, bytes: Int):
        """Adds a number as little-endian bytes."""
        for i in range(bytes):
            self.value = (self.value ^ (number >> UInt64(8 * i) & 255)) * 0x100000001B3


def check_episodes[height: Int, width: Int](json: Json, node: Int) raises:
    """Plays 10,000 random moves and compares them with those of the Rust implementation from the same streams."""
    assert_equal((integer(json, node, "height"), integer(json, node, "width")), (height, width))
    var puzzle = new[height, width](difficulty=integer(json, node, "difficulty"))
    var iteration = UInt64(10 * width + height)
    var resets = json.nodes[json.get(node, "resets")].items.copy()
    var uniform = json.nodes[json.get(node, "uniform")].items.copy()
    for i in range(10):
        var rng = Rng(StreamKey(7, Purpose.START, iteration, UInt64(i)))
        puzzle.reset(rng)
        assert_equal(puzzle.state(), integers(json, resets[i]))
        rng = Rng(StreamKey(7, Purpose.START, iteration, UInt64(i)))
        puzzle.reset_uniform(rng)
        assert_equal(puzzle.state(), integers(json, uniform[i]))
    var starts = Rng(StreamKey(7, Purpose.START, iteration, 1000))
    var moves = Rng(StreamKey(7, Purpose.ACT, iteration, 1000))
    var digests = strings(json, json.get(node, "digests"))
    var digest = Digest()
    var ones = Array[UInt16, height * width](fill=0)
    var mask = Array[Bool, 4](fill=False)
    puzzle.reset(starts)
    for number in range(1, 10_001):
        puzzle.action_mask(mask)
        puzzle.observe(ones)
        var step = puzzle.step(moves.below(4))
        for allowed in mask:
            digest.update(UInt64(Int(allowed)), 1)
        for one in ones:
            digest.update(one.cast[DType.uint64](), 4)
        digest.update(bitcast[DType.uint32](step.reward).cast[DType.uint64](), 4)
        for flag in [step.terminated, step.truncated, puzzle.solved()]:
            digest.update(UInt64(Int(flag)), 1)
        for tile in puzzle.state():
            digest.update(UInt64(tile), 1)
        digest.update(puzzle.state_key(), 8)
        if step.done():
            puzzle.reset(starts)
        if number % 500 == 0:
            assert_equal(digest.value, hexadecimal(digests[number // 500 - 1]), String("up to move ", number))


def test_ten_thousand_random_moves_equal_those_of_the_rust_implementation() raises:
    var json = load_vectors("streams.json")
    var all = json.nodes[json.get(0, "episodes")].items.copy()
    assert_equal(len(all), 3)
    check_episodes[3, 3](json, all[0])
    check_episodes[4, 4](json, all[1])
    check_episodes[2, 3](json, all[2])


def test_the_last_move_of_the_budget_solves_or_truncates() raises:
    var puzzle = new[3, 3](max_depth=2)
    var start: List[Int] = [1, 0, 2, 3, 4, 5, 6, 7, 8]
    puzzle.set_state(start)
    # An illegal move costs one as well.
    assert_equal(puzzle.step(1), Step(-0.25, False, False))
    assert_equal(puzzle.step(0), Step(1.0, True, False))
    puzzle.set_state(start)
    assert_equal(puzzle.step(2), Step(-0.25, False, False))
    assert_equal(puzzle.step(3), Step(-0.5, False, True))
    # Actions out of range do not move the blank.
    for action in [-1, 4, 1 << 40]:
        puzzle.set_state(start)
        _ = puzzle.step(action)
        assert_equal(puzzle.state(), start)


def test_wrong_boards_are_errors() raises:
    var puzzle = new[2, 2]()
    puzzle.set_state([1, 0, 2, 3])
    var boards: List[List[Int]] = [[0, 1, 2], [0, 1, 2, 4], [0, 1, -2, 3], [1, 1, 2, 3], [0, 2, 1, 3]]
    var messages: List[String] = [
        "expected 4 tiles of a 2 x 2 board, found 3",
        "expected whole numbers from 0 to 3, found 4 at position 3",
        "found -2 at position 2",
        "expected each tile once, found 1 at positions 0 and 1",
        "found one that is one swap of two tiles off",
    ]
    for i in range(len(boards)):
        with assert_raises(contains=messages[i]):
            puzzle.set_state(boards[i])
        assert_equal(puzzle.state(), [1, 0, 2, 3])


def test_wrong_parameters_are_errors_with_their_path() raises:
    with assert_raises(contains="env.max_depth: expected 1 to 1000000, found 0"):
        _ = new[3, 3](max_depth=0)
    with assert_raises(contains="env.difficulty: expected 0 to 1000000, found -1"):
        _ = new[3, 3](difficulty=-1)
    var params = PuzzleParams()
    params.move_reward = Float32.MAX
    with assert_raises(contains="env.move_reward: expected a finite number, found inf"):
        _ = Puzzle[2, 2](params)


def test_the_budget_grows_with_the_difficulty_up_to_its_limit() raises:
    var params = PuzzleParams(difficulty=5)
    params.depth_offset = 10
    assert_equal(Puzzle[3, 3](params).episode_budget(), 20)
    params.difficulty = 1_000_000
    assert_equal(Puzzle[3, 3](params).episode_budget(), 128)
    params = PuzzleParams(difficulty=0)
    assert_equal(Puzzle[3, 3](params).episode_budget(), 1)


def test_uniform_starts_reach_every_solvable_board_equally() raises:
    # 4! / 2 = 12 boards; 1,000 draws each have standard deviation 30.
    var puzzle = new[2, 2]()
    var rng = Rng(StreamKey(1, Purpose.START))
    var counts = Dict[UInt64, Int]()
    for _ in range(12_000):
        puzzle.reset_uniform(rng)
        puzzle.set_state(puzzle.state())
        counts[puzzle.state_key()] = counts.get(puzzle.state_key(), 0) + 1
    assert_equal(len(counts), 12)
    for entry in counts.items():
        assert_true(880 < entry.value and entry.value < 1120)


def check_goal[height: Int, width: Int](boards: Int) raises:
    """Checks the goal with the blank last: uniform starts, scrambles and parity against breadth-first search."""
    var params = PuzzleParams(difficulty=0)
    params.blank_last = True
    var puzzle = Puzzle[height, width](params)
    var goal = List[Int]()
    for cell in range(height * width):
        goal.append((cell + 1) % (height * width))
    assert_equal(puzzle.state(), goal)
    assert_true(puzzle.solved())
    var rng = Rng(StreamKey(1, Purpose.START))
    puzzle.reset(rng)
    assert_true(puzzle.solved())
    var seen = Dict[UInt64, Int]()
    var queue = List[Puzzle[height, width]]()
    queue.append(puzzle.copy())
    seen[puzzle.state_key()] = 0
    while len(queue) > 0:
        var board = queue.pop()
        for action in range(4):
            var next = board.copy()
            _ = next.step(action)
            next.set_state(next.state())  # raises if it counts as unsolvable
            if next.state_key() not in seen:
                seen[next.state_key()] = 0
                queue.append(next^)
    assert_equal(len(seen), boards)
    for _ in range(100):
        puzzle.reset_uniform(rng)
        assert_true(puzzle.state_key() in seen)


def test_the_goal_may_have_the_blank_last() raises:
    check_goal[2, 2](12)
    check_goal[2, 3](360)
    check_goal[3, 2](360)
    with assert_raises(contains='moves lead to the goal of "goal": "blank_last"'):
        var puzzle = new[4, 4]()
        puzzle.set_state([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0])


def test_twists_are_symmetries_of_either_goal() raises:
    var rng = Rng(StreamKey(2, Purpose.START))
    for blank_last in [False, True]:
        var params = PuzzleParams(difficulty=30)
        params.blank_last = blank_last
        var twist = puzzle_twists(3, 3, blank_last)[0].copy()
        var puzzle = Puzzle[3, 3](params)
        for _ in range(20):
            puzzle.reset(rng)
            # The image by the observation's permutation.
            var image = List[Int](length=9, fill=0)
            for cell in range(9):
                var bit = twist.observation[9 * cell + puzzle.state()[cell]]
                image[bit // 9] = bit % 9
            var other = Puzzle[3, 3](params)
            other.set_state(image)
            puzzle.set_state(puzzle.state())
            for _ in range(20):
                var action = rng.below(4)
                var (here, there) = (puzzle.step(action), other.step(twist.action[action]))
                assert_equal(here.terminated, there.terminated)
                for cell in range(9):
                    var bit = twist.observation[9 * cell + puzzle.state()[cell]]
                    assert_equal(other.state()[bit // 9], bit % 9)


def test_boards_render_as_boxes() raises:
    assert_equal(new[2, 2]().render(), "┌───┬───┐\n│   │ 1 │\n├───┼───┤\n│ 2 │ 3 │\n└───┴───┘")
    assert_true(new[4, 3]().render().startswith("┌────┬────┬────┐\n│    │  1 │  2 │\n"))


def main() raises:
    TestSuite.discover_tests[__functions_in_module()]().run()
