"""Checksums of `.safetensors` files, tensor by tensor.

The format: a little-endian u64 with the length of the header, the header as JSON, the bytes of all tensors. The header
maps each name to `dtype`, `shape` and `data_offsets`, and may hold text under `__metadata__`. Tensors and metadata are
described separately, so that a change of the metadata does not look like a change of the weights.
"""

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

METADATA = "__metadata__"


def parse(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Splits a file into its header and the bytes of its tensors."""
    (length,) = struct.unpack_from("<Q", data)
    header: dict[str, Any] = json.loads(data[8 : 8 + length])
    return header, data[8 + length :]


def checksums(data: bytes) -> dict[str, str]:
    """Returns `dtype shape sha256` of each tensor by name."""
    header, payload = parse(data)
    found = {}
    for name, entry in header.items():
        if name != METADATA:
            first, last = entry["data_offsets"]
            shape = "x".join(map(str, entry["shape"]))
            found[name] = f"{entry['dtype']} {shape} {hashlib.sha256(payload[first:last]).hexdigest()}"
    return found


def metadata(data: bytes) -> dict[str, Any]:
    """Returns the metadata; values that hold JSON are parsed."""
    header, _ = parse(data)
    return {name: _parsed(text) for name, text in header.get(METADATA, {}).items()}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def describe(file: Path) -> dict[str, Any]:
    """Returns the checksums and the metadata of a file."""
    data = file.read_bytes()
    return {"tensors": checksums(data), "metadata": metadata(data)}
