"""Export of layers for `twisterl.twisterl.nn`, from the policies of this package and from modules of PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from twisterl._internal.arguments import flag
from twisterl._internal.peer import native
from twisterl._internal.peer.modules import Linear, Module, ReLU, Sequential
from twisterl._internal.peer.tensors import taken

__all__ = ["embeddingbag_to_rust", "make_sequential", "sequential_to_rust"]


def make_sequential(in_size: int, layers: Iterable[int], final_relu: bool = True) -> Sequential:
    """Return linear layers of these widths with initial weights, each followed by a `ReLU`.

    Args:
        in_size: the number of inputs.
        layers: the widths.
        final_relu: whether the last layer is followed by one, too.
    """
    rng = np.random.default_rng(0)
    made: list[Module] = []
    for width in layers:
        made += [Linear.initial(in_size, width, rng), ReLU()]
        in_size = width
    return Sequential(*(made if flag("final_relu", final_relu) else made[:-1]))


def sequential_to_rust(seq: Iterable[Any]) -> native.Sequential:
    """Export linear layers and ReLUs.

    Raises:
        TypeError: there is another layer.
    """
    layers = list(seq)
    exported = []
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        kind = type(layer).__name__
        if kind == "Linear":
            weight, bias = taken("weight", layer.weight), taken("bias", layer.bias)
            relu = type(following).__name__ == "ReLU"
            exported.append(native.Linear(weight.T.ravel().tolist(), bias.tolist(), relu))
        elif kind != "ReLU":
            raise TypeError(f"seq: expected layers Linear and ReLU, found {kind}")
    return native.Sequential(exported)


def embeddingbag_to_rust(eb: Any, obs_shape: Sequence[int], conv_dim: int) -> native.EmbeddingBag:
    """Export the first layer of a policy, with its ReLU.

    Args:
        eb: a `Linear` or `Conv1d`, or an `EmbeddingBag` of PyTorch.
        obs_shape: the shape of an observation.
        conv_dim: the axis that a `Conv1d` convolves away.

    Raises:
        TypeError: it is another layer.
    """
    kind = type(eb).__name__
    if kind not in ("Linear", "EmbeddingBag", "Conv1d"):
        raise TypeError(f"eb: expected a layer Linear, EmbeddingBag or Conv1d, found {kind}")
    weight = taken("weight", eb.weight)
    if kind == "Linear":
        bias = np.zeros(len(weight)) if eb.bias is None else taken("bias", eb.bias)
        return native.EmbeddingBag(weight.T.tolist(), bias.tolist(), True, obs_shape, conv_dim)
    if kind == "EmbeddingBag":
        return native.EmbeddingBag(weight.tolist(), [0.0] * weight.shape[1], True, obs_shape, conv_dim)
    outputs = weight.shape[0] * obs_shape[1 - conv_dim]
    return native.EmbeddingBag(weight[:, :, 0].T.tolist(), [0.0] * outputs, True, obs_shape, conv_dim)
