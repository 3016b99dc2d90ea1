"""Files of PyTorch without PyTorch: a writer on Python's own pickler, and a plain reader to compare with.

The reader is what `torch.load` does, on Python's unpickler and numpy's strided views, with names that lead nowhere.
"""

import collections
import io
import pickle
import struct
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
# Storage classes, with numpy's types; bfloat16 is the upper half of a float.
TYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "<u1",
}


@dataclass(frozen=True)
class Name:
    """A class or a function by its name, which is never imported."""

    module: str
    name: str

    def __call__(self) -> None:
        raise AssertionError("nothing in a file is called")


@dataclass
class Call:
    """The result of calling a function, with a state that is set afterwards."""

    function: Name
    args: tuple[Any, ...]
    state: Any = None

    def __reduce__(self) -> Any:
        return (self.function, self.args) if self.state is None else (self.function, self.args, self.state)


@dataclass
class Storage:
    """A row of values. `kind` is its class."""

    kind: str
    values: np.ndarray
    key: str = "0"
    module: str = "torch"
    view: tuple[str, int, int] | None = None

    def describe(self, old: bool) -> tuple[Any, ...]:
        described = ("storage", Name(self.module, self.kind), self.key, "cpu", len(self.values))
        return (*described, self.view) if old else described


@dataclass
class Tensor:
    """A view of a storage."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    function: str = "_rebuild_tensor_v2"

    def __reduce__(self) -> Any:
        args = (self.storage, self.offset, self.size, self.stride, False, collections.OrderedDict())
        return Name("torch._utils", self.function), args[: 4 if self.function == "_rebuild_tensor" else 6]

    def numpy(self) -> np.ndarray:
        """The values in single precision."""
        values = self.storage.values[self.storage.view[1] if self.storage.view else 0 :]
        if any(extent < 0 for extent in (*self.size, *self.stride, self.offset)):
            raise ValueError("negative extents")
        if 0 in self.size:
            return np.zeros(self.size, "f4")
        last = self.offset + sum((n - 1) * s for n, s in zip(self.size, self.stride, strict=True))
        if last >= (self.storage.view[2] if self.storage.view else len(self.storage.values)):
            raise ValueError("beyond the storage")
        width = values.itemsize
        found = np.lib.stride_tricks.as_strided(values[self.offset :], self.size, [s * width for s in self.stride])
        if self.storage.kind == "BFloat16Storage":
            return (found.astype("<u4") << 16).view("<f4")
        with np.errstate(over="ignore", invalid="ignore"):
            return found.astype("f4")


def parameter(tensor: Tensor) -> Call:
    return Call(Name("torch._utils", "_rebuild_parameter"), (tensor, True, collections.OrderedDict()))


class _Pickler(pickle._Pickler):
    """Writes names as they are, and storages by their description."""

    dispatch: ClassVar[dict[Any, Any]] = {**pickle._Pickler.dispatch}

    def __init__(self, file: Any, protocol: int, old: bool) -> None:
        super().__init__(file, protocol)
        self.old, self.storages = old, {}

    def persistent_id(self, obj: Any) -> Any:
        if not isinstance(obj, Storage):
            return None
        self.storages.setdefault(obj.key, obj)
        return obj.describe(self.old)

    def save_name(self, obj: Name) -> None:
        if self.proto >= 4:
            self.save(obj.module)
            self.save(obj.name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        self.memoize(obj)

    dispatch[Name] = save_name


def _pickled(obj: Any, protocol: int, old: bool) -> tuple[bytes, dict[str, Storage]]:
    out = io.BytesIO()
    pickler = _Pickler(out, protocol, old)
    pickler.dump(obj)
    return out.getvalue(), pickler.storages


def archive(
    obj: Any, folder: str = "archive/", protocol: int = 2, big_endian: bool = False, change: Any = None
) -> bytes:
    """A zip archive as `torch.save` writes it. `change` may change the pickle."""
    pickled, storages = _pickled(obj, protocol, old=False)
    pickled = pickled if change is None else change(pickled)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as file:
        file.writestr(f"{folder}data.pkl", pickled)
        file.writestr(f"{folder}byteorder", b"big" if big_endian else b"little")
        for key, storage in storages.items():
            values = storage.values.byteswap() if big_endian else storage.values
            file.writestr(f"{folder}data/{key}", values.tobytes())
        file.writestr(f"{folder}version", b"3\n")
        file.writestr(f"{folder}.data/serialization_id", b"1234")
    return out.getvalue()


def legacy(obj: Any, protocol: int = 2, change: Any = None) -> bytes:
    """A file as `torch.save` wrote it before PyTorch 1.6."""
    pickled, storages = _pickled(obj, protocol, old=True)
    parts = [pickle.dumps(part, protocol) for part in (MAGIC, VERSION, {"little_endian": True})]
    parts += [pickled if change is None else change(pickled), pickle.dumps(sorted(storages), protocol)]
    for key in sorted(storages):
        values = storages[key].values
        parts += [struct.pack("<Q", len(values)), values.tobytes()]
    return b"".join(parts)


@dataclass
class _Opaque:
    """Any object that is neither a tensor nor a dictionary."""

    made: tuple[Any, ...] = ()
    state: Any = field(default=None, repr=False)

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, item: Any) -> None:
        pass

    def extend(self, items: Any) -> None:
        pass


class _Unpickler(pickle._Unpickler):
    """Python's unpickler, for which names lead to stand-ins."""

    def __init__(self, file: Any, storage: Any) -> None:
        super().__init__(file)
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch._utils" and name.startswith("_rebuild_tensor"):
            return lambda storage, offset, size, stride, *_: Tensor(storage, offset, tuple(size), tuple(stride))
        if module == "torch._utils" and name.startswith("_rebuild_parameter"):
            return lambda tensor, *_: tensor
        if module in ("torch", "torch.cuda") and name in TYPES:
            return name
        return lambda *args, **_: _Opaque(args)

    def persistent_load(self, pid: Any) -> Any:
        tag, kind, key, _, count, *view = pid
        if tag != "storage" or kind not in TYPES:
            raise ValueError("not a storage")
        return self._storage(kind, key, count, view[0] if view else None)


def read(content: bytes) -> list[tuple[str, np.ndarray]]:
    """The tensors under text anywhere in the dictionaries of a file. Raises any exception for a file that is none."""
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            (pickled,) = [name for name in file.namelist() if name.split("/")[-1] == "data.pkl"]
            folder = pickled.removesuffix("data.pkl")
            # Files of older versions do not say it, and are little-endian.
            marked = f"{folder}byteorder" in file.namelist()
            order = ">" if marked and file.read(f"{folder}byteorder") == b"big" else "<"

            def storage(kind: str, key: str, count: int, _: Any) -> Storage:
                dtype = TYPES[kind].replace("<", order)
                values = np.frombuffer(file.read(f"{folder}data/{key}"), dtype, count)
                return Storage(kind, values.astype(TYPES[kind]), key)

            return list(_tensors(_Unpickler(io.BytesIO(file.read(pickled)), storage).load()))
    return _read_legacy(io.BytesIO(content))


def _read_legacy(file: io.BytesIO) -> list[tuple[str, np.ndarray]]:
    made: dict[str, list[Storage]] = collections.defaultdict(list)

    def storage(kind: str, key: str, count: int, view: Any) -> Storage:
        made[key].append(Storage(kind, np.zeros(0), key, view=view))
        made[key][-1].count = count
        return made[key][-1]

    def load() -> Any:
        return _Unpickler(file, storage).load()

    if load() != MAGIC or load() != VERSION:
        raise ValueError("not a file of torch.save")
    load()
    root, keys = load(), load()
    for key in keys:
        (count,) = struct.unpack("<Q", file.read(8))
        dtype = np.dtype(TYPES[made[key][0].kind])
        content = file.read(count * dtype.itemsize)
        for one in made[key]:
            one.values = np.frombuffer(content, dtype, count)
            if one.kind != made[key][0].kind or one.count > count:
                raise ValueError("storages that contradict each other")
    return list(_tensors(root))


def _tensors(value: Any, depth: int = 6) -> Any:
    if isinstance(value, dict) and depth:
        for key, inner in value.items():
            if isinstance(inner, Tensor) and isinstance(key, str):
                yield key, inner.numpy()
            else:
                yield from _tensors(inner, depth - 1)


def named(state: dict[str, np.ndarray], kind: str = "FloatStorage") -> dict[str, Tensor]:
    """The arrays as tensors, each with a storage of its own."""
    return {
        name: Tensor(Storage(kind, encode(array, kind), name), 0, array.shape, strides(array.shape))
        for name, array in state.items()
    }


def encode(array: np.ndarray, kind: str) -> np.ndarray:
    """The values of an array in a storage of this kind."""
    flat = np.ascontiguousarray(array, "<f4").ravel()
    if kind == "BFloat16Storage":
        return (flat.view("<u4") >> 16).astype("<u2")
    return flat.astype(TYPES[kind])


def strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of an array in row-major order."""
    return tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
