"""The sliding puzzle: numbered tiles and one blank on a board of `height` rows and `width` columns.

Boards are row-major, 0 is the blank, and the goal is 0, 1, 2, ... A move slides the blank left (0), up (1),
right (2) or down (3). A move off the board is masked; made all the same, it changes nothing but costs one move of the
budget. One `cell * cells + tile` of the observation says that `tile` lies on `cell`.

Rules, scramble and rewards are those of the Rust implementation, from the same streams of random numbers.
"""

from std.builtin.globals import global_constant
from std.math import isfinite

from .env import Environment, Step, folded
from .rng import Rng

comptime MAX_LIMIT = 1_000_000
"""The greatest difficulty and budget."""
comptime DIRECTIONS = 4


@fieldwise_init
struct PuzzleParams(ImplicitlyCopyable, Movable):
    """What configs give of a puzzle; the board's sides are compile-time parameters of `Puzzle`."""

    var difficulty: Int
    """Random moves of a scramble, at most a million."""
    var depth_slope: Int
    """Budget of moves for each unit of difficulty."""
    var depth_offset: Int
    """Moves added to every budget, which is at least 1 and at most `max_depth`."""
    var max_depth: Int
    """The greatest budget, and that of an episode begun at a given board; 1 to a million."""
    var solved_reward: Float32
    """Reward of the move that solves."""
    var failed_reward: Float32
    """Reward of the move that uses up the budget without solving."""
    var move_reward: Float32
    """Reward of any other move."""

    def __init__(out self, *, difficulty: Int = 1, max_depth: Int = 128):
        """The defaults, with a move's reward of `-0.5 / max_depth`."""
        self.difficulty = difficulty
        self.depth_slope = 2
        self.depth_offset = 0
        self.max_depth = max_depth
        self.solved_reward = 1.0
        self.failed_reward = -0.5
        self.move_reward = -0.5 / Float32(max_depth)


def padded(cells: Int) -> Int:
    """The next power of two, so that a board is one vector."""
    var size = 4
    while size < cells:
        size *= 2
    return size


def targets[height: Int, width: Int]() -> Array[UInt8, height * width * DIRECTIONS]:
    """Where each action takes the blank from each cell: to that cell itself where the move is illegal, which makes a
    move free of branches.
    """
    var to = Array[UInt8, height * width * DIRECTIONS](fill=0)
    for cell in range(height * width):
        var row = cell // width
        var column = cell % width
        to[DIRECTIONS * cell] = UInt8(cell - 1 if column > 0 else cell)
        to[DIRECTIONS * cell + 1] = UInt8(cell - width if row > 0 else cell)
        to[DIRECTIONS * cell + 2] = UInt8(cell + 1 if column + 1 < width else cell)
        to[DIRECTIONS * cell + 3] = UInt8(cell + width if row + 1 < height else cell)
    return to^


struct Puzzle[height: Int, width: Int](Environment):
    """The sliding puzzle with sides of 2 to 6 cells."""

    comptime NAME: StaticString = "Puzzle"
    comptime CELLS = Self.height * Self.width
    comptime ACTIONS = DIRECTIONS
    comptime BITS = Self.CELLS * Self.CELLS
    comptime ONES = Self.CELLS
    comptime LANES = padded(Self.CELLS)
    comptime TARGETS = targets[Self.height, Self.width]()

    var board: Array[UInt8, Self.LANES]
    """Tiles row-major. Entries beyond the board hold their own index."""
    var blank: UInt8
    var budget: Int32
    """Moves left."""
    var solved_reward: Float32
    var failed_reward: Float32
    var move_reward: Float32
    var max_depth: Int32
    var scramble: Int
    """The difficulty."""
    var depth_slope: Int
    var depth_offset: Int

    def __init__(out self, params: PuzzleParams) raises:
        """A solved board. Raises if a parameter is out of range."""
        comptime assert 2 <= Self.height and Self.height <= 6, "the height of a puzzle is 2 to 6"
        comptime assert 2 <= Self.width and Self.width <= 6, "the width of a puzzle is 2 to 6"
        within("max_depth", params.max_depth, 1)
        within("difficulty", params.difficulty, 0)
        within("depth_slope", params.depth_slope, 0)
        within("depth_offset", params.depth_offset, 0)
        finite("solved_reward", params.solved_reward)
        finite("failed_reward", params.failed_reward)
        finite("move_reward", params.move_reward)
        self.board = Self.goal()
        self.blank = 0
        self.solved_reward = params.solved_reward
        self.failed_reward = params.failed_reward
        self.move_reward = params.move_reward
        self.max_depth = Int32(params.max_depth)
        self.scramble = params.difficulty
        self.depth_slope = params.depth_slope
        self.depth_offset = params.depth_offset
        self.budget = 0
        self.budget = self.episode_budget()

    @staticmethod
    @always_inline
    def goal() -> Array[UInt8, Self.LANES]:
        """The solved board."""
        var board = Array[UInt8, Self.LANES](fill=0)
        comptime for cell in range(Self.LANES):
            board[cell] = UInt8(cell)
        return board^

    @always_inline
    def episode_budget(self) -> Int32:
        """The budget of an episode of the current difficulty."""
        var budget = self.depth_slope * self.scramble + self.depth_offset
        return Int32(min(max(budget, 1), Int(self.max_depth)))

    @always_inline
    def target(self, action: Int) -> UInt8:
        """Where `action` takes the blank."""
        return global_constant[Self.TARGETS]().unsafe_get(DIRECTIONS * Int(self.blank) + action)

    @always_inline
    def slide(mut self, action: Int):
        """Moves the blank."""
        var to = self.target(action)
        self.board.unsafe_get(Int(self.blank)) = self.board.unsafe_get(Int(to))
        self.board.unsafe_get(Int(to)) = 0
        self.blank = to

    def reset(mut self, mut rng: Rng):
        """Draws `difficulty` moves, each uniformly among all four; illegal ones do nothing, so a scramble may be
        shorter and may even end solved.
        """
        self.board = Self.goal()
        self.blank = 0
        var left = self.scramble
        while left > 0:
            var bits = rng.next_u32()
            var now = min(left, 16)  # a word holds 16 moves of two bits
            for _ in range(now):
                self.slide(Int(bits & 3))
                bits >>= 2
            left -= now
        self.budget = self.episode_budget()

    def reset_uniform(mut self, mut rng: Rng):
        """Draws one of all solvable boards."""
        var board = Self.goal()
        for last in range(Self.CELLS - 1, 0, -1):
            swap_tiles(board, last, rng.below(last + 1))
        var blank = 0
        for cell in range(Self.CELLS):
            if board[cell] == 0:
                blank = cell
        if not Self.solvable(board, blank):
            # Pairs each unsolvable board with one solvable board, so all of these stay equally likely.
            swap_tiles(board, 1 if blank == 0 else 0, 2 if blank < 2 else 1)
        self.board = board^
        self.blank = UInt8(blank)
        self.budget = self.episode_budget()

    @always_inline
    def step(mut self, action: Int) -> Step:
        """Makes one move; actions beyond the four stay where they are."""
        if UInt(action) < UInt(DIRECTIONS):
            self.slide(action)
        self.budget = max(self.budget - 1, 0)
        if self.solved():
            return Step(self.solved_reward, True, False)
        if self.budget == 0:
            return Step(self.failed_reward, False, True)
        return Step(self.move_reward, False, False)

    @always_inline
    def observe(self, ones: MutSpan[UInt16, _]):
        """Writes bit `cell * CELLS + tile` of each cell."""
        comptime for cell in range(Self.CELLS):
            ones.unsafe_get(cell) = UInt16(cell * Self.CELLS) + self.board.unsafe_get(cell).cast[DType.uint16]()

    @always_inline
    def action_mask(self, mask: MutSpan[Bool, _]):
        """Forbids moves off the board."""
        comptime for action in range(DIRECTIONS):
            mask.unsafe_get(action) = self.target(action) != self.blank

    @always_inline
    def tiles(self) -> SIMD[DType.uint8, Self.LANES]:
        """The board as one vector."""
        return self.board.unsafe_ptr().unsafe_load[width=Self.LANES]()

    @always_inline
    def solved(self) -> Bool:
        """Whether the board is the goal."""
        # The blank settles most boards without the longer comparison.
        return self.blank == 0 and self.tiles() == Self.goal().unsafe_ptr().unsafe_load[width=Self.LANES]()

    def state(self) -> List[Int]:
        """The tiles row-major."""
        return [Int(self.board[cell]) for cell in range(Self.CELLS)]

    def set_state(mut self, state: List[Int]) raises:
        """Begins at a board, with the budget `max_depth`. Raises if it is not one that moves can solve."""
        if len(state) != Self.CELLS:
            raise Error(
                "state: expected ",
                Self.CELLS,
                " tiles of a ",
                Self.width,
                " x ",
                Self.height,
                " board, found ",
                len(state),
            )
        var board = Self.goal()
        var place = Array[Int, Self.CELLS](fill=-1)
        for cell in range(Self.CELLS):
            var tile = state[cell]
            if tile < 0 or tile >= Self.CELLS:
                raise Error(
                    "state: expected whole numbers from 0 to ", Self.CELLS - 1, ", found ", tile, " at position ", cell
                )
            if place[tile] >= 0:
                raise Error(
                    "state: expected each tile once, found ", tile, " at positions ", place[tile], " and ", cell
                )
            place[tile] = cell
            board[cell] = UInt8(tile)
        if not Self.solvable(board, place[0]):
            raise Error("state: expected a board that moves can solve, found one that is one swap of two tiles off")
        self.board = board^
        self.blank = UInt8(place[0])
        self.budget = self.max_depth

    @staticmethod
    def solvable(board: Array[UInt8, Self.LANES], blank: Int) -> Bool:
        """Whether moves lead from this board to the goal. Every move swaps two entries and takes the blank one cell
        nearer to its goal or farther from it, so both parities agree on exactly the boards that can be reached
        (W. E. Story, "Notes on the '15' puzzle", 1879).
        """
        var seen = Array[Bool, Self.CELLS](fill=False)
        var odd = False
        for start in range(Self.CELLS):
            var cell = start
            while not seen[cell]:  # each cycle of length n is n - 1 swaps
                seen[cell] = True
                cell = Int(board[cell])
                odd ^= cell != start
        return odd == ((blank // Self.width + blank % Self.width) % 2 == 1)

    def difficulty(self) -> Int:
        """Moves of a scramble."""
        return self.scramble

    def set_difficulty(mut self, difficulty: Int):
        """Sets it; above a million counts as a million."""
        self.scramble = min(max(difficulty, 0), MAX_LIMIT)

    def limit_budget(mut self):
        """See `Environment`."""
        self.budget = min(self.budget, self.episode_budget())

    def state_key(self) -> UInt64:
        """Of the tiles as they lie in memory, four a word: folded 128-bit products, as wyhash has them."""
        var key = UInt64(0x9E3779B97F4A7C15)
        comptime for word in range((Self.CELLS + 3) // 4):
            var bits = UInt64(0)
            comptime for tile in range(4):
                bits |= self.board.unsafe_get(4 * word + tile).cast[DType.uint64]() << UInt64(8 * tile)
            key = folded(key ^ bits ^ 0xA0761D6478BD642F, 0xE7037ED1A0B428DB)
        return folded(key ^ 0x8EBC6AF09C88C6E3, 0x589965CC75374CC3)

    def best_return(self) -> Float32:
        """One more move solves the board at best; infinity where rewards make no such bound."""
        if self.solved_reward >= self.failed_reward and self.move_reward <= 0.0:
            return 0.0 if self.solved() else self.solved_reward
        return Float32.MAX

    def inverse(self, action: Int) -> Int:
        """Left and right, up and down undo each other."""
        return (action + 2) % DIRECTIONS

    def render(self) -> String:
        """The board as a box."""
        comptime digits = 2 if Self.CELLS > 10 else 1
        var text = Self.rule("┌", "┬", "┐")
        for row in range(Self.height):
            text += "\n│"
            for column in range(Self.width):
                var tile = Int(self.board[row * Self.width + column])
                var shown = String(tile) if tile > 0 else String("")
                text += " " * (digits + 1 - shown.byte_length()) + shown + " │"
            text += "\n" + (Self.rule("├", "┼", "┤") if row + 1 < Self.height else Self.rule("└", "┴", "┘"))
        return text

    @staticmethod
    def rule(left: String, middle: String, right: String) -> String:
        """A line of the box."""
        comptime digits = 2 if Self.CELLS > 10 else 1
        var text = left
        for column in range(Self.width):
            text += "─" * (digits + 2)
            text += middle if column + 1 < Self.width else right
        return text

    def action_name(self, action: Int) -> String:
        """Where the blank goes."""
        var names: List[String] = ["left", "up", "right", "down"]
        return names[action] if UInt(action) < UInt(DIRECTIONS) else String(action)


@always_inline
def swap_tiles(mut board: Array[UInt8, _], a: Int, b: Int):
    """Exchanges the tiles on two cells."""
    var tile = board[a]
    board[a] = board[b]
    board[b] = tile


def within(path: String, value: Int, low: Int) raises:
    """Raises unless `value` is between `low` and a million."""
    if value < low or value > MAX_LIMIT:
        raise Error("env.", path, ": expected ", low, " to ", MAX_LIMIT, ", found ", value)


def finite(path: String, value: Float32) raises:
    """Raises unless `value` is finite."""
    if not isfinite(value):
        raise Error("env.", path, ": expected a finite number, found ", value)
