"""Starting, resuming and inspecting training runs."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisterl import _core
from twisterl._internal import arguments, problems
from twisterl._internal.display import progress
from twisterl._internal.written import written
from twisterl.errors import CheckpointError, FileError, MissingError, UsageError
from twisterl.policy import Policy

if TYPE_CHECKING:
    from twisterl._internal.processes.spread.engine import Engine

__all__ = ["Run", "load_run", "resume", "train"]

_Path = str | os.PathLike[str]
Callback = Callable[[dict[str, Any]], Any]


# long function: most of it describes the arguments
def train(
    config: Mapping[str, Any] | _Path | Any = None,
    run_path: _Path | None = None,
    *,
    env: Any = None,
    algorithm: str | None = None,
    steps: int | None = None,
    num_steps: int | None = None,
    seed: int | None = None,
    callback: Callback | None = None,
    load_checkpoint: _Path | None = None,
    num_cores: int | None = None,
    set: Mapping[str, Any] | None = None,
    quiet: bool = False,
    engine: Engine | str | None = None,
) -> Run:
    """Train a policy.

    Without a section `algorithm` in the config, policy and algorithm are those of a preset, chosen by the spaces of the
    environment; `run.config` shows the result. Ctrl-C stops the run within a second, writes its checkpoint, and raises
    `KeyboardInterrupt`.

    Args:
        config: a dict, the path of a JSON file, or what `env` may be.
        env: the environment: the name of a built-in one, an id of Gymnasium, the path of a class (`module.Class`), a
            class, a function that makes environments, or an environment, of which copies are trained on. Classes and
            functions are registered by their paths, as by `twisterl.register`.
        algorithm: `"PPO"`, `"AZ"`, `"ES"` or `"BackwardScramble"`, overriding the config's `algorithm_cls`.
        steps: number of steps of environments, from which the number of iterations follows.
        run_path: folder of the run, which must be new or empty; by default a new one under `runs/`.
        num_steps: number of iterations, overriding the config's `num_iterations`.
        seed: random seed, overriding the config's.
        callback: called with the metrics of each iteration, as in `metrics.jsonl`; returning False stops the run.
        load_checkpoint: run, checkpoint or file with the weights to start from.
        num_cores: maximum number of threads; results do not depend on it.
        set: config values to override, by path, such as `{"algorithm.training.ent_coef": 0.02}`.
        quiet: show no progress.
        engine: where iterations collect, instead of on threads of this process: an engine of `twisterl.spread`, or
            its name, such as `"processes:4"` or `"ray"`; by default the config's `engine`. Results do not depend on it.

    Returns:
        The run.

    Raises:
        ConfigError: the config is invalid; the message gives the path, what was expected and what was found.
            Fields that the algorithm does not use are errors, too, but warnings (`UserWarning`) in a config that was
            written for the published package: one that names both classes by its paths, such as `twisterl.rl.PPO`.
        DivergedError: the loss is no longer finite.
    """
    quiet = arguments.flag("quiet", quiet)
    given, name = problems.config_of(config, env)
    if algorithm is not None:
        given["algorithm_cls"] = algorithm
    if steps is not None and num_steps is not None:
        raise UsageError("steps: expected steps or num_steps, found both")
    total_steps = None if steps is None else arguments.within("steps", steps, 1, 2**63 - 1)
    overrides, file = _overrides(set, seed, num_steps), problems.file_of(config)
    resolved, notes = _core.complete_config(written(given), overrides, total_steps, file)
    if not quiet:
        from twisterl.plotting import terminal

        for note in notes:
            terminal.message(terminal.escape_controls(note))
    path = arguments.path("run_path", run_path) if run_path is not None else Path("runs") / name
    weights = None if load_checkpoint is None else arguments.path("load_checkpoint", load_checkpoint)
    total = json.loads(resolved)["num_iterations"]
    with progress.shown(quiet, total, callback) as (silent, told):
        rest = (weights, num_cores, silent, told)
        ended = _core.train(resolved, path, run_path is None, *rest, engine=engine)
    return Run(ended["path"], trust=True)


def resume(
    run_path: _Path,
    *,
    num_steps: int | None = None,
    callback: Callback | None = None,
    num_cores: int | None = None,
    set: Mapping[str, Any] | None = None,
    quiet: bool = False,
    env: str | Callable[..., Any] | None = None,
    trust: bool = False,
    engine: Engine | str | None = None,
) -> Run:
    """Continue a run that was stopped or killed, bit-identically.

    The config of the run may change in the meantime, in its `config.json` or by `num_steps` and `set`, where iterations
    do not depend on it: the number of iterations, `algorithm.learning` without `diff_start`, `algorithm.evals`,
    `algorithm.logging`, `algorithm.collecting.num_cores`, `algorithm.collecting.workers` and `engine`. Changes are
    printed.

    Args:
        run_path: folder of the run.
        num_steps: total number of iterations, overriding the config's `num_iterations`.
        callback: see `train`.
        num_cores: see `train`.
        set: see `train`.
        quiet: see `train`.
        env: see `load_policy`. A run whose environment is written in Python needs `env` or `trust`, unless that is
            registered.
        trust: see `load_policy`.
        engine: see `train`; it may be another one than before. `set={"engine": None}` resumes without one.

    Raises:
        ConfigError: a field of the config was changed that cannot change.
        UsageError: another process trains in this folder.
    """
    quiet = arguments.flag("quiet", quiet)
    run = Run(run_path, env=env, trust=trust)
    sets = _overrides(set, None, num_steps)
    changes = _core.config_changes(run.path, sets)
    if not quiet:
        from twisterl.plotting import terminal

        for change in changes:
            terminal.message(f"note: {terminal.escape_controls(change)}")
    total = num_steps if num_steps is not None else run.config["num_iterations"]
    with progress.shown(quiet, total, callback) as (silent, told):
        ended = _core.resume(run.path, sets, num_cores, silent, told, env, trust, engine=engine)
    return Run(ended["path"], env=env, trust=trust)


def _overrides(set: Mapping[str, Any] | None, seed: int | None, num_steps: int | None) -> list[str]:
    """Return `path=value` for each override of a config."""
    overrides = [f"{path}={written(value, path)}" for path, value in (set or {}).items()]
    overrides += [f"seed={arguments.seed(seed)}"] if seed is not None else []
    overrides += [f"num_iterations={arguments.whole('num_steps', num_steps)}"] if num_steps is not None else []
    return overrides


def load_run(run_path: _Path, *, env: str | Callable[..., Any] | None = None, trust: bool = False) -> Run:
    """Return the run in a folder. For `env` and `trust` see `load_policy`."""
    return Run(run_path, env=env, trust=trust)


class Run:
    """A training run and the contents of its folder. For `env` and `trust` see `load_policy`."""

    def __init__(self, path: _Path, *, env: str | Callable[..., Any] | None = None, trust: bool = False) -> None:
        self.path = arguments.path("run_path", path)
        if not (self.path / "config.json").is_file():
            raise MissingError(f"{self.path}: expected a run folder with config.json in it, found none")
        self._env = env
        self._trust = arguments.flag("trust", trust)

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config, including defaults."""
        return problems.read_json(self.path / "config.json")

    @property
    def policy(self) -> Policy:
        """The best policy by the evaluation that the config names; before the first evaluation, the last policy."""
        return Policy(self.path, env=self._env, trust=self._trust)

    @property
    def last_policy(self) -> Policy:
        """The policy of the last checkpoint."""
        return Policy(self.path / "checkpoint_last", env=self._env, trust=self._trust)

    @property
    def metrics(self) -> dict[str, Any]:
        """The logged metrics as arrays by name (`success`, `time.elapsed`, ...), with nan for missing values."""
        import numpy as np

        rows = [_flat(row) for row in self.iterations()]
        columns = dict.fromkeys(name for row in rows for name in row)
        return {name: np.array([row.get(name, math.nan) for row in rows], float) for name in columns}

    def iterations(self) -> list[dict[str, Any]]:
        """Return the logged metrics, one dict per iteration, without the final evaluation."""
        return [row for row in self._records() if not _is_end(row)]

    @property
    def final_evaluation(self) -> dict[str, Any] | None:
        """The evaluations at the end of the run by name, each with `success`, `reward` and `length`.

        None if the run was not trained to its end, or has no evaluations.
        """
        ends = [row for row in self._records()[-1:] if _is_end(row)]
        return ends[0]["evals"] if ends else None

    def _records(self) -> list[dict[str, Any]]:
        """Return the lines of the log."""
        from twisterl.plotting import files

        file = self.path / "metrics.jsonl"
        rows = []
        try:
            lines = list(files.lines(file)) if file.exists() else []
        except OSError as error:
            raise FileError(f"{file}: cannot read: {error}") from error
        except files.FormatError as error:
            raise CheckpointError(f"{file}: {error}") from error
        for number, line in enumerate(lines, 1):
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                if number == len(lines):
                    break  # a line that is being written
                raise CheckpointError(f"{file}:{number}: expected a JSON object, found {line[:40]!r}") from error
        return rows

    def resume(self, num_steps: int | None = None, **options: Any) -> Run:
        """Continue the run; see `twisterl.resume`."""
        return resume(self.path, num_steps=num_steps, **{"env": self._env, "trust": self._trust, **options})

    def plot(self, **options: Any) -> Any:
        """Return an overview as a matplotlib figure. See `twisterl.plotting` for other figures and several runs."""
        from twisterl import plotting

        return plotting.overview(plotting.load_groups([self.path]), **options)

    def __repr__(self) -> str:
        from twisterl.plotting.terminal import counted, escape_controls

        rows = self._records()
        if not rows:
            return f"<Run {self.path}: nothing logged yet>"
        last = rows[-1]
        done = last["iteration"] + (0 if _is_end(last) else 1)
        scores = [score for row in rows if (score := _score(row))]
        figures = [counted(done, "iteration"), counted(last["env_steps"], "step")]
        if not scores or not scores[-1].startswith("last return"):
            figures.append(f"difficulty {escape_controls(last['difficulty'])}")
        return f"<Run {self.path}: {', '.join([*figures, *scores[-1:]])}>"


def _is_end(row: Mapping[str, Any]) -> bool:
    """Return True for the record of the final evaluation of a run."""
    return row.get("final") is True


def _score(row: Mapping[str, Any]) -> str:
    """Return the success that the curriculum uses or the return of the first evaluation, empty if neither is known."""
    if row.get("success") is not None:
        return f"last success {100 * row['success']:.1f} %"
    evals = [found for found in (row.get("evals") or {}).values() if isinstance(found, Mapping)]
    if evals and evals[0].get("success") is None and evals[0].get("reward") is not None:
        return f"last return {evals[0]['reward']:.1f}"
    return ""


def _flat(row: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        elif value is not None:
            flat[prefix + name] = float(value)
    return flat
