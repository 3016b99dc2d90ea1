#!/usr/bin/env python3
"""Makes the moving picture of README.md with the policy for the 15-puzzle that is kept in ``benches/runs``.

    .venv/bin/python scripts/generate/readme_picture.py

Needs the package ``twisterl`` and Pillow; the ``.venv`` of ``scripts/check.sh`` has both.
"""

from pathlib import Path

import twisterl

ROOT = Path(__file__).resolve().parents[2]
POLICY = ROOT / "benches/runs/puzzle15/policy.safetensors"
PICTURE = ROOT / "docs/images/puzzle15.gif"
# The first board of tests/data/puzzle15_optimal.json. Its shortest solutions have 38 moves.
START = [13, 4, 0, 3, 5, 14, 10, 1, 2, 8, 6, 11, 12, 9, 15, 7]


def main() -> None:
    """Writes the picture."""
    policy = twisterl.load_policy(POLICY)
    solution = policy.record(PICTURE, state=START, search="beam=1024", fps=4, size=250)
    print(f"{PICTURE.relative_to(ROOT)}: {len(solution)} moves, {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
