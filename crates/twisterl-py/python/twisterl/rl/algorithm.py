"""Algorithm objects with the interface of the PyPI package `twisterl`.

New code should use `twisterl.train` and `twisterl.load_policy`, which are simpler.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ClassVar

from twisterl import _core
from twisterl._internal.arguments import whole as whole_number
from twisterl._internal.peer.data import CollectedData, Collector
from twisterl._internal.peer.handed import Handed
from twisterl._internal.peer.modules import checked_device
from twisterl._internal.peer.native import evaluate, solve
from twisterl._internal.peer.playing import bound, own_solution, solve_here
from twisterl._internal.peer.runs import ScriptRun, Session
from twisterl._internal.written import written
from twisterl.defaults import AZ_CONFIG, make_config
from twisterl.errors import UsageError
from twisterl.nn.policy import BasicPolicy
from twisterl.policy import Policy

__all__ = ["Algorithm", "evaluate", "solve", "timed"]

# Methods that scripts override to compute gradients with PyTorch.
_OF_TORCH = ("data_to_torch", "train_step", "train")


def timed(func: Callable[..., Any]) -> Callable[..., tuple[Any, float]]:
    """Decorate a function so that it returns its result and the time taken in seconds."""

    @wraps(func)
    def measured(*args: Any, **kwargs: Any) -> tuple[Any, float]:
        begun = time.perf_counter()
        result = func(*args, **kwargs)
        return result, time.perf_counter() - begun

    return measured


class Algorithm:
    """An algorithm with its environment and its policy.

    It is made of an environment, a policy, and the section `algorithm` of a config, as in the PyPI package; or of a
    whole config, which names them: `PPO(config, run_path, load_checkpoint_path)`. The config is the user's: the module
    of an environment that it names is imported.

    Attributes:
        env: the environment that was handed over, or else a new one; its difficulty follows the curriculum, and a
            difficulty that is set holds from the next call on.
        policy: the current policy.
        config: the section `algorithm` of the config, including defaults. Changes hold until learning begins.
        run_path: the folder of the run; None until learning starts, unless given.
        tb_writer: None. Events for TensorBoard are written into `run_path`. A writer that a script puts here gets the
            benchmarks of each iteration.
    """

    algorithm_cls: ClassVar[str] = ""

    # The config that it was made of, and the weights that it begins with, if it was made of a whole config.
    _whole: dict[str, Any] | None
    _weights: str | None

    # long function: both interfaces
    def __init__(
        self,
        env: Any = None,
        policy: Any = None,
        config: Any = None,
        run_path: str | os.PathLike[str] | None = None,
        load_checkpoint_path: str | None = None,
    ) -> None:
        self._prepare()
        if isinstance(env, Mapping):
            given, path, weights = env, policy if run_path is None else run_path, load_checkpoint_path or config
        elif env is None and isinstance(config, Mapping):
            given, path, weights = config, run_path, load_checkpoint_path
        else:
            self._begin(Handed(env), policy, {} if config is None else config, run_path)
            return
        self._resolved: dict[str, Any] = json.loads(_core.resolve_config(written(given)))
        self._weights = weights
        self._whole = dict(given)
        self.config: dict[str, Any] = self._resolved["algorithm"]
        self.run_path = path
        self._policy: Any = Policy(weights, initial=written(self._resolved))
        self.env: Any = self._policy.make_env(seed=self._resolved["seed"])
        self._handed = Handed(self.env)
        self._begin_curriculum()

    @classmethod
    def _of_parts(
        cls, env: Any, policy: BasicPolicy, whole: Mapping[str, Any], run_path: str | os.PathLike[str] | None
    ) -> Algorithm:
        """Return the algorithm of an environment and a policy that were made of a config."""
        made = cls.__new__(cls)
        made._prepare()
        made._whole = dict(whole)
        made._begin(Handed(env, whole), policy, whole.get("algorithm", {}), run_path)
        # A whole config is checked at once, and not only when it is used.
        made._run_config()
        return made

    def _prepare(self) -> None:
        self.tb_writer: Any = None
        self._whole, self._weights = None, None
        # The description's policy for the environment.
        self._bound: Policy | None = None
        self._run = ScriptRun()
        # A collector, and the policy with which it collects.
        self._collector: tuple[Policy, Any] | None = None

    def _begin(self, handed: Handed, policy: Any, config: Mapping[str, Any], run_path: Any) -> None:
        if isinstance(policy, Policy):
            raise UsageError("policy: expected a policy of twisterl.nn, found a loaded policy; it plays by itself")
        if not isinstance(policy, BasicPolicy):
            raise UsageError(
                f"policy: expected a policy of twisterl.nn, found {type(policy).__name__} (modules of PyTorch cannot "
                "be trained: describe the network by BasicPolicy, or by the section `policy` of a config)"
            )
        if not isinstance(config, Mapping):
            raise UsageError(f"config: expected the section `algorithm` of a config, found {type(config).__name__}")
        self._handed, self.env, self._policy = handed, handed.env, policy
        self.run_path = run_path
        self.config = make_config(self.algorithm_cls, dict(config))
        self.config["device"] = checked_device(self.config.get("device"))
        self._begin_curriculum()

    def _begin_curriculum(self) -> None:
        start = self.config.get("learning", {}).get("diff_start")
        if start is not None:
            self._handed.difficulty = start

    @property
    def policy(self) -> Any:
        """The current policy."""
        return self._policy

    @policy.setter
    def policy(self, policy: BasicPolicy) -> None:
        if not isinstance(policy, BasicPolicy):
            raise UsageError(f"policy: expected a policy of twisterl.nn, found {type(policy).__name__}")
        self._policy = policy

    @property
    def obs_size(self) -> int:
        """The number of values of an observation."""
        size = 1
        for length in self._policy.obs_shape:
            size *= length
        return size

    @property
    def num_actions(self) -> int:
        """The number of actions."""
        count = getattr(self.env, "num_actions", None)
        return int(count()) if callable(count) else int(self._policy.num_actions)

    @property
    def optimizer(self) -> Any:
        """Raise `UsageError`: the optimizer is the trainer's."""
        raise UsageError("optimizer: updates happen in Rust; set config['optimizer']['lr'] before learn")

    @property
    def collector(self) -> Any:
        """The collector of the PyPI package, for `collect(env, rs_pol)`."""
        return Collector(self.algorithm_cls, dict(self.config["collecting"]))

    @property
    def rs_pol(self) -> Any:
        """The policy as the functions of `twisterl.twisterl` take it."""
        return self._policy.to_rust() if isinstance(self._policy, BasicPolicy) else self._policy

    # What the trainer is given.

    def _run_config(self) -> dict[str, Any]:
        """Return the whole config, including defaults."""
        if not isinstance(self._policy, BasicPolicy):
            return {**self._resolved, "algorithm": self.config}
        collecting = self.config["collecting"]
        given = self._whole or {}
        others: dict[str, Any] = {key: given[key] for key in ("seed", "num_iterations") if key in given}
        config: dict[str, Any] = {
            **others,
            **self._handed.entry,
            "policy_cls": self._policy._policy_cls,
            "policy": self._policy._section,
            "algorithm_cls": f"twisterl.rl.{self.algorithm_cls}",
            "algorithm": {key: value for key, value in self.config.items() if key not in ("device", "policy")},
        }
        if collecting.get("seed") == AZ_CONFIG["collecting"]["seed"]:
            # A default that no collector uses.
            config["algorithm"]["collecting"] = {key: value for key, value in collecting.items() if key != "seed"}
        resolved: dict[str, Any] = json.loads(_core.resolve_config(written(config)))
        return resolved

    def _native(self) -> Policy:
        """Return the policy with its environment."""
        if not isinstance(self._policy, BasicPolicy):
            playing: Policy = self._policy
            return playing
        if self._bound is None or self._policy._native is not self._bound:
            self._policy._become(bound(self._handed, self._policy))
            self._bound = self._policy._native
        return self._bound

    def _difficulty(self) -> int:
        found = self._handed.difficulty
        return 1 if found is None else found

    # Learning.

    def learn(self, num_steps: int, best_metrics: Any = None) -> None:
        """Train for `num_steps` more iterations.

        Args:
            num_steps: the number of iterations.
            best_metrics: accepted, but not needed: the run remembers its best evaluation.
        """
        self._check_overrides("learn_step")
        self._learn(whole_number("num_steps", num_steps), self._tell_writer if self.tb_writer is not None else None)

    def _check_overrides(self, *names: str) -> None:
        """Raise an error for methods of a subclass that learning would not call."""
        for name in (*_OF_TORCH, *names):
            if getattr(type(self), name) is not getattr(Algorithm, name):
                raise UsageError(
                    f"{type(self).__name__}.{name}: learning would not call this method, since updates happen in Rust; "
                    "set the fields of `training` and `optimizer` in the config instead"
                )

    def _learn(self, num_steps: int, callback: Callable[[dict[str, Any]], Any] | None, quiet: bool = False) -> None:
        if num_steps < 0:
            raise UsageError(f"num_steps: expected 0 or more, found {num_steps}")
        native = self._native()
        self.run_path = self._run.place(self.run_path, native)
        settings = (self._run_config(), self._handed.factory(), self._difficulty(), native)
        session = Session(*settings, not isinstance(self._policy, BasicPolicy), self._weights)
        try:
            self._run.go_on(self.run_path, num_steps, session, callback, quiet)
        finally:
            if self._run.policy is not None:
                self._take_over(self._run.policy)
                self._handed.difficulty = self._run.difficulty

    def _take_over(self, policy: Policy) -> None:
        if isinstance(self._policy, BasicPolicy):
            self._policy._become(policy)
            self._bound = self._policy._native
        else:
            self._policy = policy

    def _tell_writer(self, metrics: dict[str, Any]) -> None:
        """Pass the benchmarks of an iteration to the script's writer, unless it writes where the run's events are."""
        if os.fspath(getattr(self.tb_writer, "log_dir", None) or "") == str(self.run_path):
            return
        for name in ("difficulty", "success", "reward"):
            value = _benchmarks(metrics, self.config)[name]
            if value is not None:
                self.tb_writer.add_scalar(f"Benchmark/{name}", value, metrics["iteration"])

    @timed
    def learn_step(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Make one iteration. Return times in seconds, benchmarks, and losses, each by name.

        The difficulty of `env` stays as it is.
        """
        self._check_overrides()
        rows: list[dict[str, Any]] = []
        before = self._difficulty()
        self._learn(1, rows.append, quiet=True)
        self._handed.difficulty = before
        row = rows[-1]
        times = {name: value for name, value in row["time"].items() if name not in ("elapsed", "steps_per_second")}
        times |= {"to_rust": 0.0, "data_to_torch": times.get("targets", 0.0), "train": times.get("update", 0.0)}
        losses = dict(row["losses"])
        losses |= {old: losses[new] for old, new in _LOSSES.items() if new in losses}
        return times, _benchmarks(row, self.config), losses

    @timed
    def sync_rs_policy(self) -> None:
        """Do nothing: there is one policy, which is always current."""

    def data_to_torch(self, data: Any) -> Any:
        """Raise `UsageError`: there are no tensors of PyTorch."""
        raise UsageError(
            "data_to_torch: updates happen in Rust, without PyTorch; learn(n) makes n whole iterations (collect() "
            "returns lists, of which torch.tensor makes tensors)"
        )

    def train_step(self, torch_data: Any) -> Any:
        """Raise `UsageError`: updates happen in the trainer."""
        raise UsageError("train_step: updates happen in Rust, without PyTorch; learn(n) makes n whole iterations")

    def train(self, torch_data: Any = None) -> Any:
        """Raise `UsageError`: updates happen in the trainer."""
        raise UsageError("train: updates happen in Rust, without PyTorch; learn(n) makes n whole iterations")

    # Playing.

    def solve(
        self,
        state: Any,
        deterministic: bool = False,
        num_searches: int = 1,
        num_mcts_searches: int = 0,
        C: float = 2**0.5,  # noqa: N803 (the name in the PyPI package)
        max_expand_depth: int = 1,
        **options: Any,
    ) -> list[int] | None:
        """Return the actions that solve a state, or None. For `options` see `Policy.solve_batch`.

        If the environment records its solution itself, in a method `solution`, the return value is that.
        """
        searches = {"num_searches": num_searches, "num_mcts_searches": num_mcts_searches, "C": C}
        options |= {"deterministic": deterministic, **searches, "max_expand_depth": max_expand_depth}
        self.env.set_state(state)
        if not self._handed.by_name:
            (success, _), actions = solve_here(self.env, self._policy, options)
            return actions if success else None
        found = self._native().solve(state, **options)
        return own_solution(self.env, found.actions) if found.success else None

    @timed
    def evaluate(self, kwargs: Mapping[str, Any]) -> tuple[float, float]:
        """Evaluate on scrambles of the environment's difficulty.

        Args:
            kwargs: the fields of an entry of `evals` in the config.

        Returns:
            The success rate and the mean reward as a tuple, and the time taken in seconds.
        """
        return self._native().evaluate_entry(written(dict(kwargs)), self._difficulty())

    @timed
    def collect(self) -> Any:
        """Collect the steps of one iteration, and return them with the time taken in seconds.

        They are what a run that begins with the current policy learns from in its first iteration, at the difficulty of
        `env`. Further calls continue its episodes, as the following iterations would with unchanged weights.
        """
        native = self._native()
        collector = self._collector
        if collector is None or collector[0] is not native:
            collector = self._collector = (native, self._new_collector(written(self._run_config()), native))
        return self._collected(collector[1].collect(self._difficulty()), native)

    def _new_collector(self, config: str, policy: Policy) -> Any:
        raise UsageError(
            f"{type(self).__name__}.collect: the data of this algorithm cannot be taken out, only that of PPO and AZ; "
            "learn(n) collects and learns"
        )

    def _collected(self, fields: dict[str, Any], policy: Policy) -> CollectedData:
        raise NotImplementedError


# The losses by the names of the PyPI package, and by ours.
_LOSSES = {"policy": "policy_loss", "value": "value_loss", "entropy": "entropy", "total": "total_loss"}


def _benchmarks(row: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the evaluations of an iteration as `learn_step` of the PyPI package does."""
    evals = row["evals"]
    chosen = evals.get(config["learning"].get("diff_metric"), {})
    return {
        "successes": {name: result["success"] for name, result in evals.items()},
        "rewards": {name: result["reward"] for name, result in evals.items()},
        "difficulty": row["difficulty"],
        "success": chosen.get("success", row["success"]),
        "reward": chosen.get("reward"),
    }
