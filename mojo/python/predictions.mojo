"""Evaluation of observations that come from Python."""

from std.python import Python, PythonObject

from twisterl.env.symmetry import canonical_action, canonicalize
from twisterl.policy.distribution import masked_softmax
from twisterl.policy.evaluator import Evaluation
from twisterl.policy.forward import Executor

from arguments import to_boolean, to_integer, to_items


@fieldwise_init
struct Predictions:
    """Action probabilities and values of some observations."""

    var rows: Int
    var probabilities: List[Float32]
    """The probabilities of the actions as the environment takes them, `[rows, actions]`."""
    var values: List[Float32]
    """The values, `[rows]`."""

    def row(self, row: Int) raises -> PythonObject:
        """Returns the probabilities of one row as a list, `[actions]`."""
        var actions = len(self.probabilities) // self.rows
        var out = Python.list()
        for action in range(actions):
            _ = out.append(PythonObject(self.probabilities[row * actions + action].cast[DType.float64]()))
        return out

    def value(self, row: Int) raises -> PythonObject:
        """Returns the value of one row as a float."""
        return PythonObject(self.values[row].cast[DType.float64]())


def predict(
    executor: Executor, observations: List[PythonObject], masks: Optional[List[PythonObject]], alone: Bool
) raises -> Predictions:
    """Evaluates observations, `[rows][ones]`, with action masks, `[rows][actions]`; without masks all actions are
    allowed.

    Raises if they do not fit the network. `alone` is true if the caller gave one row instead of a list, for error
    messages.
    """
    var rows = len(observations)
    var actions = executor.network.actions
    var allowed = List[Bool](length=rows * actions, fill=True)
    if masks:
        if len(masks.value()) != rows:
            raise Error("masks: expected one for each of ", rows, " observations, found ", len(masks.value()))
        for row in range(rows):
            read_mask(
                masks.value()[row], row_name("mask", row, alone), Span(allowed)[row * actions : (row + 1) * actions]
            )
    var ones = List[UInt16]()
    var per_row = 0
    for row in range(rows):
        var name = row_name("observation", row, alone)
        var items = to_items(observations[row], name)
        if row == 0:
            per_row = len(items)
        if len(items) != per_row:
            raise Error(name, ": expected ", per_row, " ones, as many as in the first, found ", len(items))
        for i in range(per_row):
            var one = to_integer(items[i], String(name, "[", i, "]"))
            if one < 0 or one >= executor.network.bits:
                raise Error(name, "[", i, "]: expected 0 to ", executor.network.bits - 1, ", found ", one)
            ones.append(UInt16(one))
    var frames = List[Int](capacity=rows)
    for row in range(rows):
        var row_ones = Span(ones)[row * per_row : (row + 1) * per_row]
        frames.append(canonicalize(executor.twists, row_ones, Span(allowed)[row * actions : (row + 1) * actions]))
    var evaluation = Evaluation()
    executor.evaluate(ones, rows, evaluation)
    var probabilities = List[Float32](capacity=rows * actions)
    for row in range(rows):
        var distribution = Span(evaluation.logits)[row * actions : (row + 1) * actions]
        masked_softmax(distribution, Span(allowed)[row * actions : (row + 1) * actions])
        for action in range(actions):
            probabilities.append(distribution[canonical_action(executor.twists, frames[row], action)])
    return Predictions(rows, probabilities^, evaluation.values.copy())


def row_name(name: String, row: Int, alone: Bool) -> String:
    """Returns the name of a row in error messages."""
    return name if alone else String(name, "s[", row, "]")


def read_mask(value: PythonObject, name: String, mask: MutSpan[Bool, _]) raises:
    """Reads an action mask, `[actions]`. Raises unless it has one entry per action and allows at least one."""
    var items = to_items(value, name)
    if len(items) != len(mask):
        raise Error(name, ": expected ", len(mask), " entries, found ", len(items))
    var any = False
    for action in range(len(mask)):
        mask[action] = to_boolean(items[action], String(name, "[", action, "]"))
        any |= mask[action]
    if not any:
        raise Error(name, ": expected at least one allowed action, found none")
