"""The description of a puzzle in configs and policy files."""

from ..env.puzzle import MAX_LIMIT, PuzzleParams
from ..io.json import parse_json
from ..io.json_fields import JsonFields

comptime MIN_SIDE = 2
comptime MAX_SIDE = 6


@fieldwise_init
struct PuzzleSpec(ImplicitlyCopyable, Movable):
    """A puzzle of any size."""

    var height: Int
    var width: Int
    var params: PuzzleParams

    def __init__(out self, text: String, path: String) raises:
        """Reads the `env` section of a config or a policy file. `path` is its name in error messages."""
        var json = parse_json(text)
        var fields = JsonFields(json, 0, path)
        self = PuzzleSpec(fields)
        fields.close()

    def __init__(out self, mut fields: JsonFields[_]) raises:
        """Reads the fields of a puzzle."""
        self.width = fields.integer("width", 3, MIN_SIDE, MAX_SIDE)
        self.height = fields.integer("height", 3, MIN_SIDE, MAX_SIDE)
        self.params = PuzzleParams(
            difficulty=fields.integer("difficulty", 1, 0, MAX_LIMIT),
            max_depth=fields.integer("max_depth", 128, 1, MAX_LIMIT),
        )
        self.params.depth_slope = fields.integer("depth_slope", 2, 0, MAX_LIMIT)
        self.params.depth_offset = fields.integer("depth_offset", 0, 0, MAX_LIMIT)
        self.params.solved_reward = read_reward(fields, "solved_reward", self.params.solved_reward)
        self.params.failed_reward = read_reward(fields, "failed_reward", self.params.failed_reward)
        self.params.move_reward = read_reward(fields, "move_reward", self.params.move_reward)
        self.params.blank_last = fields.choice("goal", "blank_first", ["blank_first", "blank_last"]) == 1

    def to_json(self) -> String:
        """Returns the description as JSON."""
        ref p = self.params
        return String(
            '{"width":',
            self.width,
            ',"height":',
            self.height,
            ',"difficulty":',
            p.difficulty,
            ',"depth_slope":',
            p.depth_slope,
            ',"depth_offset":',
            p.depth_offset,
            ',"max_depth":',
            p.max_depth,
            ',"solved_reward":',
            p.solved_reward.cast[DType.float64](),
            ',"failed_reward":',
            p.failed_reward.cast[DType.float64](),
            ',"move_reward":',
            p.move_reward.cast[DType.float64](),
            ',"goal":"blank_last"}' if p.blank_last else "}",
        )


def read_reward(mut fields: JsonFields[_], key: String, default: Float32) raises -> Float32:
    """Reads a number of single precision."""
    return fields.number(key, default.cast[DType.float64](), -1e18, 1e18).cast[DType.float32]()
