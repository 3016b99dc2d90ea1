"""The samples that an update learns from, structure of arrays, one row a sample."""

from std.math import sqrt


struct Batch(Copyable):
    """Positions with what was done there, or with what should be."""

    var ones_width: Int
    """Ones of a row."""
    var actions_width: Int
    """Actions of a row."""
    var ones: List[UInt16]
    """What was seen, (rows, ones_width)."""
    var masks: List[Bool]
    """What was allowed, (rows, actions_width)."""
    var actions: List[Int]
    """What was done (PPO)."""
    var log_probs: List[Float32]
    """Its log-probability under the policy that acted (PPO)."""
    var advantages: List[Float32]
    """How much better it was than expected (PPO)."""
    var policies: List[Float32]
    """Target distributions, (rows, actions_width) (AlphaZero)."""
    var values: List[Float32]
    """Targets of the value."""

    def __init__(out self, ones_width: Int, actions_width: Int):
        """Without rows."""
        self.ones_width = ones_width
        self.actions_width = actions_width
        self.ones = List[UInt16]()
        self.masks = List[Bool]()
        self.actions = List[Int]()
        self.log_probs = List[Float32]()
        self.advantages = List[Float32]()
        self.policies = List[Float32]()
        self.values = List[Float32]()

    def clear(mut self):
        """Drops all rows, keeps the memory."""
        self.ones.clear()
        self.masks.clear()
        self.actions.clear()
        self.log_probs.clear()
        self.advantages.clear()
        self.policies.clear()
        self.values.clear()

    def rows(self) -> Int:
        """The number of rows."""
        return len(self.values)

    @always_inline
    def mask(self, row: Int) -> Span[Bool, origin_of(self.masks)]:
        """What was allowed in a row."""
        return Span(self.masks)[row * self.actions_width : (row + 1) * self.actions_width]

    def extend(mut self, other: Self):
        """Adds the rows of `other`."""
        self.ones.extend(Span(other.ones))
        self.masks.extend(Span(other.masks))
        self.actions.extend(Span(other.actions))
        self.log_probs.extend(Span(other.log_probs))
        self.advantages.extend(Span(other.advantages))
        self.policies.extend(Span(other.policies))
        self.values.extend(Span(other.values))

    def normalise_advantages(mut self):
        """Shifts and scales advantages to mean 0 and standard deviation 1 (with n - 1, as PyTorch's `std`)."""
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
