"""The style of figures: one serif font, thin axes, colours safe for colour blindness, and little ink."""

from __future__ import annotations

import contextlib
import io
import os
import re
import textwrap
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .runs import PlotError
from .terminal import escape_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEEDS_MATPLOTLIB = "drawing needs matplotlib: pip install matplotlib"
FORMATS = ("png", "svg")
WIDTH = 7.0  # inches, the text width of most papers
# The colours of Okabe and Ito without yellow, which is too light for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#6e6e6e"
# Over the defaults of matplotlib: a `matplotlibrc` in the working folder does not change figures.
RC: Any = {
    "font.family": "STIXGeneral",  # part of matplotlib, so the same on every machine
    "mathtext.fontset": "stix",
    "font.size": 9.5,
    "axes.labelsize": 9.5,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#404040",
    "axes.labelcolor": "#202020",
    "xtick.color": "#404040",
    "ytick.color": "#404040",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.minor.size": 1.5,
    "xtick.minor.width": 0.4,
    "axes.grid": True,
    "grid.color": "#ebebeb",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.4,
    "lines.solid_capstyle": "butt",
    "axes.unicode_minus": True,
    "figure.dpi": 110,
    "savefig.dpi": 220,
    "svg.hashsalt": "twisterl",  # the same figure gives the same bytes
}


# How matplotlib writes the powers of ten at logarithmic axes.
POWER = re.compile(r"\$\\mathdefault\{[-0-9.^{}\\times ]*\}\$")


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Apply this style, and no setting of the user, to what is added to a figure or drawn inside the context."""
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise PlotError(NEEDS_MATPLOTLIB) from error
    except Exception as error:
        raise PlotError(f"matplotlib cannot be imported: {error}") from error
    # An empty file of settings stands for the defaults of matplotlib.
    with mpl.rc_context(RC, fname=os.devnull):
        yield


def _new_figure(**options: Any) -> Figure:
    """Return a figure that is always drawn in this style, and does not need pyplot."""
    from matplotlib.figure import Figure

    class _StyledFigure(Figure):  # defined here because matplotlib is optional
        def draw(self, renderer: Any) -> None:
            _escape_texts(self)
            with styled():
                super().draw(renderer)

        def savefig(self, *args: Any, **kwargs: Any) -> None:
            _escape_texts(self)
            with styled():
                super().savefig(*args, **kwargs)

        def _repr_png_(self) -> bytes:
            """Return the figure as PNG for notebooks, whose default display needs pyplot."""
            data = io.BytesIO()
            self.savefig(data, format="png", dpi=130)
            return data.getvalue()

    return _StyledFigure(**options)


def _escape_texts(figure: Figure) -> None:
    """Escape control characters, which names of runs and evaluations may contain and SVG files must not.

    Dollar signs in names begin no formulas. Only the powers of ten at logarithmic axes are some.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if not isinstance(text, Text):
            continue
        if (shown := escape_lines(text.get_text())) != text.get_text():
            text.set_text(shown)
        text.set_parse_math(POWER.fullmatch(shown) is not None)


def subplots(rows: int, columns: int, height: float, width: float = WIDTH, **options: Any) -> tuple[Figure, Any]:
    """Return a figure of ``width`` by ``height`` inches and an array ``[row, column]`` of axes."""
    with styled():
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        layout = ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05, wspace=0.03, hspace=0.04)
        figure = _new_figure(figsize=(width, height), layout=layout)
        axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, axes


def line_style(i: int) -> dict[str, Any]:
    """Return colour and dashes of the ``i``-th group, which can be told apart without colour too."""
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[(i // len(COLOURS) + i) % len(DASHES)]}


def legend_above(figure: Figure, labels: Sequence[str]) -> None:
    """Add a legend of the groups above all panels."""
    from matplotlib.lines import Line2D

    with styled():
        handles = [Line2D([], [], linewidth=1.6, **line_style(i)) for i in range(len(labels))]
        # As many columns as fit the width, at 0.065 inches per letter.
        longest = max(len(label) for label in labels)
        fit = max(1, int(figure.get_figwidth() / (0.065 * longest + 0.6)))
        rows = -(-len(labels) // fit)
        figure.set_figheight(figure.get_figheight() + 0.19 * (rows - 1))  # keeps the height of the panels
        figure.legend(handles, labels, loc="outside upper left", ncols=min(fit, len(labels)), handlelength=2.4)


def note_below(figure: Figure, text: str) -> None:
    """Add a note below the panels."""
    with styled():
        lines = textwrap.fill(text, int(figure.get_figwidth() * 21))
        figure.supxlabel(lines, fontsize=8, color=GREY, x=0.01, ha="left")


def percent_axis(axes: Axes) -> None:
    """Show shares from 0 to 100 % on the vertical axis."""
    from matplotlib.ticker import MultipleLocator, PercentFormatter

    axes.set_ylim(-0.03, 1.03)
    axes.yaxis.set_major_locator(MultipleLocator(0.25))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))


def count_axis(axis: Any) -> None:
    """Show large counts with unit prefixes: 5 M, not 5e6."""
    from matplotlib.ticker import EngFormatter

    axis.set_major_formatter(EngFormatter(sep="\N{THIN SPACE}"))


def cost_axis(axes: Axes, values: Sequence[float], unit: str) -> None:
    """Show positive amounts on a logarithmic horizontal axis, with unit prefixes: 10 ms, 2 k."""
    from matplotlib.ticker import EngFormatter

    low, high = min(values), max(values)
    if low <= 0:
        axes.margins(x=0.12)
        axes.xaxis.set_major_formatter(EngFormatter(unit, sep="\N{THIN SPACE}"))
        return
    axes.set_xscale("log")
    axes.set_xlim(low / max(1.5, (high / low) ** 0.12), high * max(1.5, (high / low) ** 0.12))
    _decades(axes.xaxis, high / low, EngFormatter(unit, sep="\N{THIN SPACE}"))


def log_axis_with_zero(axes: Axes, values: Sequence[float]) -> None:
    """Show amounts on a logarithmic vertical axis, and a zero as a zero, below a break of the axis."""
    import math

    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter

    positive = [value for value in values if value > 0]
    low, high = min(positive), max(positive)
    plain = FuncFormatter(lambda value, _: f"{value:,.6g}")
    margin = max(1.5, (high / low) ** 0.12)
    if min(values) > 0:
        axes.set_yscale("log")
        axes.set_ylim(low / margin, high * margin)
        _decades(axes.yaxis, high / low, plain)
        return
    # Linear from 0 to the decade below the smallest amount, which takes as much room as a decade.
    first = 10.0 ** math.floor(math.log10(low / 1.2))
    axes.set_yscale("symlog", linthresh=first, linscale=0.8)
    axes.set_ylim(-0.35 * first, high * margin)
    last = math.floor(math.log10(high * margin))
    axes.set_yticks([0.0, *(10.0**i for i in range(round(math.log10(first)), last + 1))])
    axes.yaxis.set_major_formatter(plain)
    axes.minorticks_off()
    middle = axes.transAxes.inverted().transform(axes.transData.transform((1, 0.5 * first)))[1]
    look: dict[str, Any] = {"clip_on": False, "transform": axes.transAxes}
    axes.add_artist(Line2D([0, 0], [middle - 0.012, middle + 0.012], color="white", linewidth=2.2, zorder=4, **look))
    for shift in (middle - 0.014, middle + 0.014):
        ends = [shift - 0.01, shift + 0.01]
        axes.add_artist(Line2D([-0.012, 0.012], ends, color="#404040", linewidth=0.7, zorder=5, **look))


def _decades(axis: Any, ratio: float, formatter: Any) -> None:
    """Put ticks at the powers of ten, and between them if there are few."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1.0,) if ratio > 30 else (1.0, 2.0, 5.0), numticks=12))
    axis.set_major_formatter(formatter)
    axis.set_minor_formatter(NullFormatter())


def hide_unused(axes: Sequence[Axes], used: int) -> None:
    """Remove the unused panels of a grid."""
    for panel in axes[used:]:
        panel.remove()


def save(figure: Figure, path: str | Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write a figure to ``path`` with each of the formats as suffix, and return the files."""
    written = []
    for suffix in formats:
        target = Path(f"{path}.{suffix}")
        # So that Ctrl-C leaves no half of a figure. Nobody can have put a link under this name.
        unfinished = Path(f"{path}.{suffix}.new-{uuid.uuid4().hex}")
        try:
            figure.savefig(unfinished, format=suffix, metadata={"Date": None} if suffix == "svg" else None)
            unfinished.replace(target)
        except (OSError, ValueError) as error:  # ValueError: unknown format
            raise PlotError(f"{target}: cannot be written: {error}") from error
        finally:
            unfinished.unlink(missing_ok=True)
        written.append(target)
    return written
