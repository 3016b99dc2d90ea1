"""As much of PyTorch as the tests of the PyPI package need beside what they test: tensors as arrays, and layers."""

import contextlib
import io
import sys
import types

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


def _save(tensors, file):
    """Write tensors so that `twisterl.utils.load_checkpoint` can be tested with a file of another format only."""
    raise NotImplementedError("files of PyTorch cannot be written without PyTorch")


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
    sys.modules |= {"torch": torch, "torch.nn": torch.nn}
    import safetensors
    from safetensors import numpy as of_numpy

    of_torch = types.ModuleType("safetensors.torch")
    of_torch.save_file = of_numpy.save_file
    of_torch.load_file = lambda file, device="cpu": {k: _tensor(v) for k, v in of_numpy.load_file(file).items()}
    sys.modules["safetensors.torch"] = safetensors.torch = of_torch
