"""Answers of the Python package: policies, environments, algorithms and runs, by its public names only."""

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import twisterl
import twisterl.gym
from twisterl.utils import load_config, prepare_algorithm

from comparison.cases import BOARDS8, BOARDS15, ROOT
from comparison.runs import without_times

STEPS = 40  # in each environment
VALUES = 8  # of an array that are shown beside its checksum
PEER8 = ("tests/vectors/peer/ppo_puzzle8_v1.pt", "tests/configs/ppo_puzzle8_v1.peer.json")
PEER15 = ("tests/vectors/peer/ppo_puzzle15_v1.safetensors", "tests/configs/ppo_puzzle15_v1.peer.json")
# Name, path below the repository, config, file of boards.
POLICIES = (
    ("peer puzzle8", *PEER8, BOARDS8),
    ("peer puzzle15", *PEER15, BOARDS15),
    ("puzzle15", "benches/runs/puzzle15/policy.safetensors", None, BOARDS15),
)
SOLVES: tuple[dict[str, Any], ...] = (
    {},
    {"deterministic": True},
    {"deterministic": True, "backtracking": False},
    {"num_searches": 5, "seed": 3},
    {"num_mcts_searches": 10, "C": 2.0, "max_expand_depth": 2, "max_steps": 40},
    {"num_mcts_searches": 10, "num_searches": 2, "max_steps": 40},
    {"search": "sample", "backtracking": False, "twists": "average"},
    {"search": "best-of=8", "nodes": 200, "twists": "each"},
    {"search": "mcts=20", "temperature": 0.5, "gamma": 0.98, "leaves": 2, "max_steps": 40},
    {"search": "gumbel=16", "max_steps": 40},
    {"search": "beam=32", "score": 2.0, "num_cores": 1},
    {"search": "beam=32", "score": "value", "twists": "each"},
    {"search": "widening=32", "nodes": 1000},
)
EVALUATIONS: tuple[dict[str, Any], ...] = (
    {},
    {"deterministic": True},
    {"search": "best-of=4", "backtracking": False, "seed": 2},
    {"search": "beam=16", "score": "policy"},
    {"search": "mcts=8", "C": 1.0, "max_steps": 30},
)
ENVIRONMENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Puzzle", {"width": 3, "height": 3, "difficulty": 12}),
    ("LightsOut", {"height": 4, "width": 5, "difficulty": 6}),
    ("Maze", {"difficulty": 5}),
    ("Journey", {}),
    ("CartPole-v1", {}),
    ("Acrobot-v1", {}),
    ("MountainCar-v0", {}),
    ("MountainCarContinuous-v0", {}),
    ("Pendulum-v1", {}),
)
SMALL = {"algorithm.collecting.num_envs": 16, "algorithm.training.minibatch_size": 64}
# Config, changes: what `collect` is asked for.
COLLECTED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("tests/configs/ppo_puzzle8_v1.peer.json", {"algorithm.collecting.num_episodes": 16}),
    ("examples/ppo_acrobot_v1.json", {**SMALL, "algorithm.collecting.normalize_rewards": False}),
    ("examples/ppo_journey_v1.json", {**SMALL, "algorithm.collecting.reward_scale": 1.0}),
    ("examples/ppo_cartpole_v1.json", SMALL),
    ("examples/ppo_puzzle8_v1.json", SMALL),
)


def plain(value: Any) -> Any:
    """Returns a value as JSON can hold it; long arrays as a checksum and their first values."""
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value)
        if array.size <= VALUES:
            return array.tolist()
        kind = f"{array.dtype} {'x'.join(map(str, array.shape))} {hashlib.sha256(array.tobytes()).hexdigest()}"
        return {"sha256": kind, "first": array.ravel()[:VALUES].tolist()}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bytes):
        return f"{len(value)} bytes {hashlib.sha256(value).hexdigest()}"
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def policy_answers(path: str, config: str | None, boards: str) -> dict[str, Any]:
    """Returns predictions, solutions and evaluations of a policy."""
    policy = twisterl.load_policy(ROOT / path, ROOT / config if config else None)
    content = json.loads((ROOT / boards).read_text(encoding="utf-8"))
    problems = (content.get("instances") or content["cases"])[:4]
    problems = [{key: problem[key] for key in ("state", "optimal") if key in problem} for problem in problems]
    states = [problem["state"] for problem in problems]
    env = policy.make_env(seed=1)
    observations, masks = [], []
    for state in states:
        env.set_state(state)
        observations.append(env.observe())
        masks.append(env.masks())
    pairs = list(zip(observations, masks, strict=True))
    return {
        "weights": policy.weights(),
        "predict": [policy.predict(observation, mask) for observation, mask in pairs],
        "predict_batch": policy.predict_batch(observations, masks),
        "act": [policy.act(observation, mask) for observation, mask in pairs],
        "act, drawn": [policy.act(*pairs[0], deterministic=False, seed=seed) for seed in range(VALUES)],
        "solve": {str(options): _solution(policy.solve(states[0], **options)) for options in SOLVES},
        "solve_batch": [_solution(solution) for solution in policy.solve_batch(states, search="beam=16")],
        "solve_scramble": _solution(policy.solve_scramble(6, search="best-of=8", seed=4)),
        "evaluate": {str(options): _figures(policy.evaluate(problems, **options)) for options in EVALUATIONS},
        "evaluate, scrambles": _figures(policy.evaluate(num_episodes=50, difficulty=5, search="greedy")),
        "saved": policy.to_bytes(),
    }


def _solution(solution: Any) -> dict[str, Any]:
    fields = ("success", "reward", "actions", "start", "nodes", "simulations")
    return {**{name: getattr(solution, name) for name in fields}, "text": str(solution).encode()}


def _figures(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in figures.items() if name != "seconds_per_state"}


def episode(name: str, params: dict[str, Any]) -> dict[str, Any]:
    """Returns what an environment shows over some steps by Gymnasium's interface, with sampled actions."""
    env = twisterl.gym.make(name, **params)
    env.action_space.seed(7)
    observation, info = env.reset(seed=11)
    rows = [{"observation": observation, "info": info}]
    for _ in range(STEPS):
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        rows.append({"observation": observation, "reward": reward, "ends": [terminated, truncated], "info": info})
        if terminated or truncated:
            env.reset()
    native = twisterl.make(name, seed=5, **params)
    native.reset(seed=3)
    state = {"state": native.get_state(), "text": native.render(), "masks": native.masks(), "params": native.params}
    return {"steps": rows, "native": state}


def side_by_side() -> list[Any]:
    """Returns what a vector of puzzles shows over some steps."""
    env = twisterl.gym.make_vec("Puzzle", 5, width=3, height=3, difficulty=3)
    env.action_space.seed(7)
    return [env.reset(seed=2), *(env.step(env.action_space.sample()) for _ in range(STEPS))]


def algorithm(config: str, changes: dict[str, Any]) -> Any:
    """Makes the algorithm of a config with some fields changed."""
    resolved = load_config(str(ROOT / config))
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = resolved
        for key in parents:
            place = place.setdefault(key, {})
        place[last] = value
    return prepare_algorithm(resolved)


def collected(config: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Returns what `collect` returns, twice in a row."""
    ppo = algorithm(config, changes)
    found = {}
    for call in ("first", "second"):
        data, _ = ppo.collect()
        fields = ("obs", "actions", "values", "rewards", "logits", "additional_data")
        found[call] = {name: _digest(getattr(data, name)) for name in fields}
    return found


def _digest(value: Any) -> Any:
    """Shortens a list of rows of any length."""
    if isinstance(value, dict):
        return {name: _digest(inner) for name, inner in value.items()}
    text = json.dumps(plain(value) if isinstance(value, np.ndarray) else [_full(row) for row in value])
    return {"sha256": hashlib.sha256(text.encode()).hexdigest(), "rows": len(value), "first": plain(value[0])}


def _full(row: Any) -> Any:
    if isinstance(row, np.ndarray | np.generic):
        return row.tolist()
    return [_full(inner) for inner in row] if isinstance(row, list | tuple) else row


def algorithms() -> dict[str, Any]:
    """Returns what objects of `twisterl.rl` answer before and after they learn."""
    changes = {"algorithm.es.population": 16, "algorithm.evals.greedy.num_episodes": 5}
    es = algorithm("examples/es_cartpole_v1.json", changes)
    parts = [es.ask_range(0, 7), es.ask_range(7, 16)]
    told = without_times(es.tell(parts[::-1]))
    ppo = algorithm(PEER8[1], {"algorithm.collecting.num_episodes": 16, "env.max_depth": 30})
    ppo.env.difficulty = 4
    evals = ({"num_episodes": 30}, {"deterministic": False, "num_searches": 3}, {"num_mcts_searches": 5, "C": 1.0})
    before = [ppo.evaluate(options)[0] for options in evals]
    ppo.learn(2)
    return {
        "es asked": parts,
        "es told": told,
        "es policy": es.policy.to_bytes(),
        "evaluate": before,
        "learned": ppo.policy.weights(),
        "solve": ppo.solve([1, 0, 2, 3, 4, 5, 6, 7, 8], num_searches=20),
    }


def trained() -> dict[str, Any]:
    """Returns the metrics and the weights of short runs through `twisterl.train`, and after `resume`."""
    small = {**SMALL, "algorithm.evals.random_boards.num_episodes": 20, "algorithm.collecting.starts.probe_states": 32}
    foreign = {"env_cls": "gymnasium.make", "env": {"id": "CartPole-v1"}, "algorithm.evals.greedy.num_episodes": 3}
    with tempfile.TemporaryDirectory() as folder:
        seen: list[Any] = []
        puzzle = _run(f"{folder}/puzzle", "ppo_puzzle8_v1", {**small, "seed": 2}, lambda row: seen.append(row))
        gym = _run(f"{folder}/gym", "ppo_cartpole_v1", {**SMALL, **foreign}, None)
        rows = {"callback": [without_times(row) for row in seen], "logged": _logged(puzzle), "gymnasium": _logged(gym)}
        return {**rows, "last": puzzle.last_policy.weights(), "best": puzzle.policy.weights()}


def _run(folder: str, example: str, changes: dict[str, Any], callback: Callable[[Any], None] | None) -> Any:
    config = ROOT / f"examples/{example}.json"
    run = twisterl.train(config, folder, num_steps=4, set=changes, quiet=True, callback=callback)
    return run.resume(num_steps=6, quiet=True)


def _logged(run: Any) -> list[Any]:
    return [without_times(row) for row in run.iterations()]


def record() -> dict[str, Any]:
    """Records all of it."""
    found = {
        "policies": {name: policy_answers(*case) for name, *case in POLICIES},
        "environments": {name: episode(name, params) for name, params in ENVIRONMENTS},
        "vectors": {"Puzzle": side_by_side()},
        "collect": {Path(config).stem: collected(config, changes) for config, changes in COLLECTED},
        "training": {"algorithms": algorithms(), "runs": trained()},
    }
    return {section: plain(cases) for section, cases in found.items()}
