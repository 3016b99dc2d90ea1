"""Algorithms as objects, as scripts for the published package use them.

`twisterl.train` and `twisterl.load_policy` do the same in fewer words.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import weakref
from pathlib import Path
from typing import Any

from twisterl import _core
from twisterl.envs import Env, make
from twisterl.errors import UsageError
from twisterl.policy import Policy

__all__ = ["AZ", "CLASSES", "PPO", "Algorithm", "BackwardScramble"]


class Algorithm:
    """An algorithm with its environment and its policy.

    Attributes:
        env: the environment; its difficulty follows the curriculum.
        policy: the policy as it is now.
        config: what the config says under `algorithm`, every default written out.
        run_path: folder of the run, once it has begun to learn.
    """

    def __init__(
        self, config: dict[str, Any], run_path: str | None = None, load_checkpoint_path: str | None = None
    ) -> None:
        self._resolved: dict[str, Any] = json.loads(_core.resolve_config(json.dumps(config)))
        self._weights = load_checkpoint_path
        self.config: dict[str, Any] = self._resolved["algorithm"]
        self.run_path = run_path
        self.policy = Policy(load_checkpoint_path, initial=json.dumps(self._resolved))
        self.env: Env = make(self._resolved["env_cls"], seed=self._resolved["seed"], **self._resolved["env"])
        self._learned = 0
        self._collected = 0

    def learn(self, num_steps: int) -> None:
        """Make this many iterations, after those made before."""
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
            made = run.resume(self.run_path, num_steps=self._learned)
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
        """The actions that solve a state, or None; for `options` see `Policy.solve_batch`."""
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
        """Success and mean reward over scrambles of the environment's difficulty, and the seconds it took.

        `kwargs` are those of an entry of `evals` in the config.
        """
        begun = time.perf_counter()
        known = {"num_episodes", "deterministic", "num_searches", "num_mcts_searches", "seed", "C", "max_expand_depth"}
        unknown = set(kwargs) - known - {"num_cores", "max_steps"}
        if unknown:
            raise UsageError(f"evaluate: expected {', '.join(sorted(known))}, found {', '.join(sorted(unknown))}")
        options: dict[str, str] = {"seed": str(kwargs.get("seed", 0))}
        if kwargs.get("num_mcts_searches", 0):
            options["search"] = f"mcts={kwargs['num_mcts_searches']}"
            options["exploration"] = str(kwargs.get("C", 1.41))
            options["max-expand-depth"] = str(kwargs.get("max_expand_depth", 1))
        elif kwargs.get("deterministic", True):
            options["search"] = "greedy"
        else:
            options["search"] = f"best-of={kwargs.get('num_searches', 1)}"
        options |= {n.replace("_", "-"): str(kwargs[n]) for n in ("num_cores", "max_steps") if n in kwargs}
        figures = json.loads(
            self.policy.evaluate_json(None, [], kwargs.get("num_episodes", 100), self.env.difficulty, options)
        )
        return (figures["success"], figures["mean_reward"]), time.perf_counter() - begun

    def collect(self) -> tuple[Any, float]:
        """What one iteration collects, and the seconds it took."""
        raise UsageError(
            f"{type(self).__name__}.collect: only PPO's transitions can be taken out; learn() collects and learns"
        )

    def train(self, *_: Any) -> None:
        """Not to be had: the update has no tensors of PyTorch to work on."""
        raise UsageError("train: gradients and updates happen in Rust; learn(n) makes n whole iterations")

    data_to_torch = train_step = learn_step = sync_rs_policy = train


class CollectedData:
    """Transitions of one PPO iteration, row by row.

    Attributes:
        obs: indices of the ones of each observation, or an array of dense ones.
        actions: what was done.
        values: what the policy thought of the state.
        rewards: what it gave.
        logits: log-probability of the action, which is all that the update needs.
        additional_data: `rets`, the lambda-returns, and `advs`, the advantages.
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

    def collect(self) -> tuple[CollectedData, float]:
        """The transitions of one iteration, and the seconds it took."""
        begun = time.perf_counter()
        fields = _core.collect(self.policy, json.dumps(self._resolved), self.env.difficulty, self._collected)
        self._collected += 1
        return CollectedData(fields), time.perf_counter() - begun


class AZ(Algorithm):
    """AlphaZero."""


class BackwardScramble(Algorithm):
    """Learning from walks away from solved states."""


CLASSES = {"PPO": PPO, "AZ": AZ, "BackwardScramble": BackwardScramble}
