"""The exceptions of the package. Each derives from `TwisteRLError` and from a fitting built-in exception."""

from twisterl import _core

__all__ = [
    "ActionError",
    "CheckpointError",
    "ConfigError",
    "DivergedError",
    "EnvError",
    "FileError",
    "MissingError",
    "ObservationError",
    "StateError",
    "TwisteRLError",
    "UnknownEnvError",
    "UsageError",
    "WorkerError",
]


class TwisteRLError(Exception):
    """The base class of all errors of this package."""

    def __str__(self) -> str:
        """Return the message with control characters escaped, which names in files may contain."""
        return _core.escape_lines(super().__str__())


class ConfigError(TwisteRLError, ValueError):
    """A config or an environment parameter is invalid; the message gives the JSON path."""


class UnknownEnvError(ConfigError, LookupError):
    """There is no environment of this name."""


class UsageError(TwisteRLError, ValueError):
    """An argument is invalid, or arguments do not go together."""


class StateError(TwisteRLError, ValueError):
    """A state is impossible in the environment."""


class ActionError(TwisteRLError, ValueError):
    """An action is outside the action space."""


class ObservationError(TwisteRLError, ValueError):
    """An observation or a mask does not fit the policy."""


class CheckpointError(TwisteRLError, ValueError):
    """A checkpoint or a weights file is corrupt, is of another format, or does not fit."""


class FileError(TwisteRLError, OSError):
    """A file or folder cannot be read or written."""


class MissingError(FileError, FileNotFoundError):
    """A file or folder does not exist."""


class EnvError(TwisteRLError, RuntimeError):
    """An environment broke its contract."""


class DivergedError(TwisteRLError, ArithmeticError):
    """Training diverged, or a policy computes numbers that are not finite."""


class WorkerError(TwisteRLError, RuntimeError):
    """A part of a distributed run failed several times, or two workers gave different answers."""


# Users import them from there.
for _name in __all__:
    globals()[_name].__module__ = "twisterl.errors"
