#!/usr/bin/env python3
"""Write the table of results and the figures of runs that exist: `twisterl plot`, without the package installed.

    scripts/plot.py runs/ppo_puzzle8_v1
    scripts/plot.py PPO=runs/ppo AlphaZero=runs/az --out comparison

Figures need matplotlib: pip install matplotlib.
"""

import sys

from launcher.package_plotting import cli, terminal

if __name__ == "__main__":
    sys.exit(terminal.run_program(cli.main, "plot.py"))
