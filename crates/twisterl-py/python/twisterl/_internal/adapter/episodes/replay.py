"""Episodes that are played again: whether an environment repeats them."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from twisterl._internal.adapter.episodes.randomness import restored, seeded

if TYPE_CHECKING:
    from twisterl._internal.adapter.env_adapter import EnvAdapter
    from twisterl._internal.adapter.problem import Problem

# At the start of a run, episodes are played again until they have this many steps, are this many, or take this long.
_STEPS = 100
_EPISODES = 20
_SECONDS = 0.5


class Moment(NamedTuple):
    """The visible result of a step."""

    reward: float
    terminated: bool
    truncated: bool
    solved: bool
    observation: Any
    mask: Any


class Episode(NamedTuple):
    """Actions, and what the start and each of them shows."""

    actions: list[Any]
    moments: list[Moment]


def difference(problem: Problem) -> str | None:
    """Play episodes three times each, and return how one differs from the first time; None if none does.

    The second time it is played by another environment, and the third by the first environment again.
    """
    envs: list[EnvAdapter] = []
    end = time.monotonic() + _SECONDS
    steps = 0
    try:
        with restored():
            envs = [problem.pool.make(), problem.pool.make()]
            for number in range(_EPISODES):
                first = _begin_and_play(problem, envs[0], number)
                for again, env in enumerate((envs[1], envs[0])):
                    found = _difference(problem, env, (number, again), first)
                    if found is not None:
                        return found
                steps += len(first.actions)
                if steps >= _STEPS or time.monotonic() > end:
                    break
    except Exception:
        # Training meets this error, and raises it.
        return None
    finally:
        for env in envs:
            problem.pool.close(env)
    return None


def _difference(problem: Problem, env: EnvAdapter, seeds: tuple[int, int], first: Episode) -> str | None:
    try:
        return compare(first, _begin_and_play(problem, env, *seeds, first.actions))
    except Exception as error:
        return f"it raised {type(error).__name__}: {error}"


def _begin_and_play(
    problem: Problem, env: EnvAdapter, seed: int, disturbance: int = -1, actions: list[Any] | None = None
) -> Episode:
    solved = env.begin(problem.difficulty, seed, None)
    # In training, other environments draw from the global generators between the steps of this one.
    with seeded(disturbance + 1):
        return play(problem, env, solved, seed, actions)


def play(
    problem: Problem, env: EnvAdapter, solved: bool, seed: int, actions: list[Any] | None = None, steps: int = _STEPS
) -> Episode:
    """Play these actions from the current state; without any, drawn ones until the episode ends or takes too long."""
    rng = random.Random(seed)
    end = time.monotonic() + _SECONDS
    moments = [Moment(0.0, False, False, solved, *problem.view(env))]
    played: list[Any] = []
    while len(played) < (steps if actions is None else len(actions)) and not solved:
        if actions is None and time.monotonic() > end:
            break
        action = _draw(env, moments[-1].mask, rng) if actions is None else actions[len(played)]
        played.append(action)
        reward, terminated, truncated, solved = env.move(action)
        if terminated or truncated:
            moments.append(Moment(float(reward), terminated, truncated, solved, None, None))
            break
        moments.append(Moment(float(reward), terminated, truncated, solved, *problem.view(env)))
    return Episode(played, moments)


def compare(first: Episode, second: Episode) -> str | None:
    """Return where the second episode differs from the first."""
    for step, (was, now) in enumerate(zip(first.moments, second.moments, strict=False)):
        for name, one, other in zip(Moment._fields, was, now, strict=True):
            if one != other and not (one != one and other != other):  # NaN differs from itself
                place = f"after step {step}" if step else "at its start"
                if name in ("observation", "mask"):
                    return f"the {name} {place} is another"
                return f"{name} {place} was {one} and is {other}"
    return None


def _draw(env: EnvAdapter, mask: tuple[bool, ...] | None, rng: random.Random) -> Any:
    """Return an allowed action, as `EnvAdapter.move` takes it."""
    choices: list[int] = []
    place = 0
    for count in env.choice_counts():
        allowed = [i for i in range(count) if mask is None or mask[place + i]]
        choices.append(rng.choice(allowed or range(count)))
        place += count
    if env.is_one_choice():
        return choices[0]
    bounds = [(low, high) for _, lows, highs, _ in env.actions for low, high in zip(lows, highs, strict=True)]
    return choices, [rng.uniform(max(low, -1.0), min(high, 1.0)) for low, high in bounds]
