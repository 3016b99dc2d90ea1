"""Environments as scenes: one function of a state and the environment's parameters for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisterl._internal.display.drawings import boards, circuit, control, matrix
from twisterl._internal.display.scene import Scene

Draw = Callable[[Sequence[float], dict[str, Any]], Scene]


@dataclass(frozen=True)
class Drawing:
    """A drawing of a built-in environment.

    Attributes:
        draw: returns the scene of a state.
        fps: steps a second at which an episode looks natural.
        scramble: returns a difficulty worth showing; None if episodes have no goal to be solved for.
    """

    draw: Draw
    fps: float
    scramble: Callable[[dict[str, Any]], int] | None = None


def _cells(params: dict[str, Any]) -> int:
    return int(params["width"]) * int(params["height"])


def _gates(params: dict[str, Any]) -> int:
    return 10 * int(params["num_qubits"])


DRAWINGS: dict[str, Drawing] = {
    "Puzzle": Drawing(boards.puzzle, 3.0, lambda params: 10 * _cells(params)),
    "LightsOut": Drawing(boards.lights_out, 2.0, _cells),
    "Maze": Drawing(boards.maze, 4.0, lambda params: int(params["width"]) + int(params["height"])),
    "CartPole-v1": Drawing(control.cart_pole, 50.0),
    "Acrobot-v1": Drawing(control.acrobot, 15.0),
    "MountainCar-v0": Drawing(control.mountain_car, 30.0),
    "MountainCarContinuous-v0": Drawing(control.mountain_car_continuous, 30.0),
    "Pendulum-v1": Drawing(control.pendulum, 20.0),
    "Journey": Drawing(control.journey, 2.0),
    "Permutation": Drawing(matrix.permutation, 3.0, _gates),
    "LinearFunction": Drawing(matrix.tableau, 3.0, _gates),
    "Clifford": Drawing(matrix.tableau, 3.0, _gates),
    "CliffordCoset": Drawing(matrix.tableau, 3.0, _gates),
    "PauliNetwork": Drawing(matrix.pauli_network, 3.0, _gates),
    "PauliNetworkCoset": Drawing(matrix.pauli_network, 3.0, _gates),
    "Routing": Drawing(circuit.routing, 3.0, _gates),
}
