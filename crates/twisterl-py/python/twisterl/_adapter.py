"""The adapter through which the trainer steps environments written in Python, with one call per batch.

Two interfaces are supported. *Gymnasium* environments have `observation_space`, `action_space`, `reset(seed=)` and a
`step` that returns five values. Masks come from `info["action_mask"]` or a method `action_masks()`, success from
`info["is_success"]`. *Plain* environments have the methods of the PyPI package `twisterl`: `reset`, `step` (or `next`),
`observe`, `is_final`, `reward` (or `value`), `num_actions`, `obs_shape`, and optionally `masks`, `success`,
`truncated`, `set_state`, `get_state`, `difficulty` and `twists`.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import json
import math
import random
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from twisterl.errors import EnvError, StateError, UnknownEnvError

# Episodes are truncated after this many steps.
MAX_STEPS = 100_000
# Marks a state that holds a history instead: the start of the episode and its actions. No real state starts with it.
HISTORY = -sys.float_info.max
BY_SEED, BY_STATE = 0, 1
_GLOBAL_RANDOMNESS = threading.Lock()


def resolve(name: str) -> Callable[..., Any] | None:
    """Return the class or function at a dotted path, or None if its module does not exist."""
    module, _, attribute = name.replace(":", ".").rpartition(".")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module + ".").startswith(error.name + "."):
            return None
        raise
    made: Callable[..., Any] | None = getattr(found, attribute, None)
    if not callable(made):
        raise UnknownEnvError(f"env_cls: expected a class or function in module {module}, found no {attribute}")
    return made


class Problem:
    """The properties of an environment that are known before it is played, and a factory of its batches."""

    def __init__(self, name: str, make: Callable[..., Any], params: str) -> None:
        self.name = name
        self._make = make
        self._params: dict[str, Any] = json.loads(params) or {}
        env = self.new()
        self._kind: type[Gym] | type[Plain] = Plain
        if hasattr(env, "observation_space") and hasattr(env, "action_space"):
            self._kind = Gym
        first = self._kind(self, env)
        self.sparse, self.shape = first.sparse, first.shape
        self.actions, self.twists, self.difficulty = first.actions, first.twists(), first.difficulty()

    def new(self) -> Any:
        """Return a new environment."""
        return self._make(**self._params)

    def batch(self, length: int) -> Batch:
        """Return a batch of `length` new environments."""
        return Batch(self, [self._kind(self, self.new()) for _ in range(length)])

    def broken(self, rule: str, found: object) -> EnvError:
        """Return the error for an environment that breaks a rule."""
        return EnvError(f"environment {self.name}: {rule}: found {found!r}")


class Batch:
    """A batch of environments, one per slot."""

    def __init__(self, problem: Problem, players: list[Player]) -> None:
        self._problem = problem
        self._players = players
        self._masked = any(player.masked for player in players)

    def begin(self, slot: int, difficulty: int | None, seed: int, state: list[float] | None) -> bool:
        """Begin an episode, and return True if it is already solved."""
        return self._players[slot].begin(difficulty, seed, state)

    def observe(self, slots: list[int]) -> tuple[Any, list[bool] | None]:
        """Return the observations of some slots, and their masks.

        Sparse observations are the lengths and the concatenated indices of their rows, dense ones an array
        `[slot, number]`. Masks are concatenated, and None if the environments have none.
        """
        players = [self._players[slot] for slot in slots]
        masks: list[bool] | None = None
        if self._masked:
            masks = []
            for player in players:
                masks.extend(player.masks())
        if self._problem.sparse:
            lengths, indices = [], []
            for player in players:
                ones = player.observe()
                lengths.append(len(ones))
                indices.extend(ones)
            return (lengths, indices), masks
        import numpy as np

        rows = np.empty((len(players), len(players) and players[0].size), np.float32)
        for row, player in zip(rows, players, strict=False):
            row[:] = player.observe()
        return rows, masks

    def step(self, slots: list[int], actions: list[Any]) -> tuple[list[float], list[bool], list[bool], list[bool]]:
        """Step each slot, and return rewards, terminated, truncated and solved, each `[slot]`."""
        players = self._players
        outcomes = [players[slot].move(action) for slot, action in zip(slots, actions, strict=False)]
        rewards, terminated, truncated, solved = zip(*outcomes, strict=False) if outcomes else ((), (), (), ())
        return list(rewards), list(terminated), list(truncated), list(solved)

    def state(self, slot: int) -> list[float]:
        """Return the state, or the history that leads to it."""
        return self._players[slot].state()

    def copy(self, pairs: list[tuple[int, int]]) -> None:
        """Copy environments between slots, for each pair (origin, target)."""
        for origin, target in pairs:
            if origin != target:
                self._players[target] = self._players[origin].clone()

    def render(self, slot: int) -> str:
        """Return the state as text."""
        return self._players[slot].render()


class Player:
    """One environment, with the history of its episode in case it cannot return its state."""

    actions: list[tuple[int, list[float], list[float], list[int]]]
    observe: Callable[[], Any]
    masks: Any  # a method, where `masked`
    size: int

    def __init__(self, problem: Problem, env: Any) -> None:
        self.problem = problem
        self.env = env
        self.masked = False
        self._history: list[float] = []
        self._steps = 0

    def begin(self, difficulty: int | None, seed: int, state: list[float] | None) -> bool:
        """Begin an episode at a state, or by a reset with this seed, and return True if it is already solved."""
        self._steps = 0
        if state is None:
            level = self.difficulty() if difficulty is None else difficulty
            self._history = [HISTORY, BY_SEED, float(level), float(seed)]
            self.reset(level, seed)
        elif state and state[0] == HISTORY:
            self._replay(state, seed)
        else:
            self._history = [HISTORY, BY_STATE, float(len(state)), *state]
            self.set_state(state)
        return self.solved()

    def _replay(self, history: Sequence[float], seed: int) -> None:
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
        self._moves([float(number) for number in rest])

    def _moves(self, numbers: list[float]) -> None:
        choices = sum(math.prod(shape) for n, _, _, shape in self.actions if n > 0)
        values = sum(len(low) for _, low, *_ in self.actions)
        if (choices, values) == (1, 0):
            for number in numbers:
                self.move(int(number))
            return
        width = choices + values
        for first in range(0, len(numbers), width):
            row = numbers[first : first + width]
            self.move(([int(number) for number in row[:choices]], row[choices:]))

    def move(self, action: Any) -> tuple[float, bool, bool, bool]:
        """Step, record the action, and return reward, terminated, truncated and solved."""
        self._steps += 1
        if isinstance(action, int):
            self._history.append(action)
        else:
            self._history.extend(float(value) for part in action for value in part)
        reward, terminated, truncated = self.step(action)
        return reward, terminated, truncated or self._steps >= MAX_STEPS, self.solved()

    def state(self) -> list[float]:
        """Return the state as a list of numbers."""
        return list(self._history)

    def clone(self) -> Player:
        """Return an independent copy at the same point of the episode."""
        twin = copy.copy(self)
        twin._history = list(self._history)
        twin.env = copy.deepcopy(self.env)
        return twin

    def render(self) -> str:
        """The state as text."""
        return str(self.state())

    def twists(self) -> tuple[list[list[int]], list[list[int]]]:
        return [], []

    def difficulty(self) -> int:
        return 1

    def set_state(self, state: list[float]) -> None:
        raise StateError(
            f"state: expected the history of an episode, since environment {self.problem.name} has no set_state, "
            f"found {state!r}"
        )

    def reset(self, difficulty: int, seed: int) -> None:
        raise NotImplementedError

    def step(self, action: Any) -> tuple[float, bool, bool]:
        raise NotImplementedError

    def solved(self) -> bool:
        raise NotImplementedError


class Plain(Player):
    """An environment with the methods of the PyPI package `twisterl`."""

    sparse = True

    def __init__(self, problem: Problem, env: Any) -> None:
        super().__init__(problem, env)
        self.shape = [int(n) for n in self._method("obs_shape")()]
        self.actions = [(int(self._method("num_actions")()), [], [], [])]
        self.masked = callable(getattr(env, "masks", None))
        self._bind()
        self._takes = _keywords(self._reset)

    def _method(self, *names: str) -> Callable[..., Any]:
        for name in names:
            method: Callable[..., Any] | None = getattr(self.env, name, None)
            if callable(method):
                return method
        expected = " or ".join(f"{name}()" for name in names)
        raise self.problem.broken(f"has a method {expected}", type(self.env).__name__)

    def _bind(self) -> None:
        # Looked up once, because they are called at every step.
        self._reset = self._method("reset")
        # In the PyPI package, a class with `next` moves by `next`, any other class by `step`.
        self._step = self._method("next", "step")
        self._reward = self._method("value", "reward")
        self._final = self._method("is_final")
        self.observe = self._method("observe")
        self.masks = getattr(self.env, "masks", None)
        self._success = getattr(self.env, "success", None) or getattr(self.env, "solved", None)
        self._truncated = getattr(self.env, "truncated", None)

    def difficulty(self) -> int:
        difficulty = getattr(self.env, "difficulty", 1)
        return int(difficulty) if isinstance(difficulty, int) else 1

    def reset(self, difficulty: int, seed: int) -> None:
        if isinstance(getattr(self.env, "difficulty", None), int):
            self.env.difficulty = difficulty
        given = {"seed": seed, "difficulty": difficulty}
        given = {name: value for name, value in given.items() if name in self._takes}
        if "seed" in given:
            self._reset(**given)
            return
        # It can only use the global generators, so other threads must not draw from them meanwhile.
        with _GLOBAL_RANDOMNESS:
            random.seed(seed)
            numpy = sys.modules.get("numpy")
            if numpy is not None:
                numpy.random.seed(seed)
            self._reset(**given)

    def move(self, action: Any) -> tuple[float, bool, bool, bool]:
        # The same as `Player.move`, with as few calls as possible: collection spends its time here.
        self._steps += 1
        self._history.append(action)
        self._step(action)
        truncated = self._steps >= MAX_STEPS or (self._truncated is not None and bool(self._truncated()))
        if not self._final():
            return self._reward(), False, truncated, False
        return self._reward(), not truncated, truncated, self.solved()

    def solved(self) -> bool:
        if self._success is not None:
            return bool(self._success())
        return bool(self._final()) and self._reward() > 0

    def state(self) -> list[float]:
        get_state = getattr(self.env, "get_state", None)
        if get_state is None:
            return super().state()
        return [float(number) for number in get_state()]

    def set_state(self, state: list[float]) -> None:
        setter = getattr(self.env, "set_state", None)
        if setter is None:
            super().set_state(state)
        else:
            setter([int(number) if float(number).is_integer() else number for number in state])

    def clone(self) -> Player:
        twin = copy.copy(self)
        twin._history = list(self._history)
        for name in ("clone", "copy"):
            method = getattr(self.env, name, None)
            if callable(method):
                twin.env = method()
                break
        else:
            twin.env = copy.deepcopy(self.env)
        twin._bind()
        return twin

    def twists(self) -> tuple[list[list[int]], list[list[int]]]:
        twists = getattr(self.env, "twists", None)
        if twists is None:
            return [], []
        bits, actions = twists()
        count = self.actions[0][0]
        pairs = [
            ([int(i) for i in b], [int(a) for a in c])
            for b, c in zip(bits, actions or [range(count)] * len(bits), strict=False)
        ]
        other = [(b, c) for b, c in pairs if b != list(range(len(b))) or c != list(range(count))]
        return [b for b, _ in other], [c for _, c in other]

    def render(self) -> str:
        if callable(getattr(self.env, "render", None)):
            shown = self.env.render()
            if isinstance(shown, str):
                return shown
        return super().render()


class Gym(Player):
    """A Gymnasium environment."""

    def __init__(self, problem: Problem, env: Any) -> None:
        super().__init__(problem, env)
        from twisterl import _spaces

        self.sparse, self.shape, self._encode = _spaces.observation(env.observation_space, problem)
        self.actions, self._decode = _spaces.action(env.action_space, problem)
        self.size = 1
        for length in self.shape:
            self.size *= length
        self._seen: Any = None
        self._info: dict[str, Any] = {}
        self._solved = False
        self._masker = getattr(env, "action_masks", None) or getattr(
            getattr(env, "unwrapped", None), "action_masks", None
        )
        self._width = sum(n * math.prod(shape) for n, _, _, shape in self.actions if n > 0)
        self.masked = self._width > 0

    def difficulty(self) -> int:
        difficulty = getattr(getattr(self.env, "unwrapped", self.env), "difficulty", 1)
        return difficulty if isinstance(difficulty, int) and difficulty > 0 else 1

    def reset(self, difficulty: int, seed: int) -> None:
        unwrapped = getattr(self.env, "unwrapped", self.env)
        if isinstance(getattr(unwrapped, "difficulty", None), int):
            unwrapped.difficulty = difficulty
        outcome = self.env.reset(seed=seed)
        if not (isinstance(outcome, tuple) and len(outcome) == 2):
            raise self.problem.broken("reset() returns an observation and a dict", outcome)
        seen, self._info = outcome
        self._seen = self._encode(seen)
        self._solved = self._success(self._info)

    def step(self, action: Any) -> tuple[float, bool, bool]:
        outcome = self.env.step(self._decode(action))
        if not (isinstance(outcome, tuple) and len(outcome) == 5):
            raise self.problem.broken(
                "step() returns an observation, a reward, terminated, truncated and a dict", outcome
            )
        seen, reward, terminated, truncated, self._info = outcome
        self._seen = self._encode(seen)
        self._solved = self._success(self._info)
        return float(reward), bool(terminated), bool(truncated)

    @staticmethod
    def _success(info: Any) -> bool:
        return isinstance(info, dict) and bool(info.get("is_success", False))

    def observe(self) -> Any:
        return self._seen

    def masks(self) -> Iterable[bool]:
        mask = self._info.get("action_mask") if isinstance(self._info, dict) else None
        if mask is None and self._masker is not None:
            mask = self._masker()
        if mask is None:
            return [True] * self._width
        return mask  # type: ignore[no-any-return]

    def solved(self) -> bool:
        return self._solved

    def render(self) -> str:
        if getattr(self.env, "render_mode", None) == "ansi":
            return str(self.env.render())
        return str(self._seen)


def _keywords(function: Callable[..., Any]) -> set[str]:
    """Return those of `seed` and `difficulty` that a function accepts."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return set()
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return {"seed", "difficulty"} & ({*parameters} | {"seed"})
    return {"seed", "difficulty"} & set(parameters)
