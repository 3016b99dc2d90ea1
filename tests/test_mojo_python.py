"""Tests of the Python module of the Mojo port against the Rust package."""

import gc
import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import twisterl
from mojo_programs import MOJO, build

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not MOJO.exists(), reason="no Mojo compiler beside this Python"),
    pytest.mark.filterwarnings("ignore:builtin type .* has no __module__:DeprecationWarning"),
]

CANONICAL = {
    "env_cls": "Puzzle",
    "env": {"width": 3, "height": 3, "difficulty": 20, "move_reward": -0.05},
    "policy": {"embedding_size": 32, "common_layers": [16], "symmetry": "canonical"},
    "algorithm": {},
    "seed": 5,
}


@pytest.fixture(scope="module")
def mojo(root, tmp_path_factory):
    """Compile and import the module."""
    library = tmp_path_factory.mktemp("mojo") / "twisterl_mojo.so"
    build(root, "mojo/python/twisterl_mojo.mojo", library, "--emit", "shared-lib")
    spec = importlib.util.spec_from_file_location("twisterl_mojo", library)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def policies(root, tmp_path_factory):
    """Return a trained policy and an untrained one that evaluates canonical forms."""
    fresh = tmp_path_factory.mktemp("policy") / "canonical.safetensors"
    twisterl.Policy(initial=json.dumps(CANONICAL)).save(fresh)
    return [root / "benches/runs/puzzle15/policy.safetensors", fresh]


def test_child_processes_find_this_python_s_packages(mojo):
    # Child processes inherit the actual environment, which may differ from `os.environ`.
    names = ["MOJO_PYTHON_LIBRARY", "PYTHONEXECUTABLE", "PYTHONPATH"]
    child = f"import json, os, twisterl; print(json.dumps([os.environ.get(name) for name in {names}]))"
    said = subprocess.run([sys.executable, "-c", child], check=True, timeout=60, capture_output=True).stdout
    assert json.loads(said) == [os.environ.get(name) for name in names]


def test_policies_predict_and_act_as_in_rust(mojo, policies):
    for path in policies:
        ours, theirs = mojo.Policy(path), twisterl.load_policy(path)
        env = theirs.make_env(seed=1)
        observations, masks = [], []
        for _ in range(100):
            env.reset()
            observations.append(env.observe())
            masks.append(env.masks())
        for given in (None, masks):
            probabilities, values = ours.predict_batch(observations, given)
            expected, expected_values = theirs.predict_batch(observations, given)
            np.testing.assert_allclose(probabilities, expected, atol=1e-5)
            np.testing.assert_allclose(values, expected_values, atol=1e-5)
        for row in range(100):
            one = ours.predict(observations[row], mask=masks[row])
            assert one == (probabilities[row], values[row])
            assert ours.act(observations[row], masks[row]) == theirs.act(observations[row], masks[row])
            drawn = {"mask": masks[row], "deterministic": False, "seed": row}
            assert ours.act(observations[row], **drawn) == theirs.act(observations[row], **drawn)


def test_numpy_arrays_are_accepted(mojo, policies):
    policy = mojo.Policy(str(policies[1]))
    puzzle = policy.puzzle(seed=3)
    seen, mask = puzzle.observe(), puzzle.masks()
    assert policy.predict(np.array(seen), np.array(mask)) == policy.predict(seen, mask)
    assert policy.predict_batch(np.array([seen, seen])) == policy.predict_batch([seen, seen])
    assert policy.predict_batch([]) == ([], [])


def test_episodes_equal_those_of_the_rust_package(mojo):
    for height, width in [(2, 3), (3, 3), (4, 4), (5, 5)]:
        params = {"height": height, "width": width, "difficulty": 8, "depth_slope": 3, "max_depth": 30}
        ours, theirs = mojo.puzzle(params, seed=11), twisterl.make("Puzzle", seed=11, **params)
        generator = np.random.default_rng(height)
        ends = set()
        for difficulty in (None, None, 4, 1, None):
            done = ours.solved()
            assert done == theirs.solved()
            while not done:
                assert ours.get_state() == theirs.get_state()
                assert ours.observe() == theirs.observe()
                assert ours.masks() == theirs.masks()
                action = int(generator.integers(4))
                step = ours.step(action)
                assert step == theirs.step(action)
                done = step[1] or step[2]
                ends.add(step[1:])
            ours.reset(difficulty)
            theirs.reset(difficulty)
        assert (False, True) in ends
        ours.reset(seed=12)
        theirs.reset(seed=12)
        assert ours.get_state() == theirs.get_state()
    assert mojo.puzzle('{"height": 2, "width": 3, "difficulty": 0}').render().startswith("┌───┬")


def test_solutions_solve(mojo, policies):
    policy = mojo.Policy(policies[0])
    puzzle = policy.puzzle(seed=2)
    puzzle.reset(difficulty=40)
    state = puzzle.get_state()
    for search in ("greedy", "best-of=4", "mcts=20", "gumbel=16"):
        solved, actions = policy.solve(state, search=search)
        puzzle.set_state(state)
        for action in actions:
            _, terminated, _ = puzzle.step(action)
        assert solved
        assert terminated
        assert puzzle.solved()
    # An untrained policy does not solve within the budget, and the result says so.
    weak = mojo.Policy(policies[1])
    solved, actions = weak.solve([8, 7, 5, 3, 2, 0, 4, 6, 1])
    assert not solved
    assert len(actions) == 128


def test_checkpoints_of_the_peer_are_read_with_the_config_of_their_network(mojo, root, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**CANONICAL, "policy": {"embedding_size": 512, "common_layers": [256]}}))
    policy = mojo.Policy(root / "tests/vectors/peer/ppo_puzzle8_v1.safetensors", config=config)
    golden = json.loads((root / "tests/vectors/peer/ppo_puzzle8_v1.golden.json").read_text())
    for case in golden["cases"]:
        probabilities, value = policy.predict(case["observation"], case["mask"])
        np.testing.assert_allclose(probabilities, case["probabilities"], atol=1e-4)
        assert value == pytest.approx(case["value"], abs=1e-4)


def test_bare_tensors_are_evaluated_as_the_policy_section_of_the_config_says(mojo, root, tmp_path):
    weights = root / "tests/vectors/peer/ppo_puzzle8_v1.safetensors"
    network = {"embedding_size": 512, "common_layers": [256]}
    plain, described = tmp_path / "plain.json", tmp_path / "described.json"
    plain.write_text(json.dumps({**CANONICAL, "policy": network}))
    described.write_text(
        json.dumps({**CANONICAL, "policy": {**network, "symmetry": "canonical", "backtracking": False}})
    )
    ours, theirs = mojo.Policy(weights, config=described), twisterl.load_policy(weights, described)
    env = theirs.make_env(seed=1)
    observations, masks, states = [], [], []
    for _ in range(60):
        env.reset(difficulty=40)
        observations.append(env.observe())
        masks.append(env.masks())
        states.append(env.get_state())
    probabilities, values = ours.predict_batch(observations, masks)
    expected, expected_values = theirs.predict_batch(observations, masks)
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    np.testing.assert_allclose(values, expected_values, atol=1e-5)
    solutions = [ours.solve(state) for state in states]
    for state, (solved, actions) in zip(states, solutions, strict=True):
        expected = theirs.solve(state, search="greedy")
        assert solved == expected.success
        assert actions == expected.actions
    # Without these fields the same weights play otherwise.
    other = mojo.Policy(weights, config=plain)
    assert not np.allclose(values, other.predict_batch(observations, masks)[1], atol=1e-5)
    assert solutions != [other.solve(state) for state in states]


def test_wrong_calls_are_errors_with_what_was_expected_and_found(mojo, policies):
    policy = mojo.Policy(policies[1])
    puzzle = policy.puzzle()
    make, nine = mojo.puzzle, list(range(9))
    for call, args, options, said in [
        (mojo.Policy, (), {}, "expected a value for path, found none"),
        (mojo.Policy, (3,), {}, "path: expected a path, found 3"),
        (mojo.Policy, ("nowhere",), {}, "nowhere: "),
        (mojo.Policy, (__file__,), {}, "test_mojo_python.py: "),
        (mojo.Policy, ("nowhere",), {"cfg": 1}, "expected no argument of the name cfg"),
        (policy.solve, ([1, 2],), {}, "expected 9 tiles of a 3 x 3 board, found 2"),
        (policy.solve, ("012345678",), {}, "state: expected a sequence, found '012345678'"),
        (policy.solve, ([0.5, *nine[1:]],), {}, "state[0]: expected a whole number of at most 64 bits, found 0.5"),
        (policy.solve, ([2**64, *nine[1:]],), {}, "state[0]: expected a whole number of at most 64 bits"),
        (policy.solve, ([0, 2, 1, *nine[3:]],), {}, "one swap of two tiles off"),
        (policy.solve, (nine, "beam=3"), {}, "search: expected greedy, best-of=N"),
        (policy.solve, (nine, 3), {}, "search: expected a str, found 3"),
        (policy.solve, (nine, "greedy", 1), {}, "solve(state, search): expected at most 2 arguments, found 3"),
        (policy.predict, ([81],), {}, "observation[0]: expected 0 to 80, found 81"),
        (policy.predict, ([-1],), {}, "observation[0]: expected 0 to 80, found -1"),
        (policy.predict, ([1], [True]), {}, "mask: expected 4 entries, found 1"),
        (policy.predict, ([1], [0, 0, 0, 0]), {}, "mask: expected at least one allowed action, found none"),
        (policy.predict, ([1], [0, 0, 2, 0]), {}, "mask[2]: expected True or False, found 2"),
        (
            policy.predict_batch,
            ([[1], [1, 2]],),
            {},
            "observations[1]: expected 1 ones, as many as in the first, found 2",
        ),
        (policy.predict_batch, ([[1]], []), {}, "masks: expected one for each of 1 observations, found 0"),
        (policy.act, ([1],), {"seed": -1}, "seed: expected 0 to"),
        (puzzle.step, (4,), {}, "action: expected 0 to 3, found 4"),
        (puzzle.step, (1,), {"action": 1}, "expected one value for action, found two"),
        (puzzle.reset, (-1,), {}, "difficulty: expected 0 to 1000000, found -1"),
        (puzzle.set_state, ([0] * 9,), {}, "expected each tile once"),
        (make, ({"height": 9},), {}, "params.height: expected a whole number from 2 to 6, found 9"),
        (make, ({"height": 6, "width": 2},), {}, "expected a size that is compiled in, found 6 x 2"),
        (make, ({"hight": 3},), {}, "params.hight: unknown field"),
        (make, ("{",), {}, "JSON, line 1: "),
        (make, ([3, 3],), {}, "params: expected a dict, found [3, 3]"),
        (make, ({"height": {3}},), {}, "params: expected a dict that can be written as JSON"),
    ]:
        with pytest.raises(Exception) as caught:  # noqa: PT011
            call(*args, **options)
        assert said in str(caught.value)
    # Python itself checks the type of `self`.
    with pytest.raises(TypeError):
        mojo.Policy.solve(puzzle, nine)
    # Failed calls have no effect.
    assert puzzle.get_state() == policy.puzzle().get_state()


def test_calls_keep_no_references(mojo, policies):
    policy = mojo.Policy(policies[1])
    puzzle = policy.puzzle(seed=1)
    mask = puzzle.masks()

    def once():
        seen = puzzle.observe()
        policy.predict(seen, mask)
        policy.predict_batch([seen], masks=[mask])
        policy.puzzle(seed=1).reset(difficulty=2)
        policy.solve(puzzle.get_state(), search="mcts=1")
        with pytest.raises(Exception, match="action"):
            puzzle.step("left")

    def blocks():
        """Count the objects that Python holds after a thousand calls."""
        for _ in range(1000):
            once()
        gc.collect()
        return sys.getallocatedblocks()

    blocks()  # fills the free lists of Python
    references, before = sys.getrefcount(mask), blocks()
    assert blocks() < before + 500
    assert sys.getrefcount(mask) == references
