"""Trained policies and their solutions."""

from __future__ import annotations

import copy
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from twisterl import _core
from twisterl._internal import arguments
from twisterl.envs import Env, of_spec
from twisterl.errors import UsageError

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Policy", "Solution", "load_policy"]

_Path = str | os.PathLike[str]
# The most states of an evaluation, as of scrambles.
_MAX_STATES = 10_000_000


def load_policy(
    path: _Path,
    config: _Path | None = None,
    *,
    env: str | Callable[..., Any] | None = None,
    trust: bool = False,
    portable: bool = False,
) -> Policy:
    """Load a policy.

    No code is imported for names in the file: without its environment, a policy still predicts and can be saved.

    Args:
        path: a run folder (loads its best checkpoint), a checkpoint folder, a `.safetensors` or `.pt` file,
            or a bundle (docs/bundles.md).
        config: the config for a file of bare tensors; by default the one beside the file.
        env: the environment to use in place of the one that the file names, with the file's parameters: a name, a class
            or a factory.
        trust: import the module of the environment that the file names, which runs the module's code.
        portable: give the same answers on every machine, to the last bit (docs/policies.md). Large batches of wide
            networks take up to twice as long.

    Raises:
        MissingError: the path does not exist, or a config is needed and missing.
        CheckpointError: the file is corrupt, or does not fit its environment.
    """
    beside = None if config is None else arguments.path("config", config)
    return Policy(arguments.path("path", path), beside, env=env, trust=trust, portable=portable)


class Policy(_core.Policy):
    """A trained policy and the environment it was trained for.

    Observations are those of the environment: of native ones lists of the indices of their ones, or arrays, either flat
    or of shape `obs_shape`.
    """

    @property
    def env_params(self) -> dict[str, Any]:
        """The parameters of the environment."""
        params: dict[str, Any] = json.loads(self.env_json)
        return params

    def __copy__(self) -> Self:
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = type(self)(like=self)
        memo[id(self)] = twin
        vars(twin).update(copy.deepcopy(vars(self), memo))
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        # Of the environment only its name: a pickle of a policy imports nothing but this package.
        return _revive, (type(self), self.to_bytes()), vars(self) or None

    def make_env(self, seed: int | None = None) -> Env:
        """Return a new instance of the environment."""
        return of_spec(self.spec, seed)

    def solve(self, state: Any, **options: Any) -> Solution:
        """Solve one problem.

        Args:
            state: the start state.
            **options: see `solve_batch`.

        Returns:
            The best solution found, or else the best attempt. `success` tells them apart; it is None if the environment
            does not measure success.
        """
        return self.solve_batch([state], **options)[0]

    # long function: one option after the other
    def solve_batch(
        self,
        states: Any,
        *,
        search: str | None = None,
        deterministic: bool | None = None,
        backtracking: bool = True,
        num_searches: int | None = None,
        num_mcts_searches: int | None = None,
        C: float | None = None,  # noqa: N803 (the name in the PyPI package)
        max_expand_depth: int | None = None,
        temperature: float | None = None,
        gamma: float | None = None,
        leaves: int | None = None,
        score: float | str | None = None,
        twists: str | None = None,
        objective: str | None = None,
        invert: str | None = None,
        nodes: int | None = None,
        seconds: float | None = None,
        max_steps: int | None = None,
        seed: int = 0,
        num_cores: int | None = None,
    ) -> list[Solution]:
        """Solve many problems on all threads.

        Args:
            states: the start states; a state is a sequence or an array of numbers, flat or in rows, or text; or an
                observation, if the environment can begin at one.
            search: `greedy`, `sample`, `best-of=N`, `mcts=N`, `gumbel=N`, `beam=W` or `widening=W`; by default the best
                of 64 samples.
            deterministic: take the most likely action instead of sampling.
            backtracking: if False, never undo the previous move (in `greedy`, `sample` and `best-of`).
            num_searches: number of attempts to choose the best from.
            num_mcts_searches: simulations per move of tree search; 0 is no tree search.
            C: exploration constant of tree search.
            max_expand_depth: nodes added by one simulation.
            temperature: temperature of the choice among the visit counts of `mcts`; by default 0, the most visited
                action, or 1 for several attempts.
            gamma: discount per step in tree search.
            leaves: leaves of one tree that are evaluated together.
            score: ranking of the states of a beam: `policy`, `value`, `mixed` (one half by each), or a weight W for
                policy + W * value; by default `policy`, and `mixed` if returns count.
            twists: use of the problem's symmetries: `average` or `each`.
            objective: the best solution has the fewest actions (`length`, the default) or the greatest `return`.
            invert: `both` solves the problem and its inverse, each with half of the budget, and keeps the better one.
            nodes: maximum number of states evaluated per problem.
            seconds: maximum time per problem.
            max_steps: maximum length of a solution.
            seed: random seed.
            num_cores: maximum number of threads; 0 and -1, as None: as many as there are processors.

        Returns:
            The best solution or attempt of each problem.
        """
        options = {
            "search": search,
            "deterministic": deterministic,
            "backtracking": backtracking,
            "num_searches": num_searches,
            "num_mcts_searches": num_mcts_searches,
            "C": C,
            "max_expand_depth": max_expand_depth,
            "temperature": temperature,
            "gamma": gamma,
            "leaves": leaves,
            "score": score,
            "twists": twists,
            "objective": objective,
            "invert": invert,
            "nodes": nodes,
            "seconds": seconds,
            "max_steps": max_steps,
            "seed": seed,
            "num_cores": num_cores,
        }
        return [Solution(self, *solution) for solution in self.solve_states(self._states(states), options)]

    def solve_scramble(
        self,
        difficulty: int | None = None,
        *,
        search: str | None = None,
        seed: int = 0,
        max_steps: int | None = None,
    ) -> Solution:
        """Solve a scramble drawn by the environment."""
        if difficulty is not None:
            difficulty = arguments.difficulty(difficulty)
        options = {"search": search, "seed": seed, "max_steps": max_steps}
        return Solution(self, *self.solve_scrambles(1, difficulty, options)[0])

    def record(
        self,
        path: _Path,
        *,
        state: Sequence[float] | None = None,
        seed: int = 0,
        difficulty: int | None = None,
        search: str | None = None,
        fps: float | None = None,
        size: int | None = None,
        max_steps: int | None = None,
    ) -> Solution:
        """Write an episode as a moving picture.

        The file is whole or not there, also after Ctrl-C.

        Args:
            path: a file that ends in `.gif`, `.png`, `.webp` or `.mp4`. The first three need Pillow, which the extra
                `[plot]` brings; `.mp4` needs the package imageio-ffmpeg.
            state: the start state; by default the environment draws one.
            seed: random seed of the start, and of the search.
            difficulty: difficulty of the start; by default one worth showing for the built-in boards, and that of the
                environment for others.
            search: see `solve_batch`; by default the policy plays greedily, and problems that it does not solve then
                are solved by sampling.
            fps: steps played a second; by default the rate at which the environment looks natural. Above 30, not every
                step has a picture.
            size: the longer side of the picture in pixels.
            max_steps: maximum length of the episode.

        Returns:
            The episode.

        Raises:
            EnvError: the environment cannot be drawn: it has no drawing and renders neither pixels nor text.
            UsageError: the name of the file has another ending, or a package that it needs is not installed.
        """
        from twisterl._internal.display import record

        options = {"state": state, "seed": seed, "difficulty": difficulty, "search": search}
        shown = {"fps": fps, "size": size, "max_steps": max_steps}
        return record.record(self, path, {**options, **shown})

    def evaluate(
        self,
        states: Iterable[Any] | _Path | None = None,
        *,
        num_episodes: int = 1000,
        difficulty: int | None = None,
        start: Literal["scramble", "uniform"] = "scramble",
        **options: Any,
    ) -> dict[str, float | None]:
        """Evaluate the policy on many problems.

        Args:
            states: start states, or dicts with `state` and, if known, `optimal`; or the path of a file in any of the
                formats of `evaluate --states`.
            num_episodes: number of problems to draw if no states are given.
            difficulty: difficulty of the scrambles; of random states, that whose scrambles have episodes as long.
            start: the problems to draw: scrambles, or uniformly random states of environments that offer them.
            **options: as for `solve_batch`; by default one sample per problem.

        Returns:
            A dict with `count`, `solved`, `success`, `mean_length` (of the solved problems), `mean_reward`,
            `nodes_per_state` and `seconds_per_state`. If optimal lengths are known, also `mean_optimal` and
            `optimal_fraction`. Where the environment does not measure success, `solved` and `success` are None, and
            `mean_length` is that of all episodes.
        """
        rows: list[Any] | None = None
        optimal: list[int | None] = []
        if isinstance(states, (str, os.PathLike)):
            rows, optimal = self.read_states(arguments.path("states", states))
        elif states is not None:
            rows, optimal = _instances(states)
            rows = self._states(rows)
        drawn = arguments.drawn(num_episodes, start, difficulty, given=rows is not None)
        figures: dict[str, float | None] = json.loads(self.evaluate_json(rows, optimal, drawn, options))
        return figures

    def _states(self, states: Any) -> Any:
        """Return states, those that are observations of the environment as numbers."""
        codec = self.codec
        if codec is None or not isinstance(states, (list, dict)):
            return states
        rows = codec.rows(states) if isinstance(states, dict) else states
        return [codec.state(state) for state in rows]

    def save(self, path: _Path) -> None:
        """Write the policy as a self-contained `.safetensors` file."""
        file = Path(path)
        if file.suffix != ".safetensors":
            raise UsageError(f"{file}: expected a path that ends in .safetensors")
        partial = file.with_name(file.name + ".partial")
        partial.write_bytes(self.to_bytes())
        partial.replace(file)

    def _repr_html_(self) -> str:
        from twisterl._internal.display import pages

        return pages.policy_page(self)

    def __repr__(self) -> str:
        from twisterl.plotting.terminal import counted, escape_controls

        shape = "x".join(map(str, self.obs_shape))
        actions = " + ".join(_kind(*component) for component in self.action_components)
        weights = counted(self.num_parameters, "weight")
        return f"<Policy for {escape_controls(self.env_cls)}: {shape} -> {actions}, {weights}>"


class Solution(Sequence[Any]):
    """A sequence of actions and its result.

    Attributes:
        success: True if the actions solve the problem; None if the environment does not measure success.
        reward: the undiscounted sum of rewards.
        actions: the actions.
        start: the start state.
        nodes: the number of states evaluated by the search.
        simulations: the number of simulations of tree search.
        seconds: the time taken by the search.
        reported: the solution that the environment itself reports, in numbers of its own; None if it reports none.
        inverted: True if it was found as a solution of the inverse problem, with `invert="both"`.
    """

    def __init__(
        self,
        policy: _core.Policy,
        success: bool | None,
        reward: float,
        actions: list[Any],
        start: list[float],
        nodes: int = 0,
        simulations: int = 0,
        seconds: float = 0.0,
        reported: list[int] | None = None,
        inverted: bool = False,
    ) -> None:
        self._policy = policy
        self.success = success
        self.reward = reward
        self.actions = actions
        self.start = start
        self.nodes = nodes
        self.simulations = simulations
        self.seconds = seconds
        self.reported = reported
        self.inverted = inverted

    def to_dict(self, optimal: int | None = None) -> dict[str, Any]:
        """Return a record for `pandas.DataFrame(s.to_dict() for s in solutions)`.

        The fields are those of `solve --json` without `index`, `line`, `moves` and `error`.

        Args:
            optimal: the length of a shortest solution, if it is known.
        """
        length = None if self.success is False else len(self.actions)
        return {
            "state": self.start,
            "solved": self.success,
            "length": length,
            "optimal": optimal,
            "gap": None if length is None or optimal is None else length - optimal,
            "reward": self.reward,
            "actions": list(self.actions),
            "nodes": self.nodes,
            "simulations": self.simulations,
            "seconds": self.seconds,
        }

    def rank(self) -> tuple[bool, float]:
        """Return a sort key: solved ranks above unsolved, then higher reward above lower."""
        return bool(self.success), self.reward

    def __len__(self) -> int:
        return len(self.actions)

    def __getitem__(self, index: Any) -> Any:
        return self.actions[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.actions)

    @property
    def states(self) -> list[list[float]]:
        """The states from the start to the end."""
        env = of_spec(self._policy.spec, seed=0)
        env.set_state(self.start)
        states = [env.get_state()]
        for action in self.actions:
            env.step(action)
            states.append(env.get_state())
        return states

    def frames(self) -> list[tuple[str, str]]:
        """Return the states as (name of the action that led there, board as text), from the start on."""
        first, moves = self._policy.replay(self.start, self.actions)
        return [("start", first), *moves]

    def _verdict(self) -> str:
        from twisterl.plotting.terminal import counted

        if self.success is None:
            return f"return {self.reward:.6g} after {counted(len(self), 'step')}"
        return f"{'solved' if self.success else 'not solved'} after {counted(len(self), 'move')}"

    def __repr__(self) -> str:
        reward = "" if self.success is None else f", reward {self.reward:.3g}"
        return f"<Solution: {self._verdict()}{reward}, actions {self.actions}>"

    def __str__(self) -> str:
        boards = (f"{number} {name}\n{board}" for number, (name, board) in enumerate(self.frames()))
        return "\n\n".join([*boards, self._verdict()])

    def _repr_html_(self) -> str:
        from twisterl._internal.display import pages

        return pages.solution_page(self, self._verdict(), self._policy.spec)


def _revive(kind: type[Policy], data: bytes) -> Policy:
    return kind(data=data)


def _instances(states: Any) -> tuple[list[Any], list[int | None]]:
    """Return states, and the lengths of shortest solutions that are known."""
    # Iterators may have no end.
    most = _MAX_STATES if hasattr(states, "__len__") else _MAX_STATES // 10
    try:
        count = len(states) if hasattr(states, "__len__") else 0
        given = list(itertools.islice(states, most + 1)) if count <= most else []
    except TypeError as error:
        raise UsageError(f"states: expected states or the path of a file, found {type(states).__name__}") from error
    count = max(count, len(given))
    if not 1 <= count <= most:
        found = "more" if count else "none"
        raise UsageError(f"states: expected at least one, at most {most}, found {found}")
    rows, optimal = [], []
    for i, item in enumerate(given):
        if isinstance(item, Mapping):
            if "state" not in item:
                raise UsageError(f"states[{i}]: expected a dict with 'state', found the keys {list(item)!r:.60}")
            rows.append(item["state"])
            optimal.append(arguments.optimal_length(f"states[{i}].optimal", item.get("optimal")))
        else:
            rows.append(item)
            optimal.append(None)
    return rows, optimal


def _kind(choices: int, low: list[float], _: list[float], shape: list[int]) -> str:
    from twisterl.plotting.terminal import counted

    if choices and shape:
        return counted(shape[0], "bit")
    return counted(choices, "action") if choices else counted(len(low), "number")
