"""The search for the shortest circuit of a state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisterl._internal.arguments import flag, within
from twisterl.policy import Policy

__all__ = ["MAX_EFFORT", "best_solution"]

# Environments whose states have inverses, which can be easier.
_INVERTIBLE = {"Permutation", "LinearFunction", "Clifford", "CliffordCoset", "PauliNetwork", "PauliNetworkCoset"}
# The width of the first beam where time is limited: a wider one that does not end in time finds nothing.
_NARROW = 16
# The greatest width of a beam.
MAX_EFFORT = 1 << 16


def best_solution(
    policy: Policy,
    state: list[int],
    deterministic: bool = False,
    effort: int = 100,
    tree: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> list[int] | None:
    """Return the actions of the solution with the greatest return, None if none was found.

    The state and its inverse are both solved, if it has one. Within `seconds`, a narrow beam comes before the wide one.

    Args:
        policy: the policy, with its environment.
        state: the state.
        deterministic: follow the policy greedily, and search only if that does not solve it.
        effort: the width of a beam; where that finds nothing, the number of samples.
        tree: keywords of tree search, which takes the place of the beam if it has simulations.
        options: keywords of `Policy.solve_batch` in place of all that.
    """
    given, tree = dict(options or {}), dict(tree or {})
    effort = within("num_searches", effort, 1, MAX_EFFORT)
    if "search" in given:
        attempts: list[dict[str, Any]] = [{}]
    elif tree.get("num_mcts_searches"):
        attempts = [{**tree, "num_searches": effort, "deterministic": flag("deterministic", deterministic)}]
    else:
        ends: dict[str, Any] = {"objective": "return"}
        width = effort
        if policy.env_cls in _INVERTIBLE:
            ends["invert"], width = "both", (effort + 1) // 2
        # Samples seldom find short solutions that a beam has not found.
        methods = ("beam", "best-of") if given.get("max_steps") is None else ("beam",)
        attempts = [{"search": f"{method}={width}", **ends} for method in methods]
        if flag("deterministic", deterministic):
            attempts = [{"search": "greedy"}, *attempts]
        elif given.get("seconds") is not None and width > _NARROW:
            return _within(policy, state, given, [{"search": f"beam={_NARROW}", **ends}], attempts)
    return _within(policy, state, given, [], attempts)


def _within(
    policy: Policy,
    state: list[int],
    given: dict[str, Any],
    first: Sequence[dict[str, Any]],
    attempts: Sequence[dict[str, Any]],
) -> list[int] | None:
    """Return the solution of the first of some attempts that finds one, or a better one of those made before them."""
    best = None
    for number, attempt in enumerate([*first, *attempts]):
        found = policy.solve(state, **attempt, **given)
        if found.success and (best is None or found.reward > best.reward):
            best = found
        if found.success and number >= len(first):
            break
        if given.get("seconds") is not None:
            given["seconds"] -= found.seconds
            if given["seconds"] <= 0:
                break
    return None if best is None else list(best.actions)
