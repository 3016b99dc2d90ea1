"""The exceptions of the package: each is a `TwisteRLError`, and the built-in that fits it."""

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
]


class TwisteRLError(Exception):
    """Anything that goes wrong in this package."""


class ConfigError(TwisteRLError, ValueError):
    """A config, or a parameter of an environment, is wrong; the message gives the JSON path."""


class UnknownEnvError(ConfigError, LookupError):
    """No environment goes by this name."""


class UsageError(TwisteRLError, ValueError):
    """What is asked for makes no sense."""


class StateError(TwisteRLError, ValueError):
    """A state that the environment cannot be in."""


class ActionError(TwisteRLError, ValueError):
    """An action outside of the action space."""


class ObservationError(TwisteRLError, ValueError):
    """An observation or a mask that does not fit the policy."""


class CheckpointError(TwisteRLError, ValueError):
    """A checkpoint or a file of weights is broken, is none, or does not fit."""


class FileError(TwisteRLError, OSError):
    """A file or folder cannot be read or written."""


class MissingError(FileError, FileNotFoundError):
    """Nothing is there."""


class EnvError(TwisteRLError, RuntimeError):
    """An environment broke its contract."""


class DivergedError(TwisteRLError, ArithmeticError):
    """Training diverged: the loss or its gradient is no longer finite."""
