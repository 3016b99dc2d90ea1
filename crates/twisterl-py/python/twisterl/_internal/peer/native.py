"""The compiled module of the PyPI package, `twisterl.twisterl`: its submodules `nn`, `env` and `collector`."""

from __future__ import annotations

import types
from collections.abc import Sequence as Items
from typing import TYPE_CHECKING, Any

import numpy as np

from twisterl._internal.adapter.reading.masks import read_mask
from twisterl._internal.arguments import flag
from twisterl._internal.peer.data import CollectedData, Collector
from twisterl.envs import Env, Puzzle, of_spec
from twisterl.errors import UsageError

if TYPE_CHECKING:
    from twisterl.nn.policy import BasicPolicy

__all__ = ["collector", "env", "nn"]


class Linear:
    """A linear layer: `[inputs, outputs]` weights as one list, and biases."""

    def __init__(self, weights_vector: Items[float], bias_vector: Items[float], apply_relu: bool) -> None:
        self.bias = np.asarray(bias_vector, np.float32)
        self.weight = np.asarray(weights_vector, np.float32).reshape(-1, max(len(self.bias), 1)).T
        self.apply_relu = flag("apply_relu", apply_relu)


class EmbeddingBag:
    """The first layer of a policy: the vector that each bit of an observation adds."""

    def __init__(
        self,
        vec_vectors: Items[Items[float]],
        bias_vector: Items[float],
        apply_relu: bool,
        obs_shape: Items[int],
        conv_dim: int,
    ) -> None:
        self.vectors = np.asarray(vec_vectors, np.float32)
        self.bias = np.asarray(bias_vector, np.float32)
        self.apply_relu = flag("apply_relu", apply_relu)
        self.obs_shape = [int(n) for n in obs_shape]
        self.conv_dim = int(conv_dim)


class Sequential:
    """Linear layers that follow each other."""

    def __init__(self, layers: Items[Linear]) -> None:
        self.layers = list(layers)


class Policy:
    """A policy of such layers, or of a description."""

    def __init__(
        self,
        embeddings: EmbeddingBag,
        common: Sequential,
        action_net: Sequential,
        value_net: Sequential,
        obs_perms: Items[Items[int]],
        act_perms: Items[Items[int]],
    ) -> None:
        self.description = _described(embeddings, (common, action_net, value_net))
        self.description.set_permutations(obs_perms, act_perms)

    @classmethod
    def of(cls, description: BasicPolicy) -> Policy:
        """Return the policy of a description. It follows the description."""
        made = cls.__new__(cls)
        made.description = description
        return made

    def forward(self, obs: Items[int], masks: Items[bool]) -> tuple[list[float], float]:
        """Return the logits, -1e10 where an action is not allowed, and the value.

        Args:
            obs: the indices of the ones.
            masks: the allowed actions.
        """
        logits, values = self.description._outputs(self._row(obs))
        return np.where(_mask(masks, logits[0]), logits[0], -1e10).tolist(), float(values[0])

    def predict(self, obs: Items[int], masks: Items[bool]) -> tuple[list[float], float]:
        """Return the probabilities of the actions, and the value."""
        logits, values = self.description._outputs(self._row(obs))
        return _probabilities(logits[0], masks), float(values[0])

    def full_predict(self, obs: Items[int], masks: Items[bool]) -> tuple[list[float], float]:
        """Return the same with the mean of the logits and of the values over all permutations of the policy."""
        count = len(self.description.obs_perms)
        if count == 0:
            return self.predict(obs, masks)
        rows = np.repeat(self._row(obs), count, 0)
        logits, values = (np.asarray(part) for part in self.description.forward(rows, np.arange(count)))
        return _probabilities(logits.mean(0), masks), float(values.mean())

    def _row(self, obs: Items[int]) -> Any:
        from twisterl.nn.policy import _indices

        row = np.zeros((1, self.description.obs_size), np.float32)
        row[0, _indices(obs, self.description.obs_size)] = 1
        return row


def _described(embeddings: EmbeddingBag, nets: tuple[Sequential, Sequential, Sequential]) -> BasicPolicy:
    from twisterl.nn.policy import BasicPolicy, Conv1dPolicy

    common, action, value = (net.layers for net in nets)
    hidden = [*common, *action[:-1], *value[:-1]]
    if not (embeddings.apply_relu and all(layer.apply_relu for layer in hidden)):
        raise UsageError("Policy: expected a ReLU after every layer but the last of each head, found one without")
    if not (action and value) or action[-1].apply_relu or value[-1].apply_relu:
        raise UsageError("Policy: expected linear layers at the end of both heads, found none or a ReLU")
    common_layers, policy_layers, value_layers = (
        [len(layer.bias) for layer in layers] for layers in (common, action[:-1], value[:-1])
    )
    sizes: Any = {"common_layers": common_layers, "policy_layers": policy_layers, "value_layers": value_layers}
    shape, actions = embeddings.obs_shape, len(action[-1].bias)
    weights = {
        f"{name}.{2 * number}.{kind}": getattr(layer, kind)
        for name, layers in (("common", common), ("action", action), ("value", value))
        for number, layer in enumerate(layers)
        for kind in ("weight", "bias")
    }
    made: BasicPolicy
    if len(embeddings.vectors) == np.prod(shape):
        made = BasicPolicy(shape, actions, len(embeddings.bias), **sizes)
        weights |= {"embeddings.weight": embeddings.vectors.T, "embeddings.bias": embeddings.bias}
    else:
        made = Conv1dPolicy(shape, actions, len(embeddings.bias), embeddings.conv_dim, **sizes)
        weights |= {"conv_layer.weight": embeddings.vectors.T[:, :, None]}
    made.load_state_dict(weights)
    return made


def _mask(masks: Items[bool], logits: Any) -> Any:
    given = list(masks)
    if len(given) != len(logits):
        raise UsageError(f"masks: expected {len(logits)}, found {len(given)}")
    return np.array(read_mask([(len(logits), [], [], [])], given), bool)


def _probabilities(logits: Any, masks: Items[bool]) -> list[float]:
    mask = _mask(masks, logits)
    weights = np.where(mask, np.exp(logits - logits[mask].max(initial=-np.inf)), 0) if mask.any() else 0 * logits
    shares: list[float] = (weights / max(weights.sum(), 1e-30)).tolist()
    return shares


class PyEnv(Env):
    """An environment written in Python, with the constructor of the compiled class."""

    def __new__(cls, py_env: Any) -> PyEnv:
        """Return an environment of copies of `py_env`."""
        from twisterl._internal.peer.handed import Handed

        made = of_spec(Handed(py_env).spec())
        return super(Env, cls).__new__(cls, made.spec, 1, None)


def solve(
    py_env: Any,
    policy: Any,
    deterministic: bool,
    num_searches: int,
    num_mcts_searches: int,
    C: float,  # noqa: N803 (the name in the PyPI package)
    max_expand_depth: int,
) -> tuple[tuple[float, float], list[int]]:
    """Solve an environment from its current state. Return success (1 or 0) and reward, and the actions.

    For the arguments see `twisterl.Policy.solve_batch`.
    """
    from twisterl._internal.peer.playing import solve_here

    options = {"deterministic": deterministic, "num_searches": num_searches, "num_mcts_searches": num_mcts_searches}
    return solve_here(py_env, policy, {**options, "C": C, "max_expand_depth": max_expand_depth})


def evaluate(
    py_env: Any,
    policy: Any,
    num_episodes: int = 100,
    deterministic: bool = True,
    num_searches: int = 1,
    num_mcts_searches: int = 0,
    seed: int = 0,
    C: float = 1.41,  # noqa: N803 (the name in the PyPI package)
    max_expand_depth: int = 1,
    num_cores: int = 32,
    **more: Any,
) -> tuple[float, float]:
    """Return the success rate and the mean reward in episodes of the difficulty of an environment."""
    from twisterl._internal.peer.playing import evaluate_on

    entry: dict[str, Any] = {"num_episodes": num_episodes, "deterministic": deterministic, "seed": seed}
    entry |= {"num_searches": num_searches, "num_mcts_searches": num_mcts_searches, "C": C}
    entry["max_expand_depth"] = max_expand_depth
    return evaluate_on(py_env, policy, {**entry, "num_cores": num_cores, **more})


class PPOCollector(Collector):
    """A collector of the transitions that PPO learns from."""

    def __init__(self, num_episodes: int, gamma: float, num_cores: int, **more: Any) -> None:
        """Take the settings; `lambda` is a keyword argument, too."""
        super().__init__("PPO", {"num_episodes": num_episodes, "gamma": gamma, "num_cores": num_cores, **more})


class AZCollector(Collector):
    """A collector of the examples that AlphaZero learns from."""

    def __init__(
        self,
        num_episodes: int,
        num_mcts_searches: int,
        C: float,  # noqa: N803
        max_expand_depth: int,
        num_cores: int,
        **more: Any,
    ) -> None:
        """Take the settings."""
        searches = {"num_mcts_searches": num_mcts_searches, "C": C, "max_expand_depth": max_expand_depth}
        super().__init__("AZ", {"num_episodes": num_episodes, "num_cores": num_cores, **searches, **more})


def _submodule(name: str, **contents: Any) -> types.ModuleType:
    module = types.ModuleType(f"twisterl.twisterl.{name}")
    vars(module).update(contents)
    return module


nn = _submodule("nn", EmbeddingBag=EmbeddingBag, Linear=Linear, Policy=Policy, Sequential=Sequential)
env = _submodule("env", Puzzle=Puzzle, PyBaseEnv=Env, PyEnv=PyEnv)
collector = _submodule(
    "collector",
    AZCollector=AZCollector,
    CollectedData=CollectedData,
    PPOCollector=PPOCollector,
    evaluate=evaluate,
    solve=solve,
)
