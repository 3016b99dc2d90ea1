"""Exceptions and warnings on their way from a worker process to the one that started it."""

from __future__ import annotations

import importlib
import pickle
import traceback
import warnings

from twisterl.errors import EnvError


class WorkerTraceback(Exception):  # noqa: N818 (it shows where its effect was raised)
    """The cause of an exception that a worker process raised: its traceback there, as text."""

    def __str__(self) -> str:
        """Return the traceback."""
        return f'\n"""\n{self.args[0]}"""'


def packed(error: BaseException) -> bytes:
    """Return an exception with its traceback as bytes.

    One that cannot be pickled becomes an `EnvError` with its type and its text.
    """
    text = "".join(traceback.format_exception(error))
    try:
        pickled = _pickled(error)
        if type(pickle.loads(pickled)) is not type(error):
            raise pickle.PicklingError("it comes back as something else")
    except Exception:
        notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
        pickled = pickle.dumps(EnvError(f"{type(error).__module__}.{type(error).__qualname__}: {error}{notes}"))
    return pickle.dumps((pickled, text))


def unpacked(packed_error: bytes) -> BaseException:
    """Return the exception that `packed` packed, with its traceback as its cause."""
    pickled, text = pickle.loads(packed_error)
    try:
        error: BaseException = pickle.loads(pickled)
        if not isinstance(error, BaseException):
            raise TypeError(f"expected an exception, found {type(error).__name__}")
    except Exception as failed:  # its class cannot be imported here
        error = EnvError(f"{text.strip().splitlines()[-1]} (an exception that cannot be rebuilt here: {failed})")
    error.__cause__ = WorkerTraceback(text)
    return error


def _pickled(error: BaseException) -> bytes:
    try:
        return pickle.dumps(error)
    except Exception:
        pickled: bytes = importlib.import_module("cloudpickle").dumps(error)
        return pickled


def packed_warning(message: Warning | str, category: type[Warning]) -> bytes:
    """Return a warning as bytes; one of a class that cannot be pickled as a `UserWarning`."""
    try:
        return pickle.dumps((str(message), category))
    except Exception:
        return pickle.dumps((str(message), UserWarning))


def warn(packed_text: bytes) -> None:
    """Issue a warning that `packed_warning` packed."""
    text, category = pickle.loads(packed_text)
    warnings.warn(text, category, stacklevel=2)
