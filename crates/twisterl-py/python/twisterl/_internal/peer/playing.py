"""Solving and evaluating with a policy on an environment object."""

from __future__ import annotations

from typing import Any

from twisterl import _core
from twisterl._internal.peer.handed import FromHere, Handed
from twisterl._internal.peer.native import Policy as NativePolicy
from twisterl._internal.prototypes import duplicate
from twisterl._internal.written import written
from twisterl.errors import UsageError
from twisterl.nn.policy import BasicPolicy
from twisterl.policy import Policy


def bound(handed: Handed, policy: Any, factory: Any = None) -> Policy:
    """Return the policy of a description for an environment.

    Args:
        handed: the environment.
        policy: a description, or what its `to_rust()` returns; any other policy has an environment already.
        factory: makes the environments, by default the environment's own factory.
    """
    if isinstance(policy, NativePolicy):
        policy = policy.description
    if isinstance(policy, Policy):
        return policy
    if not isinstance(policy, BasicPolicy):
        raise UsageError(
            f"policy: expected a policy of twisterl.nn or what to_rust() returns, found {type(policy).__name__} "
            "(modules of PyTorch cannot be used: describe the network by BasicPolicy, and load_state_dict)"
        )
    config = {**handed.entry, "policy_cls": policy._policy_cls, "policy": policy._section}
    made = Policy(initial=written(config), env=handed.factory() if factory is None else factory)
    return policy._twisted(Policy(like=made, weights=policy._native.weights()), policy.obs_perms, policy.act_perms)


def solve_here(env: Any, policy: Any, options: dict[str, Any]) -> tuple[tuple[float, float], list[int]]:
    """Solve an environment from its current state, which stays as it is. Return success and reward, and the actions."""
    if isinstance(env, _core.EnvBatch):
        solved, reward, actions, *_ = bound(Handed(env), policy).solve_states([env.get_state()], options)[0]
        return (float(bool(solved)), reward), actions
    policy = bound(Handed(env), policy, FromHere(env))
    # Extensions made with the crate `twisterl` begin at a state without numbers where the environment is.
    is_native = hasattr(type(env), "__twisterl_here__")
    found = policy.solve_states([[]], options) if is_native else policy.solve_scrambles(1, None, options)
    solved, reward, actions, *_, reported, _inverted = found[0]
    return (float(bool(solved)), reward), own_solution(env, actions) if reported is None else reported


def evaluate_on(env: Any, policy: Any, entry: dict[str, Any]) -> tuple[float, float]:
    """Return the success rate and the mean reward of the evaluation that an entry of `evals` describes."""
    handed = Handed(env)
    return bound(handed, policy).evaluate_entry(written(entry), handed.difficulty or 0)


def own_solution(env: Any, actions: list[int]) -> list[int]:
    """Return the actions, or the solution that the environment itself records, if it does: `solution()`.

    It does if it has this method and no `track_solution` that is false.
    """
    tracks = getattr(env, "track_solution", True)
    if not callable(getattr(env, "solution", None)) or not (tracks() if callable(tracks) else tracks):
        return actions
    played = duplicate(env)
    step = getattr(played, "next", None) or played.step
    for action in actions:
        step(action)
    return list(played.solution())
