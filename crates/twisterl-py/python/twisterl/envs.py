"""Environments to step from Python, both built-in ones and ones written in Python."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twisterl import _core
from twisterl._internal.written import written
from twisterl.errors import ConfigError, StateError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["CheckReport", "Env", "Puzzle", "PyEnv", "check_env", "make", "names"]


def names() -> list[str]:
    """Return the names of the built-in environments."""
    return _core.env_names()


def make(env_cls: str | Callable[..., Any], seed: int | None = None, **params: Any) -> Env:
    """Return a new environment.

    Args:
        env_cls: a built-in or registered name, a class or factory, or the dotted path of a class, which is imported.
        seed: random seed of the episodes.
        **params: parameters of the environment.
    """
    return of_spec(_core.EnvSpec(env_cls, written(params, "env")), seed)


@dataclass(frozen=True)
class CheckReport:
    """The amount of work of `check_env`, and what it could not check.

    Attributes:
        env_cls: the name of the environment.
        episodes: the number of episodes played.
        steps: the number of steps.
        symmetries: the number of twists that are symmetries.
        not_checked: the rules that could not be checked, each with the reason.
    """

    env_cls: str
    episodes: int
    steps: int
    symmetries: int
    not_checked: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the report in words."""
        symmetries = "1 symmetry" if self.symmetries == 1 else f"{self.symmetries} symmetries"
        played = f"{self.episodes} episodes, {self.steps} steps, {symmetries}"
        text = f"{self.env_cls}: keeps the contract (checked: {played})"
        return "\n".join([text, *(f"not checked: {what}" for what in self.not_checked)])


def check_env(env: Mapping[str, Any] | str | Callable[..., Any] | Any, *, seed: int = 0, **params: Any) -> CheckReport:
    """Play episodes and check that an environment keeps the contract that training and solving rely on.

    Args:
        env: the name of a built-in environment, an id of Gymnasium, the path of a class (`module.Class`), a class, a
            function that makes environments, or an environment, of which copies are played; or a config with its
            `env_cls` and `env`, as a dict or the path of a JSON file.
        seed: random seed of the episodes.
        **params: parameters of the environment.

    Returns:
        What was checked, and what could not be.

    Raises:
        EnvError: the first broken rule, what was found, and what usually mends it.
        ConfigError: there is no such environment, or a parameter is wrong.
    """
    from twisterl._internal import problems

    config, _ = problems.config_of(env, None)
    name = config.get("env_cls")
    if not isinstance(name, str):
        raise ConfigError(f"env_cls: expected the name of an environment, found {name!r:.60}")
    spec = _core.EnvSpec(name, written({**(config.get("env") or {}), **params}, "env"))
    episodes, steps, symmetries, not_checked = spec.check(seed)
    return CheckReport(spec.env_cls, episodes, steps, symmetries, tuple(not_checked))


def of_spec(spec: _core.EnvSpec, seed: int | None = None) -> Env:
    """Return a new environment of a spec."""
    return _core.EnvBatch.__new__(Puzzle if spec.env_cls == "Puzzle" else Env, spec, 1, seed)


class Env(_core.EnvBatch):
    """One environment.

    Episodes are drawn with `seed`, or with fresh randomness if it is None. `observe()` returns what policies take: an
    array, or the indices of the ones if observations are bits and the environment declares no space for them.
    """

    def __new__(cls, env_cls: str | Callable[..., Any], seed: int | None = None, **params: Any) -> Env:
        """Return a new environment; see `make`."""
        return super().__new__(cls, _core.EnvSpec(env_cls, written(params, "env")), 1, seed)

    @property
    def env_cls(self) -> str:
        """The registered name, or the path of the class."""
        return self.spec.env_cls

    @property
    def params(self) -> dict[str, Any]:
        """The parameters, including defaults."""
        params: dict[str, Any] = json.loads(self.spec.params_json)
        return params

    def reset(self, difficulty: int | None = None, seed: int | None = None) -> None:
        """Begin an episode. A given difficulty or seed also applies to the following episodes."""
        if seed is not None:
            self.set_seed(seed)
        if difficulty is not None:
            self.difficulty = difficulty
        self.begin()

    def success(self) -> bool:
        """Return True if the problem is solved."""
        return self.solved()

    def clone(self) -> Self:
        """Return an independent copy, which continues as this environment would: with the same budget and seed."""
        return copy.copy(self)

    copy = clone

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def render(self) -> str:
        """Return the state as text."""
        return self.render_text()

    def display(self) -> None:
        """Print the state."""
        print(self.render_text())

    def _repr_html_(self) -> str:
        from twisterl._internal.display import pages

        return pages.env_page(self)

    def __repr__(self) -> str:
        params = ", ".join(f"{name}={_shortest(value)!r}" for name, value in self.params.items())
        return f"<{self.env_cls} {params}: {'closed' if self.closed else _shortest(self.get_state())}>"


def _shortest(value: Any) -> Any:
    """Return a value whose numbers of single precision lack the digits that double precision adds."""
    if isinstance(value, dict):
        return {key: _shortest(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_shortest(each) for each in value]
    if isinstance(value, float) and float(np.float32(value)) == value:
        return float(str(np.float32(value)))
    return value


class Puzzle(Env):
    """The sliding puzzle.

    A state lists a board of `width` x `height` row by row, with 0 for the blank. A sorted board is solved, or with
    `goal="blank_last"` the board 1, 2, ..., 0.
    """

    _draft: list[int] | None = None

    def __new__(
        cls,
        width: int = 3,
        height: int = 3,
        difficulty: int = 1,
        depth_slope: int = 2,
        max_depth: int = 128,
        *,
        seed: int | None = None,
        **params: Any,
    ) -> Puzzle:
        """Return a new puzzle. `twisterl-train envs Puzzle` lists the other parameters."""
        shape = {"width": width, "height": height, "difficulty": difficulty}
        budget = {"depth_slope": depth_slope, "max_depth": max_depth}
        spec = _core.EnvSpec("Puzzle", written({**shape, **budget, **params}, "env"))
        return _core.EnvBatch.__new__(cls, spec, 1, seed)

    def _at(self, x: int, y: int) -> int:
        height, width, _ = self._sides()
        if not (0 <= x < width and 0 <= y < height):
            raise StateError(f"position: expected x below {width} and y below {height}, found {x} and {y}")
        return y * width + x

    def _sides(self) -> tuple[int, int, int]:
        params = self.params
        height, width = int(params["height"]), int(params["width"])
        return height, width, height * width

    def get_position(self, x: int, y: int) -> int:
        """Return the tile in column `x` of row `y`."""
        return int((self._draft or self.get_state())[self._at(x, y)])

    def set_position(self, x: int, y: int, value: int) -> None:
        """Swap tile `value` with the tile in column `x` of row `y`.

        An unsolvable board is kept as a draft, until further swaps make it solvable.
        """
        board = self._draft or [int(tile) for tile in self.get_state()]
        place = self._at(x, y)
        if value not in board:
            raise StateError(f"tile: expected 0 to {len(board) - 1}, found {value}")
        other = board.index(value)
        board[place], board[other] = board[other], board[place]
        try:
            self.set_state(board)
            self._draft = None
        except StateError:
            self._draft = board


class PyEnv(Env):
    """An environment written in Python, with the constructor of the PyPI package `twisterl`."""

    def __new__(cls, pyenv_cls: str, seed: int | None = None, **params: Any) -> PyEnv:
        """Return a new environment of the class at the dotted path `pyenv_cls` with these parameters."""
        return _core.EnvBatch.__new__(cls, _core.EnvSpec(pyenv_cls, written(params, "env")), 1, seed)
