"""Environments from Python: native ones in the published package's words and in Gymnasium's, and users' own."""

import copy
import pickle
import warnings

import gymnasium
import numpy as np
import pytest
import twisterl
import twisterl.gym
from gymnasium.utils.env_checker import check_env


def test_the_published_package_s_methods(capsys):
    env = twisterl.envs.Puzzle(3, 3, 4, 2, 128)
    assert (env.num_actions(), env.obs_shape(), env.difficulty) == (4, [9, 9], 4)
    env.difficulty = 7
    env.reset()
    state = env.get_state()
    assert sorted(state) == list(range(9))
    env.set_state([1, 0, 2, 3, 4, 5, 6, 7, 8])
    assert not env.is_final()
    assert sorted(env.observe()) == [1, 9, 20, 30, 40, 50, 60, 70, 80]
    assert env.masks() == [True, False, True, True]
    assert env.step(0) == (1.0, True, False)
    assert env.solved()
    assert env.success()
    assert env.is_final()
    assert env.reward() == 1.0
    env.display()
    assert "│ 1 │" in capsys.readouterr().out
    bits, actions = env.twists()
    assert sorted(bits[1]) == list(range(81))
    assert sorted(actions[1]) == list(range(4))


def test_numbers_of_single_precision_are_shown_without_the_digits_of_double():
    puzzle = twisterl.make("Puzzle", failed_reward=-0.1, solved_reward=0.7)
    puzzle.set_state([1, 0, 2, 3, 4, 5, 6, 7, 8])
    assert repr(puzzle) == (
        "<Puzzle width=3, height=3, difficulty=1, depth_slope=2, depth_offset=0, max_depth=128, solved_reward=0.7, "
        "failed_reward=-0.1: [1, 0, 2, 3, 4, 5, 6, 7, 8]>"
    )
    cart = twisterl.make("CartPole-v1")
    cart.set_state([0.1, 1 / 3, 0.0, -2.5])
    assert repr(cart).endswith(f": [0.1, {1 / 3!r}, 0.0, -2.5]>"), "numbers of double precision keep their digits"


def test_positions_build_a_board():
    env = twisterl.envs.Puzzle()
    target = [8, 7, 5, 3, 2, 0, 4, 6, 1]
    for place, tile in enumerate(target):
        env.set_position(place % 3, place // 3, tile)
    assert env.get_state() == target
    assert env.get_position(2, 1) == 0
    with pytest.raises(twisterl.StateError):
        env.get_position(3, 0)
    with pytest.raises(twisterl.StateError):
        env.set_position(0, 0, 9)


def test_copies_are_independent():
    env = twisterl.make("Puzzle", width=4, height=4, difficulty=20, seed=3)
    env.reset()
    for twin in (env.clone(), copy.copy(env), copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        assert twin.get_state() == env.get_state()
        assert twin.params == env.params
        twin.step(next(a for a, allowed in enumerate(twin.masks()) if allowed))
        assert twin.get_state() != env.get_state()


def test_seeds_repeat_episodes():
    states = []
    for _ in range(2):
        env = twisterl.make("Puzzle", difficulty=30, seed=5)
        row = []
        for _ in range(5):
            env.reset()
            row.append(env.get_state())
        states.append(row)
    assert states[0] == states[1]
    assert len({tuple(s) for s in states[0]}) == 5


@pytest.mark.parametrize("action", [4, -1, 1.5, "up", None, [1, 2], np.nan, 2**70])
def test_what_is_no_action_is_refused(action):
    env = twisterl.make("Puzzle")
    with pytest.raises(twisterl.ActionError):
        env.step(action)


def test_what_is_no_environment_is_refused():
    for name, params in (("Chess", {}), ("Puzzle", {"width": 99}), ("Puzzle", {"colour": 1}), ("a.b", {})):
        with pytest.raises(twisterl.ConfigError):
            twisterl.make(name, **params)
    with pytest.raises(twisterl.ConfigError):
        twisterl.make("Puzzle", width={1, 2})


@pytest.mark.parametrize("name", twisterl.envs.names())
def test_gymnasium_s_checker_accepts_every_native_environment(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(infinity|shape|flatten|reward|symmetric).*")
        check_env(twisterl.gym.make(name), skip_render_check=True)


def test_gymnasium_makes_registered_environments():
    env = gymnasium.make("twisterl/Puzzle-v0", difficulty=6, render_mode="ansi")
    seen, info = env.reset(seed=1)
    assert seen.shape == (9, 9)
    assert seen.sum() == 9
    assert info["action_mask"].tolist() == [int(m) for m in env.unwrapped.action_masks()]
    again, _ = env.reset(seed=1)
    assert (seen == again).all()
    _, info = env.reset(options={"state": [1, 0, 2, 3, 4, 5, 6, 7, 8]})
    assert "│ 1 │" in env.render()
    *_, terminated, truncated, info = env.step(0)
    assert terminated
    assert not truncated
    assert info["is_success"]


def test_vectors_begin_anew_at_the_step_after_an_end():
    envs = twisterl.gym.make_vec("Puzzle", 4, difficulty=1, depth_slope=1, max_depth=1)
    seen, info = envs.reset(seed=2)
    assert seen.shape == (4, 9, 9)
    assert info["action_mask"].shape == (4, 4)
    _, _, terminated, truncated, _ = envs.step(np.zeros(4, int))
    assert (terminated | truncated).all(), "a budget of one move"
    _, rewards, terminated, truncated, _ = envs.step(np.zeros(4, int))
    assert (rewards == 0).all()
    assert not (terminated | truncated).any(), "these began anew"
    with pytest.raises((twisterl.ActionError, ValueError)):
        envs.step(np.zeros(3, int))


def test_environments_in_python_can_be_stepped():
    env = twisterl.make("envs_in_python.Walk", size=5)
    env.set_state([2])
    assert env.step(0) == (pytest.approx(-0.05), False, False)
    assert env.step(0) == (1.0, True, False)
    assert env.solved()
    assert twisterl.envs.PyEnv("envs_in_python.OldWalk", size=5).num_actions() == 2


@pytest.mark.parametrize("name", twisterl.envs.names())
def test_names_of_built_in_environments_are_not_taken_for_ids_of_gymnasium(name):
    _, (env, _, _) = twisterl.make(name).spec.__reduce__()
    assert env == name  # and not a factory, as that of an environment written in Python
