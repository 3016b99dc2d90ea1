"""Reads `.pt` files with structured damage, and compares with Python's own unpickler: `fuzz_pt.py SEED CASES`.

A file that was not damaged must be read, and to the values that were written. Of a damaged one, every tensor that is
read must have the values that Python's unpickler and numpy find under its name. Where they refuse the file, each of
its values must be one that was written: the damage may have moved a view.
"""

import faulthandler
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pt_files
import twisterl
from pt_files import Call, Name, Storage, Tensor

seed, cases = int(sys.argv[1]), int(sys.argv[2])
random.seed(seed)
faulthandler.dump_traceback_later(150, exit=True)
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
folder = Path(tempfile.mkdtemp())
# The longest time that a file may take, in seconds, on a busy machine.
PATIENCE = 20


def storage(key):
    kind = random.choice(list(pt_files.TYPES))
    count = random.choice([0, 1, 2, 6, 24, 100])
    raw = np.frombuffer(random.randbytes(count * np.dtype(pt_files.TYPES[kind]).itemsize), pt_files.TYPES[kind])
    if kind == "BoolStorage":
        raw = raw % 2
    if kind in ("LongStorage", "IntStorage"):
        raw = raw % 2**24
    return Storage(kind, raw.copy(), key, random.choice(["torch", "torch", "torch.cuda"]))


def tensor(one):
    """A view that fits the storage: row-major, column-major, expanded, with gaps."""
    count = len(one.values)
    while True:
        size = tuple(random.choice([0, 1, 1, 2, 3, 5]) for _ in range(random.randrange(4)))
        stride = list(pt_files.strides(size))
        style = random.randrange(4)
        if style == 1:
            stride = list(pt_files.strides(size[::-1])[::-1])
        elif style == 2 and stride:
            stride[random.randrange(len(stride))] = 0
        elif style == 3:
            stride = [2 * s for s in stride]
        offset = random.randrange(count + 1)
        made = Tensor(one, offset, size, tuple(stride), random.choice(["_rebuild_tensor_v2", "_rebuild_tensor"]))
        try:
            made.numpy()
        except ValueError:
            continue
        return made


def state():
    """A state dictionary, of storages that are shared or not."""
    storages = [storage(str(i)) for i in range(random.randrange(1, 4))]
    names = random.sample(["w", "b", "layer.weight", "module.x", "ü", "a" * 300], random.randrange(1, 5))
    made = {name: tensor(random.choice(storages)) for name in names}
    return {name: pt_files.parameter(t) if random.random() < 0.2 else t for name, t in made.items()}


def values(made):
    """The expected arrays of a state dictionary."""
    plain = {name: t.args[0] if isinstance(t, Call) else t for name, t in made.items()}
    return {name: t.numpy() for name, t in plain.items()}


def stored(made):
    """All values of the storages of a state dictionary."""
    tensors = [t.args[0] if isinstance(t, Call) else t for t in made.values()]
    rows = [Tensor(t.storage, 0, (len(t.storage.values),), (1,)).numpy() for t in tensors]
    return np.concatenate([row.astype(np.float64) for row in rows])


def wrapped(made):
    others = {"epoch": 3, "lr": 0.1, "note": "x", "flag": True, "none": None, "list": [1, (2.0,)], "bytes": b"x"}
    extra = dict(random.sample(list(others.items()), random.randrange(3)))
    key = random.choice(["state_dict", "model", "policy", "model_state_dict", "anything"])
    return random.choice([made, made, {**made, **extra}, {key: made, **extra}, {"checkpoint": {key: made}}])


OPCODES = b"(.012FGHIJKLMNPQRSTUVX]abcdeghijlopqrstu}\x80\x81\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f"


def damaged(content):
    """A pickle with some bytes changed, removed, added, repeated or moved."""
    content = bytearray(content)
    for _ in range(random.choice([1, 1, 2, 4])):
        at = random.randrange(len(content))
        end = min(len(content), at + random.randrange(1, 12))
        match random.randrange(8):
            case 0:
                content[at] = random.choice(OPCODES)
            case 1:
                content[at] ^= 1 << random.randrange(8)
            case 2:
                content[at] = random.choice([0, 1, 2, 0x7F, 0x80, 0xFF])
            case 3:
                del content[at:end]
            case 4:
                content[at:at] = content[at:end]
            case 5:
                content[at:at] = bytes([random.choice(OPCODES)])
            case 6:
                other = random.randrange(len(content))
                content[at:end] = content[other : other + end - at]
            case _:
                del content[at:]
                content += b"."
        if not content:
            return b"."
    return bytes(content)


def damaged_file(content):
    content = bytearray(content)
    for _ in range(random.randrange(1, 4)):
        near = random.randrange(min(len(content), 1 << random.randrange(3, 16)))
        content[near if random.random() < 0.5 else -1 - near] = random.randrange(256)
    return bytes(content[: random.randrange(1, len(content))] if random.random() < 0.2 else content)


def same(one, other):
    return one.shape == other.shape and np.array_equal(one, other, equal_nan=True)


read = refused = compared = tolerated = 0
slowest = 0.0
for case in range(cases):
    made = state()
    harm = random.choice(["none", "pickle", "pickle", "file"])
    options = {"protocol": random.choice([1, 2, 2, 3, 4, 5]), "change": damaged if harm == "pickle" else None}
    root = wrapped(made)
    if random.random() < 0.1:
        root = Call(Name("collections", "OrderedDict"), (list(root.items()),), {"_metadata": {}})
    old = random.random() < 0.4
    if old:
        options["protocol"] = min(options["protocol"], 3)
        content = pt_files.legacy(root, **options)
    else:
        where = random.choice(["archive/", "", "a b/c/"])
        content = pt_files.archive(root, where, big_endian=random.random() < 0.3, **options)
    if harm == "file":
        content = damaged_file(content)
    path = pt_files.write(folder / random.choice(["a.pt", "b.bin", "c"]), content)
    begun = time.monotonic()
    found, message = None, ""
    try:
        found = twisterl.utils.load_checkpoint(str(path))
    except twisterl.CheckpointError as error:
        message = str(error)
    slowest = max(slowest, time.monotonic() - begun)
    assert slowest < PATIENCE, f"case {case} took {slowest:.0f} s"
    assert len(message) < 2000, f"case {case}: {message}"
    if found is None:
        assert harm != "none", f"case {case}: {message}"
        refused += 1
        continue
    read += 1
    expected = values(made)
    if harm == "none":
        assert found.keys() == expected.keys(), f"case {case}: {list(found)} {list(expected)}"
        for name, array in expected.items():
            assert same(found[name], array), f"case {case}: {name}"
    try:
        plain = pt_files.read(content)
    except Exception:
        assert harm != "none", f"case {case}: the plain reader refuses it"
        tolerated += 1
        known = stored(made)
        for name, array in found.items():
            values_found = array.astype(np.float64)
            assert (np.isin(values_found, known) | np.isnan(values_found)).all(), f"case {case}: {name}, {harm}"
        continue
    for name, array in found.items():
        assert any(same(array, other) for key, other in plain if key == name), f"case {case}: {name}, {harm}"
        compared += 1
print(f"{read} read, {refused} refused, {compared} tensors compared, slowest {slowest:.2f} s")
print(f"{tolerated} of those read are refused by Python's unpickler")
