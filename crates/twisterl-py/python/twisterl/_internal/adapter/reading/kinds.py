"""Recognises what is given in the place of one environment for one agent."""

from __future__ import annotations

from typing import Any

from twisterl._internal.adapter.reading.misread import MisreadError, Text
from twisterl._internal.adapter.reading.scalars import whole

_RESET = "an object with reset and step"


def is_gymnasium(env: Any) -> bool:
    """Return True for an environment with Gymnasium's interface.

    Raises:
        MisreadError: it is no environment, or not a single one.
    """
    found = Text(f"{type(env).__name__}")
    if env is None or not (callable(getattr(env, "reset", None))):
        advice = "the class or function that makes the environment has to return it" if env is None else ""
        raise MisreadError("environment", _RESET, found, advice)
    spaces = getattr(env, "observation_space", None), getattr(env, "action_space", None)
    if _is_vector(env):
        number = whole(getattr(env, "num_envs", None))
        found = Text(f"vector environment {found}" + (f" of {number}" if number else ""))
        advice = (
            "give the class or id of a single one, or a gymnasium.vector.VectorEnv; algorithm.collecting.num_envs sets "
            "their number"
        )
        raise MisreadError("environment", "a single environment", found, advice)
    if _has_agents(env):
        advice = "wrap it in a Gymnasium environment in which one agent acts and the others belong to its rules"
        raise MisreadError(
            "environment", "an environment of one agent", Text(f"PettingZoo environment {found}"), advice
        )
    for space in spaces:
        if space is not None and type(space).__module__.partition(".")[0] == "gym":
            advice = "change its imports from gym to gymnasium, or wrap it with the package shimmy"
            raise MisreadError("environment", "spaces of gymnasium", Text(f"{space!r} of the package gym"), advice)
    return None not in spaces


def _is_vector(env: Any) -> bool:
    single = hasattr(env, "single_observation_space") or hasattr(env, "single_action_space")
    waits = hasattr(env, "step_async") and hasattr(env, "step_wait")
    counted = whole(getattr(env, "num_envs", None)) is not None
    return single or (counted and (waits or hasattr(env, "envs") or not hasattr(env, "obs_shape")))


def _has_agents(env: Any) -> bool:
    if not (hasattr(env, "possible_agents") or hasattr(env, "agents")):
        return False
    several = hasattr(env, "agent_iter") or hasattr(env, "observation_spaces") or hasattr(env, "action_spaces")
    return several or callable(getattr(env, "observation_space", None)) or not hasattr(env, "observation_space")
