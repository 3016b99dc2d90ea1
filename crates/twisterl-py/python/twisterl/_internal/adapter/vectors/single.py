"""A vector environment of one sub-environment as a single environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import concatenate, create_empty_array, iterate

from twisterl._internal.adapter.reading.misread import MisreadError, shown


class SingleEnv(gymnasium.Env[Any, Any]):
    """The sub-environment of a vector environment of one, in any autoreset mode.

    `reset` resets the vector environment, also one that would reset by itself in the next step.
    """

    def __init__(self, env: Any) -> None:
        self.env = env
        self.spec = env.spec
        self.render_mode = getattr(env, "render_mode", None)
        self.observation_space, self.action_space = env.single_observation_space, env.single_action_space
        mode = (env.metadata or {}).get("autoreset_mode")
        if mode not in tuple(AutoresetMode):
            expected = "one of gymnasium.vector.AutoresetMode in metadata['autoreset_mode']"
            raise MisreadError("environment", expected, mode)
        self._resets_at_once = mode is AutoresetMode.SAME_STEP

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        seen, info = self.env.reset(seed=seed, options=options)
        return self._first(seen), _of_first(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step, and return the last observation of an episode that ends, wherever the mode has it."""
        empty: Any = create_empty_array(self.action_space, n=1)
        actions = concatenate(self.action_space, [action], empty)
        seen, rewards, terminated, truncated, info = self.env.step(actions)
        is_over = bool(terminated[0]) or bool(truncated[0])
        if not (is_over and self._resets_at_once):
            return self._first(seen), rewards[0], terminated[0], truncated[0], _of_first(info)
        if "final_obs" not in info:
            expected = "the last observation in info['final_obs'], as autoreset mode SAME_STEP requires"
            raise MisreadError("step()", expected, shown(sorted(info)))
        last = info.get("final_info", {})
        return info["final_obs"][0], rewards[0], terminated[0], truncated[0], _of_first(last)

    def close(self) -> None:
        """Close the vector environment."""
        self.env.close()

    def _first(self, seen: Any) -> Any:
        # A copy, since vector environments may write to their arrays again.
        first = next(iter(iterate(self.env.observation_space, seen)))
        return first.copy() if isinstance(first, np.ndarray) else first


def _of_first(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a vector environment's info that its first sub-environment has."""
    found: dict[str, Any] = {}
    for key, value in info.items():
        has = info.get(f"_{key}")
        if (key.startswith("_") and key[1:] in info) or (has is not None and not has[0]):
            continue
        if isinstance(value, Mapping):
            found[key] = _of_first(value)
        elif isinstance(value, (np.ndarray, list, tuple)) and len(value) == 1:
            found[key] = value[0]
        else:
            found[key] = value
    return found
