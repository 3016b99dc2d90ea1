#!/usr/bin/env python3
"""Write every solvable board of a small sliding puzzle with the length of its shortest solution.

A breadth-first search from the goal, for scoring policies only; it never goes into training:

    scripts/generate/puzzle8_optimal.py                       # 181,440 boards of 3 x 3: mean 21.97 moves, at most 31
    twisterl-train evaluate RUN --states runs/puzzle_3x3_optimal.json --greedy

A board is row-major, 0 is the blank, and the goal is 0, 1, 2, ... .
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

MAX_CELLS = 10  # the table of boards seen has cells! entries


def ranks(boards: np.ndarray) -> np.ndarray:
    """Number each board, a row of (boards, cells), by its place among all permutations (its Lehmer code)."""
    cells = boards.shape[1]
    total = np.zeros(len(boards), dtype=np.int64)
    for i in range(cells):
        smaller = (boards[:, i + 1 :] < boards[:, i : i + 1]).sum(axis=1)
        total += smaller * math.factorial(cells - 1 - i)
    return total


def neighbours(boards: np.ndarray, width: int, height: int) -> np.ndarray:
    """Make every legal move on each of (boards, cells)."""
    blanks = (boards == 0).argmax(axis=1)
    columns, rows = blanks % width, blanks // width
    moved = []
    for dx, dy in ((-1, 0), (0, -1), (1, 0), (0, 1)):
        legal = (columns + dx >= 0) & (columns + dx < width) & (rows + dy >= 0) & (rows + dy < height)
        after, blank = boards[legal], blanks[legal]
        each, tile = np.arange(len(after)), blank + dx + dy * width
        after[each, blank], after[each, tile] = after[each, tile], 0
        moved.append(after)
    return np.concatenate(moved)


def layers(width: int, height: int) -> Iterator[np.ndarray]:
    """Yield the boards at distance 0, 1, 2, ... from the goal, each an array (boards, cells)."""
    frontier = np.arange(width * height, dtype=np.uint8)[None]
    seen = np.zeros(math.factorial(width * height), dtype=bool)
    seen[ranks(frontier)] = True
    while len(frontier):
        yield frontier
        candidates = neighbours(frontier, width, height)
        numbers, first = np.unique(ranks(candidates), return_index=True)
        frontier = candidates[first[~seen[numbers]]]
        seen[numbers] = True


def main() -> None:
    """Search, write the states file, and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=3, metavar="N", help="columns (default 3)")
    parser.add_argument("--height", type=int, default=3, metavar="N", help="rows (default 3)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: runs/puzzle_WxH_optimal.json")
    args = parser.parse_args()
    if min(args.width, args.height) < 2 or args.width * args.height > MAX_CELLS:
        parser.error(f"expected sides of at least 2 and at most {MAX_CELLS} cells, found {args.width} x {args.height}")

    out = args.out or Path("runs") / f"puzzle_{args.width}x{args.height}_optimal.json"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        file = out.open("w", encoding="ascii")
    except OSError as error:
        parser.error(f"cannot write {out}: {error.strerror}")
    count = total = longest = 0
    with file:
        file.write(f'{{"width":{args.width},"height":{args.height},"instances":[')
        for longest, boards in enumerate(layers(args.width, args.height)):
            for board in boards.tolist():
                state = ",".join(map(str, board))
                file.write(f'{"," if count else ""}\n{{"state":[{state}],"optimal":{longest}}}')
                count += 1
            total += longest * len(boards)
        file.write("\n]}\n")
    print(f"{out}: {count:,} boards, shortest solutions of {total / count:.2f} moves in the mean, {longest} at most")


if __name__ == "__main__":
    main()
