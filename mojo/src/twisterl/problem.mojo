"""Which puzzle a policy is for, as its file or a config says."""

from .config import load_config, read_puzzle
from .fields import Fields
from .json import parse_json
from .network import Network
from .policy import Policy, load_policy
from .puzzle import Puzzle, PuzzleParams
from .symmetry import Twist


@fieldwise_init
struct Problem(ImplicitlyCopyable, Movable):
    """A puzzle of any size."""

    var height: Int
    var width: Int
    var params: PuzzleParams

    def __init__(out self, text: String, path: String) raises:
        """From the `env` section of a config or policy; `path` is what errors call it."""
        var json = parse_json(text)
        var env = Fields(json, 0, path)
        self.height = env.whole("height", 3, 2, 6)
        self.width = env.whole("width", 3, 2, 6)
        self.params = read_puzzle(env)
        env.close()


def load_puzzle_policy(path: String, config: String = "") raises -> Policy:
    """Reads a policy for the puzzle. A file of bare tensors, as the peer writes them, needs the path of the config that
    describes its network.
    """
    var fallback = Optional[Policy](None)
    if config.byte_length() > 0:
        fallback = described_by(config)
    var policy = load_policy(path, fallback)
    if policy.env_cls != "Puzzle":
        raise Error(path, ": expected a policy for Puzzle, found one for ", policy.env_cls)
    return policy^


def described_by(path: String) raises -> Policy:
    """All of a policy but its weights, from a config."""
    var config = load_config(path)
    var cells = config.width * config.height
    var network = Network(cells * cells, 4, config.sizes)
    return Policy(network^, List[Float32](), "Puzzle", config.env_text(), [cells, cells], List[Twist](), False, True)


def check_fits[height: Int, width: Int](network: Network) raises:
    """Raises unless the network is one for boards of this size."""
    comptime E = Puzzle[height, width]
    if network.bits != E.BITS or network.actions != E.ACTIONS:
        raise Error(
            "policy.network: expected ",
            E.BITS,
            " bits and ",
            E.ACTIONS,
            " actions, found ",
            network.bits,
            " bits and ",
            network.actions,
            " actions",
        )
