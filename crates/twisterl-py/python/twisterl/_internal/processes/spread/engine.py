"""Engines: where the parts of a question are answered."""

from __future__ import annotations

import abc
from collections.abc import Collection
from typing import Any

from twisterl import _core
from twisterl.errors import UsageError


class WorkerLostError(Exception):
    """A worker ended, or left, before it had answered."""


class Engine(abc.ABC):
    """Has `answer(config, question, part)` called by workers. An engine is used by one run at a time."""

    @abc.abstractmethod
    def put(self, data: bytes) -> Any:
        """Make bytes available to workers, and return what stands for them in `submit`."""

    @abc.abstractmethod
    def submit(self, config: Any, question: Any, part: int) -> Any:
        """Begin to have a part answered; `config` and `question` are results of `put`. Return a handle of the task."""

    @abc.abstractmethod
    def wait(self, tasks: Collection[Any], seconds: float) -> list[tuple[Any, bytes | Exception]]:
        """Wait until one of these tasks has ended, but at most for some time.

        Returns:
            The tasks that have ended, each with its answer or its exception, which is `WorkerLostError` if another
            worker may succeed.
        """

    @abc.abstractmethod
    def width(self) -> int:
        """Return how many parts can be answered at the same time now."""

    def withdraw(self, task: Any) -> bool:
        """Take back a task if it was not begun; return True if it was, and `wait` will not tell of it."""
        return False

    def cancel(self, task: Any) -> None:  # noqa: B027
        """Give up a task whose answer is not needed any more, if that is possible."""

    def close(self) -> None:  # noqa: B027
        """End what the engine has started. It may be used again after that."""


def of(engine: Engine | str) -> Engine:
    """Return an engine by its name: `processes`, `processes:4` with four workers, or `ray`."""
    if isinstance(engine, Engine):
        return engine
    if not isinstance(engine, str):
        raise UsageError(f"engine: expected an engine of twisterl.spread, or its name, found {engine!r}")
    from twisterl._internal.processes.spread.local import Processes
    from twisterl._internal.processes.spread.over_ray import Ray

    kind, workers = _core.engine_name(engine)
    return Processes(workers) if kind == "processes" else Ray()
