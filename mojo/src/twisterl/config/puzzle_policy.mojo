"""Policies for the puzzle, from configs and from files."""

from ..env.puzzle import Puzzle
from ..env.symmetry import puzzle_twists
from ..policy.network import Network
from ..policy.policy import Policy, load_policy
from .run_config import RunConfig, load_config


def policy_without_weights(config: RunConfig) raises -> Policy:
    """Returns the policy that a config describes, with no parameters."""
    ref puzzle = config.puzzle
    var cells = puzzle.width * puzzle.height
    var network = Network(cells * cells, 4, config.policy.sizes)
    return Policy(
        network^,
        List[Float32](),
        "Puzzle",
        puzzle.to_json(),
        [cells, cells],
        puzzle_twists(puzzle.height, puzzle.width, puzzle.params.blank_last),
        config.policy.canonical,
        config.policy.backtracking,
    )


def load_puzzle_policy(path: String, config: String = "") raises -> Policy:
    """Loads a policy for the puzzle.

    A file of bare tensors, as the peer writes them, needs the path of the config that it was trained with. Files that
    are self-contained ignore the config.
    """
    var header = Optional[Policy](None)
    if config.byte_length() > 0:
        header = policy_without_weights(load_config(config))
    var policy = load_policy(path, header)
    if policy.env_cls != "Puzzle":
        raise Error(path, ": expected a policy for Puzzle, found one for ", policy.env_cls)
    return policy^


def check_fits[height: Int, width: Int](network: Network) raises:
    """Raises unless the network fits boards of this size."""
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
