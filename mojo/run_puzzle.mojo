"""Solves a board with a trained policy, and shows the way.

    mojo run -I mojo/src mojo/run_puzzle.mojo MODEL STATE [--search METHOD] [--config FILE]

STATE are the tiles row by row, `8,7,5,3,2,0,4,6,1`; METHOD is greedy (the default), best-of=N, mcts=N or gumbel=N. A file of
bare tensors, as the peer writes them, needs the config that describes its network.
"""

from std.sys import exit

from twisterl.args import Args, fail
from twisterl.forward import Executor
from twisterl.policy import Policy
from twisterl.problem import Problem, check_fits, load_puzzle_policy
from twisterl.puzzle import Puzzle
from twisterl.sizes import SizedWork, on_size
from twisterl.solve import solve_by

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
    var policy = load_puzzle_policy(args.words[0], args.get("--config", ""))
    var problem = Problem(policy.env, "policy.env")
    var work = Solve(policy^, problem, tiles(args.words[1]), args.get("--search", "greedy"), False)
    on_size(work, problem.height, problem.width)
    if not work.solved:
        exit(1)


def tiles(text: String) raises -> List[Int]:
    """The numbers of a board, separated by commas."""
    var out = List[Int]()
    for part in text.split(","):
        try:
            out.append(Int(part.strip()))
        except:
            raise Error("STATE: expected whole numbers separated by commas, found ", text)
    return out^


@fieldwise_init
struct Solve(SizedWork):
    """A board to solve and to show."""

    var policy: Policy
    var problem: Problem
    var tiles: List[Int]
    var search: String
    var solved: Bool
    """Whether it succeeded."""

    def on[height: Int, width: Int](mut self) raises:
        """Solves, and shows."""
        check_fits[height, width](self.policy.network)
        var puzzle = Puzzle[height, width](self.problem.params)
        puzzle.set_state(self.tiles)
        var outcome = solve_by(puzzle, Executor(self.policy), self.search, "--search")
        print(puzzle.render())
        for i in range(len(outcome.actions)):
            var action = outcome.actions[i]
            _ = puzzle.step(action)
            print("\n", i + 1, " ", puzzle.action_name(action), "\n", puzzle.render(), sep="")
        # What is claimed has just been played again.
        self.solved = outcome.solved and puzzle.solved()
        print("solved after" if self.solved else "not solved after", len(outcome.actions), "moves")
