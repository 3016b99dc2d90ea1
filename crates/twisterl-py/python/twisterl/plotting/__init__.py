"""Tables and figures of runs.

    from twisterl.plotting import load_groups, learning_curves, results_table

    groups = load_groups(["PPO=runs/ppo", "AlphaZero=runs/az"])   # folders of runs seed-0, seed-1, ..., or single runs
    learning_curves(groups).savefig("learning.pdf")
    print(results_table(groups).to_markdown())

This package is pure Python. Tables need no other package. Figures need matplotlib, which is imported when the first one
is drawn. Errors are raised as ``PlotError``.
"""

from .comparison import compare_figure
from .curves import evaluations, learning_curves, losses, overview, training_curves
from .lengths import solution_lengths
from .phases import time_per_phase
from .report import figures, shown, write_figures, write_table
from .runs import Group, History, PlotError, load_groups, load_run
from .seeds.stats import iqm, stratified_bootstrap
from .style import save
from .table import Table, results_table

__all__ = [
    "Group",
    "History",
    "PlotError",
    "Table",
    "compare_figure",
    "evaluations",
    "figures",
    "iqm",
    "learning_curves",
    "load_groups",
    "load_run",
    "losses",
    "overview",
    "results_table",
    "save",
    "shown",
    "solution_lengths",
    "stratified_bootstrap",
    "time_per_phase",
    "training_curves",
    "write_figures",
    "write_table",
]
