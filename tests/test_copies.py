"""Copies and pickles: of environments, policies, solutions, runs and Gymnasium wrappers."""

import copy
import multiprocessing
import pickle
import subprocess
import sys
import warnings

import cloudpickle
import envs_with_lives
import gymnasium
import numpy as np
import pytest
import twisterl
import twisterl.gym
from life_cycle import train
from peer_envs import Sealed

WAYS = {
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "cloudpickle": lambda thing: pickle.loads(cloudpickle.dumps(thing)),
}
ENVS = {
    **{name: (name, {}) for name in twisterl.envs.names()},
    "a larger puzzle": ("Puzzle", {"width": 4, "height": 3, "difficulty": 9, "max_depth": 7}),
    **{name: (f"envs_with_lives.{name}", {}) for name in ("CountedWalk", "Line", "LineWithLock", "Unseeded")},
    "with parameters": ("envs_in_python.Seeded", {"size": 5}),
}


def plain(observation):
    """An observation as plain numbers."""
    return np.asarray(observation, float).tolist()


def played(env, steps):
    """Play, beginning anew after each end. Return what was seen."""
    seen = []
    rng = np.random.default_rng(5)
    for _ in range(steps):
        env.step(draw(env, rng))
        seen.append((plain(env.observe()), env.reward(), env.is_final(), env.solved(), env.masks()))
        if env.is_final():
            env.reset()
            seen.append((plain(env.observe()), env.difficulty, env.get_state()))
    return seen


def draw(env, rng):
    """Draw an action that is allowed."""
    masks, parts, place = env.masks(), [], 0
    for choices, low, high, shape in env.action_components:
        if choices == 0:
            parts.append(rng.uniform(low, high).reshape(shape))
            continue
        allowed = [choice for choice in range(choices) if masks[place + choice]]
        parts.append(int(rng.choice(allowed)))
        place += choices
    return parts[0] if len(parts) == 1 else tuple(parts)


@pytest.mark.parametrize("way", [*WAYS, "clone"])
@pytest.mark.parametrize("name", ENVS)
def test_copies_of_environments_continue_identically(name, way):
    env_cls, params = ENVS[name]
    env = twisterl.make(env_cls, seed=11, **params)
    env.difficulty = 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of environments that can only be replayed
        for steps in (0, 1, 4):
            played(env, steps)
            twin = env.clone() if way == "clone" else WAYS[way](env)
            third = WAYS["copy.deepcopy"](twin)
            assert type(twin) is type(env)
            assert (twin.get_state(), twin.params, twin.env_cls) == (env.get_state(), env.params, env.env_cls)
            original = played(env, 60)
            assert played(twin, 60) == original
            assert played(third, 60) == original


def test_copies_keep_what_was_set_on_them():
    env = twisterl.envs.Puzzle(seed=1)
    env.set_position(0, 0, 0)
    env.set_position(0, 0, 1)
    env.notes = ["mine"]
    for way in WAYS.values():
        twin = way(env)
        assert type(twin) is twisterl.envs.Puzzle
        assert twin.notes == ["mine"]
        assert [twin.get_position(x, 0) for x in range(3)] == [env.get_position(x, 0) for x in range(3)]
    assert copy.copy(env).notes is env.notes
    assert copy.deepcopy(env).notes is not env.notes


def test_environments_of_factories_can_be_copied():
    env = twisterl.make(lambda size=6: envs_with_lives.Walk(size), seed=2, size=7)
    for way in ("copy.copy", "copy.deepcopy", "cloudpickle"):
        assert played(WAYS[way](env), 30) == played(copy.copy(env), 30)
    with pytest.raises(Exception, match="lambda"):
        pickle.dumps(env)


def test_a_pickle_of_an_environment_that_does_not_repeat_is_refused():
    env = twisterl.make("envs_with_lives.OwnGenerator", seed=2)
    env.difficulty = 7
    env.reset()
    for _ in range(8):
        env.step(1)
    data = pickle.dumps(env)

    def load_often():
        for _ in range(100):
            pickle.loads(data)

    with pytest.raises(twisterl.EnvError, match="OwnGenerator: the same start and actions"):
        load_often()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("made", ["make", "gymnasium", "vector"])
def test_gymnasium_wrappers_continue_identically(made, way):
    if made == "make":
        env = twisterl.gym.make("Puzzle", difficulty=5)
    elif made == "gymnasium":
        env = gymnasium.make("twisterl/Puzzle-v0", difficulty=5)
    else:
        env = twisterl.gym.make_vec("Puzzle", 3, difficulty=5)
    env.reset(seed=3)
    action = np.array([1, 2, 3]) if made == "vector" else 2
    env.step(action)
    twin = WAYS[way](env) if way != "copy.copy" or made != "gymnasium" else copy.deepcopy(env)

    def go_on(env):
        seen = [env.step(action) for _ in range(30)]
        seen += [env.reset(), env.step(action)]
        return repr(seen)

    if way == "copy.copy" and made != "gymnasium":  # shares what it holds
        assert type(twin) is type(env)
    else:
        assert go_on(twin) == go_on(env)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run on an environment written in Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return train(tmp_path_factory.mktemp("run") / "run", "CountedWalk", "PPO", 1)


@pytest.mark.parametrize("way", WAYS)
def test_copies_of_policies_predict_and_solve_the_same(run, way):
    policy = twisterl.Policy(initial=PUZZLE)
    policy.notes = ["mine"]
    twin = WAYS[way](policy)
    assert twin is not policy
    assert type(twin) is twisterl.Policy
    assert twin.notes == ["mine"]
    assert twin.to_bytes() == policy.to_bytes()
    solution = policy.solve([1, 0, 2, 3], search="greedy")
    again = WAYS[way](solution)
    assert twin.solve([1, 0, 2, 3], search="greedy").actions == solution.actions
    assert (again.actions, again.success, again.reward) == (solution.actions, solution.success, solution.reward)
    assert again.states == solution.states
    assert repr(again) == repr(solution)
    opened = WAYS[way](run)
    assert opened.metrics["iteration"].tolist() == [0]
    assert opened.policy.to_bytes() == run.policy.to_bytes()
    # A copy in the same process keeps the environment; a pickle holds its name only, which has to be registered.
    walker = WAYS[way](run.policy)
    if way.startswith("copy"):
        assert walker.solve([1]).success
    else:
        assert walker.predict([1])[1] == run.policy.predict([1])[1]
        with pytest.raises(twisterl.UnknownEnvError, match="envs_with_lives"):
            walker.solve([1])


PUZZLE = '{"env_cls": "Puzzle", "env": {"width": 2, "height": 2}, "policy": {"embedding_size": 8}}'


def test_a_pickle_of_a_policy_imports_only_this_package(run, tmp_path):
    (tmp_path / "policy.pickle").write_bytes(pickle.dumps(run.policy))
    script = """
import pickle, sys
import twisterl.policy
before = set(sys.modules)
policy = pickle.load(open("policy.pickle", "rb"))
policy.predict([1])
print(*sorted(name for name in set(sys.modules) - before if not name.startswith(("twisterl", "numpy"))))
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "envs_with_lives" not in done.stdout
    assert "gymnasium" not in done.stdout


def solve(problem):
    """Solve in another process."""
    policy, state = problem
    return policy.solve(state, search="greedy")


def test_processes_exchange_policies_and_solutions():
    policy = twisterl.Policy(initial=PUZZLE)
    states = [[1, 0, 2, 3], [2, 1, 0, 3]]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.map(solve, [(policy, state) for state in states])
        bound = pool.map(policy.solve, states)
    assert [solution.actions for solution in found] == [policy.solve(s, search="greedy").actions for s in states]
    assert [solution.actions for solution in bound] == [policy.solve(s).actions for s in states]


@pytest.mark.filterwarnings("ignore:.*plays its episodes again for every copy")
def test_what_cannot_be_copied_or_reset_again_is_set_to_the_state_in_which_it_began():
    env = twisterl.envs.make(Sealed, difficulty=6)
    for _ in range(8):
        env.reset()
        twin = env.clone()
        assert twin.observe() == env.observe()
        assert twin.step(1) == env.step(1)
        assert twin.clone().observe() == twin.observe() == env.observe()


def test_what_cannot_be_set_to_the_state_in_which_it_began_is_refused():
    class Moved(Sealed):
        def set_state(self, state):
            super().set_state([*state[1:], state[0]])

    env = twisterl.envs.make(Moved, difficulty=6)
    env.reset()
    with pytest.raises(twisterl.EnvError, match="set_state does not lead to the start of the episode"):
        env.clone()
