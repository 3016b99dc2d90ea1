"""The samples that an update learns from, as a structure of arrays with one row per sample."""

from std.math import sqrt


struct Batch(Copyable):
    """Observations with actions and advantages (PPO) or target policies (AlphaZero), and target values."""

    var num_ones: Int
    """Ones of a row."""
    var num_actions: Int
    """Actions of a row."""
    var ones: List[UInt16]
    """Observations, `[rows, num_ones]`."""
    var masks: List[Bool]
    """Allowed actions, `[rows, num_actions]`."""
    var actions: List[Int]
    """Actions taken, `[rows]` (PPO)."""
    var log_probs: List[Float32]
    """Log-probabilities of the actions under the policy that took them, `[rows]` (PPO)."""
    var advantages: List[Float32]
    """Advantages of the actions, `[rows]` (PPO)."""
    var policies: List[Float32]
    """Target distributions, `[rows, num_actions]` (AlphaZero)."""
    var values: List[Float32]
    """Target values, `[rows]`."""

    def __init__(out self, num_ones: Int, num_actions: Int):
        """Creates a batch without rows."""
        self.num_ones = num_ones
        self.num_actions = num_actions
        self.ones = List[UInt16]()
        self.masks = List[Bool]()
        self.actions = List[Int]()
        self.log_probs = List[Float32]()
        self.advantages = List[Float32]()
        self.policies = List[Float32]()
        self.values = List[Float32]()

    def clear(mut self):
        """Removes all rows and keeps the memory."""
        self.ones.clear()
        self.masks.clear()
        self.actions.clear()
        self.log_probs.clear()
        self.advantages.clear()
        self.policies.clear()
        self.values.clear()

    def rows(self) -> Int:
        """Returns the number of rows."""
        return len(self.values)

    @always_inline
    def mask(self, row: Int) -> Span[Bool, origin_of(self.masks)]:
        """Returns the allowed actions of a row, `[num_actions]`."""
        return Span(self.masks)[row * self.num_actions : (row + 1) * self.num_actions]

    def extend(mut self, other: Self):
        """Appends the rows of `other`."""
        self.ones.extend(Span(other.ones))
        self.masks.extend(Span(other.masks))
        self.actions.extend(Span(other.actions))
        self.log_probs.extend(Span(other.log_probs))
        self.advantages.extend(Span(other.advantages))
        self.policies.extend(Span(other.policies))
        self.values.extend(Span(other.values))

    def normalize_advantages(mut self):
        """Shifts and scales the advantages to mean 0 and standard deviation 1 (with n - 1, as PyTorch's `std`)."""
        var count = Float64(len(self.advantages))
        var mean = Float64(0)
        for advantage in self.advantages:
            mean += advantage.cast[DType.float64]()
        mean /= max(count, 1.0)
        var squares = Float64(0)
        for advantage in self.advantages:
            var error = advantage.cast[DType.float64]() - mean
            squares += error * error
        var deviation = sqrt(squares / max(count - 1.0, 1.0))
        for i in range(len(self.advantages)):
            var error = self.advantages[i].cast[DType.float64]() - mean
            self.advantages[i] = (error / (deviation + 1e-8)).cast[DType.float32]()


def row_numbers(count: Int) -> List[UInt32]:
    """Returns the numbers from 0 to `count` - 1."""
    var rows = List[UInt32](capacity=count)
    for row in range(count):
        rows.append(UInt32(row))
    return rows^
