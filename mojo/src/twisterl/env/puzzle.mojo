"""The sliding puzzle: numbered tiles and one blank on a board of `height` rows and `width` columns.

Boards are row-major, 0 is the blank, and the goal is 0, 1, 2, ..., or 1, 2, ..., 0 if the blank is last. A move slides
the blank left (0), up (1), right (2) or down (3). A move off the board is masked; if it is made anyway, it changes nothing but costs one move of the budget.
The bit `cell * cells + tile` of the observation is set if `tile` lies on `cell`.

Rules, scrambles and rewards equal those of the Rust implementation and draw from the same random streams.
"""

from std.builtin.globals import global_constant
from std.math import isfinite

from ..rng import Rng
from .environment import Environment, Step, folded_product

comptime MAX_LIMIT = 1_000_000
"""The greatest difficulty and budget."""
comptime DIRECTIONS = 4


@fieldwise_init
struct PuzzleParams(ImplicitlyCopyable, Movable):
    """The parameters of a puzzle except for its sides, which are compile-time parameters of `Puzzle`."""

    var difficulty: Int
    """Random moves of a scramble, from 0 to a million."""
    var depth_slope: Int
    """Budget of moves per unit of difficulty."""
    var depth_offset: Int
    """Moves added to every budget. Budgets are clamped to the range from 1 to `max_depth`."""
    var max_depth: Int
    """The greatest budget, also the budget of an episode that begins at a given board, from 1 to a million."""
    var solved_reward: Float32
    """Reward of the move that solves."""
    var failed_reward: Float32
    """Reward of the move that exhausts the budget without solving."""
    var move_reward: Float32
    """Reward of every other move."""
    var blank_last: Bool
    """True for the goal 1, 2, ..., 0; false for 0, 1, 2, ..."""

    def __init__(out self, *, difficulty: Int = 1, max_depth: Int = 128):
        """Creates the default parameters; `move_reward` is `-0.5 / max_depth`."""
        self.difficulty = difficulty
        self.depth_slope = 2
        self.depth_offset = 0
        self.max_depth = max_depth
        self.solved_reward = 1.0
        self.failed_reward = -0.5
        self.move_reward = -0.5 / Float32(max_depth)
        self.blank_last = False


def board_lanes(cells: Int) -> Int:
    """Returns the next power of two of at least 4, so that a board is one vector."""
    var size = 4
    while size < cells:
        size *= 2
    return size


def blank_targets[height: Int, width: Int]() -> Array[UInt8, height * width * DIRECTIONS]:
    """Returns the cell of the blank after each action, `[cell, action]`, flattened.

    The entry of an illegal move is the cell itself, so that moves need no branches.
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
    comptime LANES = board_lanes(Self.CELLS)
    comptime TARGETS = blank_targets[Self.height, Self.width]()

    var board: Array[UInt8, Self.LANES]
    """Tiles row-major, `[LANES]`. Entries beyond the board hold their own index."""
    var blank: UInt8
    """The cell of the blank."""
    var home: UInt8
    """The cell of the blank in the goal, the first or the last."""
    var budget: Int32
    """Moves left."""
    var solved_reward: Float32
    var failed_reward: Float32
    var move_reward: Float32
    var max_depth: Int32
    var scramble: Int
    """Random moves of a scramble: the difficulty."""
    var depth_slope: Int
    var depth_offset: Int

    def __init__(out self, params: PuzzleParams) raises:
        """Creates a solved board. Raises if a parameter is out of range."""
        comptime assert 2 <= Self.height and Self.height <= 6, "the height of a puzzle is 2 to 6"
        comptime assert 2 <= Self.width and Self.width <= 6, "the width of a puzzle is 2 to 6"
        check_range("max_depth", params.max_depth, 1)
        check_range("difficulty", params.difficulty, 0)
        check_range("depth_slope", params.depth_slope, 0)
        check_range("depth_offset", params.depth_offset, 0)
        check_finite("solved_reward", params.solved_reward)
        check_finite("failed_reward", params.failed_reward)
        check_finite("move_reward", params.move_reward)
        self.board = Self.goal(params.blank_last)
        self.home = UInt8(Self.CELLS - 1 if params.blank_last else 0)
        self.blank = self.home
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
    def goal(blank_last: Bool = False) -> Array[UInt8, Self.LANES]:
        """Returns the solved board."""
        var board = Array[UInt8, Self.LANES](fill=0)
        comptime for cell in range(Self.LANES):
            board[cell] = UInt8(cell)
        if blank_last:
            comptime for cell in range(Self.CELLS):
                board[cell] = UInt8((cell + 1) % Self.CELLS)
        return board^

    @always_inline
    def episode_budget(self) -> Int32:
        """Returns the budget of an episode of the current difficulty."""
        var budget = self.depth_slope * self.scramble + self.depth_offset
        return Int32(min(max(budget, 1), Int(self.max_depth)))

    @always_inline
    def target(self, action: Int) -> UInt8:
        """Returns the cell of the blank after `action`."""
        return global_constant[Self.TARGETS]().unsafe_get(DIRECTIONS * Int(self.blank) + action)

    @always_inline
    def slide(mut self, action: Int):
        """Moves the blank."""
        var to = self.target(action)
        self.board.unsafe_get(Int(self.blank)) = self.board.unsafe_get(Int(to))
        self.board.unsafe_get(Int(to)) = 0
        self.blank = to

    def reset(mut self, mut rng: Rng):
        """Begins an episode after `difficulty` moves, each drawn uniformly from all four.

        Illegal moves do nothing, so a scramble may be shorter and may even end solved.
        """
        self.board = Self.goal(self.home != 0)
        self.blank = self.home
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
        """Begins an episode at a uniformly random solvable board."""
        var board = Self.goal()
        for last in range(Self.CELLS - 1, 0, -1):
            swap_tiles(board, last, rng.below(last + 1))
        var blank = 0
        for cell in range(Self.CELLS):
            if board[cell] == 0:
                blank = cell
        if not Self.solvable(board, blank, Int(self.home)):
            # Maps the unsolvable boards one to one to the solvable ones, so that all of these stay equally likely.
            swap_tiles(board, 1 if blank == 0 else 0, 2 if blank < 2 else 1)
        self.board = board^
        self.blank = UInt8(blank)
        self.budget = self.episode_budget()

    @always_inline
    def step(mut self, action: Int) -> Step:
        """Makes one move. Actions other than 0 to 3 do not move the blank."""
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
        """Writes `cell * CELLS + tile` for each cell, `[CELLS]`."""
        comptime for cell in range(Self.CELLS):
            ones.unsafe_get(cell) = UInt16(cell * Self.CELLS) + self.board.unsafe_get(cell).cast[DType.uint16]()

    @always_inline
    def action_mask(self, mask: MutSpan[Bool, _]):
        """Writes false for each move off the board, `[4]`."""
        comptime for action in range(DIRECTIONS):
            mask.unsafe_get(action) = self.target(action) != self.blank

    @always_inline
    def tiles(self) -> SIMD[DType.uint8, Self.LANES]:
        """Returns the board as one vector."""
        return self.board.unsafe_ptr().unsafe_load[width=Self.LANES]()

    @always_inline
    def solved(self) -> Bool:
        """Returns true if the board is the goal."""
        # The blank decides for most boards, without the longer comparison.
        if self.blank != self.home:
            return False
        if self.home == 0:
            return self.tiles() == Self.goal().unsafe_ptr().unsafe_load[width=Self.LANES]()
        return self.tiles() == Self.goal(True).unsafe_ptr().unsafe_load[width=Self.LANES]()

    def state(self) -> List[Int]:
        """Returns the tiles row-major, `[CELLS]`."""
        return [Int(self.board[cell]) for cell in range(Self.CELLS)]

    def set_state(mut self, state: List[Int]) raises:
        """Begins an episode at a board with the budget `max_depth`. Raises if moves cannot solve it."""
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
        if not Self.solvable(board, place[0], Int(self.home)):
            var found = String("one that is one swap of two tiles off")
            if Self.solvable(board, place[0], Self.CELLS - 1 - Int(self.home)):
                var other = "blank_first" if self.home != 0 else "blank_last"
                found += String(' (moves lead to the goal of "goal": "', other, '")')
            raise Error("state: expected a board that moves can solve, found ", found)
        self.board = board^
        self.blank = UInt8(place[0])
        self.budget = self.max_depth

    @staticmethod
    def solvable(board: Array[UInt8, Self.LANES], blank: Int, home: Int) -> Bool:
        """Returns true if moves lead from this board to the goal with the blank at `home`, the first or the last cell.

        Every move swaps two entries and changes the blank's distance to its goal by one, so the parity of the
        permutation equals the parity of that distance exactly on the reachable boards (W. E. Story, "Notes on the '15'
        puzzle", 1879).
        """
        var seen = Array[Bool, Self.CELLS](fill=False)
        var odd = False
        for start in range(Self.CELLS):
            var cell = start
            while not seen[cell]:  # a cycle of length n is n - 1 swaps
                seen[cell] = True
                cell = (Int(board[cell]) + home) % Self.CELLS  # the tile's place in the goal
                odd ^= cell != start
        var rows = abs(blank // Self.width - home // Self.width)
        var columns = abs(blank % Self.width - home % Self.width)
        return odd == ((rows + columns) % 2 == 1)

    def difficulty(self) -> Int:
        """Returns the number of random moves of a scramble."""
        return self.scramble

    def set_difficulty(mut self, difficulty: Int):
        """Sets the number of random moves of a scramble, clamped to the range from 0 to a million."""
        self.scramble = min(max(difficulty, 0), MAX_LIMIT)

    def limit_budget(mut self):
        """Reduces the remaining budget to that of the current difficulty if it is larger."""
        self.budget = min(self.budget, self.episode_budget())

    def state_key(self) -> UInt64:
        """Returns a hash of the tiles, four per word, by folded 128-bit products as in wyhash."""
        var key = UInt64(0x9E3779B97F4A7C15)
        comptime for word in range((Self.CELLS + 3) // 4):
            var bits = UInt64(0)
            comptime for tile in range(4):
                bits |= self.board.unsafe_get(4 * word + tile).cast[DType.uint64]() << UInt64(8 * tile)
            key = folded_product(key ^ bits ^ 0xA0761D6478BD642F, 0xE7037ED1A0B428DB)
        return folded_product(key ^ 0x8EBC6AF09C88C6E3, 0x589965CC75374CC3)

    def best_return(self) -> Float32:
        """Returns the bound reached if the next move solves; the largest number if rewards allow no such bound."""
        if self.solved_reward >= self.failed_reward and self.move_reward <= 0.0:
            return 0.0 if self.solved() else self.solved_reward
        return Float32.MAX

    def inverse(self, action: Int) -> Int:
        """Returns the opposite direction."""
        return (action + 2) % DIRECTIONS

    def render(self) -> String:
        """Returns the board as a box."""
        comptime digits = 2 if Self.CELLS > 10 else 1
        var text = Self.border("┌", "┬", "┐")
        for row in range(Self.height):
            text += "\n│"
            for column in range(Self.width):
                var tile = Int(self.board[row * Self.width + column])
                var shown = String(tile) if tile > 0 else String("")
                text += " " * (digits + 1 - shown.byte_length()) + shown + " │"
            text += "\n" + (Self.border("├", "┼", "┤") if row + 1 < Self.height else Self.border("└", "┴", "┘"))
        return text

    @staticmethod
    def border(left: String, middle: String, right: String) -> String:
        """Returns a horizontal line of the box."""
        comptime digits = 2 if Self.CELLS > 10 else 1
        var text = left
        for column in range(Self.width):
            text += "─" * (digits + 2)
            text += middle if column + 1 < Self.width else right
        return text

    def action_name(self, action: Int) -> String:
        """Returns the direction in which the blank moves."""
        var names: List[String] = ["left", "up", "right", "down"]
        return names[action] if UInt(action) < UInt(DIRECTIONS) else String(action)


@always_inline
def swap_tiles(mut board: Array[UInt8, _], a: Int, b: Int):
    """Swaps the tiles on two cells."""
    var tile = board[a]
    board[a] = board[b]
    board[b] = tile


def check_range(path: String, value: Int, low: Int) raises:
    """Raises unless `value` is between `low` and a million."""
    if value < low or value > MAX_LIMIT:
        raise Error("env.", path, ": expected ", low, " to ", MAX_LIMIT, ", found ", value)


def check_finite(path: String, value: Float32) raises:
    """Raises unless `value` is finite."""
    if not isfinite(value):
        raise Error("env.", path, ": expected a finite number, found ", value)
