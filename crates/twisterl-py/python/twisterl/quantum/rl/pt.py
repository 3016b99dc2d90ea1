"""Weights as a file of PyTorch, which `torch.load` and `twisterl.load_policy` read."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["write_pt"]

# Opcodes of the pickle protocol 2.
_MARK, _TUPLE, _REDUCE, _PERSISTENT, _FALSE, _STOP = b"(", b"t", b"R", b"Q", b"\x89", b"."
_ORDERED = b"ccollections\nOrderedDict\n)R"


def write_pt(path: str | os.PathLike[str], weights: Mapping[str, Any]) -> None:
    """Write arrays by name as the state dict of a module, in single precision. The file is whole or not there."""
    file = Path(path)
    partial = file.with_name(file.name + ".partial")
    arrays = {name: np.ascontiguousarray(values, "<f4") for name, values in weights.items()}
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", _pickle(arrays))
        archive.writestr("archive/byteorder", "little")
        for key, values in enumerate(arrays.values()):
            archive.writestr(f"archive/data/{key}", values.tobytes())
        archive.writestr("archive/version", "3\n")
    partial.replace(file)


def _pickle(arrays: Mapping[str, Any]) -> bytes:
    out = io.BytesIO()
    out.write(b"\x80\x02" + _ORDERED + _MARK)
    for key, (name, values) in enumerate(arrays.items()):
        strides = [stride // values.itemsize for stride in values.strides]
        storage = (_text("storage"), b"ctorch\nFloatStorage\n", _text(str(key)), _text("cpu"), _number(values.size))
        out.write(_text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n" + _MARK)
        out.write(_MARK + b"".join(storage) + _TUPLE + _PERSISTENT)
        out.write(_number(0) + _numbers(values.shape) + _numbers(strides) + _FALSE + _ORDERED + _TUPLE + _REDUCE)
    out.write(b"u" + _STOP)
    return out.getvalue()


def _text(value: str) -> bytes:
    data = value.encode("utf-8")
    return b"X" + struct.pack("<I", len(data)) + data


def _number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _numbers(values: Sequence[int]) -> bytes:
    return _MARK + b"".join(map(_number, values)) + _TUPLE
