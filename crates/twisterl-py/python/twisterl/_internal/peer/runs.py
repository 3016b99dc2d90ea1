"""The run behind an algorithm object: begun by its first call of `learn`, and continued by the following ones."""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisterl import _core
from twisterl._internal.display import progress
from twisterl._internal.written import written
from twisterl.errors import UsageError
from twisterl.policy import Policy


@dataclass
class Session:
    """The wishes of an algorithm object for its run.

    Attributes:
        config: the whole config, including defaults.
        factory: makes the environments; None if the config names them.
        difficulty: the difficulty of the next iteration.
        policy: the policy to go on with.
        by_config: whether a first run begins as the config says, or with the file `weights` if there is one.
        weights: see `by_config`.
    """

    config: dict[str, Any]
    factory: Callable[..., Any] | None
    difficulty: int
    policy: Policy
    by_config: bool
    weights: str | None


@dataclass
class ScriptRun:
    """A run, and how far it is.

    Attributes:
        iterations: the number of iterations made.
        path: its folder, None before it begins.
        difficulty: the difficulty that it has reached.
        policy: the policy that it has reached.
    """

    iterations: int = 0
    path: Path | None = None
    difficulty: int = 0
    policy: Policy | None = None
    _weights: dict[str, Any] = field(default_factory=dict)
    _config: dict[str, Any] = field(default_factory=dict)
    _temporary: bool = False

    def place(self, run_path: Any, policy: Policy) -> str:
        """Return the folder in which to go on: `run_path`, or a temporary one. Another folder begins another run.

        Raises:
            UsageError: the policy is not the one that the run in this folder ended with.
        """
        moved = self.path is not None and (run_path is None or Path(run_path) != self.path)
        now = policy.weights()
        replaced = any((now[name] != values).any() for name, values in self._weights.items())
        if replaced and not moved and not self._temporary:
            raise UsageError(
                f"learn: the weights were replaced after the run in {run_path} had begun; set run_path to a new "
                "folder, or to None, to begin another run with them"
            )
        if replaced or moved:
            run_path = run_path if moved else None
            self.iterations, self.path, self._weights = 0, None, {}
        if run_path is None:
            folder = tempfile.mkdtemp(prefix="twisterl-")
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            self._temporary = True
            return str(Path(folder) / "run")
        self._temporary = self._temporary and self.path is not None
        return str(run_path)

    def go_on(self, path: str, num_steps: int, session: Session, callback: Any, quiet: bool) -> None:
        """Make `num_steps` more iterations in the folder that `place` returned.

        Raises:
            ConfigError: a field of the config was changed that cannot change during a run.
        """
        folder, total = Path(path), self.iterations + num_steps
        with progress.shown(quiet, total, callback) as (silent, told):
            rest: dict[str, Any] = {"quiet": silent, "callback": told, "env": session.factory}
            try:
                if self.iterations:
                    sets = [f"num_iterations={total}", *self._changes(session.config)]
                    _core.resume(folder, sets, **rest, trust=True, difficulty=session.difficulty)
                else:
                    self._config = session.config
                    self._begin(folder, total, session, rest)
            except KeyboardInterrupt:
                self._take_over(folder, session.factory)
                raise
        self._take_over(folder, session.factory)

    def _begin(self, folder: Path, total: int, session: Session, rest: dict[str, Any]) -> None:
        text = written({**session.config, "num_iterations": total})
        with tempfile.TemporaryDirectory(prefix="twisterl-") as held:
            weights = session.weights
            if not session.by_config or self.policy is not None:
                weights = str(Path(held) / "policy.safetensors")
                session.policy.save(weights)
            _core.train(text, folder, False, weights, **rest, difficulty=session.difficulty, peer_names=True)

    def _take_over(self, folder: Path, factory: Callable[..., Any] | None) -> None:
        """Read what the last checkpoint holds."""
        state = folder / "checkpoint_last" / "state.json"
        if not state.is_file():
            return
        found = json.loads(state.read_text("utf-8"))
        self.path, self.iterations, self.difficulty = folder, found["iteration"], found["curriculum"]["difficulty"]
        self.policy = Policy(state.parent, env=factory, trust=True)
        self._weights = self.policy.weights()

    def _changes(self, config: dict[str, Any]) -> list[str]:
        """Return `path=value` for each field of the config that has changed since the run began."""
        begun = self._config["algorithm"]
        return [
            f"algorithm.{section}.{name}={written(value)}"
            for section, fields in config["algorithm"].items()
            if isinstance(fields, Mapping)
            for name, value in fields.items()
            if value != begun[section].get(name)
        ]
