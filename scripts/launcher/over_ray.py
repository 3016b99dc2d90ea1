"""Runs as tasks of Ray, each a process of the trainer on some machine of the cluster.

The machines share the folder of the runs, and have trainer and configs under the same paths. A run whose machine is
lost is begun again elsewhere, and continues from its last checkpoint.
"""

import ctypes
import importlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .launch import Job, RunError

POLL_SECONDS = 0.2
TRIES = 3  # after this many lost machines, a run has failed


class OverRay:
    """Starts runs on the cluster at RAY_ADDRESS, or on one of this machine."""

    def __init__(self, trainer: Path) -> None:
        try:
            self._ray: Any = importlib.import_module("ray")
        except ImportError as error:
            raise RunError(f"--engine ray: needs the package ray: pip install ray ({error})") from error
        self._ray.init(include_dashboard=False, log_to_driver=False)
        self._trainer = trainer
        self._train = self._ray.remote(max_retries=TRIES - 1, scheduling_strategy="SPREAD")(train)

    def cores(self) -> int:
        """Count the processors of the cluster."""
        return int(self._ray.cluster_resources().get("CPU", 1))

    def start(self, job: Job, cores: int) -> "Task":
        """Have a run started or resumed, with so many processors."""
        asked = (job.start, str(job.folder.absolute()), job.num_steps)
        options = self._train.options(num_cpus=cores, name=job.label)
        return Task(self._ray, options.remote(str(self._trainer), asked, cores), job.log)


class Task:
    """A run on the cluster, as `subprocess.Popen` shows one of this machine."""

    def __init__(self, ray: Any, reference: Any, log: Path) -> None:
        self.returncode: int | None = None
        self._ray, self._reference, self._log = ray, reference, log
        self._signal = 0

    def poll(self) -> int | None:
        """Return the trainer's exit code once it has ended."""
        if self.returncode is None and self._ray.wait([self._reference], timeout=0)[0]:
            try:
                self.returncode = int(self._ray.get(self._reference))
            except self._ray.exceptions.TaskCancelledError:
                self.returncode = 128 + (self._signal or signal.SIGINT)
            except self._ray.exceptions.RayError as error:
                with self._log.open("a") as log:
                    log.write(f"{error}\n")
                self.returncode = 1
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Ask the run to stop in order; SIGKILL, or a second time, to end at once."""
        self._ray.cancel(self._reference, force=number == signal.SIGKILL or bool(self._signal))
        self._signal = number


def train(trainer: str, asked: tuple[list[str], str, int | None], cores: int) -> int:
    """Start or resume a run on this machine, and return the trainer's exit code. Called by Ray."""
    start, folder, num_steps = asked
    job = Job("", Path(folder), start, num_steps)
    options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "process_group": 0}
    if sys.platform == "linux":
        # A trainer whose task is killed ends as well, so that the run can be resumed elsewhere.
        library, death_signal = ctypes.CDLL(None), 1
        options["preexec_fn"] = lambda: library.prctl(death_signal, signal.SIGKILL)
    with job.log.open("wb") as log:
        process = subprocess.Popen(job.command(Path(trainer), cores), stdout=log, stderr=log, **options)
    while True:
        try:
            while (code := process.poll()) is None:
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:  # from ray.cancel
            process.send_signal(signal.SIGINT)
        else:
            return code
