"""The adapter of one environment, whatever its interface: episodes, their history, and copies."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisterl._internal.adapter.reading import inverses
from twisterl._internal.adapter.reading.difficulty import Difficulty
from twisterl._internal.adapter.reading.difficulty import own as own_difficulty
from twisterl._internal.adapter.reading.masks import MaskReader, Source, Way, bind, dead_end
from twisterl._internal.adapter.reading.misread import MisreadError
from twisterl._internal.adapter.reading.parameters import check_call, takes_seed
from twisterl.errors import StateError

if TYPE_CHECKING:
    from twisterl._internal.adapter.codec import Codec
    from twisterl._internal.adapter.layout import Layout
    from twisterl._internal.adapter.problem import Problem

# Episodes are truncated after this many steps, the most that a config can ask for.
MAX_STEPS = 1_000_000
# The greatest difficulty, which a history can hold.
MAX_DIFFICULTY = 2**53
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
        codec: encodes observations and decodes actions.
        layout: how observations of a plain environment are read.
        mask_reader: reads action masks.
        mask_way: the method or attribute of the environment that gives masks, None without any.
        mask_key: the entry of observations that is their action mask, if they are dicts with one.
        raw_mask: returns a mask as the environment has it, for `mask_reader`; None if masks come from elsewhere.
        is_declared: True if the codec's spaces are those that the environment declares.
        encode: returns what the environment observes in the trainer's form: the indices of the ones, or a flat array.
        steps: the number of steps of the episode so far.
        is_copy: True for a copy, which the factory did not make.
        owns_resources: True for a copy that has to be closed.
    """

    sparse: bool
    shape: list[int]
    size: int
    actions: list[Component]
    codec: Codec
    layout: Layout | None = None
    mask_reader: MaskReader
    mask_way: Way | None = None
    mask_key: str | None = None
    raw_mask: Callable[[], Any] | None = None
    is_declared = False
    encode: Callable[[Any], Any]
    is_copy = False
    owns_resources = False

    def __init__(self, problem: Problem, env: Any) -> None:
        self.problem = problem
        self.env = env
        self.steps = 0
        self._history: list[float] = []
        self._over = False
        self._difficulty: Difficulty | None = None
        self._masker: Source | None = None

    def _read_by(self, codec: Codec) -> None:
        """Have a codec read observations and masks."""
        self.codec = codec
        self.sparse, self.shape, self.encode = codec.sparse, codec.shape, codec.encode
        self.size = math.prod(self.shape)
        self.mask_key, self.mask_reader = codec.mask_key, codec.mask_reader

    def is_one_choice(self) -> bool:
        """Return True if an action is one choice, which is given as an int: not a bit, which is in a list."""
        return len(self.actions) == 1 and self.actions[0][0] > 0 and not self.actions[0][3]

    def choice_counts(self) -> list[int]:
        """Return the number of choices of each discrete value of an action."""
        return [n for n, _, _, shape in self.actions if n > 0 for _ in range(math.prod(shape))]

    def begin(self, difficulty: int | None, seed: int, state: list[float] | None) -> bool:
        """Begin an episode at a state, or by a reset with this seed, and return True if it is already solved."""
        self.steps = 0
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

    def start_states(self) -> list[list[float]]:
        """Return states, one of which may be that in which the episode began."""
        return []

    def begins_like(self, other: EnvAdapter) -> bool:
        """Return False if it is known that the episode of another environment began otherwise."""
        return True

    def go_on_like(self, other: EnvAdapter) -> None:
        """Take the actions of the episode of another environment, which began like this one."""
        for action in self._actions([float(number) for number in other._history[len(other.start()) :]]):
            self.move(action)
        self._history = list(other._history)

    def _actions(self, numbers: list[float]) -> list[Any]:
        """Return the actions of a history."""
        if self.is_one_choice():
            return [int(number) for number in numbers]
        choices = len(self.choice_counts())
        width = choices + sum(len(low) for _, low, *_ in self.actions)
        rows = [numbers[first : first + width] for first in range(0, len(numbers), width)]
        return [([int(number) for number in row[:choices]], row[choices:]) for row in rows]

    def move(self, action: Any) -> tuple[Any, bool, bool, bool]:
        """Step, record the action, and return reward, terminated, truncated and solved.

        The reward is as the environment returned it: `read_reward` reads it.
        """
        self.steps += 1
        if isinstance(action, int):
            self._history.append(action)
        else:
            self._history.extend(float(value) for part in action for value in part)
        reward, terminated, truncated = self.step(action)
        truncated = truncated or self.steps >= MAX_STEPS
        self._over = terminated or truncated
        return reward, terminated, truncated, self.solved()

    def state(self) -> list[float]:
        """Return the state as a list of numbers."""
        return list(self._history)

    def has_history_states(self) -> bool:
        """Return True if a state is the history that leads to it."""
        return True

    def set_state(self, state: list[float]) -> None:
        """Begin an episode at a state."""
        raise StateError(
            f"state: expected the history of an episode, since environment {self.problem.name} has no set_state, "
            f"found {state!r}"
        )

    def inverse_state(self) -> list[float] | None:
        """Return the state of the inverse problem, None if there is none."""
        return inverses.state(self.env)

    def invert_solution(self, actions: list[int]) -> list[int] | None:
        """Return the actions that solve the state, given those that solve its inverse problem."""
        return inverses.solution(self.env, actions, self.choice_counts()[0])

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
        found = own_difficulty(self.env)
        if found is not None and found > MAX_DIFFICULTY:
            raise MisreadError("difficulty", f"a whole number up to {MAX_DIFFICULTY}", found)
        return 1 if found is None else max(found, 0)

    def has_curriculum(self) -> bool:
        """Return True if the difficulty of episodes can be set."""
        return Difficulty(self.env, self.env.reset).settable

    def measures_success(self, curriculum: bool) -> bool:
        """Return True if episodes are known to be solved or not, in an environment with or without a curriculum."""
        return False

    def with_difficulty(self, reset: Callable[..., Any], level: int) -> tuple[tuple[int, ...], dict[str, Any]]:
        """Set the difficulty of the next reset, and return the arguments, by position and by name, that give it one."""
        if self._difficulty is None:
            self._difficulty = Difficulty(self.env, reset)
            by_position, given = self._difficulty.arguments(level)
            if takes_seed(reset, if_unknown=False):
                given = {**given, "seed": 0}
            expected = "a method that needs no arguments but a difficulty and a seed"
            check_call(reset, "reset", expected, *by_position, **given)
        settable = self._difficulty.settable and self._difficulty.set(level)
        if not settable and level != self.difficulty():
            self.problem.warn_of_difficulty(level)
        return self._difficulty.arguments(level)

    def _bind(self) -> None:
        """Look up methods of the environment; called again for a copy."""
        self._difficulty = None
        self._masker = None if self.mask_way is None else bind(self.mask_way, self.env, self.mask_reader)

    def observe(self) -> Any:
        """Return the current observation in the trainer's form."""
        raise NotImplementedError

    def mask(self) -> list[Any] | None:
        """Return the action mask of the current state, None if it has none."""
        raise NotImplementedError

    def read_mask(self) -> list[Any] | None:
        """Return the same.

        Raises:
            MisreadError: the episode is not over and no action is allowed.
        """
        return self._checked_mask(self.mask())

    def check_mask(self, mask: Any) -> list[Any]:
        """Return what `raw_mask` returned as a mask.

        Raises:
            MisreadError: it is none, or forbids everything in a state that is not the last.
        """
        name = "mask" if self.mask_way is None else f"{self.mask_way.name}()"
        return self._checked_mask(self.mask_reader(mask, name)) or []

    def _checked_mask(self, mask: list[Any] | None) -> list[Any] | None:
        if mask is not None and not self.mask_reader.allows(mask) and not (self.is_over() or self.solved()):
            raise dead_end("action mask")
        return mask

    def reset(self, difficulty: int, seed: int) -> None:
        """Begin an episode of this difficulty."""
        raise NotImplementedError

    def read_reward(self, reward: Any) -> float:
        """Return the reward of a step as a number.

        Raises:
            MisreadError: it is none.
        """
        raise NotImplementedError

    def step(self, action: Any) -> tuple[Any, bool, bool]:
        """Step, and return reward, terminated and truncated."""
        raise NotImplementedError

    def solved(self) -> bool:
        """Return True if the problem is solved."""
        raise NotImplementedError

    def render(self) -> str:
        """Return the state as text."""
        raise NotImplementedError
