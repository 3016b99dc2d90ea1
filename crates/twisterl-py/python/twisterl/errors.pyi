"""The exceptions of the package; the module is `twisterl._internal.errors`."""

from twisterl._internal.errors import ActionError as ActionError
from twisterl._internal.errors import CheckpointError as CheckpointError
from twisterl._internal.errors import ConfigError as ConfigError
from twisterl._internal.errors import DivergedError as DivergedError
from twisterl._internal.errors import EnvError as EnvError
from twisterl._internal.errors import FileError as FileError
from twisterl._internal.errors import MissingError as MissingError
from twisterl._internal.errors import ObservationError as ObservationError
from twisterl._internal.errors import StateError as StateError
from twisterl._internal.errors import TwisteRLError as TwisteRLError
from twisterl._internal.errors import UnknownEnvError as UnknownEnvError
from twisterl._internal.errors import UsageError as UsageError
