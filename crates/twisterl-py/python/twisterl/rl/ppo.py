"""Proximal policy optimisation, with the interface of the PyPI package `twisterl`."""

from __future__ import annotations

from typing import Any

from twisterl import _core
from twisterl._internal.peer.data import CollectedData, of_ppo
from twisterl.policy import Policy
from twisterl.rl.algorithm import Algorithm

__all__ = ["PPO"]


class PPO(Algorithm):
    """Proximal policy optimisation."""

    algorithm_cls = "PPO"

    def _new_collector(self, config: str, policy: Policy) -> Any:
        return _core.PpoCollector(config, policy)

    def _collected(self, fields: dict[str, Any], policy: Policy) -> CollectedData:
        return of_ppo(fields, policy)
