"""Workers of a Ray cluster."""

from __future__ import annotations

import importlib
from collections.abc import Collection
from typing import Any

from twisterl._internal.processes.spread import worker
from twisterl._internal.processes.spread.engine import Engine, WorkerLostError
from twisterl.errors import UsageError


class Ray(Engine):
    """Tasks of Ray, one processor each, on the cluster at `address` or the one that `ray.init` has joined.

    Without a cluster, Ray starts one on this machine. The width follows the processors of the cluster, so that its
    autoscaler may grow and shrink it during a run.
    """

    def __init__(self, address: str | None = None, **options: Any) -> None:
        try:
            # Its types are not known where it is not installed.
            ray: Any = importlib.import_module("ray")
        except ImportError as error:
            raise UsageError(
                f"engine: expected the package ray, which `pip install ray` brings, found {error}"
            ) from error
        self._ray = ray
        self._started = not ray.is_initialized()
        if self._started:
            ray.init(address=address, **{"include_dashboard": False, "log_to_driver": False, **options})
        self._answer = ray.remote(num_cpus=1, max_retries=3, scheduling_strategy="SPREAD")(_answer)

    def put(self, data: bytes) -> Any:
        return self._ray.put(data)

    def submit(self, config: Any, question: Any, part: int) -> Any:
        return self._answer.remote(config, question, part)

    def wait(self, tasks: Collection[Any], seconds: float) -> list[tuple[Any, bytes | Exception]]:
        if not tasks:
            return []
        tasks = list(tasks)
        ended, _ = self._ray.wait(tasks, num_returns=1, timeout=seconds)
        if ended and len(tasks) > 1:
            ended, _ = self._ray.wait(tasks, num_returns=len(tasks), timeout=0)
        return [(task, self._outcome(task)) for task in ended]

    def width(self) -> int:
        return int(self._ray.cluster_resources().get("CPU", 0))

    def cancel(self, task: Any) -> None:
        self._ray.cancel(task, force=False)

    def close(self) -> None:
        if self._started and self._ray.is_initialized():
            self._ray.shutdown()

    def _outcome(self, task: Any) -> bytes | Exception:
        errors = self._ray.exceptions
        try:
            found: bytes = self._ray.get(task)
        except errors.RayTaskError as error:
            return RuntimeError(str(error))
        except errors.RayError as error:
            return WorkerLostError(str(error))
        return found


def _answer(config: bytes, question: bytes, part: int) -> bytes:
    return worker.answer(config.decode(), question, part)
