"""A reader of TensorBoard event files written from the format's description, apart from the writer in Rust.

A file is a row of records: length (u64, little-endian), masked CRC-32C of the length, data, masked CRC-32C of the data.
The data is a protocol buffer ``Event``: wall time 1, step 2, file version 3, summary 5; a ``Summary`` holds values 1,
each with tag 1 and simple value 2.
"""

import struct
from pathlib import Path


def _table():
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)  # Castagnoli's polynomial, reflected
        yield crc


_TABLE = tuple(_table())


def masked_crc32c(data: bytes) -> int:
    """CRC-32C of ``data``, rotated right by 15 bits and shifted, as TensorFlow's records have it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(path: Path):
    """Yield the data of each record; raises where a length or a checksum is wrong."""
    data = path.read_bytes()
    offset = 0
    while offset < len(data):
        header = data[offset : offset + 8]
        (length,) = struct.unpack("<Q", header)
        body = data[offset + 12 : offset + 12 + length]
        if len(body) != length or len(data) < offset + length + 16:
            raise ValueError(f"{path}, byte {offset}: the record is cut short")
        (header_crc,) = struct.unpack_from("<I", data, offset + 8)
        (body_crc,) = struct.unpack_from("<I", data, offset + 12 + length)
        if header_crc != masked_crc32c(header) or body_crc != masked_crc32c(body):
            raise ValueError(f"{path}, byte {offset}: wrong checksum")
        yield body
        offset += length + 16


def _varint(data: bytes, offset: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, offset


def fields(data: bytes):
    """Yield (number, value) of each field of a protocol buffer message."""
    offset = 0
    while offset < len(data):
        key, offset = _varint(data, offset)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, offset = _varint(data, offset)
        elif wire == 2:
            length, offset = _varint(data, offset)
            value, offset = data[offset : offset + length], offset + length
        else:
            (size, layout) = {1: (8, "<d"), 5: (4, "<f")}[wire]
            (value,), offset = struct.unpack_from(layout, data, offset), offset + size
        yield number, value


def scalars(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Read tag -> [(step, value), ...]; raises if the file is no event file of version 2."""
    found: dict[str, list[tuple[int, float]]] = {}
    for index, record in enumerate(records(path)):
        event = list(fields(record))
        if index == 0 and dict(event).get(3) != b"brain.Event:2":
            raise ValueError(f"{path}: the first record is no file version")
        step = dict(event).get(2, 0)
        for summary in (value for number, value in event if number == 5):
            for scalar in (dict(fields(value)) for number, value in fields(summary) if number == 1):
                found.setdefault(scalar[1].decode(), []).append((step, scalar[2]))
    return found
