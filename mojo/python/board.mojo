"""The puzzle as Python plays it: one type for each size that is compiled in."""

from std.python import Python, PythonObject
from std.python.bindings import PythonModuleBuilder

from twisterl.problem import Problem
from twisterl.puzzle import MAX_LIMIT, Puzzle
from twisterl.rng import Purpose, Rng
from twisterl.sizes import SizedWork, on_size

from arguments import MAX_SEED, PythonArgs, is_a, wholes_of


def make_puzzle(module: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
    """`puzzle(params=None, seed=0)`."""
    var given = PythonArgs("puzzle", ["params", "seed"], 0, args, kwargs)
    var text = String("{}")
    if given.has(0):
        text = given.text(0, "") if is_a(given.values[0], "str") else given.json(0)
    return board_of(Problem(text, "params"), given.whole(1, 0, 0, MAX_SEED))


def board_of(problem: Problem, seed: Int) raises -> PythonObject:
    """A board of the size that the problem has, with the first scramble of `seed`."""
    var work = Make(problem, seed, Python.none())
    on_size(work, problem.height, problem.width)
    return work.made


@fieldwise_init
struct Make(SizedWork):
    """A board to be made."""

    var problem: Problem
    var seed: Int
    var made: PythonObject

    def on[height: Int, width: Int](mut self) raises:
        """Makes it."""
        var board = Board[height, width](Puzzle[height, width](self.problem.params), UInt64(self.seed), 0)
        board.begin()
        self.made = PythonObject(alloc=board^)


@fieldwise_init
struct Board[height: Int, width: Int](Movable, Writable):
    """A puzzle with the stream of its scrambles."""

    comptime E = Puzzle[Self.height, Self.width]

    var puzzle: Self.E
    var seed: UInt64
    var begun: UInt64
    """Scrambles begun under this seed."""

    def begin(mut self):
        """Begins the next scramble."""
        var rng = Rng(self.seed, Purpose.START, 0, self.begun)
        self.begun += 1
        self.puzzle.reset(rng)

    def write_to(self, mut writer: Some[Writer]):
        """As Python's `str` shows it."""
        writer.write("Puzzle of ", Self.height, " x ", Self.width)

    def write_repr_to(self, mut writer: Some[Writer]):
        """As Python's `repr` shows it."""
        writer.write("<", self, ">")

    @staticmethod
    def bind(mut module: PythonModuleBuilder, name: StaticString) raises:
        """Adds the type to a module."""
        _ = (
            module.add_type[Self](name)
            .def_py_method[Self.reset](
                "reset",
                docstring=(
                    "reset(difficulty=None, seed=None)\n\nBegins the next scramble. A difficulty holds for those that"
                    " follow, too; a seed starts anew with its first scramble."
                ),
            )
            .def_py_method[Self.step](
                "step", docstring="step(action)\n\nMakes one move. Returns (reward, terminated, truncated)."
            )
            .def_py_method[Self.observe](
                "observe", docstring="observe()\n\nThe positions of the ones of the observation."
            )
            .def_py_method[Self.masks]("masks", docstring="masks()\n\nWhich actions may be taken.")
            .def_py_method[Self.get_state]("get_state", docstring="get_state()\n\nThe tiles row by row.")
            .def_py_method[Self.set_state](
                "set_state", docstring="set_state(state)\n\nBegins at a board, with the full budget of moves."
            )
            .def_py_method[Self.solved]("solved", docstring="solved()\n\nWhether the board is solved.")
            .def_py_method[Self.render]("render", docstring="render()\n\nThe board as text.")
        )

    @staticmethod
    def reset(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Begins the next scramble."""
        var given = PythonArgs("reset", ["difficulty", "seed"], 0, args, kwargs)
        var board = self_.downcast_value_ptr[Self]()
        var difficulty = given.whole(0, board[].puzzle.difficulty(), 0, MAX_LIMIT)
        if given.has(1):
            board[].seed = UInt64(given.whole(1, 0, 0, MAX_SEED))
            board[].begun = 0
        board[].puzzle.set_difficulty(difficulty)
        board[].begin()
        return Python.none()

    @staticmethod
    def step(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Makes one move."""
        var given = PythonArgs("step", ["action"], 1, args, kwargs)
        var action = given.whole(0, 0, 0, Self.E.ACTIONS - 1)
        var step = self_.downcast_value_ptr[Self]()[].puzzle.step(action)
        return Python.tuple(step.reward.cast[DType.float64](), step.terminated, step.truncated)

    @staticmethod
    def observe(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """The positions of the ones."""
        _ = PythonArgs("observe", [], 0, args, kwargs)
        var ones = Array[UInt16, Self.E.ONES](fill=0)
        self_.downcast_value_ptr[Self]()[].puzzle.observe(Span(ones))
        var out = Python.list()
        for i in range(Self.E.ONES):
            _ = out.append(PythonObject(Int(ones[i])))
        return out

    @staticmethod
    def masks(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Which actions may be taken."""
        _ = PythonArgs("masks", [], 0, args, kwargs)
        var mask = Array[Bool, Self.E.ACTIONS](fill=False)
        self_.downcast_value_ptr[Self]()[].puzzle.action_mask(Span(mask))
        var out = Python.list()
        for action in range(Self.E.ACTIONS):
            _ = out.append(PythonObject(mask[action]))
        return out

    @staticmethod
    def get_state(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """The tiles."""
        _ = PythonArgs("get_state", [], 0, args, kwargs)
        var out = Python.list()
        for tile in self_.downcast_value_ptr[Self]()[].puzzle.state():
            _ = out.append(PythonObject(tile))
        return out

    @staticmethod
    def set_state(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Begins at a board."""
        var given = PythonArgs("set_state", ["state"], 1, args, kwargs)
        self_.downcast_value_ptr[Self]()[].puzzle.set_state(wholes_of(given.values[0], "state"))
        return Python.none()

    @staticmethod
    def solved(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Whether the board is solved."""
        _ = PythonArgs("solved", [], 0, args, kwargs)
        return PythonObject(self_.downcast_value_ptr[Self]()[].puzzle.solved())

    @staticmethod
    def render(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """The board as text."""
        _ = PythonArgs("render", [], 0, args, kwargs)
        return PythonObject(self_.downcast_value_ptr[Self]()[].puzzle.render())
