"""Gymnasium wrappers for native environments: `twisterl.gym.make("Puzzle")`, `twisterl.gym.make_vec("Puzzle", 8)`.

`info["action_mask"]` marks the allowed actions, and `info["is_success"]` is True if the problem is solved. Importing
this module registers each environment as `twisterl/NAME-v0`.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector.utils import batch_space

from twisterl import _core
from twisterl._internal import arguments
from twisterl._internal.written import written
from twisterl.envs import names
from twisterl.errors import ActionError, UsageError

__all__ = ["GymEnv", "GymVectorEnv", "make", "make_vec"]

_Info = dict[str, Any]


def make(env_cls: str, render_mode: str | None = None, **params: Any) -> GymEnv:
    """Return a native environment with Gymnasium's interface."""
    return GymEnv(env_cls, render_mode, **params)


def make_vec(env_cls: str, num_envs: int = 1, **params: Any) -> GymVectorEnv:
    """Return a vector environment that steps `num_envs` native environments in one call."""
    return GymVectorEnv(env_cls, num_envs, **params)


def spaces(env: _core.EnvBatch) -> tuple[gymnasium.Space[Any], gymnasium.Space[Any]]:
    """Return the observation space and the action space."""
    shape = tuple(env.obs_shape())
    observation: gymnasium.Space[Any] = (
        gymnasium.spaces.Box(0, 1, shape, np.int8)
        if env.sparse
        else gymnasium.spaces.Box(-np.inf, np.inf, shape, np.float32)
    )
    parts = [_part(*component) for component in env.action_components]
    if len(parts) == 1:
        return observation, parts[0]
    if all(isinstance(part, gymnasium.spaces.Discrete) for part in parts):
        return observation, gymnasium.spaces.MultiDiscrete([n for n, *_ in env.action_components])
    return observation, gymnasium.spaces.Tuple(parts)


def _part(choices: int, low: list[float], high: list[float], shape: list[int]) -> gymnasium.Space[Any]:
    if choices and shape:
        return gymnasium.spaces.MultiBinary(shape)
    if choices:
        return gymnasium.spaces.Discrete(choices)
    lowest, highest = (np.array(bound, np.float32).reshape(shape) for bound in (low, high))
    return gymnasium.spaces.Box(lowest, highest, dtype=np.float32)


class GymEnv(gymnasium.Env[Any, Any]):
    """A native environment with Gymnasium's interface."""

    metadata = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012 (as the base class has it)

    def __init__(self, env_cls: str, render_mode: str | None = None, **params: Any) -> None:
        if render_mode is not None and not (isinstance(render_mode, str) and render_mode == "ansi"):
            raise UsageError(f"render_mode: expected None or 'ansi', found {render_mode!r}")
        self.render_mode = render_mode
        self._env = _core.EnvBatch(_core.EnvSpec(env_cls, written(params, "env")))
        self.observation_space, self.action_space = spaces(self._env)

    def _look(self) -> tuple[Any, _Info]:
        rows, masks = self._env.observe_rows([0])
        info = {"action_mask": masks[0].astype(np.int8), "is_success": self._env.solved()}
        return rows[0].reshape(self.observation_space.shape), info

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, _Info]:
        """Begin an episode. `options` may contain a `difficulty` or a `state`."""
        given = arguments.options("options", options, ("difficulty", "state"))
        if seed is not None:
            seed = arguments.seed(seed)
        super().reset(seed=seed)
        if seed is not None:
            self._env.set_seed(seed)
        if "difficulty" in given:
            self._env.difficulty = arguments.difficulty(given["difficulty"])
        if "state" in given:
            self._env.set_state(given["state"])
        else:
            self._env.begin()
        return self._look()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, _Info]:
        """Step the environment."""
        reward, terminated, truncated = self._env.step(action)
        seen, info = self._look()
        return seen, reward, terminated, truncated, info

    def action_masks(self) -> Any:
        """Return the mask of allowed actions, for libraries with maskable policies."""
        return np.array(self._env.masks())

    def render(self) -> Any:
        """Return the state as text in mode `ansi`, and None otherwise."""
        return self._env.render_text() if self.render_mode == "ansi" else None

    def close(self) -> None:
        """Close the environment, which cannot be used afterwards."""
        self._env.close()


class GymVectorEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """A vector of native environments. A slot whose episode ended begins the next one at the following step."""

    def __init__(self, env_cls: str, num_envs: int = 1, **params: Any) -> None:
        self.num_envs = num_envs
        self.metadata = {"autoreset_mode": gymnasium.vector.AutoresetMode.NEXT_STEP}
        self._env = _core.EnvBatch(_core.EnvSpec(env_cls, written(params, "env")), num_envs)
        self.single_observation_space, self.single_action_space = spaces(self._env)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._over = np.zeros(num_envs, bool)
        self._slots = list(range(num_envs))

    def close_extras(self, **_: Any) -> None:
        """Close the environments, which cannot be used afterwards."""
        env = getattr(self, "_env", None)  # none if it could not be made
        if env is not None:
            env.close()

    def _look(self) -> tuple[Any, _Info]:
        rows, masks = self._env.observe_rows(self._slots)
        solved = np.array([self._env.solved(slot) for slot in self._slots])
        return rows.reshape(self.observation_space.shape), {"action_mask": masks, "is_success": solved}

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, _Info]:
        """Begin an episode in every slot. Of several seeds, the first is used. `options` may contain a `difficulty`."""
        given = arguments.options("options", options, ("difficulty",))
        if seed is not None:
            several = isinstance(seed, list | tuple) or (isinstance(seed, np.ndarray) and seed.ndim > 0)
            seeds = list(seed) if several else [seed]
            if not seeds:
                raise UsageError("seed: expected a seed, or one for each slot, found an empty list")
            self._env.set_seed(arguments.seed(seeds[0]))
        if "difficulty" in given:
            self._env.difficulty = arguments.difficulty(given["difficulty"])
        for slot in self._slots:
            self._env.begin(slot)
        self._over[:] = False
        return self._look()

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, _Info]:
        """Step every slot."""
        rows = list(islice(gymnasium.vector.utils.iterate(self.action_space, actions), self.num_envs + 1))
        if len(rows) != self.num_envs:
            raise ActionError(f"actions: expected {self.num_envs} of them, found {len(rows)}")
        anew = np.flatnonzero(self._over)
        rewards, terminated, truncated, _ = self._env.step_all(rows)
        for slot in anew:
            self._env.begin(int(slot))
        rewards[anew], terminated[anew], truncated[anew] = 0.0, False, False
        self._over = terminated | truncated
        seen, info = self._look()
        return seen, rewards.astype(np.float64), terminated, truncated, info


def _register() -> None:
    for name in names():
        gymnasium.register(f"twisterl/{name}-v0", "twisterl.gym:GymEnv", kwargs={"env_cls": name})


_register()
