"""The records of runs, and groups of runs that differ only in the seed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import files
from .terminal import escape_lines

METRICS = "metrics.jsonl"
EVALUATION = "evaluation.json"  # the output of `evaluate --json`, stored in the run's folder
SEED_FOLDER = re.compile(r"seed-\d+")
TRAINING = "rollout"  # stands for the training episodes in place of an evaluation


class PlotError(ValueError):
    """Runs cannot be summarised or drawn; the message says which ones and why."""

    def __str__(self) -> str:
        """Return the message with control characters escaped, which names in files may contain."""
        return escape_lines(super().__str__())


@dataclass(frozen=True)
class History:
    """One run: its records in order of iteration, its config and its evaluation."""

    records: Sequence[Mapping[str, Any]]
    name: str = "run"
    config: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] | None = None
    """The output of ``evaluate --json`` for the best policy."""
    _series: dict[tuple[str, str], tuple[list[float], list[float]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not self.records:
            raise PlotError(f"{self.name}: expected at least one record, found none")

    def last(self, path: str) -> float | None:
        """Return the last known number at ``path``."""
        return next((v for r in reversed(self.records) if (v := value(r, path)) is not None), None)

    def series(self, x: str, y: str) -> tuple[list[float], list[float]]:
        """Return the values at the paths ``x`` and ``y`` of the records that have both.

        Solution lengths are left out where nothing was solved, because they are logged as 0 there.
        """
        if (x, y) not in self._series:
            self._series[x, y] = self._look_up(x, y)
        return self._series[x, y]

    def _look_up(self, x: str, y: str) -> tuple[list[float], list[float]]:
        solved = y.removesuffix("length") + "success" if y.endswith(".length") else None
        points = [
            (value(record, x), value(record, y))
            for record in self.records
            if solved is None or value(record, solved) != 0
        ]
        known = [(a, b) for a, b in points if a is not None and b is not None]
        return [a for a, _ in known], [b for _, b in known]

    def names(self, key: str) -> list[str]:
        """Return the names under ``key`` in any record, such as the names of the evaluations, in order."""
        return list(dict.fromkeys(name for record in self.records for name in _mapping(record.get(key))))

    def primary(self) -> str:
        """Return the evaluation that chose the best policy: the one named by ``diff_metric``, or else the first."""
        evals = self.names("evals")
        algorithm = _mapping(self.config.get("algorithm"))
        chosen = _mapping(algorithm.get("learning")).get("diff_metric")
        return chosen if chosen in evals else evals[0] if evals else TRAINING


@dataclass(frozen=True)
class Group:
    """Runs drawn as one curve: the same config with different seeds."""

    label: str
    runs: Sequence[History]

    def __post_init__(self) -> None:
        if not self.runs:
            raise PlotError(f"{self.label}: expected at least one run, found none")

    @property
    def title(self) -> str:
        """The label with the number of seeds."""
        return f"{self.label} ({len(self.runs)} seeds)" if len(self.runs) > 1 else f"{self.label} (1 seed)"

    @property
    def environment(self) -> str | None:
        """The environment and its size, which tells whether two groups solve the same problems."""
        config = self.runs[0].config
        if "env_cls" not in config:
            return None
        name = str(config["env_cls"]).rsplit(".", 1)[-1]
        size = {key: v for key, v in _mapping(config.get("env")).items() if key in ("width", "height", "size")}
        return f"{name} {' x '.join(str(v) for v in size.values())}".strip()

    @property
    def algorithm(self) -> str | None:
        """The algorithm's short name."""
        name = self.runs[0].config.get("algorithm_cls")
        return None if name is None else str(name).rsplit(".", 1)[-1]


def _mapping(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def value(record: Mapping[str, Any], path: str) -> float | None:
    """Return the number at a path such as ``evals.ppo_1.success``, or None if it is missing or not finite."""
    found: object = record
    for key in path.split("."):
        found = found.get(key) if type(found) is dict or isinstance(found, Mapping) else None
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return None
    try:
        number = float(found)
    except OverflowError:  # an integer beyond all floats
        return None
    return number if math.isfinite(number) else None


def metric(evaluation: str, name: str) -> str:
    """Return the path of a metric of an evaluation or of the training episodes."""
    return f"{TRAINING}.{name}" if evaluation == TRAINING else f"evals.{evaluation}.{name}"


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read a ``metrics.jsonl``, ignoring a truncated last line.

    Raises ``PlotError`` if the file cannot be read, has no records, or has a line that is not a JSON object.
    """
    try:
        lines = list(files.lines(path))
    except OSError as error:
        raise PlotError(f"{path}: cannot be read: {error.strerror}") from error
    except files.FormatError as error:
        raise PlotError(f"{path}: {error}") from error
    records = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                break
            raise PlotError(f"{path}, line {number}: expected a JSON object, found {line[:40]!r}") from error
        if not isinstance(record, dict):
            raise PlotError(f"{path}, line {number}: expected a JSON object, found {line[:40]!r}")
        records.append(record)
    if not records:
        raise PlotError(f"{path}: expected at least one record, found none")
    return records


def _read_object(path: Path, limit: int) -> dict[str, Any] | None:
    """Read a JSON object of at most ``limit`` bytes, or return None if the file does not exist."""
    try:
        return files.read_object(path, limit)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PlotError(f"{path}: cannot be read: {error.strerror}") from error
    except files.FormatError as error:
        raise PlotError(f"{path}: {error}") from error


def load_run(folder: str | Path) -> History:
    """Read the folder of a run: its metrics, its config, and its evaluation if there is one."""
    folder = Path(folder)
    if not folder.is_dir():
        raise PlotError(f"{folder}: expected the folder of a run, found {'a file' if folder.exists() else 'nothing'}")
    config = _read_object(folder / "config.json", files.MAX_CONFIG) or {}
    evaluation = _read_object(folder / EVALUATION, files.MAX_EVALUATION)
    return History(read_metrics(folder / METRICS), str(folder), config, evaluation)


def run_folders(folder: Path) -> list[Path]:
    """Return the folder itself if it is a run, or else the runs ``seed-N`` in it in order of their seeds."""
    if (folder / METRICS).is_file() or not folder.is_dir():
        return [folder]
    seeds = [path for path in folder.iterdir() if SEED_FOLDER.fullmatch(path.name) and (path / METRICS).is_file()]
    if not seeds:
        raise PlotError(
            f"{folder}: expected a run ({METRICS} in it) or folders seed-0, seed-1, ... of runs; found none"
        )
    return sorted(seeds, key=lambda path: int(path.name.removeprefix("seed-")))


def load_groups(paths: Iterable[str | Path]) -> list[Group]:
    """Read runs, and group runs ``seed-N`` that are in the same folder.

    A path is a run, a folder of runs ``seed-N``, or ``LABEL=PATH``. The default label is the name of the folder.
    """
    members: dict[tuple[str | None, Path], list[Path]] = {}
    for path in paths:
        label, separator, folder = str(path).partition("=")
        named = bool(separator) and not Path(path).exists()
        for run in run_folders(Path(folder if named else path)):
            home = run.resolve().parent if SEED_FOLDER.fullmatch(run.resolve().name) else run.resolve()
            group = members.setdefault((label if named else None, home), [])
            if run not in group:
                group.append(run)
    if not members:
        raise PlotError("expected at least one run, found none")
    labels = unique_labels([label or home.name for label, home in members], [home for _, home in members])
    return [Group(label, [load_run(run) for run in runs]) for label, runs in zip(labels, members.values(), strict=True)]


def unique_labels(labels: Sequence[str], homes: Sequence[Path]) -> list[str]:
    """Make duplicate labels unique by prefixing the name of the parent folder."""
    return [
        f"{home.parent.name}/{label}" if labels.count(label) > 1 else label
        for label, home in zip(labels, homes, strict=True)
    ]


def common_evaluation(groups: Sequence[Group]) -> str | None:
    """Return an evaluation that all groups have, preferably the first group's primary one, or None."""
    if not groups:
        raise PlotError("expected at least one group of runs, found none")
    shared = [set(run.names("evals")) for group in groups for run in group.runs]
    primary = groups[0].runs[0].primary()
    candidates = [primary, *groups[0].runs[0].names("evals")]
    return next((name for name in candidates if all(name in names for names in shared)), None)


def chosen_evaluation(group: Group, wanted: str | None) -> str:
    """Return ``wanted`` if the group has this evaluation, or else its primary one."""
    first = group.runs[0]
    return wanted if wanted is not None and (wanted == TRAINING or wanted in first.names("evals")) else first.primary()
