"""What a policy thinks of observations that Python has."""

from std.python import Python, PythonObject

from twisterl.distribution import masked_softmax
from twisterl.forward import Evaluation, Executor
from twisterl.symmetry import canonical

from arguments import flag_of, items_of, whole_of


@fieldwise_init
struct Judgement:
    """Observations, and what they were evaluated to."""

    var rows: Int
    var probabilities: List[Float32]
    """Of the actions in the frame of each observation, (rows, actions)."""
    var values: List[Float32]
    """(rows,)"""

    def row(self, row: Int) raises -> PythonObject:
        """The probabilities of one row as a list."""
        var actions = len(self.probabilities) // self.rows
        var out = Python.list()
        for action in range(actions):
            _ = out.append(PythonObject(self.probabilities[row * actions + action].cast[DType.float64]()))
        return out

    def value(self, row: Int) raises -> PythonObject:
        """The value of one row as a float."""
        return PythonObject(self.values[row].cast[DType.float64]())


def judge(
    executor: Executor, observations: List[PythonObject], masks: Optional[List[PythonObject]], alone: Bool
) raises -> Judgement:
    """Evaluates observations, each the positions of its ones, equally many; masks say which actions are allowed, all where
    there are none. Raises for what does not fit the network. `alone`: the only row is all that the caller gave.
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
        var items = items_of(observations[row], name)
        if row == 0:
            per_row = len(items)
        if len(items) != per_row:
            raise Error(name, ": expected ", per_row, " ones, as many as in the first, found ", len(items))
        for i in range(per_row):
            var one = whole_of(items[i], String(name, "[", i, "]"))
            if one < 0 or one >= executor.network.bits:
                raise Error(name, "[", i, "]: expected 0 to ", executor.network.bits - 1, ", found ", one)
            ones.append(UInt16(one))
    var frames = List[Int](capacity=rows)
    for row in range(rows):
        var seen = Span(ones)[row * per_row : (row + 1) * per_row]
        frames.append(canonical(executor.twists, seen, Span(allowed)[row * actions : (row + 1) * actions]))
    var evaluation = Evaluation()
    executor.evaluate(ones, rows, evaluation)
    var probabilities = List[Float32](capacity=rows * actions)
    for row in range(rows):
        var distribution = Span(evaluation.logits)[row * actions : (row + 1) * actions]
        masked_softmax(distribution, Span(allowed)[row * actions : (row + 1) * actions])
        for action in range(actions):
            var seen = action if frames[row] < 0 else executor.twists[frames[row]].action[action]
            probabilities.append(distribution[seen])
    return Judgement(rows, probabilities^, evaluation.values.copy())


def row_name(name: String, row: Int, alone: Bool) -> String:
    """What errors call a row."""
    return name if alone else String(name, "s[", row, "]")


def read_mask(value: PythonObject, name: String, mask: MutSpan[Bool, _]) raises:
    """Which actions are allowed. Raises unless there is one entry for each and any of them is true."""
    var items = items_of(value, name)
    if len(items) != len(mask):
        raise Error(name, ": expected ", len(mask), " entries, found ", len(items))
    var any = False
    for action in range(len(mask)):
        mask[action] = flag_of(items[action], String(name, "[", action, "]"))
        any |= mask[action]
    if not any:
        raise Error(name, ": expected an action that is allowed, found none")
