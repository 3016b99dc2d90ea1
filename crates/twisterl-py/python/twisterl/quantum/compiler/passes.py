"""The pass that replaces blocks of a circuit by shorter ones, and the stage of Qiskit's compiler that runs it."""

from __future__ import annotations

import copy
from abc import ABCMeta
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from twisterl._internal.arguments import within
from twisterl.errors import UsageError
from twisterl.quantum._qiskit import module
from twisterl.quantum.circuits import circuit_of
from twisterl.quantum.compiler.blocks import FITS, Block, Line, Lines, block_on, lines_of, replaced
from twisterl.quantum.compiler.bounds import fewest_gates
from twisterl.quantum.compiler.synthesis import Budget, Known, best_circuit
from twisterl.quantum.coupling import Coupling, coupling_of
from twisterl.quantum.models.library import Library, opened
from twisterl.quantum.search import MAX_EFFORT
from twisterl.quantum.targets import Kind, kind_named, target_of

__all__ = ["OptimizationPlugin", "ResynthesizeBlocks"]


# The width of the first beams.
_NARROW = 16
_PASS: Any = module("qiskit.transpiler").TransformationPass
_STAGE: Any = module("qiskit.transpiler.preset_passmanagers.plugin").PassManagerStagePlugin


class _Meta(type(_PASS)):  # type: ignore[misc]
    """The class of the class, which has no types in Qiskit."""


class ResynthesizeBlocks(_PASS, metaclass=_Meta):  # type: ignore[misc]
    """Replaces parts of a circuit by the circuits of models where these have fewer gates on two qubits.

    The circuit is one on the qubits of the machine. Parts are Cliffords, linear functions or permutations on connected
    qubits, as many as models have. A part that is replaced consists of H, S, Sdg, SX, SXdg, X, Y, Z and CX afterwards.
    """

    def __init__(
        self,
        coupling_map: Any = None,
        models: Any = None,
        seconds: float = 1.0,
        total_seconds: float = 60.0,
        effort: int = 256,
        finish: Any = None,
        compare: Any = None,
    ) -> None:
        """Prepare the pass.

        Args:
            coupling_map: the map in any form that `coupling_of` takes; None if all qubits are connected.
            models: the folder of the models, or a `Library`; by default that of the variable TWISTERL_QUANTUM_MODELS,
                or the user's own.
            seconds: the time for one part.
            total_seconds: the time for the circuit.
            effort: the width of the beams, before which narrow ones find most of what can be found.
            finish: a pass manager for the result, such as one that translates it. If the circuit then has no fewer
                gates on two qubits than before, it stays as it was.
            compare: a pass manager that runs on both circuits before they are compared.
        """
        super().__init__()
        self._coupling = None if coupling_map is None else coupling_of(coupling_map)
        self._models, self._finish, self._compare = models, finish, compare
        Budget(seconds), Budget(total_seconds)  # checks them
        self._seconds, self._total = seconds, total_seconds
        self._effort = within("effort", effort, 1, MAX_EFFORT)

    def run(self, dag: Any) -> Any:
        """Return the circuit, or one with fewer gates on two qubits."""
        converters = module("qiskit.converters")
        library = opened(self._models)
        size = int(dag.num_qubits())
        if not len(library) or size < 2:
            return dag
        if self._coupling is not None and size > self._coupling.num_qubits:
            raise UsageError(f"circuit: expected at most {self._coupling.num_qubits} qubits, as the map, found {size}")
        circuit = converters.dag_to_circuit(dag)
        coupling = self._coupling or Coupling(size, tuple(_interactions(lines_of(circuit))))
        work = _Work(circuit, coupling, library, self._seconds, self._effort, self._coupling is None)
        if not work.improve(Budget(self._total)):
            return dag
        made = work.result()
        if self._finish is not None:
            made = self._finish.run(made)
        before, after = (circuit, made) if self._compare is None else self._compare.run([circuit, made])
        return converters.circuit_to_dag(made) if _cost(after) < _cost(before) else dag


def _cost(circuit: Any) -> int:
    """Return the number of gates on two qubits, whatever else there is; a SWAP counts as three."""
    names = [each.operation.name for each in circuit.data if len(each.qubits) == 2]
    return len(names) + 2 * names.count("swap") - names.count("barrier")


def _interactions(lines: Sequence[Line]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of qubits with gates, in both directions, in ascending order."""
    pairs = {line.wires for line in lines if len(line.instruction.qubits) == 2 == len(line.wires)}
    yield from sorted({*pairs, *((b, a) for a, b in pairs)})


class _Work:
    """A circuit whose blocks are replaced one after the other."""

    def __init__(
        self, circuit: Any, coupling: Coupling, library: Library, seconds: float, effort: int, all_connected: bool
    ) -> None:
        self._circuit, self._coupling, self._library = circuit, coupling, library
        self._seconds, self._effort, self._all_connected = seconds, effort, all_connected
        self._screen: int | None = _NARROW
        self._lines: Lines = lines_of(circuit)
        self._phase: Any = 0.0
        # Blocks for which no model has a shorter circuit, by their qubits and gates.
        self._kept: set[tuple[Any, ...]] = set()
        # Instructions with which no such block begins, by kind, each with the qubits that were looked at.
        self._settled: dict[tuple[str, int], tuple[Any, frozenset[int]]] = {}
        self._known: Known = {}

    def improve(self, budget: Budget) -> bool:
        """Replace blocks until none can be, or the time is over. Return True if there was one.

        A wide beam runs at first only where a narrow one has found a circuit, which tells in little time most of what
        can be found. Then wide beams look at the other blocks for as long as that took, but at least for the time of
        one block. Networks are left out there: searches that find none take longest.
        """
        begun = budget.seconds
        kinds = [kind for kind in map(kind_named, FITS) if self._library.sizes(kind)]
        changed = self._sweeps(kinds, budget)
        kinds = [kind for kind in kinds if kind.name != "pauli_network"]
        if self._effort > _NARROW and kinds and (left := budget.seconds) > 0:
            self._screen, self._kept, self._settled, self._known = None, set(), {}, {}
            changed |= self._sweeps(kinds, Budget(min(left, max(self._seconds, begun - left))))
        return changed

    def _sweeps(self, kinds: Sequence[Kind], budget: Budget) -> bool:
        """Replace blocks of some kinds until none can be, or the time is over. Return True if there was one."""
        changed, again = False, True
        while again:
            again = False
            for done, kind in enumerate(kinds):
                left = budget.seconds
                if left > 0 and self._sweep(kind, Budget(left / (len(kinds) - done))):
                    changed = again = True
        return changed

    def result(self) -> Any:
        """Return the circuit as it is now."""
        made = self._circuit.copy_empty_like()
        made.global_phase += self._phase
        for line in self._lines:
            made.append(line.instruction)
        return made

    def _sweep(self, kind: Kind, budget: Budget) -> bool:
        """Replace blocks of a kind, each of which begins with another gate and gets an equal share of the time left."""
        changed, ahead = False, self._begins_from(kind, 0)
        while ahead and (left := budget.seconds) > 0:
            share = Budget(left / len(ahead))
            at = ahead.pop()
            instruction = self._lines[at].instruction
            if (kind.name, id(instruction)) in self._settled:
                continue
            candidates, looked_at = self._candidates(at, kind)
            for qubits, block in candidates:
                if self._replace(kind, qubits, block, share):
                    changed, ahead = True, self._begins_from(kind, block.gates[0])
                    self._settled = {key: one for key, one in self._settled.items() if one[1].isdisjoint(qubits)}
                    break
            else:
                if share.seconds > 0:
                    self._settled[kind.name, id(instruction)] = instruction, looked_at
        return changed

    def _begins_from(self, kind: Kind, start: int) -> list[int]:
        """Return the places from `start` on where a block can begin, with a gate on two qubits, the last one first."""
        fits, found = FITS[kind.name], []
        for at in range(len(self._lines) - 1, start - 1, -1):
            line = self._lines[at]
            is_gate = len(line.wires) == 2 and not line.is_fence and min(line.wires) >= 0
            if is_gate and fits(line.instruction.operation):
                found.append(at)
        return found

    def _candidates(self, at: int, kind: Kind) -> tuple[list[tuple[list[int], Block]], frozenset[int]]:
        """Return blocks that begin with a gate, the largest first, on qubits added one by one; and all looked at."""
        fits, sizes = FITS[kind.name], self._library.sizes(kind)
        qubits = frozenset(self._lines[at].wires)
        block = block_on(self._lines, qubits, fits, at)
        found: list[tuple[list[int], Block]] = []
        while True:
            if len(qubits) in sizes and block.cost > 1 and self._library.find(kind, self._edges(qubits)):
                found.append((sorted(qubits), block))
            border = frozenset(chain.from_iterable(self._coupling.neighbours[qubit] for qubit in qubits)) - qubits
            if len(qubits) >= sizes[0] or not border:
                return found[::-1], qubits | border
            grown = [(block_on(self._lines, qubits | {new}, fits, at), new) for new in border]
            block, new = max(grown, key=lambda each: (each[0].cost, -each[1]))
            qubits |= {new}

    def _edges(self, qubits: Iterable[int]) -> Coupling:
        """Return the map of some qubits in ascending order."""
        among = sorted(qubits)
        return coupling_of(f"full:{len(among)}") if self._all_connected else self._coupling.induced(among)

    def _replace(self, kind: Kind, qubits: list[int], block: Block, budget: Budget) -> bool:
        """Replace a block if a model has fewer gates on two qubits for it."""
        operations = [self._lines[i].instruction for i in block.gates]
        key = (kind.name, *qubits, *map(id, operations))
        seconds = min(self._seconds, budget.seconds)
        if key in self._kept or seconds <= 0:
            return False
        coupling = self._edges(qubits)
        part = self._part(qubits, block)
        target = target_of(part, kind)
        if fewest_gates(target, coupling) >= block.cost:
            self._kept.add(key)
            return False
        found = best_circuit(
            self._library, target, coupling, seconds, self._effort, block.cost, self._known, self._screen
        )
        if found is None:
            self._kept.add(key)
            return False
        self._lines = replaced(self._lines, block, self._as_lines(found, qubits))
        self._phase += found.global_phase
        return True

    def _part(self, qubits: list[int], block: Block) -> Any:
        """Return the circuit of a block."""
        place = {qubit: i for i, qubit in enumerate(qubits)}
        part = circuit_of((), len(qubits))
        for i in block.gates:
            part.append(self._lines[i].instruction.operation, [place[qubit] for qubit in self._lines[i].wires])
        return part

    def _as_lines(self, circuit: Any, qubits: list[int]) -> list[Line]:
        """Return a circuit on some qubits as instructions, each SWAP as three CX."""
        circuits = module("qiskit.circuit")
        gate = module("qiskit.circuit.library").CXGate
        lines: list[Line] = []
        for instruction in circuit.data:
            on = [qubits[circuit.find_bit(qubit).index] for qubit in instruction.qubits]
            swap = instruction.operation.name == "swap"
            for wires in [on, on[::-1], on] if swap else [on]:
                operation = gate() if swap else instruction.operation
                made = circuits.CircuitInstruction(operation, [self._circuit.qubits[wire] for wire in wires])
                lines.append(Line(made, tuple(wires)))
        return lines


class OptimizationPlugin(_STAGE, metaclass=ABCMeta):  # type: ignore[misc]
    """The optimization stage `twisterl`: `ResynthesizeBlocks` before Qiskit's own and after it.

    Before it, blocks are replaced only if fewer gates on two qubits are left by Qiskit's optimization than without.
    `transpile(circuit, backend, optimization_method="twisterl")` uses it, with the models of the default folder.
    """

    def pass_manager(self, pass_manager_config: Any, optimization_level: int | None = None) -> Any:
        """Return the passes of the stage."""
        stages = module("qiskit.transpiler.preset_passmanagers.plugin").PassManagerStagePluginManager()

        def usual(config: Any, level: int | None) -> Any:
            return stages.get_passmanager_stage("optimization", "default", config, optimization_level=level)

        given = pass_manager_config.target or pass_manager_config.coupling_map
        coupling = None if given is None else _map_of(given)
        # Without a map, the passes do not place the qubits anew.
        unplaced = copy.copy(pass_manager_config)
        unplaced.coupling_map = None
        translation = _translation(stages, pass_manager_config, coupling)
        made = module("qiskit.transpiler").PassManager()
        made.append(ResynthesizeBlocks(coupling, finish=translation, compare=usual(unplaced, optimization_level)))
        if (own := usual(pass_manager_config, optimization_level)) is not None:
            made = made + own
        made.append(ResynthesizeBlocks(coupling, finish=translation + usual(unplaced, 2)))
        return made


def _map_of(given: Any) -> Coupling | None:
    """Return the map of a target or a map; None if it has none, so that all qubits are connected."""
    build = getattr(given, "build_coupling_map", None)
    found = build() if callable(build) else given
    return None if found is None else coupling_of(found)


def _translation(stages: Any, config: Any, coupling: Coupling | None) -> Any:
    """Return the passes that translate a circuit for its machine."""

    def translation() -> Any:
        return stages.get_passmanager_stage(
            "translation", config.translation_method or "default", config, optimization_level=2
        )

    made = translation()
    if coupling is not None and not coupling.is_symmetric:
        turn = module("qiskit.transpiler.passes").GateDirection(coupling.to_qiskit(), config.target)
        made = made + module("qiskit.transpiler").PassManager([turn]) + translation()
    return made
