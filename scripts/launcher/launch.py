"""Trains several runs side by side: each a process of its own, here or elsewhere, with its share of the cores.

What is on disk says where a run stands: one that has not begun is started, one that was stopped or killed is resumed,
one that is finished is left alone. Needs a POSIX system, for its signals and locks.
"""

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from .package_plotting import plotting

files = plotting.files

POLL_SECONDS = 0.2
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INTERRUPTED = tuple(128 + number for number in SIGNALS)  # the trainer's exit codes after them


class RunError(Exception):
    """The runs cannot go on; the message says why and what to do."""


class Running(Protocol):
    """A run's trainer, here or elsewhere."""

    returncode: int | None

    def poll(self) -> int | None:
        """Return its exit code once it has ended."""

    def send_signal(self, number: int) -> None:
        """Send it a signal."""


class Starter(Protocol):
    """Starts or resumes runs."""

    def start(self, job: "Job", cores: int) -> Running:
        """Start or resume a run on so many cores."""


@dataclass
class Job:
    """One run, and what its metrics said last."""

    label: str
    folder: Path
    start: list[str]  # the trainer's arguments for a new run
    num_steps: int | None = None  # iterations in all; the config's if None
    state: str = "waiting"  # then running; then done, stopped or failed
    iteration: int = 0
    total: int | None = None
    difficulty: float | None = None
    success: float | None = None
    reward: float | None = None  # mean return, of environments that do not measure success
    steps_per_second: float | None = None
    seconds_left: float | None = None
    process: Running | None = None
    _read: int = 0
    _first: tuple[float, int] | None = None  # when this process's first record was seen, and its iteration
    _last: tuple[float, float] | None = None  # the clock of the training and its steps, some records ago

    @property
    def log(self) -> Path:
        """The file with the trainer's messages; empty unless something is wrong."""
        return self.folder.with_name(f"{self.folder.name}.log")

    def look(self) -> None:
        """Read from the run's folder how far it is."""
        config = read_json(self.folder / "config.json")
        self.total = self.num_steps or config.get("num_iterations")
        if self.process is None:
            state = read_json(self.folder / "checkpoint_last/state.json", files.MAX_CHECKPOINT_STATE)
            self.iteration = state.get("iteration", 0)
            if self.total is not None and self.iteration >= self.total:
                self.state = "done"

    def command(self, trainer: Path, cores: int) -> list[str]:
        """The command that starts or resumes the run."""
        if (self.folder / "config.json").is_file():
            arguments = ["--resume", str(self.folder)]
        else:
            arguments = [*self.start, "--run-path", str(self.folder)]
        arguments += [] if self.num_steps is None else ["--num-steps", str(self.num_steps)]
        return [str(trainer), *arguments, "--num-cores", str(cores), "--quiet"]

    def follow(self) -> None:
        """Read the metrics that are new."""
        try:
            with (self.folder / "metrics.jsonl").open("rb") as file:
                if os.fstat(file.fileno()).st_size < self._read:  # cut back to the last checkpoint
                    self._read = 0
                file.seek(self._read)
                lines = file.read().splitlines(keepends=True)
        except FileNotFoundError:
            return
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        self._read += sum(map(len, lines))
        evaluated = [line for line in lines if b'"evals":{}' not in line]
        for line in (*evaluated[-1:], *lines[-1:]):
            try:
                self._take(json.loads(line))
            except (ValueError, TypeError, AttributeError):  # not what the trainer writes; the plots will say so
                continue

    def _take(self, record: dict[str, Any]) -> None:
        scores = [score.get("success") for score in record.get("evals", {}).values()]
        success = next((s for s in (record.get("success"), *scores) if s is not None), None)
        self.success = self.success if success is None else success
        returns = [score.get("reward") for score in record.get("evals", {}).values()]
        self.reward = next((r for r in returns if r is not None), self.reward)
        self.difficulty = record.get("difficulty")
        self.iteration = record["iteration"] + (0 if record.get("final") else 1)
        clock, steps = record["time"]["elapsed"], record["env_steps"]
        if self._last is None or clock < self._last[0]:
            self._last = (clock, steps)
        elif clock - self._last[0] >= 1.0:
            self.steps_per_second = (steps - self._last[1]) / (clock - self._last[0])
            self._last = (clock, steps)
        now = time.monotonic()
        if self._first is None:
            self._first = (now, self.iteration)
        elif self.total is not None and self.iteration > self._first[1]:
            pace = (now - self._first[0]) / (self.iteration - self._first[1])
            self.seconds_left = pace * max(0, self.total - self.iteration)


def read_json(path: Path, limit: int = files.MAX_CONFIG) -> dict[str, Any]:
    """The object in a file of at most so many bytes; an empty one where there is none."""
    try:
        found: dict[str, Any] = files.read_object(path, limit)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    except files.FormatError as error:
        raise RunError(f"{path}: {error}") from error
    return found


@contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Hold the folder for this process and the trainers it starts, which keep the lock should it be killed."""
    folder.mkdir(parents=True, exist_ok=True)
    with files.create(folder / ".lock") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"{folder}: runs are being trained here already; wait, or choose another --out") from None
        yield file.fileno()


def shares(cores: int, jobs: int) -> list[int]:
    """Divide the cores among so many jobs at a time; each has one at least."""
    return [max(1, cores // jobs + (i < cores % jobs)) for i in range(jobs)]


@dataclass
class Here:
    """Starts runs as processes of this machine, which keep the lock should the launcher be killed."""

    trainer: Path
    lock: int

    def start(self, job: Job, cores: int) -> Running:
        """Start or resume a run."""
        # In a process group of its own: Ctrl-C comes through the launcher, once, and not from the terminal as well.
        options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "process_group": 0, "pass_fds": (self.lock,)}
        try:
            with files.create(job.log) as log:
                return subprocess.Popen(job.command(self.trainer, cores), stdout=log, stderr=log, **options)
        except OSError as error:
            raise RunError(f"cannot run {self.trainer}: {error.strerror}") from error


@dataclass
class Launcher:
    """Runs the jobs, as many at a time as there are shares."""

    starter: Starter
    jobs: Sequence[Job]
    shares: Sequence[int]
    show: Callable[[Sequence[Job]], None]
    interrupts: list[int] = field(default_factory=list)  # the signals so far
    _slots: dict[int, Job] = field(default_factory=dict)

    def run(self) -> None:
        """Train all jobs to their end, or until a signal stops them.

        The first signal lets each finish its iteration and save; another one ends them at once, which costs what came
        after their last checkpoint.
        """
        heard = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]  # nohup stays nohup
        handlers = {number: signal.signal(number, self._interrupt) for number in heard}
        try:
            while self._advance():
                self.show(self.jobs)
                time.sleep(POLL_SECONDS)
            self.show(self.jobs)
        except BaseException:
            self._signal(signal.SIGKILL)
            raise
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _interrupt(self, number: int, _: object) -> None:
        self.interrupts.append(number)
        self._signal(number)

    def _signal(self, number: int) -> None:
        for job in self._slots.values():
            if job.process is not None and job.process.poll() is None:
                job.process.send_signal(number)

    def _advance(self) -> bool:
        """Take note of jobs that ended, begin others in their place, and say whether any is left."""
        for slot, job in list(self._slots.items()):
            job.follow()
            code = job.process.poll() if job.process else None
            if code is None:
                continue
            job.follow()
            stopped = code in INTERRUPTED or bool(self.interrupts)
            job.state = "done" if code == 0 else "stopped" if stopped else "failed"
            del self._slots[slot]
        waiting = [job for job in self.jobs if job.state == "waiting"]
        for slot, cores in enumerate(self.shares):
            if self.interrupts or not waiting:
                break
            if slot not in self._slots:
                self._begin(waiting.pop(0), slot, cores)
        if self.interrupts:
            for job in waiting:
                job.state = "stopped"
        return bool(self._slots)

    def _begin(self, job: Job, slot: int, cores: int) -> None:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        job.process = self.starter.start(job, cores)
        job.state = "running"
        self._slots[slot] = job
        if self.interrupts:  # one that came while the process was being made
            self._signal(self.interrupts[0])


def failures(jobs: Sequence[Job]) -> list[str]:
    """Lists the messages of the trainers that failed, each once, with the labels of their jobs."""
    said: dict[str, list[str]] = {}
    for job in jobs:
        if job.state == "failed":
            text = job.log.read_text(errors="replace").strip()[-2000:]
            code = job.process.returncode if job.process else None
            message = text or f"the trainer ended with exit code {code} and said nothing"
            said.setdefault(message, []).append(job.label)
    return [f"{', '.join(labels)}: {message}" for message, labels in said.items()]
