"""The trainer as a subprocess."""

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 1200  # seconds for one command


class TrainerError(Exception):
    """A command of the trainer failed that was to succeed; the message holds the command and its error."""


@dataclass(frozen=True)
class Trainer:
    """A binary of twisterl-train."""

    binary: Path

    def run(self, *args: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end, whatever its exit code."""
        command = [str(self.binary.resolve()), *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False, cwd=cwd)

    def check(self, *args: object, cwd: Path | None = None) -> str:
        """Runs a command that must succeed and returns its standard output."""
        done = self.run(*args, cwd=cwd)
        if done.returncode != 0:
            words = " ".join(map(str, args))
            raise TrainerError(f"{self.binary} {words}: exit code {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def version(self) -> str:
        """Returns what `--version` prints."""
        return self.check("--version").strip()

    def sha256(self) -> str:
        """Returns the checksum of the binary."""
        return hashlib.sha256(self.binary.read_bytes()).hexdigest()
