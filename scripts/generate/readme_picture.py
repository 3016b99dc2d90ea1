#!/usr/bin/env python3
"""Makes the moving picture of README.md with the policy for the 15-puzzle that is kept in ``benches/runs``.

    .venv/bin/python scripts/generate/readme_picture.py [FILE]

Needs the package ``twisterl`` and Pillow; the ``.venv`` of ``scripts/check.sh`` has both.
"""

import sys
from pathlib import Path

import twisterl

ROOT = Path(__file__).resolve().parents[2]
POLICY = ROOT / "benches/runs/puzzle15/policy.safetensors"
PICTURE = ROOT / "docs/images/puzzle15.gif"
# The first board of tests/data/puzzle15_optimal.json. Its shortest solutions have 38 moves.
START = [13, 4, 0, 3, 5, 14, 10, 1, 2, 8, 6, 11, 12, 9, 15, 7]


def main(picture: Path) -> None:
    """Writes the picture."""
    policy = twisterl.load_policy(POLICY)
    solution = policy.record(picture, state=START, search="beam=1024", fps=4, size=250)
    print(f"{picture.name}: {len(solution)} moves, {picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
