"""The progress of runs that train side by side: a line each, in place in a terminal, now and then elsewhere."""

import shutil
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from launcher.launch import Job
from launcher.package_plotting import terminal

BAR = 16
PLAIN_SECONDS = 10.0  # between the lines of a run where there is no terminal
REDRAW_SECONDS = 0.2
ORDER = ("failed", "running", "waiting", "stopped", "done")  # what is shown where not all fits


def duration(seconds: float | None) -> str:
    """Show 75 s as 1:15, and what is longer than an hour as 1:01:15."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def line(job: Job, width: int) -> str:
    """One run; ``width`` is that of the labels."""
    done = job.iteration / job.total if job.total else 0.0
    filled = min(BAR, int(BAR * done))
    bar = ("█" * filled).ljust(BAR, "░") if job.total else " " * BAR
    progress = f"{100 * min(1.0, done):3.0f} %" if job.total else f"{job.iteration:>5}"
    difficulty = "-" if job.difficulty is None else f"{job.difficulty:g}"
    score = "success       -" if job.success is None else f"success {100 * job.success:>5.1f} %"
    if job.success is None and job.reward is not None:
        score = f"return {job.reward:>8.4g}"
    rate = "-" if job.steps_per_second is None else f"{job.steps_per_second / 1e3:,.0f} k"
    end = f"{duration(job.seconds_left)} left" if job.state == "running" else job.state
    label = terminal.escape_controls(job.label)
    return f"{label:{width}}  {bar} {progress}  difficulty {difficulty:>4}  {score}  {rate:>7} steps/s  {end}"


class Progress:
    """Shows jobs on a stream."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self.stream = stream
        self.live = stream.isatty()
        self.failed = False
        self.drawn = 0  # lines on the terminal that the next picture replaces
        self.last = 0.0
        self.plain: dict[int, tuple[str, float]] = {}  # of each job: the state and the time of its last line

    def __call__(self, jobs: Sequence[Job]) -> None:
        """Show where they stand. If the stream fails, as when its reader has gone away, show no more."""
        if self.failed:
            return
        width = max(len(job.label) for job in jobs)
        try:
            if self.live:
                self._redraw(jobs, width)
            else:
                self._lines(jobs, width)
            self.stream.flush()
        except OSError:
            self.failed = True
            terminal.discard(self.stream)

    def _redraw(self, jobs: Sequence[Job], width: int) -> None:
        over = all(job.state not in ("running", "waiting") for job in jobs)
        if not over and time.monotonic() - self.last < REDRAW_SECONDS:
            return
        self.last = time.monotonic()
        size = shutil.get_terminal_size()
        shown = sorted(jobs, key=lambda job: ORDER.index(job.state))[: max(1, size.lines - 2)]
        kept = {id(job) for job in shown}
        lines = [line(job, width)[: size.columns - 1] for job in jobs if id(job) in kept]
        if len(shown) < len(jobs):
            counts = [f"{sum(job.state == state for job in jobs)} {state}" for state in ORDER]
            lines.append(f"{len(jobs)} runs: {', '.join(count for count in counts if not count.startswith('0 '))}")
        up = f"\x1b[{self.drawn}F" if self.drawn else ""
        self.stream.write(up + "".join(f"\x1b[2K{text}\n" for text in lines) + "\x1b[J")
        self.drawn = len(lines)

    def _lines(self, jobs: Sequence[Job], width: int) -> None:
        now = time.monotonic()
        for job in jobs:
            state, shown = self.plain.get(id(job), ("waiting", now))
            if job.state != state or (job.state == "running" and now - shown >= PLAIN_SECONDS):
                self.stream.write(line(job, width) + "\n")
                self.plain[id(job)] = (job.state, now)
