"""Layers with the names of PyTorch's, as views of the weights of a policy, and as lists that can be exported."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from twisterl._internal.arguments import flag
from twisterl._internal.peer.tensors import handed_out, taken

if TYPE_CHECKING:
    from typing_extensions import Self


def checked_device(device: Any) -> str:
    """Return the device on which everything runs, with a warning if another one is asked for."""
    if device is not None and str(device).partition(":")[0] != "cpu":
        warnings.warn(f"device: {device} is not used, since everything runs on the processor's cores", stacklevel=3)
    return "cpu"


class Module:
    """A part of a network: what scripts call on modules of PyTorch without computing gradients."""

    training = False

    def forward(self, x: Any) -> Any:
        """Return the outputs for a batch of inputs."""
        raise NotImplementedError

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        """Return names and values of the weights."""
        yield from self.state_dict().items()

    def parameters(self) -> Iterator[Any]:
        """Return the values of the weights."""
        yield from self.state_dict().values()

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the weights by name."""
        return {}

    def train(self, mode: bool = True) -> Self:
        """Return the module, which computes the same in training and in evaluation."""
        self.training = flag("mode", mode)
        return self

    def eval(self) -> Self:
        """Return the module."""
        return self.train(False)

    def to(self, device: Any = None, *_: Any, **__: Any) -> Self:
        """Return the module, with a warning if it is to leave the processor."""
        checked_device(device if isinstance(device, str) or hasattr(device, "type") else None)
        return self

    def cuda(self, *_: Any) -> Self:
        """Return the module, with a warning."""
        return self.to("cuda")

    def cpu(self) -> Self:
        """Return the module."""
        return self


class Linear(Module):
    """A linear layer.

    Attributes:
        weight: `[outputs, inputs]`.
        bias: `[outputs]`.
    """

    def __init__(self, weight: Any, bias: Any) -> None:
        self.weight, self.bias = handed_out(weight), handed_out(bias)
        self.out_features, self.in_features = (int(n) for n in self.weight.shape)

    @classmethod
    def initial(cls, inputs: int, outputs: int, rng: np.random.Generator) -> Linear:
        """Return a layer with weights drawn as PyTorch does by default."""
        bound = 1 / math.sqrt(max(inputs, 1))
        return cls(rng.uniform(-bound, bound, (outputs, inputs)), rng.uniform(-bound, bound, outputs))

    def forward(self, x: Any) -> Any:
        """Return the outputs, `[batch, outputs]`."""
        return handed_out(taken("x", x) @ taken("weight", self.weight).T + taken("bias", self.bias))

    def state_dict(self) -> dict[str, Any]:
        """Return `weight` and `bias`."""
        return {"weight": self.weight, "bias": self.bias}


class Conv1d(Module):
    """A convolution of kernel size 1 without bias.

    Attributes:
        weight: `[channels, inputs, 1]`.
    """

    bias = None
    kernel_size = (1,)

    def __init__(self, weight: Any) -> None:
        self.weight = handed_out(weight)
        self.out_channels, self.in_channels = (int(n) for n in self.weight.shape[:2])

    def forward(self, x: Any) -> Any:
        """Return the outputs, `[batch, channels, positions]`."""
        return handed_out(np.einsum("oi,bip->bop", taken("weight", self.weight)[:, :, 0], taken("x", x)))

    def state_dict(self) -> dict[str, Any]:
        """Return `weight`."""
        return {"weight": self.weight}


class ReLU(Module):
    """The activation `max(x, 0)`."""

    def forward(self, x: Any) -> Any:
        """Return the activations."""
        return handed_out(np.maximum(taken("x", x), 0))


class Sequential(Module, Sequence[Any]):
    """Layers that follow each other."""

    def __init__(self, *layers: Any) -> None:
        self._layers = list(layers)

    def forward(self, x: Any) -> Any:
        """Return the output of the last layer."""
        for layer in self._layers:
            x = layer(x)
        return x

    def state_dict(self) -> dict[str, Any]:
        """Return the weights of all layers, by the number of the layer and the name in it."""
        layers = enumerate(self._layers)
        return {f"{number}.{name}": w for number, layer in layers for name, w in layer.state_dict().items()}

    def __len__(self) -> int:
        return len(self._layers)

    def __getitem__(self, index: Any) -> Any:
        return self._layers[index]
