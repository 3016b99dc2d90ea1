"""Collected data in the shapes of the PyPI package: lists with one entry per step."""

from __future__ import annotations

from typing import Any

import numpy as np

from twisterl.errors import UsageError

# The logit of an action that is not allowed.
_MASKED = -1e10


class CollectedData:
    """The steps of one collection, one entry each.

    Attributes:
        obs: the indices of the ones of each observation; an array of numbers for environments that show numbers.
        logits: the logits of the actions, -1e10 where one is not allowed; in examples of AlphaZero, the probabilities
            that the policy learns. Where an action is not one choice, the log-probability of the action.
        perms: the symmetry with which each observation was seen; -1 for none, which is always so here.
        values: the policy's value of each state.
        rewards: the rewards as the update sees them: scaled, and normalized if the config says so.
        actions: the actions, real numbers as they were drawn (before clipping).
        additional_data: of PPO `rets`, the lambda-returns, and `advs`, the advantages before `normalize_advantage`; of
            AlphaZero `remaining_values`, the returns.
    """

    def __init__(
        self, obs: Any, logits: Any, values: Any, rewards: Any, actions: Any, perms: list[int] | None = None
    ) -> None:
        self.obs, self.logits = obs, logits
        self.values, self.rewards, self.actions = values, rewards, actions
        self.perms = [-1] * len(obs) if perms is None else [-1 if index is None else index for index in perms]
        self.additional_data: dict[str, list[float]] = {}

    def __len__(self) -> int:
        return len(self.obs)

    def merge(self, other: CollectedData) -> None:
        """Append other data."""
        for name in ("obs", "logits", "perms", "values", "rewards", "actions"):
            both = getattr(self, name), getattr(other, name)
            if all(isinstance(part, list) for part in both):
                both[0].extend(both[1])
            else:
                setattr(self, name, np.concatenate(both))
        for name, values in other.additional_data.items():
            self.additional_data[name] = [*self.additional_data.get(name, []), *values]

    def get_additional_data_item(self, key: str) -> list[float] | None:
        """Return an entry of `additional_data`, None if there is none."""
        return self.additional_data.get(key)

    def set_additional_data_item(self, key: str, value: list[float]) -> None:
        """Set an entry of `additional_data`."""
        self.additional_data[key] = value


def of_ppo(fields: dict[str, Any], policy: Any) -> CollectedData:
    """Return the transitions that a collector of PPO gave, with the logits of the policy that collected them."""
    obs, actions = fields["obs"], fields["actions"]
    logits: Any = fields["log_probs"].tolist()
    if isinstance(actions, np.ndarray):
        actions = actions.tolist()
        raw, _ = policy.forward_batch(obs)
        logits = np.where(fields["masks"], raw, _MASKED).tolist()
    data = CollectedData(obs, logits, fields["values"].tolist(), fields["rewards"].tolist(), actions)
    data.additional_data = {name: fields[name].tolist() for name in ("rets", "advs")}
    return data


def of_alphazero(fields: dict[str, Any]) -> CollectedData:
    """Return the examples that a collector of AlphaZero gave."""
    data = CollectedData(fields["obs"], fields["policies"].tolist(), [], [], [])
    data.additional_data = {"remaining_values": fields["values"].tolist()}
    return data


class Collector:
    """A collector with the settings of the section `collecting` of a config."""

    def __init__(self, algorithm: str, settings: dict[str, Any]) -> None:
        self._algorithm = algorithm
        self._settings = settings

    def collect(self, py_env: Any, policy: Any) -> CollectedData:
        """Collect with a policy, in episodes of the difficulty of an environment."""
        from twisterl import rl
        from twisterl._internal.peer.native import Policy

        if not isinstance(policy, Policy):
            raise UsageError(f"policy: expected what to_rust() returns, found {type(policy).__name__}")
        algorithm = rl.CLASSES[self._algorithm](py_env, policy.description, {"collecting": self._settings})
        data: CollectedData = algorithm.collect()[0]
        return data
