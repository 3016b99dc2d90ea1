"""The progress of training in a notebook: one bar, which is updated in place."""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from twisterl._internal.display import svg
from twisterl.plotting.terminal import counted, escape_controls

# The shortest time between two updates in seconds: notebooks keep up with it, also over a network.
_INTERVAL = 0.25
_COLOURS = {"training": "#0072b2", "finished": "#009e73", "stopped": "#d55e00"}


def in_notebook() -> bool:
    """Return True in a kernel of Jupyter, Colab and the like, whose front end shows HTML."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


Callback = Callable[[dict[str, Any]], Any]


@contextlib.contextmanager
def shown(quiet: bool, total: int | None, callback: Callback | None) -> Iterator[tuple[bool, Callback | None]]:
    """Show the progress of the training in this context, by the trainer itself, or by a bar in a notebook.

    Args:
        quiet: show none.
        total: the number of iterations, None if it is not known.
        callback: the user's callback.

    Yields:
        True if the trainer is to show none, and the callback for the trainer.
    """
    if quiet or not in_notebook():
        yield quiet, callback
        return
    with NotebookBar(total) as bar:

        def told(metrics: dict[str, Any]) -> Any:
            bar.show(metrics)
            return None if callback is None else callback(metrics)

        yield True, told


class NotebookBar:
    """A bar that shows the last iteration, success or return, the rate, and the time left.

    A context manager around the training; `show` is a callback for the metrics of each iteration.
    """

    def __init__(self, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._clock = clock
        self._began = self._shown = -1e9
        self._first: int | None = None
        self._last: Mapping[str, Any] = {}
        self._measure = ""
        self._handle: Any = None

    def __enter__(self) -> NotebookBar:
        self._began = self._clock()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._last:
            whole = self._total is None or self._last["iteration"] + 1 >= self._total
            self._update("finished" if kind is None and whole else "stopped")

    def show(self, metrics: Mapping[str, Any]) -> None:
        """Show the metrics of an iteration, unless others were shown just before."""
        self._last = metrics
        if self._first is None:
            self._first = metrics["iteration"]
        self._measure = _measure(metrics) or self._measure
        if self._clock() - self._shown >= _INTERVAL:
            self._update("training")

    def _update(self, state: str) -> None:
        display = importlib.import_module("IPython.display").display
        self._shown = self._clock()
        line = self._line(state)
        data = {"text/plain": line, "text/html": self._page(line, state)}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)

    def _line(self, state: str) -> str:
        metrics = self._last
        done = metrics["iteration"] + 1
        parts = [f"iteration {done:,}" + ("" if self._total is None else f" of {self._total:,}")]
        if metrics["difficulty"] > 1:
            parts.append(f"difficulty {metrics['difficulty']}")
        parts += [self._measure] if self._measure else []
        elapsed = max(self._clock() - self._began, 1e-9)
        rate = metrics["time"].get("steps_per_second")
        if state == "training":
            parts += [f"{_short(rate)} steps/s"] if rate else []
            fresh = done - (self._first or 0)
            if self._total is not None:
                parts.append(f"{_duration(elapsed / fresh * (self._total - done))} left")
        else:
            parts.append(counted(metrics["env_steps"], "step"))
            parts.append(f"{state} after {_duration(elapsed)}")
        return escape_controls(", ".join(parts))

    def _page(self, line: str, state: str) -> str:
        share = 1.0 if self._total is None else min((self._last["iteration"] + 1) / max(self._total, 1), 1.0)
        bar = (
            '<div style="width:240px;max-width:100%;height:8px;border-radius:4px;background:#8a95a355;overflow:hidden">'
            f'<div style="width:{100 * share:.1f}%;height:8px;background:{_COLOURS[state]}"></div></div>'
        )
        return f'<div style="{svg.TEXT_STYLE}">{bar}<div>{svg.escaped(line)}</div></div>'


def _measure(metrics: Mapping[str, Any]) -> str:
    """Return how well the policy does: the share solved, or the mean return; empty if it was not measured."""
    evaluated = next((e for e in (metrics.get("evals") or {}).values()), None)
    measured = evaluated or metrics.get("rollout") or {}
    success, reward = metrics.get("success"), measured.get("reward")
    success = measured.get("success") if success is None else success
    if success is not None:
        return f"success {100 * success:.1f} %"
    # Of environments that do not measure success.
    return "" if reward is None else f"return {reward:.4g}"


def _short(rate: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if rate >= size:
            return f"{rate / size:.3g} {unit}"
    return f"{rate:.0f}"


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
