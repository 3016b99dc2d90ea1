"""A policy as Python uses it."""

from std.python import Python, PythonObject
from std.python.bindings import PythonModuleBuilder

from twisterl.distribution import argmax, sample
from twisterl.forward import Executor
from twisterl.problem import Problem, check_fits, load_puzzle_policy
from twisterl.puzzle import Puzzle
from twisterl.rng import Purpose, Rng
from twisterl.sizes import SizedWork, on_size
from twisterl.solve import Outcome, solve_by

from arguments import MAX_SEED, PythonArgs, items_of, wholes_of
from board import board_of
from judgement import Judgement, judge


@fieldwise_init
struct Player(Movable, Writable):
    """A policy for a puzzle, ready to be evaluated."""

    var executor: Executor
    var problem: Problem

    def write_to(self, mut writer: Some[Writer]):
        """As Python's `str` shows it."""
        var parameters = self.executor.network.count
        writer.write("Policy of ", parameters, " parameters for ", self.problem.height, " x ", self.problem.width)

    def write_repr_to(self, mut writer: Some[Writer]):
        """As Python's `repr` shows it."""
        writer.write("<", self, ">")

    @staticmethod
    def bind(mut module: PythonModuleBuilder) raises:
        """Adds the type to a module."""
        _ = (
            module.add_type[Self]("Policy")
            .def_py_init[Self.load]()
            .def_py_method[Self.predict](
                "predict",
                docstring="predict(observation, mask=None)\n\nProbabilities of the actions, and the value.",
            )
            .def_py_method[Self.predict_batch](
                "predict_batch",
                docstring=(
                    "predict_batch(observations, masks=None)\n\nThe same for many observations, each the positions of its"
                    " ones, equally many: probabilities, a list for each, and values."
                ),
            )
            .def_py_method[Self.act](
                "act",
                docstring=(
                    "act(observation, mask=None, deterministic=True, seed=0)\n\nThe most probable action, or one drawn"
                    " with seed."
                ),
            )
            .def_py_method[Self.solve](
                "solve",
                docstring=(
                    "solve(state, search='greedy')\n\nPlays from a state by greedy, best-of=N, mcts=N or gumbel=N. Returns"
                    " (solved, actions)."
                ),
            )
            .def_py_method[Self.puzzle](
                "puzzle", docstring="puzzle(seed=0)\n\nThe puzzle that the policy was trained for."
            )
        )

    @staticmethod
    def load(out self: Player, args: PythonObject, kwargs: PythonObject) raises:
        """`Policy(path, config=None)`."""
        var given = PythonArgs("Policy", ["path", "config"], 1, args, kwargs)
        var policy = load_puzzle_policy(given.path(0), given.path(1))
        self = Player(Executor(policy), Problem(policy.env, "policy.env"))

    @staticmethod
    def predict(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Of one observation."""
        var given = PythonArgs("predict", ["observation", "mask"], 1, args, kwargs)
        var judgement = Self.of_one(self_, given)
        return Python.tuple(judgement.row(0), judgement.value(0))

    @staticmethod
    def of_one(self_: PythonObject, given: PythonArgs) raises -> Judgement:
        """The judgement of an observation and a mask, which are the first two arguments."""
        var masks = Optional[List[PythonObject]](None)
        if given.has(1):
            masks = List[PythonObject](length=1, fill=given.values[1])
        return judge(self_.downcast_value_ptr[Self]()[].executor, [given.values[0]], masks, alone=True)

    @staticmethod
    def predict_batch(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Of many observations."""
        var given = PythonArgs("predict_batch", ["observations", "masks"], 1, args, kwargs)
        var masks = Optional[List[PythonObject]](None)
        if given.has(1):
            masks = items_of(given.values[1], "masks")
        var observations = items_of(given.values[0], "observations")
        var judgement = judge(self_.downcast_value_ptr[Self]()[].executor, observations, masks, alone=False)
        var probabilities = Python.list()
        var values = Python.list()
        for row in range(judgement.rows):
            _ = probabilities.append(judgement.row(row))
            _ = values.append(judgement.value(row))
        return Python.tuple(probabilities, values)

    @staticmethod
    def act(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """One action."""
        var given = PythonArgs("act", ["observation", "mask", "deterministic", "seed"], 1, args, kwargs)
        var greedy = given.flag(2, True)
        var rng = Rng(UInt64(given.whole(3, 0, 0, MAX_SEED)), Purpose.ACT)
        var probabilities = Self.of_one(self_, given).probabilities.copy()
        return PythonObject(argmax(probabilities) if greedy else sample(probabilities, rng))

    @staticmethod
    def solve(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Plays to the end."""
        var given = PythonArgs("solve", ["state", "search"], 1, args, kwargs)
        var state = wholes_of(given.values[0], "state")
        ref player = self_.downcast_value_ptr[Self]()[]
        var work = Solve(player.executor.copy(), player.problem, state^, given.text(1, "greedy"), Outcome())
        on_size(work, player.problem.height, player.problem.width)
        var actions = Python.list()
        for action in work.outcome.actions:
            _ = actions.append(PythonObject(action))
        return Python.tuple(work.outcome.solved, actions)

    @staticmethod
    def puzzle(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """The puzzle it is for."""
        var given = PythonArgs("puzzle", ["seed"], 0, args, kwargs)
        return board_of(self_.downcast_value_ptr[Self]()[].problem, given.whole(0, 0, 0, MAX_SEED))


@fieldwise_init
struct Solve(SizedWork):
    """A board to be solved."""

    var executor: Executor
    var problem: Problem
    var state: List[Int]
    var search: String
    var outcome: Outcome

    def on[height: Int, width: Int](mut self) raises:
        """Solves it."""
        check_fits[height, width](self.executor.network)
        var puzzle = Puzzle[height, width](self.problem.params)
        puzzle.set_state(self.state)
        self.outcome = solve_by(puzzle, self.executor, self.search, "search")
