"""Algorithm objects with the interface of the PyPI package `twisterl`.

New code should use `twisterl.train` and `twisterl.load_policy`, which are simpler.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twisterl import _core
from twisterl._internal.arguments import whole
from twisterl._internal.written import written
from twisterl.envs import Env
from twisterl.errors import UsageError
from twisterl.policy import Policy

__all__ = ["AZ", "CLASSES", "ES", "PPO", "Algorithm", "BackwardScramble"]


class Algorithm:
    """An algorithm with its environment and its policy.

    The config is the user's: the module of an environment that it names is imported.

    Attributes:
        env: the environment; its difficulty follows the curriculum.
        policy: the current policy.
        config: the section `algorithm` of the config, including defaults.
        run_path: the folder of the run; None until learning starts, unless given.
    """

    def __init__(
        self, config: dict[str, Any], run_path: str | None = None, load_checkpoint_path: str | None = None
    ) -> None:
        self._resolved: dict[str, Any] = json.loads(_core.resolve_config(written(config)))
        self._weights = load_checkpoint_path
        self.config: dict[str, Any] = self._resolved["algorithm"]
        self.run_path = run_path
        self.policy = Policy(load_checkpoint_path, initial=json.dumps(self._resolved))
        self.env: Env = self.policy.make_env(seed=self._resolved["seed"])
        self._learned = 0

    def learn(self, num_steps: int) -> None:
        """Train for `num_steps` more iterations."""
        from twisterl import run

        if self.run_path is None:
            folder = tempfile.mkdtemp(prefix="twisterl-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            self.run_path = str(Path(folder) / "run")
        self._learned += num_steps
        if self._learned == num_steps:
            config = {**self._resolved, "num_iterations": num_steps}
            made = run.train(config, self.run_path, load_checkpoint=self._weights)
        else:
            made = run.resume(self.run_path, num_steps=self._learned, trust=True)
        self.policy = made.last_policy
        rows = made.iterations()
        if rows:
            self.env.difficulty = rows[-1]["difficulty"]

    def solve(
        self,
        state: list[int],
        deterministic: bool = False,
        num_searches: int = 1,
        num_mcts_searches: int = 0,
        C: float = 2**0.5,  # noqa: N803
        max_expand_depth: int = 1,
        **options: Any,
    ) -> list[int] | None:
        """Return the actions that solve a state, or None. For `options` see `Policy.solve_batch`."""
        self.env.set_state(state)
        found = self.policy.solve(
            state,
            deterministic=deterministic,
            num_searches=num_searches,
            num_mcts_searches=num_mcts_searches,
            C=C,
            max_expand_depth=max_expand_depth,
            **options,
        )
        return found.actions if found.success else None

    def evaluate(self, kwargs: dict[str, Any]) -> tuple[tuple[float, float], float]:
        """Evaluate on scrambles of the environment's difficulty.

        Args:
            kwargs: the fields of an entry of `evals` in the config.

        Returns:
            The success rate and the mean reward as a tuple, and the time taken in seconds.
        """
        begun = time.perf_counter()
        return self.policy.evaluate_entry(written(kwargs), self.env.difficulty), time.perf_counter() - begun

    def collect(self) -> tuple[Any, float]:
        """Collect the transitions of one iteration; only PPO supports it."""
        raise UsageError(
            f"{type(self).__name__}.collect: only PPO's transitions can be taken out; learn() collects and learns"
        )

    def train(self, *_: Any) -> None:
        """Raise `UsageError`: updates run in Rust, without PyTorch tensors."""
        raise UsageError("train: gradients and updates happen in Rust; learn(n) makes n whole iterations")

    data_to_torch = train_step = learn_step = sync_rs_policy = train


class CollectedData:
    """The transitions of one PPO iteration, one per row.

    Attributes:
        obs: the indices of the ones of each observation, or an array of dense observations, as the environment gives
            them.
        actions: the actions, real numbers as they were drawn (before clipping).
        values: the policy's value of each state.
        rewards: the rewards as the update sees them: scaled, and normalized if the config says so.
        logits: the log-probability of each action, which is all that the update needs.
        additional_data: `rets`, the lambda-returns, and `advs`, the advantages before `normalize_advantage`.
    """

    def __init__(self, fields: dict[str, Any]) -> None:
        self.obs = fields["obs"]
        self.actions = fields["actions"]
        self.values = fields["values"]
        self.rewards = fields["rewards"]
        self.logits = fields["log_probs"]
        self.additional_data = {"rets": fields["rets"], "advs": fields["advs"]}

    def __len__(self) -> int:
        return len(self.actions)


class PPO(Algorithm):
    """Proximal policy optimisation."""

    def __init__(
        self, config: dict[str, Any], run_path: str | None = None, load_checkpoint_path: str | None = None
    ) -> None:
        super().__init__(config, run_path, load_checkpoint_path)
        self._collector: _core.PpoCollector | None = None

    def collect(self) -> tuple[CollectedData, float]:
        """Collect the transitions of one iteration, and return them with the time taken in seconds.

        They are what a run that begins with the current policy learns from in its first iteration, at the difficulty of
        `env`. Further calls continue its episodes, as the following iterations would with unchanged weights.
        """
        begun = time.perf_counter()
        if self._collector is None:
            self._collector = _core.PpoCollector(json.dumps(self._resolved), self.policy)
        fields = self._collector.collect(self.env.difficulty)
        return CollectedData(fields), time.perf_counter() - begun

    def learn(self, num_steps: int) -> None:
        """Train for `num_steps` more iterations."""
        super().learn(num_steps)
        self._collector = None


class AZ(Algorithm):
    """AlphaZero."""


class BackwardScramble(Algorithm):
    """Learning from random walks away from solved states."""


class ES(Algorithm):
    """Evolution strategies.

    `learn` trains on this machine. To distribute iterations over processes or machines, create the same `ES` in each of
    them, let each play some members of the population, and tell all results to each:

        part = es.ask_range(first, last)  # bytes, 56 plus 13 per episode
        metrics = es.tell(parts)  # in any order

    All of them then have bit-identical weights and are at the same next iteration.
    """

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
        es = _core.DistributedEs(json.dumps(self._resolved), checkpoint=path)
        self._distributed = es
        self._take(es)

    def learn(self, num_steps: int) -> None:
        """Train for `num_steps` more iterations."""
        if self._distributed is not None:
            raise UsageError("learn: this ES is distributed; continue with ask_range and tell")
        super().learn(num_steps)

    def _begun(self) -> _core.DistributedEs:
        """Return the distributed state, created from the initial weights or the last checkpoint of `learn`."""
        if self._distributed is None:
            learned = Path(self.run_path) / "checkpoint_last" if self.run_path and self._learned else None
            self._distributed = _core.DistributedEs(json.dumps(self._resolved), self._weights, learned)
        return self._distributed

    def _take(self, es: _core.DistributedEs) -> None:
        self.policy = Policy(data=es.policy_bytes(), trust=True)
        self.env.difficulty = es.difficulty


CLASSES = {"PPO": PPO, "AZ": AZ, "BackwardScramble": BackwardScramble, "ES": ES}
