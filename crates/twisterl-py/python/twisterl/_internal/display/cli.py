"""The command `twisterl record`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from twisterl.errors import TwisteRLError
from twisterl.plotting.terminal import Parser, counted, escape_controls, message, output

EPILOG = """\
Examples:
  %(prog)s runs/ppo_puzzle8_v1 --out puzzle.gif --state 8,7,5,3,2,0,4,6,1
  %(prog)s runs/ppo_cartpole_v1 --out cartpole.gif --seed 3
  %(prog)s runs/backward_puzzle15_v1 --out puzzle15.gif --search beam=1024 --fps 6
"""


def main(arguments: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Parse the command line, write the picture, and return the exit code."""
    args = _parser(prog).parse_args(arguments)
    from twisterl.policy import load_policy

    try:
        policy = load_policy(args.policy, env=args.env, trust=args.trust)
        names = ("state", "seed", "difficulty", "search", "fps", "size", "max_steps")
        episode = policy.record(args.out, **{name: getattr(args, name) for name in names})
    except TwisteRLError as error:
        message(f"{prog}: {error}")
        return 1
    solved = "solved, " if episode.success else ""
    output(f"{escape_controls(args.out)}: {solved}{counted(len(episode), 'step')}, return {episode.reward:.4g}")
    return 0


def _parser(prog: str | None) -> Parser:
    parser = Parser(
        prog=prog,
        description="Write an episode of a policy as a moving picture.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("policy", metavar="POLICY", help="a run, a checkpoint, a .safetensors or a .pt file")
    parser.add_argument(
        "--out", type=Path, default=Path("run.gif"), metavar="FILE", help=".gif, .png, .webp or .mp4 (default: run.gif)"
    )
    parser.add_argument("--state", metavar="S", help="the start state (default: drawn by the environment)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the start and of the search")
    parser.add_argument(
        "--difficulty",
        type=int,
        metavar="N",
        help="difficulty of the start (default: on boards one that takes many moves)",
    )
    parser.add_argument(
        "--search",
        metavar="METHOD",
        help="as for `twisterl solve` (default: greedy, then sampling if that does not solve it)",
    )
    parser.add_argument("--fps", type=float, metavar="N", help="steps per second (default: the environment's own rate)")
    parser.add_argument(
        "--size",
        type=int,
        metavar="PIXELS",
        help="longer side of the picture, 16 to 4096 (default: that of the drawing)",
    )
    parser.add_argument("--max-steps", type=int, metavar="N", help="maximum length of the episode")
    parser.add_argument("--env", metavar="NAME", help="the environment to use in place of the one that the file names")
    parser.add_argument(
        "--trust",
        action="store_true",
        help="import the module of the environment that the file names, which runs its code",
    )
    return parser
