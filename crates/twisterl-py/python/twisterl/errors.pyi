"""The exceptions of the package; the module is `twisterl._internal.errors`."""

from twisterl._internal.errors import (
    ActionError,
    CheckpointError,
    ConfigError,
    DivergedError,
    EnvError,
    FileError,
    MissingError,
    ObservationError,
    StateError,
    TwisteRLError,
    UnknownEnvError,
    UsageError,
    WorkerError,
)

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
