"""Values that environments written in Python return are read rightly, or refused by name."""

import re

import gymnasium
import numpy as np
import odd_envs
import pytest
import twisterl
from odd_envs import Truth, config_of, of_gymnasium, plain

TRUTHS = [Truth((4,), (3,), 1), Truth((2, 3), (2,), 2), Truth((9,), (5,), 3)]


def dense(env):
    """The observation of an environment as numbers."""
    seen = env.observe()
    if isinstance(seen, np.ndarray):
        return np.ravel(seen).tolist()
    row = np.zeros(int(np.prod(env.obs_shape())))
    row[seen] = 1
    return row.tolist()


def assert_read(kind, truth, masked=True, encoded=None):
    """Step through an episode and compare what is read of each state with the truth."""
    env = twisterl.make(kind)
    env.reset()
    rng = np.random.default_rng(0)
    for t in range(odd_envs.LENGTH):
        assert dense(env) == (truth.bits(t) if encoded is None else encoded(t)), f"step {t}"
        assert env.masks() == (truth.allowed(t) if masked else [True] * truth.width), f"step {t}"
        parts = truth.parts(t) if masked else [[True] * n for n in truth.counts]
        action = [int(rng.choice(np.flatnonzero(part))) for part in parts]
        env.step(action[0] if len(action) == 1 else action)
    assert env.is_final()


def play(kind):
    """Play an episode of the first allowed actions."""
    env = twisterl.make(kind)
    env.reset()
    components = [n for n, *_ in env.action_components]
    while not env.is_final():
        dense(env)
        rest = iter(env.masks())
        action = [[next(rest) for _ in range(n)].index(True) for n in components]
        env.step(action[0] if len(action) == 1 else action)


def refused(kind, *mentions):
    """Open an environment and play it; return the EnvError that refuses it."""
    with pytest.raises(twisterl.EnvError) as raised:
        play(kind)
    for text in (kind.__name__, *mentions):
        assert text in str(raised.value)
    return str(raised.value)


def tables(*names):
    return [
        pytest.param(table, key, id=f"{name}-{key}")
        for name in names
        for table in [getattr(odd_envs, name)]
        for key in table
    ]


@pytest.mark.parametrize("truth", TRUTHS, ids=str)
@pytest.mark.parametrize(("table", "key"), tables("INDICES", "VALUES"))
def test_observations_of_plain_environments_are_read_as_their_form_says(table, key, truth):
    kind = plain(truth, table[key])
    assert twisterl.make(kind).sparse == (table is odd_envs.INDICES)
    assert_read(kind, truth, masked=False)
    assert_read(type(kind.__name__, (kind,), {"obs_sparse": table is odd_envs.INDICES}), truth, masked=False)


@pytest.mark.parametrize("key", odd_envs.NO_OBSERVATION)
@pytest.mark.parametrize("declared", [{}, {"obs_sparse": True}, {"obs_sparse": False}], ids=str)
def test_what_is_no_observation_is_refused_with_class_method_and_value(key, declared):
    refused(plain(TRUTHS[0], odd_envs.NO_OBSERVATION[key], **declared), "observe(): expected", "found")


@pytest.mark.parametrize("first", [odd_envs.INDICES["a list"], odd_envs.VALUES["a row"]], ids=["indices", "values"])
@pytest.mark.parametrize("key", odd_envs.NO_OBSERVATION)
def test_the_reading_does_not_change_within_an_episode(first, key):
    bad = odd_envs.NO_OBSERVATION[key]
    text = refused(plain(TRUTHS[0], lambda r, t: first(r, t) if t != 3 else bad(r, t)), "step 3", "observe()")
    assert "found" in text


@pytest.mark.parametrize(
    ("rows", "declared", "expected"),
    [
        # The right reading of each row stands beside it.
        ([[0, 1], [1, 0]], {"obs_sparse": False}, [[0, 1], [1, 0]]),
        ([[0, 1], [1, 0]], {"obs_sparse": True}, [[1, 1], [1, 1]]),
        ([[0, 1], [1]], {}, [[1, 1], [0, 1]]),
        ([[0, 1], [1, 1]], {}, [[0, 1], [1, 1]]),
        ([[1, 0], [0.5, 2]], {}, [[1, 0], [0.5, 2]]),
        ([[3, 1, 2, 0], [3, 1, 0, 2]], {"obs_sparse": False}, [[3, 1, 2, 0], [3, 1, 0, 2]]),
        ([[3, 1, 2, 0], [3]], {}, [[1, 1, 1, 1], [0, 0, 0, 1]]),
        ([[3, 1, 2, 0], [3, 3, 0, 1]], {}, [[3, 1, 2, 0], [3, 3, 0, 1]]),
        ([[0], [0]], {}, [[1], [1]]),
        ([[0.0], [0.0]], {}, [[0], [0]]),
        ([[], [0, 1, 2]], {"obs_shape": (3,)}, [[0, 0, 0], [1, 1, 1]]),
        ([[1.0, 2.0], [0.0]], {"obs_shape": (3,), "obs_sparse": True}, [[0, 1, 1], [1, 0, 0]]),
    ],
)
def test_rows_that_could_be_both_are_told_apart_by_a_declaration_or_by_other_rows(rows, declared, expected):
    truth = Truth((len(expected[0]),))
    env = twisterl.make(plain(truth, lambda _, t: rows[t % 2], **{"obs_shape": truth.shape, **declared}))
    env.reset()
    for t in range(odd_envs.LENGTH):
        assert dense(env) == expected[t % 2]
        env.step(0)


def test_rows_that_could_always_be_both_have_to_be_declared():
    text = refused(plain(Truth((2,)), lambda _, t: [t % 2, 1 - t % 2]), "could be both", "obs_sparse = True")
    assert "found [0, 1]" in text


@pytest.mark.parametrize("truth", TRUTHS, ids=str)
@pytest.mark.parametrize("name", ["masks", "action_masks", "action_mask", "get_action_mask"])
@pytest.mark.parametrize("key", odd_envs.MASKS)
def test_masks_of_plain_environments_are_applied(key, name, truth):
    assert_read(plain(truth, mask=odd_envs.MASKS[key], name=name), truth)


# Two numbers in a row could be a mask: see test_ambiguous_lists_of_two_actions_are_refused.
CLEAR_LISTS = [
    pytest.param(key, truth, id=f"{key}-{truth}")
    for key in odd_envs.ACTIONS
    for truth in TRUTHS
    if truth.width > 2 or key not in ("a list", "an array")
]


@pytest.mark.parametrize("name", ["valid_actions", "legal_actions", "get_valid_actions"])
@pytest.mark.parametrize(("key", "truth"), CLEAR_LISTS)
def test_lists_of_allowed_actions_are_applied(key, name, truth):
    assert_read(plain(truth, mask=odd_envs.ACTIONS[key], name=name), truth)
    assert_read(of_gymnasium(truth, mask=odd_envs.ACTIONS[key], name=name), truth)


@pytest.mark.parametrize("key", odd_envs.NO_MASK)
def test_what_is_no_mask_is_refused_wherever_it_is_returned(key):
    bad = odd_envs.NO_MASK[key]
    truth = TRUTHS[0]
    refused(plain(truth, mask=bad), "mask", "expected", "found")
    refused(of_gymnasium(truth, mask=bad), "mask", "expected", "found")
    refused(of_gymnasium(truth, info=lambda r, t: {"action_mask": bad(r, t)}), "mask", "expected", "found")
    late = plain(truth, mask=lambda r, t: bad(r, t) if t == 2 else r.allowed(t))
    assert "step 2" in refused(late)


def test_masks_that_are_added_to_logits_are_refused_with_advice():
    for key in ("added to logits", "added, finite", "nothing added"):
        assert "mask == 0" in refused(plain(TRUTHS[0], mask=odd_envs.NO_MASK[key]))


@pytest.mark.parametrize("key", odd_envs.MASKS)
@pytest.mark.parametrize("name", ["action_mask", "action_masks", "mask"])
def test_masks_in_info_are_applied(key, name):
    for truth in TRUTHS:
        assert_read(of_gymnasium(truth, info=lambda r, t: {name: odd_envs.MASKS[key](r, t)}), truth)


@pytest.mark.parametrize("key", odd_envs.PARTS)
@pytest.mark.parametrize("counts", [(2, 3), (3, 2, 4), (2, 2)], ids=str)
def test_masks_of_several_components_are_applied(key, counts):
    truth = Truth((4,), counts, 5)
    assert_read(of_gymnasium(truth, mask=odd_envs.PARTS[key]), truth)
    assert_read(of_gymnasium(truth, info=lambda r, t: {"action_mask": odd_envs.PARTS[key](r, t)}), truth)


@pytest.mark.parametrize(
    "mask",
    [
        lambda r, t: ([True], [True] * 4),  # as long in all, but shifted
        lambda r, t: [[True, False, True], [True, False]],
        lambda r, t: ([True, True],),
        lambda r, t: np.ones((5, 1, 2)),
        lambda r, t: {"a": [True, True], "b": [True] * 3},
        lambda r, t: [[True, True], "TTT"],
    ],
)
def test_masks_that_would_be_shifted_are_refused(mask):
    refused(of_gymnasium(Truth((4,), (2, 3)), mask=mask), "mask", "expected")


def test_masks_in_observations_are_applied_and_are_no_features():
    spaces = gymnasium.spaces
    for truth in TRUTHS:
        for name, space in (
            ("action_mask", spaces.Box(0, 1, (truth.width,), np.int8)),
            ("action_mask", spaces.MultiBinary(truth.width)),
            ("action_mask", spaces.MultiDiscrete([2] * truth.width)),
            ("legal_moves", spaces.Box(0, 1, (truth.width,))),
        ):
            both = spaces.Dict({"observation": odd_envs.box(truth), name: space})
            kind = of_gymnasium(
                truth,
                lambda r, t, name=name: {
                    "observation": odd_envs.shaped(r, t, np.float32),
                    name: np.array(r.allowed(t), np.int8),
                },
                both,
            )
            assert twisterl.make(kind).obs_shape() == list(truth.shape)
            assert_read(kind, truth)
            assert_read(plain(truth, lambda r, t: {"observation": r.ones(t), "action_mask": r.allowed(t)}), truth, True)


def test_other_entries_of_observations_stay_features():
    spaces = gymnasium.spaces
    truth = TRUTHS[0]
    space = spaces.Dict(
        {"action_mask": spaces.MultiBinary(3), "place": spaces.Discrete(3, start=1), "board": odd_envs.box(truth)}
    )
    kind = of_gymnasium(
        truth,
        lambda r, t: {
            "board": odd_envs.shaped(r, t, np.float32),
            "action_mask": np.array(r.allowed(t), np.int8),
            "place": 1 + t % 3,
        },
        space,
    )
    assert_read(kind, truth, encoded=lambda t: [*truth.bits(t), *np.eye(3)[t % 3].tolist()])


PAIR = gymnasium.spaces.Tuple([gymnasium.spaces.Discrete(2), gymnasium.spaces.Discrete(2)])
MIXED = gymnasium.spaces.Tuple([gymnasium.spaces.Discrete(2), gymnasium.spaces.Box(0, 1, (1,))])
NAMED = gymnasium.spaces.Dict({"b": gymnasium.spaces.Discrete(2), "a": gymnasium.spaces.MultiBinary(2)})


@pytest.mark.parametrize(
    ("space", "seen", "expected"),
    [
        (gymnasium.spaces.Discrete(3, start=2), np.array([3]), [0, 1, 0]),
        (gymnasium.spaces.Discrete(3), np.int64(2), [0, 0, 1]),
        (gymnasium.spaces.Discrete(3), 0.0, [1, 0, 0]),
        (gymnasium.spaces.Discrete(3), 3, None),
        (gymnasium.spaces.Discrete(3), -1, None),
        (gymnasium.spaces.Discrete(3), 1.5, None),
        (gymnasium.spaces.Discrete(3), "1", None),
        (gymnasium.spaces.Discrete(3), [1, 2], None),
        (gymnasium.spaces.MultiBinary(3), [0, 1, 1], [0, 1, 1]),
        (gymnasium.spaces.MultiBinary(2), [0, 1], [0, 1]),
        (gymnasium.spaces.MultiBinary(3), [0, 0.5, 1], None),
        (gymnasium.spaces.MultiBinary(3), [0, 2], None),
        (gymnasium.spaces.MultiDiscrete([2, 3]), (1, 0), [0, 1, 1, 0, 0]),
        (gymnasium.spaces.MultiDiscrete([2, 3], start=[1, 5]), np.array([2, 7]), [0, 1, 0, 0, 1]),
        (gymnasium.spaces.MultiDiscrete([2, 3]), [2, 0], None),
        (gymnasium.spaces.MultiDiscrete([2, 3]), [0, -1], None),
        (gymnasium.spaces.MultiDiscrete([2, 3]), [0.5, 1], None),
        (gymnasium.spaces.MultiDiscrete([[2], [3]]), [[1], [2]], [0, 1, 0, 0, 1]),
        (gymnasium.spaces.Box(-1, 9, (2,)), [0.5, 7], [0.5, 7]),
        (gymnasium.spaces.Box(-1, 9, (1, 2)), (0.5, 7), [0.5, 7]),
        (gymnasium.spaces.Box(-1, 9, ()), 0.5, [0.5]),
        (gymnasium.spaces.Box(-1, 9, (1,)), np.float64(0.5), [0.5]),
        (gymnasium.spaces.Box(0, 255, (2, 2), np.uint8), [[1, 2], [3, 255]], [1, 2, 3, 255]),
        (gymnasium.spaces.Box(-1, 9, (2,)), [0.5], None),
        (gymnasium.spaces.Box(-1, 9, (2, 1)), [[1, 2]], None),
        (gymnasium.spaces.Box(-1, 9, (2,)), None, None),
        (gymnasium.spaces.Box(-1, 9, (2,)), ["1", "2"], None),
        (gymnasium.spaces.Box(-1, 9, (2,)), [1, np.nan], None),
        (gymnasium.spaces.Box(-1, 9, (2,)), [1, 2j], None),
        (MIXED, (1, [0.5]), [0, 1, 0.5]),
        (PAIR, (2, 0), None),
        (PAIR, (1,), None),
        (NAMED, {"a": [1, 0], "b": 1}, [1, 0, 0, 1]),
        (NAMED, {"a": [1, 0], "b": 1, "c": 5}, [1, 0, 0, 1]),
        (NAMED, {"a": [1, 0]}, None),
        (NAMED, [1], None),
    ],
    ids=str,
)
def test_observations_of_spaces_are_encoded_and_what_is_not_in_them_is_refused(space, seen, expected, tmp_path):
    truth = Truth((len(expected or [0]),))
    kind = of_gymnasium(truth, lambda r, t: seen, space, checks=False)
    if expected is None:
        assert re.search(r"observation(\[.*?\])?: expected", refused(kind))
        return
    assert_read(kind, truth, masked=False, encoded=lambda t: [np.float32(number) for number in expected])
    # A policy reads its caller's observations by the same rule; one without an environment, their numbers.
    policy, bare = policies(kind, tmp_path)
    wanted = bare.predict(np.array(expected, np.float32))
    for given in (policy.predict(seen), [part[1] for part in policy.predict_batch([seen, seen])]):
        assert given[1] == pytest.approx(wanted[1], abs=1e-6)
        assert given[0] == pytest.approx(wanted[0], abs=1e-6)
    assert policy.act(seen) == bare.act(np.array(expected, np.float32))


def policies(kind, folder):
    """A fresh policy for an environment, and the same without it."""
    policy = twisterl.rl.PPO(config_of(kind)).policy
    policy.save(folder / "policy.safetensors")
    twisterl._internal.environments._registered.pop(kind.__name__)
    return policy, twisterl.load_policy(folder / "policy.safetensors")


def test_ambiguous_lists_of_two_actions_are_refused():
    truth = Truth((4,), (2,))
    for both in ([0, 1], [1, 0], np.array([0, 1])):
        assert "booleans" in refused(plain(truth, mask=lambda r, t, both=both: both, name="valid_actions"))


def test_actions_of_a_space_that_starts_elsewhere_are_numbered_from_there():
    truth = Truth((4,), (3,), 1)
    space = gymnasium.spaces.Discrete(3, start=5)
    kind = of_gymnasium(
        truth, mask=lambda r, t: [5 + a for a in r.actions(t)], name="valid_actions", action_space=space, checks=False
    )
    assert_read(kind, truth)
    refused(
        of_gymnasium(truth, mask=lambda r, t: [2], name="valid_actions", action_space=space, checks=False), "5 to 7"
    )


def test_masks_come_from_the_environment_that_knows_them(tmp_path):
    # Wrappers do not forward methods: they are looked for in what is wrapped, the outermost first.
    truth = TRUTHS[0]
    inner = of_gymnasium(truth, mask=odd_envs.MASKS["an array"], name="get_action_mask")

    def wrapped():
        return gymnasium.wrappers.TimeLimit(gymnasium.wrappers.OrderEnforcing(inner()), 100)

    class Stricter(gymnasium.Wrapper):
        def action_masks(self):
            return np.array(truth.allowed(self.unwrapped.t))

    def stricter():
        return gymnasium.wrappers.TimeLimit(Stricter(of_gymnasium(truth, mask=odd_envs.NO_MASK["None"])()), 100)

    assert_read(wrapped, truth)
    assert_read(stricter, truth)


def test_attributes_and_properties_are_read_like_methods():
    truth = TRUTHS[0]
    asked = property(lambda self: np.array(truth.allowed(self.t)))
    assert_read(plain(truth, action_mask=asked), truth)
    assert_read(of_gymnasium(truth, action_mask=asked), truth)
    assert_read(of_gymnasium(truth, valid_actions=["left", "wait", "right"], checks=False), truth, masked=False)
    assert_read(of_gymnasium(truth, action_mask=lambda self, state: 1 / 0, checks=False), truth, masked=False)
    assert_read(plain(truth, action_mask=None), truth, masked=False)
    for name in ("masks", "action_masks"):
        assert f"{name}(state)" in refused(plain(truth, **{name: lambda self, state: [True] * 3}), "without arguments")


SEARCHES = ["greedy", "best-of=4", "mcts=8", "gumbel=8", "beam=4"]


@pytest.mark.parametrize("interface", ["plain", "gymnasium", "observed"])
def test_training_and_every_way_to_solve_obey_masks(interface, tmp_path):
    # The environments raise where a forbidden action is taken.
    truth = Truth((4,), (4,), 7)
    spaces = gymnasium.spaces
    if interface == "plain":
        kind = plain(truth, odd_envs.VALUES["an array"], odd_envs.MASKS["one row"], set_state=lambda self, state: None)
    elif interface == "gymnasium":
        kind = of_gymnasium(truth, info=lambda r, t: {"mask": r.allowed(t)})
    else:
        both = spaces.Dict({"observation": odd_envs.box(truth), "action_mask": spaces.MultiBinary(4)})
        kind = of_gymnasium(
            truth,
            lambda r, t: {
                "observation": odd_envs.shaped(r, t, np.float32),
                "action_mask": np.array(r.allowed(t), np.int8),
            },
            both,
        )
    run = twisterl.train(config_of(kind), tmp_path / "run", num_steps=3, quiet=True)
    for search in SEARCHES:
        run.policy.evaluate(num_episodes=4, search=search)
    allowed = truth.allowed(0)
    given = np.array(truth.bits(0), np.float32)
    seen = {"observation": given, "action_mask": np.array(allowed, np.int8)} if interface == "observed" else given
    probabilities, _ = run.policy.predict(seen) if interface == "observed" else run.policy.predict(seen, allowed)
    assert [bool(p) for p in probabilities] == allowed
    rows, _ = run.policy.predict_batch([seen] * 2, None if interface == "observed" else [allowed] * 2)
    assert (rows == probabilities).all()


@pytest.mark.parametrize("key", odd_envs.MASKS)
def test_policies_take_masks_of_every_kind_from_their_callers(key, tmp_path):
    truth = Truth((4,), (3,), 1)
    policy, bare = policies(plain(truth), tmp_path)
    for taker in (policy, bare):
        probabilities, _ = taker.predict([0], odd_envs.MASKS[key](truth, 0))
        assert [bool(p) for p in probabilities] == truth.allowed(0)


@pytest.mark.parametrize("key", [key for key in odd_envs.NO_MASK if key != "None"])
def test_policies_refuse_what_is_no_mask(key, tmp_path):
    truth = Truth((4,), (3,), 1)
    for taker in policies(plain(truth), tmp_path):
        with pytest.raises(twisterl.ObservationError, match="mask: expected"):
            taker.predict([0], odd_envs.NO_MASK[key](truth, 0))


def test_policies_take_masks_of_several_components(tmp_path):
    truth = Truth((4,), (2, 3), 5)
    for taker in policies(of_gymnasium(truth), tmp_path):
        for mask in odd_envs.PARTS.values():
            action = taker.act(np.array(truth.bits(0), np.float32), mask(truth, 0))
            truth.check(0, action)
        with pytest.raises(twisterl.ObservationError, match="mask: expected"):
            taker.act(np.array(truth.bits(0), np.float32), ([True], [True] * 4))


@pytest.mark.parametrize("search", SEARCHES)
def test_dead_ends_are_refused_by_one_rule(search, tmp_path):
    truth = Truth((4,), (3,), 1)
    policy, _ = policies(plain(truth), tmp_path)
    ends = plain(truth, mask=lambda r, t: [t < 2] * 3, step=lambda self, action: setattr(self, "t", self.t + 1))
    policy.save(tmp_path / "policy.safetensors")
    policy = twisterl.load_policy(tmp_path / "policy.safetensors", env=ends)
    with pytest.raises(twisterl.EnvError, match=r"Plain.*step 2.*at least one allowed"):
        policy.evaluate(num_episodes=2, search=search)


def test_the_last_state_of_an_episode_may_forbid_everything(tmp_path):
    truth = Truth((4,), (3,), 1)
    step = {"step": lambda self, action: setattr(self, "t", self.t + 1)}
    over = plain(truth, mask=lambda r, t: [t < odd_envs.LENGTH] * 3, **step)
    assert len(twisterl.train(config_of(over), tmp_path / "terminated", num_steps=2, quiet=True).iterations()) == 2
    cut = plain(truth, mask=lambda r, t: [t < 4] * 3, truncated=lambda self: self.t >= 4, **step)
    assert len(twisterl.train(config_of(cut), tmp_path / "truncated", num_steps=2, quiet=True).iterations()) == 2
