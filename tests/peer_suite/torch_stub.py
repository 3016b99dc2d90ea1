"""As much of PyTorch as the tests of the PyPI package need beside what they test: tensors as arrays, and layers."""

import collections
import contextlib
import io
import pickle
import sys
import types
import zipfile

import numpy as np
from twisterl._internal.peer import modules, tensors


class Tensor(tensors.Array):
    """An array with the methods of a tensor that the tests call."""

    def permute(self, order):
        return self.transpose(order)


def _tensor(values):
    return np.asarray(values, np.float32).view(Tensor)


def _linear(inputs, outputs):
    return modules.Linear.initial(inputs, outputs, np.random.default_rng(0))


class _Storage:
    """The values of a tensor, as a file refers to them."""

    def __init__(self, key, count):
        self.key, self.count = key, count


class _Pickler(pickle.Pickler):
    """Writes tensors by reference to their values, as `torch.save` does."""

    def __init__(self, file, values):
        super().__init__(file, protocol=2)
        self._values = values

    def reducer_override(self, found):
        if not isinstance(found, np.ndarray):
            return NotImplemented
        self._values.append(np.ascontiguousarray(found, np.float32))
        storage = _Storage(str(len(self._values) - 1), found.size)
        strides = tuple(stride // found.itemsize for stride in self._values[-1].strides)
        arguments = (storage, 0, found.shape, strides, False, collections.OrderedDict())
        return sys.modules["torch._utils"]._rebuild_tensor_v2, arguments

    def persistent_id(self, found):
        if isinstance(found, _Storage):
            return "storage", sys.modules["torch"].FloatStorage, found.key, "cpu", found.count
        return None


def _save(tensors, file):
    """Write tensors as `torch.save` does."""
    values, pickled = [], io.BytesIO()
    _Pickler(pickled, values).dump(tensors)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickled.getvalue())
        archive.writestr("archive/version", "3\n")
        for number, array in enumerate(values):
            archive.writestr(f"archive/data/{number}", array.tobytes())


def _part(module, name):
    """Return an empty class or function that pickles by the name that PyTorch has for it."""
    made = type(name, (), {"__module__": module})
    setattr(sys.modules[module], name, made)


def install():
    """Put modules `torch` and `safetensors.torch` into `sys.modules`."""
    torch = types.ModuleType("torch")
    torch.Tensor = Tensor
    torch.randn = lambda *shape: _tensor(np.random.default_rng(0).standard_normal(shape))
    torch.tensor = torch.from_numpy = _tensor
    torch.allclose = np.allclose
    torch.no_grad = contextlib.nullcontext
    torch.save = _save
    torch.nn = types.ModuleType("torch.nn")
    torch.nn.Linear, torch.nn.ReLU, torch.nn.Sequential = _linear, modules.ReLU, modules.Sequential
    sys.modules |= {"torch": torch, "torch.nn": torch.nn, "torch._utils": types.ModuleType("torch._utils")}
    _part("torch", "FloatStorage")
    _part("torch._utils", "_rebuild_tensor_v2")
    import safetensors
    from safetensors import numpy as of_numpy

    of_torch = types.ModuleType("safetensors.torch")
    of_torch.save_file = of_numpy.save_file
    of_torch.load_file = lambda file, device="cpu": {k: _tensor(v) for k, v in of_numpy.load_file(file).items()}
    sys.modules["safetensors.torch"] = safetensors.torch = of_torch
