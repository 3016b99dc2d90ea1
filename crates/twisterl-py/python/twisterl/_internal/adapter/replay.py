"""Episodes that are played again: whether an environment repeats them."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from twisterl._internal.adapter.randomness import restored, seeded

if TYPE_CHECKING:
    from twisterl._internal.adapter.env_adapter import Component, EnvAdapter
    from twisterl._internal.adapter.problem import Problem

# The episode that is played again at the start of a run has at most this many steps, and takes at most this long.
_STEPS = 100
_SECONDS = 0.5
_SEED = 12345


class Moment(NamedTuple):
    """What a step shows."""

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
    """Play an episode three times, and return how one of the others differs from the first; None if none does.

    The second is played by another environment, and the third by the first environment again.
    """
    envs: list[EnvAdapter] = []
    first: Episode | None = None
    try:
        with restored():
            for _ in range(2):
                envs.append(problem.pool.make())
            for number, env in enumerate((*envs, envs[0])):
                solved = env.begin(problem.difficulty, _SEED, None)
                # In training, other environments draw from the global generators in between.
                with seeded(number):
                    episode = play(problem, env, solved, None if first is None else first.actions)
                if first is None:
                    first = episode
                elif (found := compare(first, episode)) is not None:
                    return found
    except Exception as error:
        # An error in the first episode is one that training meets, and raises.
        return None if first is None else f"it raised {type(error).__name__}: {error}"
    finally:
        for env in envs:
            problem.pool.close(env)
    return None


def play(
    problem: Problem, env: EnvAdapter, solved: bool, actions: list[Any] | None = None, steps: int = _STEPS
) -> Episode:
    """Play these actions from the current state, or drawn ones."""
    rng = random.Random(_SEED)
    end = time.monotonic() + _SECONDS
    moments = [Moment(0.0, False, False, solved, *problem.view(env))]
    played: list[Any] = []
    while len(played) < (steps if actions is None else len(actions)):
        if actions is None and time.monotonic() > end:
            break
        action = _draw(problem.actions, moments[-1].mask, rng) if actions is None else actions[len(played)]
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


def _draw(components: list[Component], mask: tuple[bool, ...] | None, rng: random.Random) -> Any:
    """Return an allowed action, as `EnvAdapter.move` takes it."""
    choices: list[int] = []
    values: list[float] = []
    place = 0
    for count, low, high, shape in components:
        if count == 0:
            values.extend(rng.uniform(max(a, -1.0), min(b, 1.0)) for a, b in zip(low, high, strict=True))
            continue
        for _ in range(shape[0] if shape else 1):
            allowed = [i for i in range(count) if mask is None or mask[place + i]]
            choices.append(rng.choice(allowed or range(count)))
            place += count
    single = len(components) == 1 and components[0][0] > 0 and not components[0][3]
    return choices[0] if single else (choices, values)
