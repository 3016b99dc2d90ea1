"""The Python types `Puzzle2x3`, ...: one for each board size that is compiled in."""

from std.python import Python, PythonObject
from std.python.bindings import PythonModuleBuilder

from twisterl.config.puzzle_spec import PuzzleSpec
from twisterl.env.board_sizes import SizedTask, run_for_size
from twisterl.env.puzzle import MAX_LIMIT, Puzzle
from twisterl.rng import Purpose, Rng, StreamKey

from arguments import PythonArgs, is_a, to_integers


def make_puzzle(module: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
    """Implements `puzzle(params=None, seed=0)`."""
    var given = PythonArgs("puzzle", ["params", "seed"], 0, args, kwargs)
    var text = String("{}")
    if given.has(0):
        text = given.string(0, "") if is_a(given.values[0], "str") else given.json(0)
    return new_puzzle(PuzzleSpec(text, "params"), given.seed(1))


def new_puzzle(spec: PuzzleSpec, seed: UInt64) raises -> PythonObject:
    """Returns a puzzle at the first scramble of `seed`."""
    var task = NewPuzzleTask(spec, seed, Python.none())
    run_for_size(task, spec.height, spec.width)
    return task.result


@fieldwise_init
struct NewPuzzleTask(SizedTask):
    """A puzzle to create."""

    var spec: PuzzleSpec
    var seed: UInt64
    var result: PythonObject

    def run[height: Int, width: Int](mut self) raises:
        """Creates the puzzle."""
        var puzzle = PuzzleObject[height, width](Puzzle[height, width](self.spec.params), self.seed, 0)
        puzzle.begin()
        self.result = PythonObject(alloc=puzzle^)


@fieldwise_init
struct PuzzleObject[height: Int, width: Int](Movable, Writable):
    """A puzzle with the random streams of its scrambles."""

    comptime E = Puzzle[Self.height, Self.width]

    var puzzle: Self.E
    var seed: UInt64
    var begun: UInt64
    """The number of scrambles begun with this seed."""

    def begin(mut self):
        """Begins the next scramble."""
        var rng = Rng(StreamKey(self.seed, Purpose.START, 0, self.begun))
        self.begun += 1
        self.puzzle.reset(rng)

    def write_to(self, mut writer: Some[Writer]):
        """Writes the `str` of the object."""
        writer.write("Puzzle of ", Self.height, " x ", Self.width)

    def write_repr_to(self, mut writer: Some[Writer]):
        """Writes the `repr` of the object."""
        writer.write("<", self, ">")

    @staticmethod
    def bind(mut module: PythonModuleBuilder, name: StaticString) raises:
        """Adds the type to a module."""
        _ = (
            module.add_type[Self](name)
            .def_py_method[Self.reset](
                "reset",
                docstring=(
                    "reset(difficulty=None, seed=None)\n\nBegins the next scramble. A difficulty also applies to later"
                    " scrambles. A seed restarts the scrambles at its first one."
                ),
            )
            .def_py_method[Self.step](
                "step", docstring="step(action)\n\nMakes one move. Returns (reward, terminated, truncated)."
            )
            .def_py_method[Self.observe](
                "observe", docstring="observe()\n\nReturns the positions of the ones of the observation."
            )
            .def_py_method[Self.masks]("masks", docstring="masks()\n\nReturns True for each allowed action.")
            .def_py_method[Self.get_state]("get_state", docstring="get_state()\n\nReturns the tiles row by row.")
            .def_py_method[Self.set_state](
                "set_state", docstring="set_state(state)\n\nBegins an episode at a board with the full budget of moves."
            )
            .def_py_method[Self.solved]("solved", docstring="solved()\n\nReturns True if the board is solved.")
            .def_py_method[Self.render]("render", docstring="render()\n\nReturns the board as text.")
        )

    @staticmethod
    def reset(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Begins the next scramble."""
        var given = PythonArgs("reset", ["difficulty", "seed"], 0, args, kwargs)
        var object = self_.downcast_value_ptr[Self]()
        var difficulty = given.integer(0, object[].puzzle.difficulty(), 0, MAX_LIMIT)
        if given.has(1):
            object[].seed = given.seed(1)
            object[].begun = 0
        object[].puzzle.set_difficulty(difficulty)
        object[].begin()
        return Python.none()

    @staticmethod
    def step(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Makes one move."""
        var given = PythonArgs("step", ["action"], 1, args, kwargs)
        var action = given.integer(0, 0, 0, Self.E.ACTIONS - 1)
        var step = self_.downcast_value_ptr[Self]()[].puzzle.step(action)
        return Python.tuple(step.reward.cast[DType.float64](), step.terminated, step.truncated)

    @staticmethod
    def observe(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Returns the positions of the ones, `[ONES]`."""
        _ = PythonArgs("observe", [], 0, args, kwargs)
        var ones = Array[UInt16, Self.E.ONES](fill=0)
        self_.downcast_value_ptr[Self]()[].puzzle.observe(Span(ones))
        var out = Python.list()
        for i in range(Self.E.ONES):
            _ = out.append(PythonObject(Int(ones[i])))
        return out

    @staticmethod
    def masks(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Returns True for each allowed action, `[ACTIONS]`."""
        _ = PythonArgs("masks", [], 0, args, kwargs)
        var mask = Array[Bool, Self.E.ACTIONS](fill=False)
        self_.downcast_value_ptr[Self]()[].puzzle.action_mask(Span(mask))
        var out = Python.list()
        for action in range(Self.E.ACTIONS):
            _ = out.append(PythonObject(mask[action]))
        return out

    @staticmethod
    def get_state(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Returns the tiles, `[CELLS]`."""
        _ = PythonArgs("get_state", [], 0, args, kwargs)
        var out = Python.list()
        for tile in self_.downcast_value_ptr[Self]()[].puzzle.state():
            _ = out.append(PythonObject(tile))
        return out

    @staticmethod
    def set_state(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Begins an episode at a board."""
        var given = PythonArgs("set_state", ["state"], 1, args, kwargs)
        self_.downcast_value_ptr[Self]()[].puzzle.set_state(to_integers(given.values[0], "state"))
        return Python.none()

    @staticmethod
    def solved(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Returns True if the board is solved."""
        _ = PythonArgs("solved", [], 0, args, kwargs)
        return PythonObject(self_.downcast_value_ptr[Self]()[].puzzle.solved())

    @staticmethod
    def render(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Returns the board as text."""
        _ = PythonArgs("render", [], 0, args, kwargs)
        return PythonObject(self_.downcast_value_ptr[Self]()[].puzzle.render())
