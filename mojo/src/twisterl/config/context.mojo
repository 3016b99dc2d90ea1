"""The learning algorithms, and the state that all readers of a config share."""

from ..io.json_fields import JsonFields


struct Algorithm:
    """The learning algorithms."""

    comptime PPO = 0
    comptime AZ = 1
    comptime ES = 2


def algorithm_name(algorithm: Int) -> String:
    """Returns the name of an algorithm in configs."""
    if algorithm == Algorithm.PPO:
        return "PPO"
    return "AZ" if algorithm == Algorithm.AZ else "ES"


@fieldwise_init
struct ConfigContext(Copyable):
    """The algorithm of a config, and the fields found that it does not use."""

    var algorithm: Int
    """One of `Algorithm`."""
    var has_end: Bool
    """True if the number of iterations is given."""
    var unused: List[String]
    """The paths of the fields that the algorithm does not use."""

    def only_for(mut self, mut fields: JsonFields[_], algorithms: List[Int], keys: List[String]):
        """Adds those of `keys` that are present to `unused`, unless the algorithm is one of `algorithms`."""
        if self.algorithm not in algorithms:
            fields.report_unused(keys, self.unused)

    def check_end(self, mut fields: JsonFields[_], key: String) raises:
        """Raises if `key`, a value at the end of the run, is given for a run without end."""
        if fields.has(key) and not self.has_end:
            var path = fields.path_of(key)
            raise Error("num_iterations: expected the iterations after which ", path, " is reached, found nothing")
