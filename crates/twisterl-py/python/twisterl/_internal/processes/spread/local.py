"""Workers in processes of this machine: the reference of all engines, without dependencies."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Collection
from typing import Any

from twisterl import _core
from twisterl._internal import arguments
from twisterl._internal.processes import spawning
from twisterl._internal.processes.spread.engine import Engine, WorkerLostError
from twisterl.errors import UsageError

# The module search path follows as arguments.
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[1:]; from twisterl._internal.processes.spread import worker; worker.main()"
)


class Processes(Engine):
    """Worker processes of this machine, by default one a processor, each with one thread.

    For environments that do not run well on threads, such as those written in Python, and to try what will run on a
    cluster. A process that was lost is replaced; all of them end with this one.
    """

    def __init__(self, workers: int | None = None) -> None:
        if spawning.is_worker:
            raise UsageError("engine: expected no training in a worker, put it below if __name__ == '__main__':")
        count = os.cpu_count() or 1 if workers is None else arguments.within("workers", workers, 1, 4096)
        self._workers = count
        self._tasks = itertools.count()
        self._crew: _core.Crew | None = None

    def put(self, data: bytes) -> _core.CrewData:
        return _core.Crew.put(data)

    def submit(self, config: Any, question: Any, part: int) -> int:
        task = next(self._tasks)
        self._started().submit(task, config, question, part)
        return task

    def wait(self, tasks: Collection[Any], seconds: float) -> list[tuple[Any, bytes | Exception]]:
        ended = self._started().wait(seconds)
        return [(task, _failure(lost, text) if answer is None else answer) for task, answer, lost, text in ended]

    def width(self) -> int:
        return self._workers

    def resize(self, workers: int) -> None:
        """Change the number of workers, also while a run goes on."""
        self._workers = arguments.within("workers", workers, 1, 4096)
        if self._crew is not None:
            self._crew.resize(self._workers)

    def pids(self) -> list[int]:
        """Return the numbers of the processes that are running."""
        return self._crew.pids() if self._crew is not None else []

    def withdraw(self, task: Any) -> bool:
        return self._crew is not None and self._crew.withdraw(task)

    def cancel(self, task: Any) -> None:
        self.withdraw(task)

    def close(self) -> None:
        if self._crew is not None:
            self._crew.close()
            self._crew = None

    def __repr__(self) -> str:
        return f"Processes({self._workers})"

    def _started(self) -> _core.Crew:
        if self._crew is None:
            command = [sys.executable, *spawning.options(), "-c", _PROGRAM, *sys.path]
            self._crew = _core.Crew(command, self._workers)
        return self._crew


def _failure(lost: bool, text: str) -> Exception:
    return WorkerLostError(text) if lost else RuntimeError(text)
