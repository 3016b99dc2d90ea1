"""Policies by their sizes, with the interface of the PyPI package `twisterl`.

They are not modules of PyTorch: networks and gradients are those of the trainer. An algorithm trains the policy that it
is made with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from twisterl._internal.arguments import flag, whole
from twisterl._internal.peer.modules import Conv1d, Linear, Module, ReLU, Sequential, checked_device
from twisterl._internal.peer.tensors import handed_out, taken
from twisterl._internal.written import written
from twisterl.errors import ObservationError, UsageError
from twisterl.policy import Policy

__all__ = ["BasicPolicy", "Conv1dPolicy", "Transpose"]

_Permutations = Sequence[Sequence[int]]


class BasicPolicy(Module):
    """A multi-layer perceptron with an action and a value head.

    What is not here is looked up in the policy as the rest of the package has it: `solve`, `save`, `weights`, ...

    Attributes:
        obs_shape: the shape of an observation.
        obs_size: the number of its values.
        num_actions: the number of actions.
        device: always "cpu".
        obs_perms: permutations of the observation under which the problem is unchanged.
        act_perms: the permutations of the actions that go with them.
    """

    _policy_cls = "twisterl.nn.BasicPolicy"

    def __init__(
        self,
        obs_shape: Sequence[int],
        num_actions: int,
        embedding_size: int,
        common_layers: Sequence[int] = (256,),
        policy_layers: Sequence[int] = (),
        value_layers: Sequence[int] = (),
        obs_perms: _Permutations = (),
        act_perms: _Permutations = (),
        device: Any = "cpu",
        *,
        seed: int = 0,
        **fields: Any,
    ) -> None:
        """Describe a network, with initial weights.

        Args:
            obs_shape: the shape of an observation.
            num_actions: the number of actions.
            embedding_size: the width of the first layer.
            common_layers: the widths of the layers that both heads share.
            policy_layers: the widths of the hidden layers of the action head.
            value_layers: the widths of the hidden layers of the value head.
            obs_perms: permutations of the observation under which the problem is unchanged.
            act_perms: the permutations of the actions that go with them.
            device: accepted, but everything runs on the processor.
            seed: random seed of the initial weights.
            **fields: further fields of the section `policy` of a config, such as `activation`.
        """
        self.obs_shape = [whole("obs_shape", n) for n in np.atleast_1d(np.asarray(obs_shape)).tolist()]
        self.obs_size = int(np.prod(self.obs_shape))
        self.num_actions = whole("num_actions", num_actions)
        self.device = checked_device(device)
        sizes = {"common_layers": common_layers, "policy_layers": policy_layers, "value_layers": value_layers}
        self._section = {
            "embedding_size": whole("embedding_size", embedding_size),
            **{name: [whole(name, size) for size in widths] for name, widths in sizes.items()},
            **fields,
        }
        self._seed = whole("seed", seed)
        self.obs_perms: list[list[int]] = []
        self.act_perms: list[list[int]] = []
        self._native = self._detached()
        self.set_permutations(obs_perms, act_perms)

    def _detached(self) -> Policy:
        """Return the initial policy, without an environment."""
        initial = {"env_cls": "none", "policy_cls": self._policy_cls, "policy": self._section, "seed": self._seed}
        return Policy(initial=written(initial), spaces=(self.obs_shape, self.num_actions))

    @classmethod
    def _of(cls, policy: Policy, section: Mapping[str, Any], twists: tuple[Any, Any]) -> BasicPolicy:
        """Return the description of a policy that exists."""
        made = cls.__new__(cls)
        made.obs_shape, made.num_actions, made.device = list(policy.obs_shape), policy.num_actions, "cpu"
        made.obs_size = int(np.prod(made.obs_shape))
        made._section, made._seed = dict(section), 0
        made.obs_perms, made.act_perms = ([list(p) for p in perms] for perms in twists)
        made._native = policy
        return made

    def set_permutations(self, obs_perms: _Permutations, act_perms: _Permutations | None = None) -> None:
        """Replace the symmetries.

        Args:
            obs_perms: permutations of the observation.
            act_perms: the permutations of the actions that go with them; none: no action changes.

        Raises:
            UsageError: there are not as many of both. It is a `ValueError`.
            ConfigError: one is not a permutation. It is a `ValueError`, too.
        """
        bits = [[whole("obs_perms", i) for i in permutation] for permutation in obs_perms]
        actions = [[whole("act_perms", i) for i in permutation] for permutation in act_perms or ()]
        if bits and not actions:
            actions = [list(range(self.num_actions)) for _ in bits]
        if len(bits) != len(actions):
            raise UsageError(f"act_perms: expected as many as obs_perms, {len(bits)}, found {len(actions)}")
        self._native = self._twisted(self._native, bits, actions)
        self.obs_perms, self.act_perms = bits, actions

    def _twisted(self, policy: Policy, bits: list[list[int]], actions: list[list[int]]) -> Policy:
        identity = list(range(self.obs_size)), list(range(self.num_actions))
        return Policy(like=policy, twists=[pair for pair in zip(bits, actions, strict=True) if pair != identity])

    def _become(self, policy: Policy) -> None:
        """Take over the weights and the environment of a policy of the same network."""
        self._native = self._twisted(policy, self.obs_perms, self.act_perms)

    def forward(self, x: Any, perm_indices: Any = None) -> tuple[Any, Any]:
        """Return the logits, `[batch, actions]`, and the values, `[batch, 1]`.

        Args:
            x: observations as arrays of numbers, `[batch, ...]`, or a single one.
            perm_indices: the permutation with which each observation is seen, -1 for none, `[batch]`.
        """
        rows = taken("x", x).reshape(-1, self.obs_size)
        if perm_indices is None:
            logits, values = self._outputs(rows)
            return handed_out(logits), handed_out(values[:, None])
        chosen = np.asarray(taken("perm_indices", perm_indices), int)
        if chosen.shape != rows.shape[:1] or not ((chosen >= -1) & (chosen < len(self.obs_perms))).all():
            raise ObservationError(
                f"perm_indices: expected {len(rows)} numbers from -1 to {len(self.obs_perms) - 1}, found {chosen!s:.90}"
            )
        seen = [
            row if index < 0 else row[np.argsort(self.obs_perms[index])]
            for row, index in zip(rows, chosen, strict=True)
        ]
        logits, values = self._outputs(np.reshape(seen, rows.shape))
        logits = [row if index < 0 else row[self.act_perms[index]] for row, index in zip(logits, chosen, strict=True)]
        return handed_out(np.reshape(logits, (len(rows), self.num_actions))), handed_out(values[:, None])

    def _outputs(self, rows: Any) -> tuple[Any, Any]:
        if self._native.sparse and not ((rows == 0) | (rows == 1)).all():
            # With an environment of zeros and ones, the policy accepts no other numbers. Its weights do.
            dense = Policy(like=self._detached(), weights=self._native.weights())
            return dense.forward_batch(rows)
        return self._native.forward_batch(rows)

    def predict(self, obs: Any, mask: Any = None) -> tuple[Any, Any]:
        """Return the probabilities of the actions, `[actions]`, and the value, `[1]`.

        Args:
            obs: an observation as an array of numbers, or the list of the indices of its ones.
            mask: the allowed actions.
        """
        if not _is_index_list(obs, self.obs_size) and mask is None:
            logits, values = self._outputs(taken("obs", obs).reshape(1, self.obs_size))
            weights = np.exp(logits[0] - logits[0].max())
            return weights / weights.sum(), values
        row = np.zeros(self.obs_size, np.float32)
        if _is_index_list(obs, self.obs_size):
            row[_indices(obs, self.obs_size)] = 1
        else:
            row[:] = taken("obs", obs).ravel()
        probabilities, value = self._native.predict(row, mask)
        return probabilities, np.array([value], np.float32)

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the weights by name: tensors if the script has imported PyTorch, and else arrays."""
        return {name: handed_out(values) for name, values in self._native.weights().items()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None:
        """Replace the weights.

        Args:
            state_dict: arrays or tensors by name.
            strict: if False, weights that are missing stay as they are, and names that there are not are ignored.

        Raises:
            CheckpointError: a weight is missing, unexpected, of another shape, or not finite. Nothing changes.
        """
        given = {str(name): taken(str(name), values) for name, values in state_dict.items()}
        if not flag("strict", strict):
            own = self._native.weights()
            given = {name: given.get(name, values) for name, values in own.items()}
        self._native = Policy(like=self._native, weights=given)

    def to_rust(self) -> Any:
        """Return the policy as the functions of `twisterl.twisterl` take it."""
        from twisterl._internal.peer.native import Policy as NativePolicy

        return NativePolicy.of(self)

    @property
    def embeddings(self) -> Module:
        """The first layer, as a copy."""
        return self._linear("embeddings")

    @property
    def common(self) -> Sequential:
        """The layers that both heads share, as a copy."""
        return self._sequential("common", final_relu=True)

    @property
    def action(self) -> Sequential:
        """The layers of the action head, as a copy."""
        return self._sequential("action", final_relu=False)

    @property
    def value(self) -> Sequential:
        """The layers of the value head, as a copy."""
        return self._sequential("value", final_relu=False)

    def _linear(self, name: str) -> Linear:
        weights = self._native.weights()
        return Linear(weights[f"{name}.weight"], weights[f"{name}.bias"])

    def _sequential(self, name: str, final_relu: bool) -> Sequential:
        weights = self._native.weights()
        numbers = sorted(int(key.split(".")[1]) for key in weights if key.startswith(f"{name}.") and "weight" in key)
        layers: list[Module] = []
        for number in numbers:
            layers += [Linear(weights[f"{name}.{number}.weight"], weights[f"{name}.{number}.bias"]), ReLU()]
        return Sequential(*(layers if final_relu else layers[:-1]))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found: Any = getattr(self._native, name)
        return found

    def __repr__(self) -> str:
        from twisterl.plotting.terminal import counted

        shape = "x".join(map(str, self.obs_shape))
        actions, weights = counted(self.num_actions, "action"), counted(self._native.num_parameters, "weight")
        return f"<{type(self).__name__}: {shape} -> {actions}, {weights}>"


class Conv1dPolicy(BasicPolicy):
    """The same after a convolution along one axis of observations of two axes."""

    _policy_cls = "twisterl.nn.Conv1dPolicy"

    def __init__(
        self,
        obs_shape: Sequence[int],
        num_actions: int,
        embedding_size: int,
        conv_dim: int = 0,
        common_layers: Sequence[int] = (256,),
        policy_layers: Sequence[int] = (),
        value_layers: Sequence[int] = (),
        obs_perms: _Permutations = (),
        act_perms: _Permutations = (),
        **fields: Any,
    ) -> None:
        """Describe a network as `BasicPolicy` does; `conv_dim` is the axis that is convolved away."""
        self.conv_dim = whole("conv_dim", conv_dim)
        super().__init__(
            obs_shape,
            num_actions,
            embedding_size,
            common_layers,
            policy_layers,
            value_layers,
            obs_perms,
            act_perms,
            conv_dim=self.conv_dim,
            **fields,
        )

    @property
    def conv_layer(self) -> Conv1d:
        """The convolution, as a copy."""
        return Conv1d(self._native.weights()["conv_layer.weight"])

    @property
    def embeddings(self) -> Sequential:
        """The first layer, as a copy: an observation becomes a flat array."""
        before = [Transpose()] if self.conv_dim == 1 else []
        return Sequential(*before, self.conv_layer, Transpose(), _Flatten())

    def state_dict(self) -> dict[str, Any]:
        """Return the weights, the convolution under its name in `embeddings`, too, as PyTorch has it."""
        weights = super().state_dict()
        return {f"embeddings.{self.conv_dim}.weight": weights["conv_layer.weight"], **weights}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None:
        """Replace the weights; see `BasicPolicy`."""
        twice = f"embeddings.{self.conv_dim}.weight"
        given = {name: values for name, values in state_dict.items() if name != twice}
        if twice in state_dict:
            given.setdefault("conv_layer.weight", state_dict[twice])
        super().load_state_dict(given, strict)


class Transpose(Module):
    """Swaps the last two axes of a batch."""

    def forward(self, x: Any) -> Any:
        """Return the batch, `[batch, b, a]` for `[batch, a, b]`."""
        permute: Callable[..., Any] = x.permute if hasattr(x, "permute") else x.transpose
        return permute((0, 2, 1))


class _Flatten(Module):
    def forward(self, x: Any) -> Any:
        return x.reshape((x.shape[0], -1))


def _is_index_list(obs: Any, size: int) -> bool:
    """Return True for a list of indices; one as long as an observation is the observation."""
    shape = np.shape(obs)
    return len(shape) == 1 and shape[0] != size and not isinstance(obs, np.ndarray)


def _indices(obs: Any, size: int) -> list[int]:
    indices = [whole("obs", index) for index in obs]
    for index in indices:
        if not 0 <= index < size:
            raise ObservationError(f"obs: expected {size} numbers or indices from 0 to {size - 1}, found {index}")
    return indices
