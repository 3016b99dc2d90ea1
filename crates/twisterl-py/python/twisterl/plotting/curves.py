"""Learning curves: the quality of a policy against environment steps and against seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .runs import TRAINING, Group, PlotError, chosen_evaluation, common_evaluation, metric
from .seeds.bands import caption, draw, logarithmic
from .style import count_axis, hide_unused, legend_above, line_style, note_below, percent_axis, styled, subplots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STEPS, SECONDS = "env_steps", "time.elapsed"
UNITS = ((3 * 3600, 3600, "h"), (300, 60, "min"), (0, 1, "s"))  # (from this many seconds on, seconds per unit, unit)
NICE = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 100, 200)
# Titles of the known losses.
LOSS_TITLES = {
    "total_loss": "total loss",
    "policy_loss": "policy loss",
    "value_loss": "value loss",
    "entropy": "entropy",
    "approx_kl": "approximate KL",
    "clip_fraction": "clipped ratios",
    "explained_variance": "explained variance of returns",
    "agreement": "agreement with targets",
    "grad_norm": "gradient norm",
    "lr": "learning rate",
    "ent_coef": "entropy coefficient",
}
# Labels of the axes of losses that are no "loss".
LOSS_LABELS = {
    "entropy": "nats",
    "approx_kl": "nats",
    "clip_fraction": "share",
    "explained_variance": "share",
    "agreement": "share",
    "grad_norm": "norm",
    "lr": "rate",
    "ent_coef": "coefficient",
}
EXITS = "Triangles: the curve goes on outside of the frame."
APART = 0.03  # of the width of a panel: marks of exits that are closer are one


@dataclass(frozen=True)
class Panel:
    """One panel over environment steps or seconds."""

    title: str
    label: str  # of the vertical axis
    y: Sequence[str]  # the path for each group
    x: str = STEPS
    percent: bool = False
    steps: bool = False  # a step function of whole numbers
    counts: bool = False  # starts at 0, with units: 500 k
    robust: bool = False  # limits exclude the outliers of the first updates


def drawable(groups: Sequence[Group], panels: Sequence[Panel]) -> list[Panel]:
    """Return the panels for which any group has data."""

    def has_data(panel: Panel) -> bool:
        paths = zip(groups, panel.y, strict=True)
        return any(run.series(panel.x, path)[0] for group, path in paths if path for run in group.runs)

    return [panel for panel in panels if has_data(panel)]


def draw_panel(axes: Axes, groups: Sequence[Group], panel: Panel) -> bool:
    """Draw all groups, and return True if any curve leaves the frame."""
    log = logarithmic(groups, panel.x)
    for i, (group, path) in enumerate(zip(groups, panel.y, strict=True)):
        draw(axes, group, panel.x, path, line_style(i), log=log, steps=panel.steps)
    axes.set_title(panel.title)
    axes.set_ylabel(panel.label)
    if panel.percent:
        percent_axis(axes)
    elif panel.steps:
        from matplotlib.ticker import MaxNLocator

        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(bottom=0)
    elif panel.counts:
        axes.set_ylim(bottom=0)
        count_axis(axes.yaxis)
    elif panel.robust:
        _robust_limits(axes)
    x_axis(axes, groups, panel.x, log)
    return mark_exits(axes)


def mark_exits(axes: Axes) -> bool:
    """Mark where curves leave the frame above, below or to the left, and return True if any does."""
    import numpy as np

    left, (low, high) = axes.get_xlim()[0], axes.get_ylim()
    curves = [line for line in axes.get_lines() if line.get_linestyle() != "None"]
    marked = False

    def mark(x: float, y: float, shape: str, colour: Any) -> None:
        axes.plot(x, y, shape, color=colour, markersize=4, markeredgewidth=0, clip_on=False, zorder=4)

    for curve in curves:
        x, y = (np.asarray(values, dtype=float) for values in curve.get_data())
        across = axes.transAxes.inverted().transform(axes.transData.transform(np.column_stack([x, y])))[:, 0]
        for side, beyond, shape in ((high, y - high, "^"), (low, low - y, "v")):
            last = -1.0
            for i in np.flatnonzero((beyond > 1e-9 * (high - low)) & (x >= left)):
                if across[i] > last + APART:
                    mark(x[i], side, shape, curve.get_color())
                    marked = True
                last = across[i]
        if len(x) > 1 and x[0] < left < x[-1]:
            inside = float(np.clip(np.interp(left, x, y), low, high))
            mark(left, inside, "<", curve.get_color())
            marked = True
    return marked


def x_axis(axes: Axes, groups: Sequence[Group], x: str, log: bool) -> None:
    """Set limits, ticks and label of the horizontal axis."""
    from matplotlib.ticker import MultipleLocator

    ends = [max(run.last(x) or 0.0 for run in group.runs) for group in groups]
    end = max(ends) or 1.0
    seconds = x == SECONDS
    unit, name = next((size, name) for start, size, name in UNITS if end >= start)
    if log:
        axes.set_xscale("log")
        first = [at for group in groups for run in group.runs for at in run.series(x, x)[0] if at > 0]
        axes.set_xlim(max(min(e for e in ends if e > 0) / 100, min(first) / 1.5), end * 1.05)
        unit, name = 1, "s"
    else:
        axes.set_xlim(0, end)
    if not seconds:
        count_axis(axes.xaxis)
    elif not log:
        step = next((nice for nice in NICE if end / unit / nice <= 6), end / unit / 5)
        axes.xaxis.set_major_locator(MultipleLocator(step * unit))
        axes.xaxis.set_major_formatter(lambda t, _: f"{t / unit:g}")
    else:
        axes.xaxis.set_major_formatter(lambda t, _: f"{t:,g}")
    if log:
        from matplotlib.ticker import NullFormatter

        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"training time ({name})" if seconds else "environment steps")


def _robust_limits(axes: Axes) -> None:
    """Fit the vertical axis to all but the most extreme points of the lines."""
    import numpy as np

    lines = [np.asarray(line.get_ydata(), dtype=float) for line in axes.get_lines()]
    if not lines:
        return
    cut = [0.02 if len(line) > 100 else 0.0 for line in lines]  # keep every record if there are few
    low = min(float(np.quantile(line, q)) for line, q in zip(lines, cut, strict=True))
    high = max(float(np.quantile(line, 1 - q)) for line, q in zip(lines, cut, strict=True))
    margin = 0.06 * (high - low)
    if margin > 0:
        axes.set_ylim(0 if 0 <= low < 0.3 * high else low - margin, high + margin)


def draw_grid(groups: Sequence[Group], panels: Sequence[Panel], columns: int, row_height: float = 2.1) -> Figure:
    """Draw the panels that have data in a grid, with a legend above and a caption below."""
    panels = drawable(groups, panels)
    if not panels:
        raise PlotError("expected runs with numbers to draw, found none")
    columns = 2 if len(panels) == 4 else min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = subplots(rows, columns, 0.75 + row_height * rows)
    flat = list(axes.flat)
    with styled():
        exits = [draw_panel(place, groups, panel) for panel, place in zip(panels, flat, strict=False)]
    hide_unused(flat, len(panels))
    legend_above(figure, [group.title for group in groups])
    if text := " ".join(filter(None, [caption(groups, [(panel.x, panel.y) for panel in panels]), EXITS * any(exits)])):
        note_below(figure, text)
    return figure


def evaluation_name(names: Sequence[str]) -> str:
    """Return the name of the groups' evaluations for titles."""
    shown = ["training episodes" if name == TRAINING else name.replace("_", " ") for name in dict.fromkeys(names)]
    return shown[0] if len(shown) == 1 else "evaluation"


def evaluations_of(groups: Sequence[Group], evaluation: str | None) -> list[str]:
    """Return the evaluation to use for each group."""
    wanted = evaluation or common_evaluation(groups)
    return [chosen_evaluation(group, wanted) for group in groups]


def ever_solves(groups: Sequence[Group], names: Sequence[str]) -> bool:
    """Return True if any of these evaluations, one per group, ever solved a problem. Control problems never do."""
    paths = [metric(name, "success") for name in names]
    return any(
        max(run.series(STEPS, path)[1], default=0.0) > 0
        for group, path in zip(groups, paths, strict=True)
        for run in group.runs
    )


def score_panel(groups: Sequence[Group], names: Sequence[str], title: str, x: str = STEPS) -> Panel:
    """Return the panel of the success rate, or of the return if problems cannot be solved."""
    if ever_solves(groups, names):
        return Panel(f"solved, {title}", "share solved", [metric(name, "success") for name in names], x, percent=True)
    return Panel(f"return, {title}", "return", [metric(name, "reward") for name in names], x, robust=True)


def learning_panels(groups: Sequence[Group], evaluation: str | None = None) -> list[Panel]:
    """Return the panels of the success rate and the solution lengths, or of the return, that have data."""
    names = evaluations_of(groups, evaluation)
    title = evaluation_name(names)
    panels = [score_panel(groups, names, title, x) for x in (STEPS, SECONDS)]
    if ever_solves(groups, names):
        length = [metric(name, "length") for name in names]
        panels += [Panel(f"moves of the solved, {title}", "moves", length, x, robust=True) for x in (STEPS, SECONDS)]
    return drawable(groups, panels)


def learning_curves(groups: Sequence[Group], evaluation: str | None = None) -> Figure:
    """Draw success rate and mean solution length against steps and against seconds.

    If problems cannot be solved, draw the return instead.
    """
    return draw_grid(groups, learning_panels(groups, evaluation), 2, row_height=2.25)


def evaluation_panels(groups: Sequence[Group]) -> list[Panel]:
    """Return a panel for each evaluation that has data."""
    found = dict.fromkeys(name for group in groups for run in group.runs for name in run.names("evals"))
    panels = [score_panel(groups, [name] * len(groups), name.replace("_", " ")) for name in found]
    return drawable(groups, panels)


def evaluations(groups: Sequence[Group]) -> Figure:
    """Draw the success rate, or the return, of every evaluation against steps."""
    panels = evaluation_panels(groups)
    if not panels:
        raise PlotError("expected runs with evaluations, found none")
    return draw_grid(groups, panels, min(3, max(2, len(panels))))


def difficulty(groups: Sequence[Group]) -> list[str]:
    """Return the path of each group's difficulty, or "" for groups without a curriculum if others have one."""
    moves = [any(len(set(run.series(STEPS, "difficulty")[1])) > 1 for run in group.runs) for group in groups]
    return ["difficulty" if moving or not any(moves) else "" for moving in moves]


def training_panels(groups: Sequence[Group]) -> list[Panel]:
    """Return the panels of the curriculum, the training episodes and the speed that have data."""
    same = len(groups)
    return drawable(
        groups,
        [
            Panel("difficulty of the curriculum", "difficulty", difficulty(groups), steps=True),
            Panel("difficulty of the curriculum", "difficulty", difficulty(groups), SECONDS, steps=True),
            score_panel(groups, [TRAINING] * same, "training episodes"),
            Panel("speed", "steps/s", ["time.steps_per_second"] * same, counts=True),
        ],
    )


def training_curves(groups: Sequence[Group]) -> Figure:
    """Draw the difficulty of the curriculum, the success rate or return of training episodes, and the speed."""
    return draw_grid(groups, training_panels(groups), 2)


def loss_panels(groups: Sequence[Group]) -> list[Panel]:
    """Return a panel for each loss and diagnostic that changes in some run, known ones first."""
    found = dict.fromkeys(name for group in groups for run in group.runs for name in run.names("losses"))
    names = [name for name in LOSS_TITLES if name in found] + [name for name in found if name not in LOSS_TITLES]

    def changes(name: str) -> bool:
        seen = {y for group in groups for run in group.runs for y in run.series(STEPS, f"losses.{name}")[1]}
        return len(seen) > 1

    return [
        Panel(
            LOSS_TITLES.get(name, name.replace("_", " ")),
            LOSS_LABELS.get(name, "loss" if name.endswith("loss") else "value"),
            [f"losses.{name}"] * len(groups),
            robust=True,
        )
        for name in names
        if changes(name)
    ]


def losses(groups: Sequence[Group]) -> Figure:
    """Draw the losses and diagnostics of the updates against steps."""
    panels = loss_panels(groups)
    if not panels:
        raise PlotError("expected runs with losses, found none that change")
    return draw_grid(groups, panels, 3, row_height=1.85)


def overview_panels(groups: Sequence[Group], evaluation: str | None = None) -> list[Panel]:
    """Return the most important panels that have data."""
    names = evaluations_of(groups, evaluation)
    title = evaluation_name(names)
    same = len(groups)
    if ever_solves(groups, names):
        third = Panel("moves of the solved", "moves", [metric(name, "length") for name in names], robust=True)
    else:
        third = Panel("return, training episodes", "return", [metric(TRAINING, "reward")] * same, robust=True)
    panels = [
        score_panel(groups, names, title),
        score_panel(groups, names, title, SECONDS),
        third,
        Panel("difficulty of the curriculum", "difficulty", difficulty(groups), steps=True),
        Panel("speed", "steps/s", ["time.steps_per_second"] * same, counts=True),
        Panel("value loss", "loss", ["losses.value_loss"] * same, robust=True),
    ]
    return drawable(groups, panels)


def overview(groups: Sequence[Group], evaluation: str | None = None) -> Figure:
    """Draw the most important panels: success rate or return, moves, difficulty, value loss, and speed."""
    return draw_grid(groups, overview_panels(groups, evaluation), 3, row_height=2.0)
