"""Solutions as pictures: one frame for each state from the start to the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twisterl._internal.display.painter import Painter
from twisterl._internal.display.scene import Scene
from twisterl.plotting.terminal import escape_controls

if TYPE_CHECKING:
    from twisterl.policy import Solution


@dataclass(frozen=True)
class Frame:
    """A state on the way.

    Attributes:
        number: the number of steps that led there.
        action: the name of the last of them, None at the start.
        total: the sum of the rewards so far.
        scene: the picture of the state.
    """

    number: int
    action: str | None
    total: float
    scene: Scene


def frames(solution: Solution, painter: Painter, *, strict: bool, every: int = 1) -> Iterator[Frame]:
    """Yield states of a solution, which is played again in the painter's environment: the first and the last as well.

    Args:
        solution: the solution.
        painter: draws the states.
        strict: raise an `EnvError` if they cannot be drawn, instead of drawing their numbers.
        every: the number of steps from one frame to the next.
    """
    env, draw = painter.env, painter.scene if strict else painter.scene_or_text
    env.set_state(solution.start)
    yield Frame(0, None, 0.0, draw())
    total = 0.0
    for number, action in enumerate(solution.actions, 1):
        name = env.action_name(action)
        reward, _, _ = env.step(action)
        total += reward
        if number % every == 0 or number == len(solution.actions):
            yield Frame(number, short(name), total, draw())


def short(name: Any, most: int = 40) -> str:
    """Return a name in one line without control characters."""
    shown = escape_controls(name)
    return shown if len(shown) <= most else shown[: most - 1] + "…"
