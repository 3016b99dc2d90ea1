"""Records of what a trainer computes: runs, resumed runs, converted policies, and answers to problems."""

import fnmatch
import hashlib
import json
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from comparison import cases, runs, tensors
from comparison.cases import ROOT, Problems, Training
from comparison.trainer import Trainer, TrainerError

FORMAT = 1
Case = TypeVar("Case", Training, Problems)
SECTIONS = ("training", "resume", "convert", "answers")


@dataclass(frozen=True)
class Recorder:
    """A trainer at work: it writes below `folder`; `kept` holds the run folders that it resumes and plays with."""

    trainer: Trainer
    folder: Path
    kept: Path
    only: str  # pattern of case names

    def trainings(self) -> list[Training]:
        """Returns the runs that were asked for."""
        return [case for case in [*cases.examples(), *cases.variants()] if fnmatch.fnmatch(case.name, self.only)]

    def kept_runs(self) -> list[Training]:
        """Returns the kept runs among them."""
        return [case for case in self.trainings() if case.kept]

    def problems(self) -> list[Problems]:
        """Returns the policies with problems that were asked for."""
        return [case for case in cases.PROBLEMS if fnmatch.fnmatch(case.name, self.only)]

    def train(self, case: Training) -> dict[str, Any]:
        """Makes a run below `folder` and returns its fingerprint."""
        run = self.folder / "training" / case.name
        self.trainer.check(*case.arguments(), "--run-path", run)
        return {"arguments": _relative(case.arguments()), **runs.fingerprint(run)}

    def resume(self, case: Training) -> dict[str, Any]:
        """Copies a kept run, makes more iterations, and returns the fingerprint."""
        run = self.folder / "resumed" / case.name
        shutil.copytree(self.kept / case.name, run)
        steps = cases.ITERATIONS + cases.MORE_ITERATIONS
        self.trainer.check("--resume", run, "--num-steps", steps, "--num-cores", 2, "--quiet")
        return runs.fingerprint(run)

    def convert(self, case: Problems) -> dict[str, Any]:
        """Converts a policy and returns what is in the file."""
        file = self.folder / "converted.safetensors"
        self.trainer.check("convert", *self._policy(case), file)
        return tensors.describe(file)

    def answer(self, case: Problems) -> dict[str, Any]:
        """Solves the first problem, and evaluates on all, by each method; returns the answers by the options."""
        answers: dict[str, Any] = {}
        states = self.folder / "states.json"
        chosen = _boards(case)
        states.write_text(json.dumps({"instances": chosen}), encoding="utf-8")
        many = ["--states", states] if chosen else ["--num-episodes", case.count]
        for line in cases.options(case.methods):
            words = [*line.split(), *case.limits]
            answers[f"evaluate {line}"] = self._evaluate(case, [*many, *words])
            if chosen:
                first = ",".join(map(str, chosen[0]["state"]))
                answers[f"solve {line}"] = self._solve(case, ["--state", first, *words])
        return answers

    def _policy(self, case: Problems) -> list[str]:
        inside, _, name = case.policy.partition("/")
        path = self.kept / name if inside == "runs" else ROOT / case.policy
        if not path.exists():
            raise TrainerError(f"{case.name}: expected a policy, found none at {path}")
        return [str(path), *(["--config", str(ROOT / case.config)] if case.config else [])]

    def _evaluate(self, case: Problems, words: list[Any]) -> Any:
        done = self.trainer.run("evaluate", *self._policy(case), "--json", *words)
        if done.returncode != 0:
            return {"exit code": done.returncode}
        figures = json.loads(done.stdout)
        del figures["seconds_per_state"]
        return figures

    def _solve(self, case: Problems, words: list[Any]) -> Any:
        done = self.trainer.run("solve", *self._policy(case), *words)
        return {"exit code": done.returncode, **_episode(done.stdout)}


def _episode(text: str) -> dict[str, Any]:
    """Shortens what `solve` prints: the names of the moves, the lines below the boards, and a checksum of all.

    Boards come in rows that are separated by empty lines; the first line of a row names the moves.
    """
    *rows, end = text.split("\n\n")
    lines = [_without_seconds(line) for line in end.splitlines()]
    moves = [" ".join(row.partition("\n")[0].split()) for row in rows]
    whole = hashlib.sha256("\n\n".join([*rows, *lines]).encode()).hexdigest()
    return {"moves": " ".join(moves), "end": lines, "sha256": whole}


def _without_seconds(line: str) -> str:
    return re.sub(r", [0-9.]+ s$", "", line)


def _relative(arguments: list[str]) -> list[str]:
    return [argument.removeprefix(f"{ROOT}/") for argument in arguments]


def _boards(case: Problems) -> list[dict[str, Any]]:
    """Returns the first problems of a case; golden files of the peer hold them as `cases`."""
    if case.boards is None:
        return []
    if not isinstance(case.boards, str):
        return [{"state": list(board)} for board in case.boards[: case.count]]
    found = json.loads((ROOT / case.boards).read_text(encoding="utf-8"))
    chosen = (found.get("instances") or found["cases"])[: case.count]
    return [{key: board[key] for key in ("state", "optimal") if key in board} for board in chosen]


def processor() -> str:
    """Returns the model of the processor: the last bits of results depend on its instructions."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def record(recorder: Recorder, sections: tuple[str, ...] = SECTIONS, keep: bool = False) -> dict[str, Any]:
    """Records the given sections.

    With `keep`, runs that others are to resume are copied to `kept` once they are trained, and the first command that
    fails ends it all. Without, the runs must be there, and a case that fails has its error in place of results.
    """
    trainer = recorder.trainer
    about = {"format": FORMAT, "version": trainer.version(), "sha256": trainer.sha256(), "processor": processor()}
    found: dict[str, Any] = {"about": about}
    if "training" in sections:
        found["training"] = _each("train", recorder.trainings(), recorder.train, keep)
        for case in recorder.kept_runs() if keep else []:
            shutil.copytree(recorder.folder / "training" / case.name, recorder.kept / case.name)
    if "resume" in sections:
        found["resume"] = _each("resume", recorder.kept_runs(), recorder.resume, keep)
    if "convert" in sections:
        found["convert"] = _each("convert", recorder.problems(), recorder.convert, keep)
    if "answers" in sections:
        found["answers"] = _each("solve", recorder.problems(), recorder.answer, keep)
    return found


def _each(title: str, chosen: Sequence[Case], work: Callable[[Case], Any], strict: bool) -> dict[str, Any]:
    """Returns what `work` makes of each case, by their names, and prints how long each took."""
    results = {}
    for case in chosen:
        begun = time.monotonic()
        try:
            results[case.name] = work(case)
        except TrainerError as error:
            if strict:
                raise
            results[case.name] = {"error": str(error)}
        print(f"{time.monotonic() - begun:7.1f} s  {title} {case.name}", file=sys.stderr, flush=True)
    return results
