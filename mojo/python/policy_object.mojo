"""The Python type `Policy`."""

from std.python import Python, PythonObject
from std.python.bindings import PythonModuleBuilder

from twisterl.config.puzzle_policy import check_fits, load_puzzle_policy
from twisterl.config.puzzle_spec import PuzzleSpec
from twisterl.env.board_sizes import SizedTask, run_for_size
from twisterl.env.puzzle import Puzzle
from twisterl.policy.distribution import argmax, sample
from twisterl.policy.forward import Executor
from twisterl.rng import Purpose, Rng, StreamKey
from twisterl.search.solve import Solution, solve_with

from arguments import PythonArgs, to_integers, to_items
from predictions import Predictions, predict
from puzzle_object import new_puzzle


@fieldwise_init
struct PolicyObject(Movable, Writable):
    """A policy for a puzzle, ready for inference."""

    var executor: Executor
    var spec: PuzzleSpec
    """The puzzle that the policy was trained for."""

    def write_to(self, mut writer: Some[Writer]):
        """Writes the `str` of the object."""
        var parameters = self.executor.network.num_parameters
        writer.write("Policy of ", parameters, " parameters for ", self.spec.height, " x ", self.spec.width)

    def write_repr_to(self, mut writer: Some[Writer]):
        """Writes the `repr` of the object."""
        writer.write("<", self, ">")

    @staticmethod
    def bind(mut module: PythonModuleBuilder) raises:
        """Adds the type to a module."""
        _ = (
            module.add_type[Self]("Policy")
            .def_py_init[Self.load]()
            .def_py_method[Self.predict](
                "predict",
                docstring="predict(observation, mask=None)\n\nReturns the probabilities of the actions and the value.",
            )
            .def_py_method[Self.predict_batch](
                "predict_batch",
                docstring=(
                    "predict_batch(observations, masks=None)\n\nEvaluates many observations, each the positions of its"
                    " ones. Returns a list of probabilities for each and a list of values."
                ),
            )
            .def_py_method[Self.act](
                "act",
                docstring=(
                    "act(observation, mask=None, deterministic=True, seed=0)\n\nReturns the most probable action, or"
                    " one drawn with seed."
                ),
            )
            .def_py_method[Self.solve](
                "solve",
                docstring=(
                    "solve(state, search='greedy')\n\nPlays from a state by greedy, best-of=N, mcts=N or gumbel=N."
                    " Returns (solved, actions)."
                ),
            )
            .def_py_method[Self.puzzle](
                "puzzle", docstring="puzzle(seed=0)\n\nReturns the puzzle that the policy was trained for."
            )
        )

    @staticmethod
    def load(out self: PolicyObject, args: PythonObject, kwargs: PythonObject) raises:
        """Implements `Policy(path, config=None)`."""
        var given = PythonArgs("Policy", ["path", "config"], 1, args, kwargs)
        var policy = load_puzzle_policy(given.path(0), given.path(1))
        self = PolicyObject(Executor(policy), PuzzleSpec(policy.env, "policy.env"))

    @staticmethod
    def predict(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Evaluates one observation."""
        var given = PythonArgs("predict", ["observation", "mask"], 1, args, kwargs)
        var predictions = Self.predict_one(self_, given)
        return Python.tuple(predictions.row(0), predictions.value(0))

    @staticmethod
    def predict_one(self_: PythonObject, given: PythonArgs) raises -> Predictions:
        """Evaluates the first two arguments, an observation and a mask."""
        var masks = Optional[List[PythonObject]](None)
        if given.has(1):
            masks = List[PythonObject](length=1, fill=given.values[1])
        return predict(self_.downcast_value_ptr[Self]()[].executor, [given.values[0]], masks, alone=True)

    @staticmethod
    def predict_batch(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Evaluates many observations."""
        var given = PythonArgs("predict_batch", ["observations", "masks"], 1, args, kwargs)
        var masks = Optional[List[PythonObject]](None)
        if given.has(1):
            masks = to_items(given.values[1], "masks")
        var observations = to_items(given.values[0], "observations")
        var predictions = predict(self_.downcast_value_ptr[Self]()[].executor, observations, masks, alone=False)
        var probabilities = Python.list()
        var values = Python.list()
        for row in range(predictions.rows):
            _ = probabilities.append(predictions.row(row))
            _ = values.append(predictions.value(row))
        return Python.tuple(probabilities, values)

    @staticmethod
    def act(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Chooses one action."""
        var given = PythonArgs("act", ["observation", "mask", "deterministic", "seed"], 1, args, kwargs)
        var greedy = given.boolean(2, True)
        var rng = Rng(StreamKey(given.seed(3), Purpose.ACT))
        var probabilities = Self.predict_one(self_, given).probabilities.copy()
        return PythonObject(argmax(probabilities) if greedy else sample(probabilities, rng))

    @staticmethod
    def solve(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Plays from a state to the end."""
        var given = PythonArgs("solve", ["state", "search"], 1, args, kwargs)
        var state = to_integers(given.values[0], "state")
        ref policy = self_.downcast_value_ptr[Self]()[]
        var task = SolveTask(policy.executor.copy(), policy.spec, state^, given.string(1, "greedy"), Solution())
        run_for_size(task, policy.spec.height, policy.spec.width)
        var actions = Python.list()
        for action in task.solution.actions:
            _ = actions.append(PythonObject(action))
        return Python.tuple(task.solution.solved, actions)

    @staticmethod
    def puzzle(self_: PythonObject, args: PythonObject, kwargs: PythonObject) raises -> PythonObject:
        """Returns the puzzle that the policy was trained for."""
        var given = PythonArgs("puzzle", ["seed"], 0, args, kwargs)
        return new_puzzle(self_.downcast_value_ptr[Self]()[].spec, given.seed(0))


@fieldwise_init
struct SolveTask(SizedTask):
    """A board to solve."""

    var executor: Executor
    var spec: PuzzleSpec
    var state: List[Int]
    var search: String
    var solution: Solution
    """The result."""

    def run[height: Int, width: Int](mut self) raises:
        """Solves the board."""
        check_fits[height, width](self.executor.network)
        var puzzle = Puzzle[height, width](self.spec.params)
        puzzle.set_state(self.state)
        self.solution = solve_with(puzzle, self.executor, self.search, "search")
