#!/usr/bin/env python3
"""Compare two builds: the results of two trainers or of two Python packages bit for bit, or the speed of two trainers.

scripts/compare.py binaries OLD NEW    # weights, metrics and answers; `binaries --help` shows more
scripts/compare.py packages compare python.json
scripts/compare.py speed OLD NEW
"""

import importlib
import sys

COMPARISONS = ("binaries", "packages", "speed")


def main() -> int:
    """Runs the comparison that the first argument names."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(__doc__, end="")
        return 0
    if name not in COMPARISONS:
        print(f"compare.py: error: expected {', '.join(COMPARISONS)} or --help, found {name}", file=sys.stderr)
        return 2
    # Imported by name, since only `packages` needs the package.
    status: int = importlib.import_module(f"comparison.{name}").main(rest)
    return status


if __name__ == "__main__":
    sys.exit(main())
