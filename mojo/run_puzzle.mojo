"""Solves a board with a trained policy and prints the solution.

    mojo run -I mojo/src mojo/run_puzzle.mojo MODEL STATE [--search METHOD] [--config FILE]

STATE gives the tiles row by row, as in `8,7,5,3,2,0,4,6,1`; METHOD is greedy (the default), best-of=N, mcts=N or
gumbel=N. A file of bare tensors, as the peer writes them, needs the config that it was trained with.
"""

from std.sys import exit

from twisterl.config.puzzle_policy import check_fits, load_puzzle_policy
from twisterl.config.puzzle_spec import PuzzleSpec
from twisterl.env.board_sizes import SizedTask, run_for_size
from twisterl.env.puzzle import Puzzle
from twisterl.io.args import Args, fail
from twisterl.policy.forward import Executor
from twisterl.policy.policy import Policy
from twisterl.search.solve import solve_with

comptime USAGE = "usage: run_puzzle.mojo MODEL STATE [--search greedy|best-of=N|mcts=N|gumbel=N] [--config FILE]"


def main():
    try:
        run_program()
    except error:
        fail(error)


def run_program() raises:
    """Runs the program. Exits with code 1 if the board is not solved."""
    var args = Args(["--search", "--config"], USAGE)
    if len(args.positional) != 2:
        raise Error(USAGE)
    var policy = load_puzzle_policy(args.positional[0], args.get("--config", ""))
    var puzzle = PuzzleSpec(policy.env, "policy.env")
    var tiles = parse_tiles(args.positional[1])
    var task = SolveTask(policy^, puzzle, tiles^, args.get("--search", "greedy"), False)
    run_for_size(task, puzzle.height, puzzle.width)
    if not task.solved:
        exit(1)


def parse_tiles(text: String) raises -> List[Int]:
    """Parses integers separated by commas."""
    var tiles = List[Int]()
    for part in text.split(","):
        try:
            tiles.append(Int(part.strip()))
        except:
            raise Error("STATE: expected whole numbers separated by commas, found ", text)
    return tiles^


@fieldwise_init
struct SolveTask(SizedTask):
    """A board to solve."""

    var policy: Policy
    var puzzle: PuzzleSpec
    var tiles: List[Int]
    var search: String
    var solved: Bool
    """The result."""

    def run[height: Int, width: Int](mut self) raises:
        """Solves the board and prints each state on the way."""
        check_fits[height, width](self.policy.network)
        var puzzle = Puzzle[height, width](self.puzzle.params)
        puzzle.set_state(self.tiles)
        var solution = solve_with(puzzle, Executor(self.policy), self.search, "--search")
        print(puzzle.render())
        for i in range(len(solution.actions)):
            var action = solution.actions[i]
            _ = puzzle.step(action)
            print("\n", i + 1, " ", puzzle.action_name(action), "\n", puzzle.render(), sep="")
        # The loop above has verified the solution by playing it.
        self.solved = solution.solved and puzzle.solved()
        print("solved after" if self.solved else "not solved after", len(solution.actions), "moves")
