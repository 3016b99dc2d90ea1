"""Environments of circuits with the interface of Gymnasium, made of coupling maps, under the names of `qiskit-gym`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from twisterl import envs
from twisterl._internal import arguments
from twisterl.errors import ConfigError, UsageError
from twisterl.quantum._qiskit import module
from twisterl.quantum.answers import answer
from twisterl.quantum.circuits import ONE_QUBIT, TWO_QUBIT, gates_of_solution
from twisterl.quantum.coupling import coupling_of
from twisterl.quantum.pauli import Network, network_of, pauli_rotation
from twisterl.quantum.targets import Target, kind_named, target_of

if TYPE_CHECKING:
    import gymnasium
    from typing_extensions import Self
else:
    gymnasium = module("gymnasium")

__all__ = ["SYNTH_ENVS", "CliffordGym", "LinearFunctionGym", "PauliGym", "PermutationGym", "SynthesisGym"]


class SynthesisGym(gymnasium.Env[Any, Any]):
    """An environment of circuits.

    Attributes:
        config: the parameters that it was made with.
        difficulty: the number of random gates of a scramble.
    """

    metadata = {"render_modes": ["human"], "render_fps": 4}  # noqa: RUF012 (as the base class has it)
    cls_name: ClassVar[str]
    allowed_gates: ClassVar[list[str]]
    _kind_name: ClassVar[str]

    def __init__(self, **config: Any) -> None:
        self.config = config
        self._raw_env = envs.make(self.cls_name, **config)
        self._shape = tuple(self._raw_env.obs_shape())
        self.observation_space = gymnasium.spaces.MultiBinary(self._shape)
        self.action_space = gymnasium.spaces.Discrete(self._raw_env.num_actions())

    # long function: one option after the other
    @classmethod
    def from_coupling_map(
        cls,
        coupling_map: Any,
        basis_gates: Sequence[str] | None = None,
        difficulty: int = 1,
        depth_slope: int = 2,
        max_depth: int = 128,
        metrics_weights: Mapping[str, float] | None = None,
        add_inverts: bool = True,
        add_perms: bool = True,
        **others: Any,
    ) -> Self:
        """Return the environment of a coupling map.

        Its actions are, for each gate of the basis in order, the qubits or the edges in ascending order.

        Args:
            coupling_map: a map in any form that `twisterl.quantum.coupling_of` takes.
            basis_gates: the names of the gates, by default all that the environment takes.
            difficulty: the number of random gates of a scramble.
            depth_slope: budget of an episode a unit of difficulty.
            max_depth: the greatest budget.
            metrics_weights: the cost of a unit of `n_cnots`, `n_gates`, `n_layers` and `n_layers_cnots`.
            add_inverts: accepted, without effect.
            add_perms: use the symmetries of the gate set.
            **others: further parameters of the environment.

        Raises:
            ConfigError: a gate is not one of the environment.
            UsageError: there is no such map.
        """
        coupling = coupling_of(coupling_map)
        if isinstance(basis_gates, str):
            raise ConfigError(
                f"basis_gates: expected a list of gates such as ['CX'], found the text {basis_gates!r:.40}"
            )
        gateset: list[tuple[str, tuple[int, ...]]] = []
        for i, name in enumerate(cls.allowed_gates if basis_gates is None else basis_gates):
            known = next((gate for gate in cls.allowed_gates if gate.lower() == str(name).lower()), None)
            if known is None:
                expected = ", ".join(cls.allowed_gates)
                raise ConfigError(f"basis_gates[{i}]: expected one of the gates {expected}, found {name!r:.40}")
            places: Any = coupling.edges if known in TWO_QUBIT else [(q,) for q in range(coupling.num_qubits)]
            gateset += [(known, qubits) for qubits in places]
        given = {
            "num_qubits": coupling.num_qubits,
            "gateset": gateset,
            "difficulty": difficulty,
            "depth_slope": depth_slope,
            "max_depth": max_depth,
            "metrics_weights": metrics_weights,
            "add_inverts": add_inverts,
            "add_perms": add_perms,
        }
        known_names = inspect.signature(cls.__init__).parameters
        return cls(**{name: value for name, value in given.items() if name in known_names}, **others)

    @classmethod
    def from_json(cls, env_config: Mapping[str, Any]) -> Self:
        """Return the environment of a section `env`; unknown keys are ignored."""
        known = inspect.signature(cls.__init__).parameters
        try:
            return cls(**{name: value for name, value in env_config.items() if name in known})
        except TypeError as error:
            raise ConfigError(f"env: expected num_qubits and gateset, found {sorted(env_config)!r:.100}") from error

    def to_json(self) -> dict[str, Any]:
        """Return the section `env` of a config."""
        return dict(self.config)

    # Targets and circuits.

    def target(self, input: Any) -> Target:
        """Return the target that a user gives; see `twisterl.quantum.target_of`."""
        return target_of(input, kind_named(self._kind_name), int(self.config["num_qubits"]))

    def get_state(self, input: Any) -> list[int]:
        """Return the state from which a solution is a circuit for `input`."""
        return self.target(input).state()

    def build_circuit_from_solution(self, actions: Sequence[int], input: Any) -> Any:
        """Return the circuit of a solution, which is checked to be one for `input`."""
        target = self.target(input)
        return answer(target, gates_of_solution(self._raw_env.spec, target.state(), actions))

    # The interface of Gymnasium.

    def _observed(self) -> Any:
        observation = np.zeros(self._shape, np.int8)
        observation.ravel()[list(self._raw_env.observe())] = 1
        return observation

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode. `options` may contain a `difficulty`."""
        given = arguments.options("options", options, ("difficulty",))
        super().reset(seed=seed)
        self._raw_env.reset(given.get("difficulty"), seed)
        return self._observed(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Add a gate."""
        reward, terminated, truncated = self._raw_env.step(action)
        return self._observed(), reward, terminated, truncated, {"is_success": self._raw_env.solved()}

    def render(self, mode: str = "human") -> Any:
        """Print the state. The only `mode` is `human`."""
        if mode != "human":
            raise UsageError(f"mode: expected 'human', found {mode!r:.40}")
        print(self._raw_env.render())

    def close(self) -> None:
        """Close the environment, which cannot be used afterwards."""
        self._raw_env.close()

    @property
    def difficulty(self) -> int:
        """The number of random gates of a scramble."""
        return self._raw_env.difficulty

    @difficulty.setter
    def difficulty(self, value: int) -> None:
        self._raw_env.difficulty = arguments.difficulty(value)

    def __getattr__(self, name: str) -> Any:
        # Methods of the native environment: set_state, observe, num_actions, obs_shape, twists, ...
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._raw_env, name)


class _OfGates(SynthesisGym):
    """An environment with the parameters that three of them share."""

    def __init__(
        self,
        num_qubits: int,
        gateset: Sequence[tuple[str, Sequence[int]]],
        difficulty: int = 1,
        depth_slope: int = 2,
        max_depth: int = 128,
        metrics_weights: Mapping[str, float] | None = None,
        add_inverts: bool = True,
        add_perms: bool = True,
        track_solution: bool = True,
    ) -> None:
        super().__init__(
            num_qubits=num_qubits,
            difficulty=difficulty,
            gateset=gateset,
            depth_slope=depth_slope,
            max_depth=max_depth,
            metrics_weights=metrics_weights,
            add_inverts=add_inverts,
            add_perms=add_perms,
            track_solution=track_solution,
        )


class PermutationGym(_OfGates):
    """Permutations of qubits by SWAPs."""

    cls_name = "PermutationEnv"
    allowed_gates: ClassVar[list[str]] = ["SWAP"]
    _kind_name = "permutation"


class LinearFunctionGym(_OfGates):
    """Linear functions by CX and SWAPs."""

    cls_name = "LinearFunctionEnv"
    allowed_gates: ClassVar[list[str]] = ["CX", "SWAP"]
    _kind_name = "linear_function"


class CliffordGym(_OfGates):
    """Cliffords."""

    cls_name = "CliffordEnv"
    allowed_gates: ClassVar[list[str]] = [*ONE_QUBIT, *TWO_QUBIT]
    _kind_name = "clifford"


class PauliGym(SynthesisGym):
    """Networks of rotations about Paulis, and a Clifford after them."""

    cls_name = "PauliNetworkEnv"
    allowed_gates: ClassVar[list[str]] = [*ONE_QUBIT, *TWO_QUBIT]
    _kind_name = "pauli_network"

    def __init__(
        self,
        num_qubits: int,
        gateset: Sequence[tuple[str, Sequence[int]]],
        difficulty: int = 1,
        depth_slope: int = 2,
        max_depth: int = 128,
        max_rotations: int = 5,
        pauli_diff_scale: int = 16,
        num_qubits_decay: float = 0.5,
        final_pauli_layers: int | None = None,
        metrics_weights: Mapping[str, float] | None = None,
        add_perms: bool = True,
        pauli_layer_reward: float = 0.01,
        track_solution: bool = True,
    ) -> None:
        super().__init__(
            num_qubits=num_qubits,
            difficulty=difficulty,
            gateset=gateset,
            depth_slope=depth_slope,
            max_depth=max_depth,
            max_rotations=max_rotations,
            pauli_diff_scale=pauli_diff_scale,
            num_qubits_decay=num_qubits_decay,
            final_pauli_layers=final_pauli_layers,
            metrics_weights=metrics_weights,
            add_perms=add_perms,
            pauli_layer_reward=pauli_layer_reward,
            track_solution=track_solution,
        )

    def target(self, input: Any, rotations: Sequence[str] | None = None) -> Target:
        """Return the network of a circuit; or of a Clifford and the labels of rotations before it."""
        size = int(self.config["num_qubits"])
        if isinstance(input, tuple) and len(input) == 2:  # as in qiskit-gym, the inverse of the Clifford
            clifford, rotations = input
            input = clifford.adjoint()
        target = super().target(input)
        if rotations is None:
            return target
        labels = [network_of(pauli_rotation(label), size).rotations[0] for label in rotations]
        network = Network((*labels, *target.value.rotations), target.value.clifford)
        return target_of(network, target.kind, size)

    def get_state(self, input: Any, rotations: Sequence[str] | None = None) -> list[int]:
        """Return the state from which a solution is a circuit for `input`; see `target`."""
        return self.target(input, rotations).state()


SYNTH_ENVS: dict[str, type[SynthesisGym]] = {
    "CliffordEnv": CliffordGym,
    "LinearFunctionEnv": LinearFunctionGym,
    "PermutationEnv": PermutationGym,
    "PauliNetworkEnv": PauliGym,
}
