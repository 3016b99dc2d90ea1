"""Python values as JSON for the compiled module, with the path of a value that JSON cannot hold."""

from __future__ import annotations

import json
import math
import numbers
import operator
import os
from collections.abc import Mapping, Sequence
from typing import Any

from twisterl._internal.masked import UNMASKED, is_masked
from twisterl.errors import ConfigError

_MAX_DEPTH = 192
# Integers from here on are refused; double precision ends at 1.8 times as much.
_MAX_INTEGER = 10**308


def written(value: Any, path: str = "") -> str:
    """Return a value as JSON text: numbers and arrays of NumPy as what they are, other mappings and sequences as well.

    Args:
        value: the value.
        path: its path, such as `env`, with which error messages begin.

    Raises:
        ConfigError: a value is not finite, or JSON cannot hold it.
    """
    return json.dumps(_plain(value, path, 0))


def _plain(value: Any, path: str, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if depth > _MAX_DEPTH:
        raise _refused(path, f"at most {_MAX_DEPTH} nested levels", "more")
    if isinstance(value, Mapping):
        return {_key(key, path): _plain(item, _join(path, key), depth + 1) for key, item in value.items()}
    if isinstance(value, os.PathLike):
        return _plain(os.fspath(value), path, depth + 1)
    if hasattr(value, "tolist"):  # arrays and scalars of NumPy and PyTorch
        if is_masked(value):
            raise _refused(path, f"numbers, {UNMASKED}", f"{value!r:.60}")
        listed = value.tolist()
        # An array of objects holds what it holds, and a long double is not a Python number.
        return _number(value, path) if type(listed) is type(value) else _plain(listed, path, depth + 1)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return [_plain(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)]
    return _number(value, path)


def _number(value: Any, path: str) -> int | float:
    if isinstance(value, float):
        number: int | float = float(value)
    elif hasattr(value, "__index__"):
        number = operator.index(value)
    elif isinstance(value, numbers.Real) or (hasattr(value, "__float__") and not isinstance(value, numbers.Complex)):
        number = float(value)
    else:
        raise _refused(path, "a value that JSON can hold", f"{type(value).__name__} {value!r:.60}")
    if isinstance(number, int):
        if abs(number) >= _MAX_INTEGER:
            raise _refused(path, "a number that double precision can hold", f"one of {number.bit_length()} bits")
    elif not math.isfinite(number):
        raise _refused(path, "a finite number", str(number))
    return number


def _key(key: Any, path: str) -> str:
    if isinstance(key, str):
        return str(key)
    if isinstance(key, numbers.Integral) and not isinstance(key, bool):
        return str(int(key))
    raise _refused(path, "text as keys", f"{key!r:.60}")


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _refused(path: str, expected: str, found: str) -> ConfigError:
    return ConfigError(f"{path or 'config'}: expected {expected}, found {found}")
