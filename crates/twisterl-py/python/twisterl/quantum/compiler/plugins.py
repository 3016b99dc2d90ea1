"""Plugins of Qiskit's HighLevelSynthesis, registered as `twisterl`."""

from __future__ import annotations

import copy
import difflib
import math
from abc import ABCMeta
from dataclasses import replace
from typing import Any, ClassVar

from twisterl._internal.arguments import flag, within
from twisterl.errors import UsageError
from twisterl.quantum._qiskit import module
from twisterl.quantum.circuits import PHASE_QUBITS
from twisterl.quantum.compiler.synthesis import best_circuit
from twisterl.quantum.coupling import Coupling, coupling_of
from twisterl.quantum.models.library import opened
from twisterl.quantum.pauli import network_of
from twisterl.quantum.search import MAX_EFFORT
from twisterl.quantum.targets import KINDS, Target, target_of

__all__ = ["CliffordPlugin", "LinearFunctionPlugin", "PauliEvolutionPlugin", "PermutationPlugin"]

_OPTIONS = ("models", "seconds", "effort", "fallback")
# The CX gates of other gates on two qubits, by their names in Qiskit; of those that are not listed, one.
_CX_OF = {"swap": 3, **dict.fromkeys(("rxx", "ryy", "rzz", "rzx", "cp", "crx", "cry", "crz", "iswap", "dcx"), 2)}
_CX_OF["barrier"] = 0

_BASE: Any = module("qiskit.transpiler.passes.synthesis.plugin").HighLevelSynthesisPlugin


class _Plugin(_BASE, metaclass=ABCMeta):  # type: ignore[misc]
    """Synthesis by the model for the map of the qubits.

    Options, in an `HLSConfig`:
        models: the folder of models; by default that of the variable TWISTERL_QUANTUM_MODELS, or the user's own.
        seconds: the time for one object; 1 by default.
        effort: the width of the beam; 256 by default.
        fallback: if True, as by default, return the circuit of Qiskit's default method if there is no model or none
            has a better one; if False, leave it to the methods that follow in the config.
    """

    _kind_name: ClassVar[str]

    @property
    def _object_name(self) -> str:
        """The name of the objects in Qiskit."""
        return self._kind_name

    def run(
        self, high_level_object: Any, coupling_map: Any = None, target: Any = None, qubits: Any = None, **options: Any
    ) -> Any:
        """Return a circuit along the edges of the map.

        Without `qubits`, before the layout, all qubits are connected, and circuits are compared as routed on the map.
        """
        given = _own(options)
        kind = KINDS[self._kind_name]
        size = int(high_level_object.num_qubits)
        rest = {name: value for name, value in options.items() if name not in _OPTIONS}
        rest |= {"coupling_map": coupling_map, "target": target, "qubits": qubits}
        fallback = flag("fallback", given.get("fallback", True))
        usual = self._usual("default", high_level_object, rest) if fallback else None
        library = opened(given.get("models")) if 2 <= size <= kind.max_qubits else None
        if library is None or size not in library.sizes(kind):
            return usual
        device = _device_of(coupling_map, target)
        if device is None or qubits is None:
            coupling, to_route = coupling_of(f"full:{size}"), device is not None
        else:
            coupling, to_route = device.induced([int(qubit) for qubit in qubits]), False
        goal = self._goal(high_level_object, options) if library.find(kind, coupling) else None
        if goal is None:
            return usual
        least = None
        if usual is not None:
            rivals = [(_cost_on(each, coupling), each) for each in (usual, *self._rivals(high_level_object, rest))]
            least, usual = min(rivals, key=lambda rival: math.inf if rival[0] is None else rival[0])
        seconds, effort = given.get("seconds", 1.0), within("effort", given.get("effort", 256), 1, MAX_EFFORT)
        found = best_circuit(library, goal, coupling, seconds, effort, below=None if to_route else least)
        if found is None:
            return usual
        if usual is None or not to_route or _routed_cost(found, device) < _routed_cost(usual, device):
            return found
        return usual

    def _usual(self, name: str, operation: Any, options: Any) -> Any:
        """Return the circuit of one of Qiskit's methods."""
        plugins = module("qiskit.transpiler.passes.synthesis.plugin").HighLevelSynthesisPluginManager()
        return plugins.method(self._object_name, name).run(operation, **options)

    def _goal(self, operation: Any, options: Any) -> Target | None:
        """Return the target of an object, None if models cannot make it."""
        return target_of(operation, KINDS[self._kind_name], int(operation.num_qubits))

    def _rivals(self, operation: Any, options: Any) -> list[Any]:
        """Return the circuits of further methods of Qiskit."""
        return []


class PermutationPlugin(_Plugin, metaclass=ABCMeta):
    """The plugin `permutation.twisterl`."""

    _kind_name = "permutation"


class LinearFunctionPlugin(_Plugin, metaclass=ABCMeta):
    """The plugin `linear_function.twisterl`."""

    _kind_name = "linear_function"


class CliffordPlugin(_Plugin, metaclass=ABCMeta):
    """The plugin `clifford.twisterl`."""

    _kind_name = "clifford"


class PauliEvolutionPlugin(_Plugin, metaclass=ABCMeta):
    """The plugin `PauliEvolution.twisterl`, for the product of rotations by which an evolution is defined.

    Of Qiskit's methods it takes the better one of `default` and `rustiq`, and hands their options on. With
    `preserve_order=False`, rotations are executed in any order.
    """

    _kind_name = "pauli_network"
    _object_name = "PauliEvolution"

    def run(
        self, high_level_object: Any, coupling_map: Any = None, target: Any = None, qubits: Any = None, **options: Any
    ) -> Any:
        """Return a circuit along the edges of the map; see `CliffordPlugin`."""
        if not isinstance(high_level_object, module("qiskit.circuit.library").PauliEvolutionGate):
            return None
        return super().run(high_level_object, coupling_map, target, qubits, **options)

    def _usual(self, name: str, operation: Any, options: Any) -> Any:
        if not hasattr(operation.synthesis, "preserve_order"):  # which Qiskit's methods ask for
            return operation.synthesis.synthesize(operation)
        return super()._usual(name, operation, options)

    def _goal(self, operation: Any, options: Any) -> Target | None:
        if operation.num_qubits > PHASE_QUBITS:
            return None  # an evolution has a global phase
        synthesis = copy.copy(operation.synthesis)
        keep = bool(options.get("preserve_order", getattr(synthesis, "preserve_order", True)))
        if hasattr(synthesis, "preserve_order"):
            synthesis.preserve_order = True
        gate = module("qiskit.circuit.library").PauliEvolutionGate
        try:
            network = network_of(gate(operation.operator, operation.time, synthesis=synthesis))
        except UsageError:
            return None  # it is no product of rotations, or one of too many
        return target_of(replace(network, preserve_order=keep), KINDS[self._kind_name])

    def _rivals(self, operation: Any, options: Any) -> list[Any]:
        return [circuit for circuit in [self._usual("rustiq", operation, options)] if circuit is not None]


def _own(options: dict[str, Any]) -> dict[str, Any]:
    """Return the plugin's own options. Qiskit hands others to every plugin, of which there are more in each version."""
    for name in options:
        near = difflib.get_close_matches(name, _OPTIONS, 1, 0.75)
        if near and near[0] != name:
            raise UsageError(
                f"options: expected one of {', '.join(_OPTIONS)}, found {name!r} (did you mean {near[0]!r}?)"
            )
    return {name: value for name, value in options.items() if name in _OPTIONS}


def _device_of(coupling_map: Any, target: Any) -> Coupling | None:
    """Return the map of the machine, None if there is none."""
    if coupling_map is None and target is not None:
        coupling_map = target.build_coupling_map()
    return None if coupling_map is None else coupling_of(coupling_map)


def _routed_cost(circuit: Any, device: Coupling | None) -> int:
    """Return the number of CX gates of a circuit that Qiskit places and routes on a map."""
    coupling = None if device is None else device.both_ways().to_qiskit()
    passes = module("qiskit.transpiler").generate_preset_pass_manager(
        1, coupling_map=coupling, basis_gates=["cx", "rz", "sx", "x"], seed_transpiler=0
    )
    return cost_of(passes.run(circuit))


def _cost_on(circuit: Any, coupling: Coupling) -> int | None:
    """Return the number of CX gates of a circuit, None if a gate is not along an edge of the map."""
    flat = _flat(circuit)
    for instruction in flat.data:
        qubits = [flat.find_bit(qubit).index for qubit in instruction.qubits]
        if instruction.operation.name == "barrier" or len(qubits) < 2:
            continue
        if len(qubits) > 2 or qubits[1] not in coupling.neighbours[qubits[0]]:
            return None
    return cost_of(flat)


def cost_of(circuit: Any) -> int:
    """Return the number of CX gates of a circuit, of those on two qubits as many as it takes."""
    names = [each.operation.name for each in _flat(circuit).data if len(each.qubits) > 1]
    return sum(_CX_OF.get(name, 1) for name in names)


def _flat(circuit: Any) -> Any:
    nested = any(len(each.qubits) > 2 and each.operation.name != "barrier" for each in circuit.data)
    return circuit.decompose() if nested else circuit
