"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], text: int = 1) -> str:
    """Returns a table; the first ``text`` columns hold words, the others numbers."""
    lines = [line(heads), "|" + "---|" * text + "---:|" * (len(heads) - text)]
    return "\n".join([*lines, *map(line, rows)]) + "\n"


def line(cells: Sequence[str]) -> str:
    """Returns one row."""
    return f"| {' | '.join(cells)} |"
