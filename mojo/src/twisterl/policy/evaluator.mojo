"""The evaluator contract: a batch of observations in, logits and values out."""


struct Evaluation(Copyable):
    """The result of one evaluation and its scratch memory, both reused between calls."""

    var logits: List[Float32]
    """Unmasked logits, `[rows, actions]`."""
    var values: List[Float32]
    """State values, `[rows]`."""
    var features: List[Float32]
    """Scratch: the trunk's outputs for one block of rows."""
    var left: List[Float32]
    """Scratch: inputs or outputs of a layer."""
    var right: List[Float32]
    """Scratch: inputs or outputs of a layer."""

    def __init__(out self):
        self.logits = List[Float32]()
        self.values = List[Float32]()
        self.features = List[Float32]()
        self.left = List[Float32]()
        self.right = List[Float32]()


trait Evaluator:
    """Evaluates the observations of environments that step together."""

    def evaluate_slots(mut self, ones: Span[UInt16, _], slots: List[Int], mut out: Evaluation) raises:
        """Evaluates one row for each of `slots`, the numbers of the environments that were observed.

        Fills the logits; fills the values only if the evaluator has them. Raises if an observation does not fit the
        network.
        """
        ...
