"""Solves a board with a trained policy, and shows the way.

    mojo run -I mojo/src mojo/run_puzzle.mojo MODEL STATE [--search METHOD] [--config FILE]

STATE are the tiles row by row, `8,7,5,3,2,0,4,6,1`; METHOD is greedy (the default), best-of=N, mcts=N or gumbel=N. A file of
bare tensors, as the peer writes them, needs the config that describes its network.
"""

from std.sys import exit
from std.sys.defines import get_defined_int

from twisterl.args import Args, fail
from twisterl.config import load_config, read_puzzle
from twisterl.fields import Fields
from twisterl.forward import Executor
from twisterl.json import parse_json
from twisterl.mcts import SearchConfig
from twisterl.network import Network
from twisterl.policy import Policy, load_policy
from twisterl.puzzle import Puzzle, PuzzleParams
from twisterl.solve import Outcome, Play, play, search_trees
from twisterl.symmetry import Twist

comptime HEIGHT = get_defined_int["HEIGHT", 0]()
comptime WIDTH = get_defined_int["WIDTH", 0]()
comptime USAGE = "usage: run_puzzle.mojo MODEL STATE [--search greedy|best-of=N|mcts=N|gumbel=N] [--config FILE]"


def main():
    try:
        run_program()
    except error:
        fail(error)


def run_program() raises:
    """All of it."""
    var args = Args(["--search", "--config"], USAGE)
    if len(args.words) != 2:
        raise Error(USAGE)
    var config = args.get("--config", "")
    var fallback = Optional[Policy](None)
    if config.byte_length() > 0:
        fallback = described_by(config)
    var policy = load_policy(args.words[0], fallback)
    if policy.env_cls != "Puzzle":
        raise Error(args.words[0], ": expected a policy for Puzzle, found one for ", policy.env_cls)
    var json = parse_json(policy.env)
    var env = Fields(json, 0, "policy.env")
    var height = env.whole("height", 3, 2, 6)
    var width = env.whole("width", 3, 2, 6)
    var params = read_puzzle(env)
    env.close()
    var solved: Bool
    comptime if HEIGHT > 0 and WIDTH > 0:
        if (height, width) != (HEIGHT, WIDTH):
            raise not_compiled(height, width)
        solved = run[HEIGHT, WIDTH](policy, params, args)
    else:
        if (height, width) == (2, 3):
            solved = run[2, 3](policy, params, args)
        elif (height, width) == (3, 3):
            solved = run[3, 3](policy, params, args)
        elif (height, width) == (4, 4):
            solved = run[4, 4](policy, params, args)
        elif (height, width) == (5, 5):
            solved = run[5, 5](policy, params, args)
        else:
            raise not_compiled(height, width)
    if not solved:
        exit(1)


def not_compiled(height: Int, width: Int) -> Error:
    """What to raise for a board of another size."""
    return Error(
        "env: expected a size that is compiled in, found ",
        height,
        " x ",
        width,
        "; add -D HEIGHT=",
        height,
        " -D WIDTH=",
        width,
        " after `mojo run`",
    )


def described_by(path: String) raises -> Policy:
    """All of a policy but its weights, from a config."""
    var config = load_config(path)
    var cells = config.width * config.height
    var network = Network(cells * cells, 4, config.sizes)
    return Policy(network^, List[Float32](), "Puzzle", config.env_text(), [cells, cells], List[Twist](), False)


def tiles(text: String) raises -> List[Int]:
    """The numbers of a board, separated by commas."""
    var out = List[Int]()
    for part in text.split(","):
        try:
            out.append(Int(part.strip()))
        except:
            raise Error("STATE: expected whole numbers separated by commas, found ", text)
    return out^


def run[height: Int, width: Int](policy: Policy, params: PuzzleParams, args: Args) raises -> Bool:
    """Solves, and shows. Returns whether it succeeded."""
    comptime E = Puzzle[height, width]
    if policy.network.bits != E.BITS or policy.network.actions != E.ACTIONS:
        raise Error("policy.network: expected ", E.BITS, " bits and 4 actions, found ", policy.network.bits, " bits")
    var puzzle = E(params)
    puzzle.set_state(tiles(args.words[1]))
    var outcome = solve(puzzle, Executor(policy), args.get("--search", "greedy"))
    print(puzzle.render())
    for i in range(len(outcome.actions)):
        var action = outcome.actions[i]
        _ = puzzle.step(action)
        print("\n", i + 1, " ", puzzle.action_name(action), "\n", puzzle.render(), sep="")
    # What is claimed has just been played again.
    if outcome.solved and puzzle.solved():
        print("solved after", len(outcome.actions), "moves")
        return True
    print("not solved after", len(outcome.actions), "moves")
    return False


def solve[height: Int, width: Int](puzzle: Puzzle[height, width], executor: Executor, method: String) raises -> Outcome:
    """Plays by a method."""
    comptime E = Puzzle[height, width]
    var starts: List[E] = [puzzle.copy()]
    var parts = method.split("=")
    var number = 1
    if len(parts) == 2:
        try:
            number = Int(parts[1])
        except:
            number = 0
    var name = String(parts[0])
    var takes_number = name == "best-of" or name == "mcts" or name == "gumbel"
    if number < 1 or number > 1 << 16 or len(parts) > 2 or takes_number != (len(parts) == 2):
        name = ""
    if name == "greedy":
        return play(starts, executor, Play(greedy=True))[0].copy()
    if name == "best-of":
        return play(starts, executor, Play(greedy=False, searches=number))[0].copy()
    if name == "mcts" or name == "gumbel":
        return search_trees(starts, executor, SearchConfig(use_gumbel=name == "gumbel", simulations=number))[0].copy()
    raise Error("--search: expected greedy, best-of=N, mcts=N or gumbel=N with N from 1 to 65536, found ", method)
