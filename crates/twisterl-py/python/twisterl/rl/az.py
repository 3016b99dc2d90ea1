"""AlphaZero, with the interface of the PyPI package `twisterl`."""

from __future__ import annotations

from typing import Any

from twisterl import _core
from twisterl._internal.peer.data import CollectedData, of_alphazero
from twisterl.policy import Policy
from twisterl.rl.algorithm import Algorithm

__all__ = ["AZ"]


class AZ(Algorithm):
    """AlphaZero."""

    algorithm_cls = "AZ"

    def _new_collector(self, config: str, policy: Policy) -> Any:
        return _core.AzCollector(config, policy)

    def _collected(self, fields: dict[str, Any], policy: Policy) -> CollectedData:
        return of_alphazero(fields)
