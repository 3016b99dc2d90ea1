"""The other methods of environments written in Python: symmetries, states, sizes and signatures, and masked arrays."""

import gymnasium
import numpy as np
import odd_envs
import pytest
import twisterl
from odd_envs import Truth, config_of, of_gymnasium, plain
from parameters import without_addresses

TRUTH = Truth((4,), (3,), 1)
NAME = "environment odd_envs.Plain"


def returning(value):
    return lambda self: value


def message(work):
    """The message of the EnvError that `work` raises."""
    with pytest.raises(twisterl.EnvError) as raised:
        work()
    return str(raised.value)


SWAP, SAME = [1, 0, 2, 3], [0, 1, 2, 3]
TWISTS = {
    "lists": ([SWAP], [[1, 0, 2]]),
    "tuples": ((tuple(SWAP),), ((1, 0, 2),)),
    "arrays": (np.array([SWAP]), np.array([[1, 0, 2]])),
    "arrays in lists": ([np.array(SWAP, np.uint8)], [np.array([1.0, 0.0, 2.0])]),
    "numbers of numpy": ([[np.int8(i) for i in SWAP]], [[np.int64(i) for i in (1, 0, 2)]]),
    "the identity, too": ([SAME, SWAP], [[0, 1, 2], [1, 0, 2]]),
    "a masked array without masked entries": (np.ma.array([SWAP]), [[1, 0, 2]]),
}


@pytest.mark.parametrize("key", TWISTS)
def test_twists_are_read_in_every_form(key):
    env = twisterl.make(plain(TRUTH, twists=returning(TWISTS[key])))
    assert env.twists() == ([SAME, SWAP], [[0, 1, 2], [1, 0, 2]])


@pytest.mark.parametrize(
    "none", [([], []), (None, None), ([SAME], [[0, 1, 2]]), ([SAME], None), ([SAME], [])], ids=without_addresses
)
def test_the_identity_alone_is_no_twist(none):
    assert twisterl.make(plain(TRUTH, twists=returning(none))).twists() == ([], [])


def test_twists_of_the_observation_alone_leave_the_actions():
    for nothing in (None, []):
        env = twisterl.make(plain(TRUTH, twists=returning(([SWAP], nothing))))
        assert env.twists() == ([SAME, SWAP], [[0, 1, 2]] * 2)


PAIR = "twists(): expected a pair: permutations of the observation, and of the actions, found "
OF_BITS = "twists()[0][0]: expected a permutation of 0 to 3, found "
OF_ACTIONS = "twists()[1][0]: expected a permutation of 0 to 2, found "
WRONG_BITS = {
    "too short": [1, 0],
    "too long": [0, 1, 2, 3, 4],
    "empty": [],
    "repeated": [1, 1, 2, 3],
    "negative": [-1, 0, 1, 2],
    "from 1 on": [1, 2, 3, 4],
    "halves": [0.5, 1, 2, 3],
    "huge": [10**30, 1, 2, 3],
    "infinite": [float("inf"), 1, 2, 3],
    "booleans": [True, False, 2, 3],
    "texts": ["0", "1", "2", "3"],
    "a text": "0123",
    "a number": 1,
    "None": None,
    "a set": {0, 1, 2, 3},
    "nested": [[0, 1], [2, 3]],
    "a masked array": np.ma.array(SWAP, mask=[0, 0, 0, 1]),
}


@pytest.mark.parametrize("key", WRONG_BITS)
def test_what_is_no_permutation_is_refused_of_observations_and_actions(key):
    wrong = WRONG_BITS[key]
    found = message(lambda: twisterl.make(plain(TRUTH, twists=returning(([wrong], [[1, 0, 2]])))))
    assert f"{NAME}: {OF_BITS}" in found
    found = message(lambda: twisterl.make(plain(TRUTH, twists=returning(([SWAP], [wrong])))))
    assert f"{NAME}: {OF_ACTIONS}" in found


def test_equal_actions_that_a_symmetry_merges_are_told_apart():
    # The second twist says that actions 0 and 1 do the same.
    merged = ([SWAP, SAME], [[1, 1, 2], [1, 1, 2]])
    assert twisterl.make(plain(TRUTH, twists=returning(merged))).twists() == ([SAME, SWAP], [[0, 1, 2]] * 2)
    found = message(lambda: twisterl.make(plain(TRUTH, twists=returning(([SWAP], [[1, 1, 2]])))))
    assert f"{NAME}: {OF_ACTIONS}[1, 1, 2]" in found


@pytest.mark.parametrize(
    ("value", "said"),
    [
        *((value, PAIR) for value in (None, "abc", -1, 10**30, [SWAP], {"a": 1}, ([SWAP], [[0, 1, 2]], 1), object())),
        (([SWAP, SAME], [[0, 1, 2]]), "twists(): expected as many permutations of the observation as of the actions"),
        (([], [[1, 0, 2]]), "found 0 and 1"),
        ((3, []), "twists()[0]: expected a list of permutations, found 3"),
        ((SWAP, [1, 0, 2]), f"{OF_BITS}1"),
        (([SWAP], [[0, 1]]), f"{OF_ACTIONS}[0, 1]"),
        # A permutation of three values, which the identity of four begins with.
        (([[0, 1, 2]], [[0, 1, 2]]), f"{OF_BITS}[0, 1, 2]"),
        (([[0, 1, 2]], []), f"{OF_BITS}[0, 1, 2]"),
    ],
    ids=without_addresses,
)
def test_what_are_no_twists_is_refused(value, said):
    found = message(lambda: twisterl.make(plain(TRUTH, twists=returning(value))))
    assert found.startswith(f"{NAME}: twists()")
    assert said in found


STATES = {
    "a list": ([1, 2.5], [1, 2.5]),
    "a tuple": ((1, 2), [1, 2]),
    "rows": ([[1, 2], [3, 4]], [1, 2, 3, 4]),
    "an array": (np.arange(3), [0, 1, 2]),
    "an array of rows": (np.ones((2, 2)), [1, 1, 1, 1]),
    "numbers of numpy": ([np.float32(0.5), np.int8(2)], [0.5, 2]),
    "booleans": ([True, False], [1, 0]),
    "bytes": (b"\x01\x02", [1, 2]),
    "a range": (range(3), [0, 1, 2]),
    "nothing": ([], []),
}


@pytest.mark.parametrize("key", STATES)
def test_states_are_read_in_every_form(key):
    value, expected = STATES[key]
    assert twisterl.make(plain(TRUTH, get_state=returning(value))).get_state() == expected


@pytest.mark.parametrize(
    "value",
    [
        *(None, "12", -1, object(), [None], ["1"], [float("nan")], [float("inf")], [10**400], [1j], {1: 2}, {1, 2}),
        *([[1], [2, 3]], np.ma.array([1, 2], mask=[0, 1]), [1, np.ma.masked]),
    ],
    ids=without_addresses,
)
def test_what_is_no_state_is_refused_with_method_and_step(value):
    env = twisterl.make(plain(TRUTH, get_state=returning(value)))
    env.step(0)
    assert f"{NAME}, step 1: get_state(): expected finite numbers" in message(env.get_state)


def test_what_get_state_raises_carries_name_and_step():
    env = twisterl.make(plain(TRUTH, get_state=lambda self: 1 // 0))
    with pytest.raises(ZeroDivisionError) as raised:
        env.get_state()
    assert raised.value.__notes__ == [f"raised in {NAME}, reset"]


def test_what_a_mask_raises_carries_one_note():
    env = twisterl.make(plain(TRUTH, masks=lambda self: 1 // self.t))
    with pytest.raises(ZeroDivisionError) as raised:
        env.masks()
    assert raised.value.__notes__ == [f"raised in {NAME}, reset"]


SIGNATURES = {
    "reset": (
        lambda self, a, b: None,
        "a method that needs no arguments but a difficulty and a seed, found reset(a, b)",
    ),
    "step": (lambda self: None, "a method with one argument, the action, found step()"),
    **{
        name: (lambda self, x: None, f"a method without arguments, found {name}(x)")
        for name in ("observe", "reward", "is_final", "success", "truncated", "num_actions", "obs_shape", "twists")
    },
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_methods_that_cannot_be_called_are_refused_when_the_environment_is_opened(name):
    method, expected = SIGNATURES[name]
    kind = type("Plain", (plain(TRUTH),), {"__module__": "odd_envs", name: method})
    assert message(lambda: twisterl.make(kind)) == f"{NAME}: {name}(): expected {expected}"


@pytest.mark.parametrize(
    ("name", "method", "expected"),
    [
        ("step", lambda self, a, b: None, "step(): expected a method with one argument, the action, found step(a, b)"),
        (
            "reset",
            lambda self, a, b: None,
            "reset(): expected a method that needs no arguments but a difficulty and a seed",
        ),
        ("reset", lambda self, *, board, seed=None: None, "found reset(*, board, seed=None)"),
    ],
    ids=without_addresses,
)
def test_methods_of_gymnasium_that_cannot_be_called_are_refused(name, method, expected):
    kind = of_gymnasium(TRUTH, **{name: method})
    kind = type(kind.__name__, (kind,), {name: method})
    found = message(lambda: twisterl.make(kind))
    assert "OfGymnasium" in found
    assert expected in found


@pytest.mark.parametrize("value", [10**30, 10**12, 2**64, 0, -1, 1.5, None, "3", np.array(0.5), np.ma.masked], ids=str)
def test_sizes_that_make_no_sense_are_refused(value):
    for name, wrong in (("num_actions", value), ("obs_shape", value), ("obs_shape", [2, value])):
        found = message(lambda: twisterl.make(plain(TRUTH, **{name: returning(wrong)})))  # noqa: B023
        assert f"{NAME}: {name}(): expected a" in found, found
    found = message(lambda: twisterl.make(plain(TRUTH, obs_shape=returning([10**5, 10**5]))))
    assert f"{NAME}: obs_shape(): expected a shape of at most 268435456 values, found [100000, 100000]" in found


@pytest.mark.parametrize(
    "space", [gymnasium.spaces.Discrete(10**12), gymnasium.spaces.MultiDiscrete([10**12, 2])], ids=without_addresses
)
def test_spaces_that_are_too_large_are_refused(space):
    kind = of_gymnasium(TRUTH)
    assert "action_space" in message(lambda: twisterl.make(type("Large", (kind,), {"action_space": space})))
    seen = space.start if isinstance(space, gymnasium.spaces.Discrete) else np.zeros(2, int)
    large = of_gymnasium(TRUTH, lambda truth, t: seen, space)
    assert "observation_space" in message(lambda: twisterl.make(large))


def test_difficulties_that_nothing_can_hold_are_refused():
    for level in (10**30, 2**64, np.float64(1e300)):
        found = message(lambda: twisterl.make(plain(TRUTH, difficulty=level)))  # noqa: B023
        assert f"{NAME}: difficulty: expected a whole number up to 9007199254740992, found" in found
    assert twisterl.make(plain(TRUTH, difficulty=2**53)).difficulty == 2**53


# Arrays that hide some of their entries


def masked(values, *hidden):
    """An array of `numpy.ma` in which these positions are masked."""
    array = np.ma.array(values)
    array[list(hidden)] = np.ma.masked
    return array


MASKED = {
    "an array": lambda values, kind: masked(np.array(values, kind), 1),
    "all of an array": lambda values, kind: masked(np.array(values, kind), *range(len(values))),
    "a number in a list": lambda values, kind: [values[0], np.ma.masked, *values[2:]],
    "a row of rows": lambda values, kind: [masked(np.array(values, kind), 1)],
}


@pytest.mark.parametrize("key", MASKED)
@pytest.mark.parametrize("kind", [bool, np.int8, np.float64])
def test_masked_entries_of_action_masks_are_refused(key, kind):
    mask = MASKED[key]([1, 1, 0], kind)
    for make in (
        lambda: plain(TRUTH, mask=lambda truth, t: mask),
        lambda: of_gymnasium(TRUTH, mask=lambda truth, t: mask),
        lambda: of_gymnasium(TRUTH, info=lambda truth, t: {"action_mask": mask}),
    ):
        assert "masked" in message(lambda: twisterl.make(make()).masks())  # noqa: B023


@pytest.mark.parametrize("key", MASKED)
@pytest.mark.parametrize("kind", [np.int8, np.float64])
def test_masked_entries_of_valid_actions_are_refused(key, kind):
    assert twisterl.make(plain(TRUTH, valid_actions=returning(np.array([0, 1, 2], kind)))).masks() == [True] * 3
    hidden = MASKED[key]([0, 1, 2], kind)
    found = message(lambda: twisterl.make(plain(TRUTH, valid_actions=returning(hidden))).masks())
    assert "valid_actions(): expected" in found
    assert "masked" in found or "None" in found


@pytest.mark.parametrize("key", MASKED)
@pytest.mark.parametrize("kind", [bool, np.int8, np.float32, np.float64])
def test_masked_entries_of_observations_are_refused(key, kind):
    seen = MASKED[key]([1, 0, 0, 1], kind)
    for declared in ({}, {"obs_sparse": True}, {"obs_sparse": False}):
        kind_of = plain(TRUTH, lambda truth, t: seen, **declared)
        assert "masked" in message(lambda: twisterl.make(kind_of).observe())  # noqa: B023
    for space in (None, gymnasium.spaces.MultiBinary(4), gymnasium.spaces.MultiDiscrete([2] * 4)):
        kind_of = of_gymnasium(TRUTH, lambda truth, t: seen, space)
        found = message(lambda: twisterl.make(kind_of).observe())  # noqa: B023
        assert "observation: expected" in found
        assert "masked" in found


@pytest.mark.parametrize(
    "value", [np.ma.masked, masked([1.0], 0), masked(np.array([1, 0]), 0)[:1]], ids=without_addresses
)
def test_masked_rewards_and_flags_are_refused(value):
    for name in ("reward", "is_final", "success", "truncated"):
        env = twisterl.make(plain(TRUTH)) if name != "reward" else twisterl.make(plain(TRUTH, reward=returning(value)))
        if name == "reward":
            assert f"{NAME}, step 1: reward(): expected a real number" in message(lambda: env.step(0))  # noqa: B023
        else:
            declared = {name: returning(value)}
            assert f"{name}(): expected True or False" in message(
                lambda: twisterl.make(plain(TRUTH, **declared)).step(0)  # noqa: B023
            )


def test_arrays_without_masked_entries_are_read():
    kind = plain(
        TRUTH,
        lambda truth, t: np.ma.array(truth.bits(t), float),
        lambda truth, t: np.ma.array(truth.allowed(t)),
        reward=returning(np.ma.array([0.5])),
    )
    env = twisterl.make(kind)
    assert env.observe().tolist() == TRUTH.bits(0)
    assert env.masks() == TRUTH.allowed(0)
    assert env.step(TRUTH.actions(0)[0])[0] == 0.5


def test_policies_refuse_masked_entries(tmp_path):
    run = twisterl.train(config_of(plain(TRUTH, odd_envs.VALUES["floats"])), tmp_path / "run", num_steps=0, quiet=True)
    policy = run.policy
    native = twisterl.make("Puzzle")
    for kind in (np.float32, np.float64, np.int64, bool):
        row = masked(np.array([1, 0, 0, 1], kind), 2)
        for call in (
            lambda: policy.predict(row),  # noqa: B023
            lambda: policy.act(row),  # noqa: B023
            lambda: policy.predict([1.0, np.ma.masked, 0.0, 0.0]),
            lambda: policy.predict_batch([row]),  # noqa: B023
            lambda: policy.predict_batch(np.ma.array([row, row])),  # noqa: B023
        ):
            with pytest.raises(twisterl.ObservationError, match="masked"):
                call()
        mask = masked(np.array([1, 1, 1], kind), 0)
        with pytest.raises(twisterl.ObservationError, match="none of them masked"):
            policy.predict([1.0, 0.0, 0.0, 0.0], mask)
        with pytest.raises(twisterl.StateError):
            native.set_state(masked(np.arange(9).astype(kind), 0))
        with pytest.raises(twisterl.ActionError):
            native.step(masked(np.array([1], kind), 0)[0])
    whole = np.ma.array([1.0, 0.0, 0.0, 1.0], np.float32)
    expected = policy.predict([1.0, 0.0, 0.0, 1.0])[0]
    assert policy.predict(whole)[0].tolist() == expected.tolist()
    assert policy.predict_batch(np.ma.array([whole]))[0][0].tolist() == expected.tolist()
