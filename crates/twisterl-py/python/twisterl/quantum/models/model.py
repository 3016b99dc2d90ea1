"""A model: a policy for the circuits of one kind on one map, with what is known of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from twisterl import __version__
from twisterl._internal.arguments import path as valid_path
from twisterl._internal.arguments import within
from twisterl._internal.problems import read_json
from twisterl.envs import of_spec
from twisterl.errors import CheckpointError, FileError, MissingError, UsageError
from twisterl.policy import Policy
from twisterl.quantum.answers import answer
from twisterl.quantum.circuits import Gate, gates_of_solution
from twisterl.quantum.coupling import Coupling
from twisterl.quantum.pauli import Network
from twisterl.quantum.search import MAX_EFFORT, best_solution
from twisterl.quantum.targets import KINDS, ROUTING, Kind, ModelKind, Target, target_of

__all__ = ["Model", "load_model"]

# The files of the folder of a model.
_POLICY, _METADATA = "policy.safetensors", "model.json"
_FORMAT = 1


@dataclass
class Model:
    """A model.

    Attributes:
        path: the folder or file that it came from, or the folder for a new one.
        kind: the kind of its targets.
        policy: the policy, with its environment.
        figures: what was measured of it, by name.
        training: how it was trained, by name.
    """

    path: Path
    kind: ModelKind
    policy: Policy
    figures: dict[str, float] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    _policies: dict[tuple[int, bool], Policy] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The name of the folder or file."""
        return self.path.stem if self.path.is_file() else self.path.name

    @cached_property
    def actions(self) -> tuple[str, ...]:
        """The names of the actions, such as `cx 0 1`."""
        env = of_spec(self.policy.spec, seed=0)
        return tuple(env.action_name(action) for action in range(self.policy.num_actions))

    @cached_property
    def coupling(self) -> Coupling:
        """The map: the edges of CX, and those of all other gates on two qubits both ways."""
        edges: set[tuple[int, int]] = set()
        for name, *qubits in map(str.split, self.actions):
            if len(qubits) == 2:
                a, b = map(int, qubits)
                edges |= {(a, b)} if name == "cx" else {(a, b), (b, a)}
        return Coupling(int(self.policy.env_params["num_qubits"]), tuple(sorted(edges)))

    @cached_property
    def _costs(self) -> list[int]:
        """By action, the number of gates on two qubits, a SWAP counted as three."""
        return [3 if name.startswith("swap ") else len(name.split()) - 2 for name in self.actions]

    @property
    def counts_gates(self) -> bool:
        """True if every action has a gate on two qubits."""
        return min(self._costs) > 0

    def most_actions(self, below: int | None) -> int | None:
        """Return the most actions of a circuit with fewer than `below` gates on two qubits, None if any number.

        Between gates on two qubits, a qubit needs no more gates on one qubit than the longest product of them has.
        """
        if below is None:
            return None
        if self.counts_gates:
            return (below - 1) // min(self._costs)
        two = max(0, below - 1)
        names = {name.split()[0] for name, cost in zip(self.actions, self._costs, strict=True) if not cost}
        # Up to Paulis they are the permutations of X, Y and Z, of which H, S and SX are the three exchanges.
        longest = 2 if names >= {"h", "s", "sx"} else 3
        return two + longest * (2 * two + self.coupling.num_qubits)

    def solve(self, target: Target, effort: int = 256, **options: Any) -> list[Gate] | None:
        """Return the gates of a circuit for a target in their order in time, None if none was found.

        Args:
            target: a target of this kind and number of qubits.
            effort: the width of the beam.
            **options: keywords of `Policy.solve_batch`, such as `seconds`.
        """
        within("effort", effort, 1, MAX_EFFORT)
        state = target.state()
        policy = self._for_network(target.value) if isinstance(target.value, Network) else self.policy
        actions = best_solution(policy, state, effort=effort, options=options)
        return None if actions is None else gates_of_solution(policy.spec, state, actions)

    def _for_network(self, network: Network) -> Policy:
        """Return the policy for an environment that executes rotations in the order of a network, or in any."""
        n = network.num_qubits
        # About as many gates as Clifford and rotations take one by one, rounded up so that few policies are made.
        depth = 1 << (4 * n * n + 3 * n * len(network.rotations)).bit_length()
        key = (depth, network.preserve_order)
        if key not in self._policies:
            changed = {"max_depth": depth, "preserve_order": network.preserve_order}
            self._policies[key] = Policy(like=self.policy, params=json.dumps({**self.policy.env_params, **changed}))
        return self._policies[key]

    def synth(self, input: Any, effort: int = 256, **options: Any) -> Any:
        """Return a circuit for a target, which is checked, or None if none was found; see `solve`."""
        if not isinstance(self.kind, Kind):
            raise UsageError(f"{self.path}: expected a model of targets, found one of {self.kind.name}")
        target = target_of(input, self.kind, self.coupling.num_qubits)
        gates = self.solve(target, effort, **options)
        return None if gates is None else answer(target, gates, self.coupling)

    def save(self) -> None:
        """Write the folder: the policy, and what is known of the model as JSON.

        Raises:
            FileError: it cannot be written.
        """
        try:
            self._write()
        except OSError as error:
            raise FileError(f"{error.filename}: cannot write: {error.strerror}") from error

    def _write(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self.policy.save(self.path / _POLICY)
        described = {
            "format": _FORMAT,
            "twisterl": __version__,
            "kind": self.kind.name,
            "num_qubits": self.coupling.num_qubits,
            "coupling_map": [list(edge) for edge in self.coupling.edges],
            "actions": sorted({name.split()[0] for name in self.actions}),
            "figures": self.figures,
            "training": self.training,
        }
        partial = self.path / f"{_METADATA}.partial"
        partial.write_text(json.dumps(described, indent=2) + "\n", "utf-8")
        partial.replace(self.path / _METADATA)


def load_model(path: str | os.PathLike[str]) -> Model:
    """Load a model. No code is run for what is in the files.

    Args:
        path: a folder that `Model.save` wrote; or a policy for one of the environments of circuits, as
            `twisterl.load_policy` takes it, such as a `.pt` file of `qiskit-gym` with its config beside it.

    Raises:
        MissingError: there is no such file.
        CheckpointError: a file is corrupt, of a newer format, or no model; or the files contradict each other.
    """
    place = valid_path("model", path)
    if not place.exists():
        raise MissingError(f"{place}: expected a model, found nothing")
    metadata: Mapping[str, Any] = {}
    file = place
    if (place / _METADATA).is_file():
        metadata, file = read_json(place / _METADATA), place / _POLICY
        if metadata.get("format") != _FORMAT:
            raise CheckpointError(
                f"{place / _METADATA}: expected format {_FORMAT}, found {metadata.get('format')!r:.40}"
            )
    policy = Policy(file)
    kinds: list[ModelKind] = [*KINDS.values(), ROUTING]
    kind = next((kind for kind in kinds if policy.env_cls in kind.env_classes), None)
    if kind is None:
        known = ", ".join(name for kind in kinds for name in kind.env_classes)
        raise CheckpointError(f"{file}: expected a policy for one of {known}, found one for {policy.env_cls!r:.60}")
    if policy.env_params.get("parallel"):
        raise CheckpointError(f"{file}: expected a policy that makes one SWAP at a time, found one with `parallel`")
    figures, training = (metadata.get(name, {}) for name in ("figures", "training"))
    if not isinstance(figures, Mapping) or not isinstance(training, Mapping):
        raise CheckpointError(f"{place / _METADATA}: expected objects in figures and training, found others")
    known_figures = {str(k): float(v) for k, v in figures.items() if isinstance(v, (int, float))}
    model = Model(place, kind, policy, known_figures, dict(training))
    if metadata:
        _compare(model, metadata)
    return model


def _compare(model: Model, metadata: Mapping[str, Any]) -> None:
    """Raise an error for a description that is not that of the policy beside it."""
    edges = [list(edge) for edge in model.coupling.edges]
    found = {"kind": model.kind.name, "num_qubits": model.coupling.num_qubits, "coupling_map": edges}
    for name, value in found.items():
        if metadata.get(name) != value:
            said = f"expected {name} {value!r:.80} as of its policy, found {metadata.get(name)!r:.80}"
            raise CheckpointError(f"{model.path / _METADATA}: {said}")
