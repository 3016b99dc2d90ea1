"""The adapter of one environment, whatever its interface: episodes, their history, and copies."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from twisterl.errors import StateError

if TYPE_CHECKING:
    from twisterl._internal.adapter.problem import Problem

# Episodes are truncated after this many steps, the most that a config can ask for.
MAX_STEPS = 1_000_000
# Marks a state that holds a history instead: the start of the episode and its actions. No real state starts with it.
HISTORY = -sys.float_info.max
BY_SEED, BY_STATE = 0, 1

# One component of an action: (choices, low, high, shape). Real numbers have 0 choices, with bounds and a shape;
# bits have 2 choices and a shape.
Component = tuple[int, list[float], list[float], list[int]]


class EnvAdapter:
    """One environment, with the history of its episode in case it cannot return its state.

    Attributes:
        sparse: True if observations are zeros and ones, given by the indices of the ones.
        shape: the shape of an observation.
        size: the number of values of an observation.
        actions: the components of an action.
        masked: True if the environment may have action masks.
        observe: returns the current observation.
        is_copy: True for a copy, which the factory did not make.
        owns_resources: True for a copy that has to be closed.
    """

    sparse: bool
    shape: list[int]
    size: int
    actions: list[Component]
    masked: bool
    observe: Callable[[], Any]
    masks: Callable[[], Iterable[bool]]
    is_copy = False
    owns_resources = False

    def __init__(self, problem: Problem, env: Any) -> None:
        self.problem = problem
        self.env = env
        self._history: list[float] = []
        self._steps = 0
        self._over = False

    def begin(self, difficulty: int | None, seed: int, state: list[float] | None) -> bool:
        """Begin an episode at a state, or by a reset with this seed, and return True if it is already solved."""
        self._steps = 0
        self._over = False
        if state is None:
            level = self.difficulty() if difficulty is None else difficulty
            self._history = [HISTORY, BY_SEED, float(level), float(seed)]
            self.reset(level, seed)
        elif state and state[0] == HISTORY:
            self.replay(state, seed)
        else:
            self._history = [HISTORY, BY_STATE, float(len(state)), *state]
            self.set_state(state)
        return self.solved()

    def history(self) -> list[float]:
        """Return the start of the episode and its actions, from which `replay` gets to the same point."""
        return self._history

    def start(self) -> list[float]:
        """Return the history of the episode without its actions."""
        return self._history[: 4 if self._history[1] == BY_SEED else 3 + int(self._history[2])]

    def replay(self, history: Sequence[float], seed: int = 0) -> None:
        """Play the episode of a history again."""
        kind = int(history[1]) if len(history) > 3 else None
        if kind == BY_SEED:
            self.begin(int(history[2]), int(history[3]), None)
            rest = history[4:]
        elif kind == BY_STATE:
            size = int(history[2])
            self.begin(None, seed, list(history[3 : 3 + size]))
            rest = history[3 + size :]
        else:
            raise StateError(f"state: expected the history of an episode, found {list(history)!r}")
        for action in self._actions([float(number) for number in rest]):
            self.move(action)

    def _actions(self, numbers: list[float]) -> list[Any]:
        """Return the actions of a history."""
        choices = sum(math.prod(shape) for n, _, _, shape in self.actions if n > 0)
        values = sum(len(low) for _, low, *_ in self.actions)
        if (choices, values) == (1, 0):
            return [int(number) for number in numbers]
        width = choices + values
        rows = [numbers[first : first + width] for first in range(0, len(numbers), width)]
        return [([int(number) for number in row[:choices]], row[choices:]) for row in rows]

    def move(self, action: Any) -> tuple[float, bool, bool, bool]:
        """Step, record the action, and return reward, terminated, truncated and solved."""
        self._steps += 1
        if isinstance(action, int):
            self._history.append(action)
        else:
            self._history.extend(float(value) for part in action for value in part)
        reward, terminated, truncated = self.step(action)
        self._over = terminated or truncated
        return reward, terminated, truncated or self._steps >= MAX_STEPS, self.solved()

    def state(self) -> list[float]:
        """Return the state as a list of numbers."""
        return list(self._history)

    def set_state(self, state: list[float]) -> None:
        """Begin an episode at a state."""
        raise StateError(
            f"state: expected the history of an episode, since environment {self.problem.name} has no set_state, "
            f"found {state!r}"
        )

    def is_over(self) -> bool:
        """Return True if the episode is over."""
        return self._over

    def twin(self, env: Any) -> EnvAdapter:
        """Return the adapter of a copy of the environment."""
        twin = copy.copy(self)
        twin._history = list(self._history)
        twin.env = env
        twin._bind()
        return twin

    def unshare(self) -> None:
        """Copy what the last step returned, since the original of this copy may change it in place."""

    def twists(self) -> tuple[list[list[int]], list[list[int]]]:
        """Return the symmetries but the identity: permutations of the observation, and of the actions."""
        return [], []

    def difficulty(self) -> int:
        """Return the difficulty that the environment has by itself."""
        return 1

    def _bind(self) -> None:
        """Look up methods of the environment; called again for a copy."""
        raise NotImplementedError

    def reset(self, difficulty: int, seed: int) -> None:
        """Begin an episode of this difficulty."""
        raise NotImplementedError

    def step(self, action: Any) -> tuple[float, bool, bool]:
        """Step, and return reward, terminated and truncated."""
        raise NotImplementedError

    def solved(self) -> bool:
        """Return True if the problem is solved."""
        raise NotImplementedError

    def render(self) -> str:
        """Return the state as text."""
        raise NotImplementedError
