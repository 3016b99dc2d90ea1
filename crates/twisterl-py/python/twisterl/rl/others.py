"""The algorithms that the PyPI package `twisterl` does not have: evolution strategies, and backward scrambles."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twisterl import _core
from twisterl._internal.arguments import whole
from twisterl._internal.written import written
from twisterl.errors import UsageError
from twisterl.policy import Policy
from twisterl.rl.algorithm import Algorithm

__all__ = ["ES", "BackwardScramble"]


class _OfConfig(Algorithm):
    """An algorithm that is made of a whole config."""

    def __init__(
        self, config: dict[str, Any], run_path: str | None = None, load_checkpoint_path: str | None = None
    ) -> None:
        super().__init__(config=config, run_path=run_path, load_checkpoint_path=load_checkpoint_path)


class BackwardScramble(_OfConfig):
    """Learning from random walks away from solved states."""

    algorithm_cls = "BackwardScramble"


class ES(_OfConfig):
    """Evolution strategies.

    `learn` trains on this machine. To distribute iterations over processes or machines, create the same `ES` in each of
    them, let each play some members of the population, and tell all results to each:

        part = es.ask_range(first, last)  # bytes, 56 plus 13 per episode
        metrics = es.tell(parts)  # in any order

    All of them then have bit-identical weights and are at the same next iteration.
    """

    algorithm_cls = "ES"

    def __init__(
        self, config: dict[str, Any], run_path: str | None = None, load_checkpoint_path: str | None = None
    ) -> None:
        super().__init__(config, run_path, load_checkpoint_path)
        self._distributed: _core.DistributedEs | None = None

    @property
    def population(self) -> int:
        """The number of members of the population."""
        size: int = self.config["es"]["population"]
        return size

    @property
    def iteration(self) -> int:
        """The index of the iteration that `ask_range` plays next, from 0."""
        return self._begun().iteration

    def ask_range(self, first: int, last: int, num_cores: int | None = None) -> bytes:
        """Play the members from `first` to `last` (exclusive), and return their results for `tell`.

        The results depend only on the config, the weights, the iteration and the member indices.

        Args:
            first: index of the first member, from 0.
            last: index after the last member, at most `population`.
            num_cores: maximum number of threads.
        """
        first, last = whole("first", first), whole("last", last)
        if not 0 <= first <= last <= self.population:
            raise UsageError(f"ask_range: expected 0 <= first <= last <= {self.population}, found {first}, {last}")
        return self._begun().ask_range(first, last, num_cores)

    def tell(self, parts: Iterable[bytes], num_cores: int | None = None) -> dict[str, Any]:
        """Finish the iteration with the results of all members, and return its metrics as a run logs them.

        Args:
            parts: the return values of all `ask_range` calls, in any order.
            num_cores: maximum number of threads.

        Raises:
            ConfigError: a member is missing or duplicated, or a part belongs to other weights or another iteration.
                In this case nothing changes.
        """
        parts = list(parts)
        for part in parts:
            if not isinstance(part, bytes):
                raise UsageError(f"tell: expected what ask_range returned, found {type(part).__name__}")
        es = self._begun()
        metrics = es.tell(parts, num_cores)
        self._take(es)
        return metrics

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint folder from which `load` continues bit-identically."""
        self._begun().save(path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Continue from a checkpoint folder written by `save`, or the `checkpoint_last` of a run with this config."""
        es = _core.DistributedEs(written(self._resolved), checkpoint=path)
        self._distributed = es
        self._take(es)

    def learn(self, num_steps: int, best_metrics: Any = None) -> None:
        """Train for `num_steps` more iterations."""
        if self._distributed is not None:
            raise UsageError("learn: this ES is distributed; continue with ask_range and tell")
        super().learn(num_steps)

    def _begun(self) -> _core.DistributedEs:
        """Return the distributed state, created from the initial weights or the last checkpoint of `learn`."""
        if self._distributed is None:
            learned = Path(self.run_path) / "checkpoint_last" if self.run_path and self._run.iterations else None
            self._distributed = _core.DistributedEs(written(self._resolved), self._weights, learned)
        return self._distributed

    def _take(self, es: _core.DistributedEs) -> None:
        self._policy = Policy(data=es.policy_bytes(), trust=True)
        self.env.difficulty = es.difficulty
