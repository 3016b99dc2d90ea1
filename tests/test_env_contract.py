"""Difficulties reach environments written in Python, and errors say which environment returned what, and when."""

import types

import gymnasium
import numpy as np
import pytest
import twisterl
from odd_envs import LENGTH, Truth, config_of, of_gymnasium, plain

TRUTH = Truth((4,), (3,), 1)
seen = []


def note(self):
    seen.append(self)


class Base(plain(TRUTH)):
    """Solved at once, so that the curriculum goes up; `level` is the difficulty that the last reset saw."""

    def reset(self):
        self.t = 0
        seen.append(int(self.difficulty))

    def step(self, action):
        self.t += 1

    def is_final(self):
        return self.t >= 1

    def reward(self):
        return 1.0


def kind(**members):
    return type("Leveled", (Base,), members)


class Inner:
    def __init__(self):
        self.difficulty = 1


def set_inner(self):
    Base.__init__(self)
    self.inner = Inner()


def forward(self, name):
    if name in ("inner", "t"):
        raise AttributeError(name)
    return getattr(self.inner, name)


def by_keyword(self, difficulty=1):
    self.t = 0
    seen.append(difficulty)


def by_required_keyword(self, *, difficulty):
    by_keyword(self, difficulty)


def by_position(self, level, /):
    by_keyword(self, level)


def by_other_name(self, scrambles):
    by_keyword(self, scrambles)


def with_seed(self, difficulty=1, seed=None):
    by_keyword(self, difficulty)


def by_options(self, seed=None, options=None):
    by_keyword(self, (options or {}).get("difficulty", 1))


def by_getattr(self):
    by_keyword(self, getattr(self, "difficulty", 1))


def init_with(value):
    def init(self):
        Base.__init__(self)
        self.difficulty = value

    return init


def slotted():
    # A class without a dict of attributes.
    truth = TRUTH
    members = {name: value for name, value in vars(Base).items() if isinstance(value, types.FunctionType)}
    parent = {
        name: value for name, value in vars(plain(truth).__mro__[1]).items() if isinstance(value, types.FunctionType)
    }

    def init(self):
        self.t, self.difficulty = 0, 1

    return type("Leveled", (), {**parent, **members, "__init__": init, "__slots__": ("t", "difficulty")})


SETTABLE = {
    "an int": kind(__init__=init_with(1)),
    "of numpy": kind(__init__=init_with(np.int64(1))),
    "of numpy, unsigned": kind(__init__=init_with(np.uint8(1))),
    "an array": kind(__init__=init_with(np.array(1))),
    "a float": kind(__init__=init_with(1.0)),
    "None": kind(__init__=init_with(None)),
    "of the class": kind(difficulty=1),
    "a property": kind(
        difficulty=property(lambda self: getattr(self, "_level", 1), lambda self, level: setattr(self, "_level", level))
    ),
    "forwarded": kind(__init__=set_inner, __getattr__=forward),
    "slots": slotted(),
    "getattr": kind(reset=by_getattr),
    "a method": kind(
        _level=1, set_difficulty=lambda self, level: setattr(self, "_level", level),
        reset=lambda self: by_keyword(self, self._level),
    ),
    "a method, read only": kind(
        _level=1, difficulty=property(lambda self: self._level),
        set_difficulty=lambda self, level: setattr(self, "_level", level),
    ),
    "an argument": kind(reset=by_keyword),
    "a required argument": kind(reset=by_required_keyword),
    "by position": kind(reset=by_position),
    "by another name": kind(reset=by_other_name),
    "with a seed": kind(reset=with_seed),
    "in options": kind(reset=by_options),
    "an argument, read only": kind(reset=by_keyword, difficulty=property(lambda self: 1)),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_seen():
    seen.clear()


def levels_of(environment, tmp_path, **learning):
    learning = {"diff_metric": "rollout", "diff_threshold": 0.5, "diff_max": 4, **learning}
    config = config_of(environment, **learning)
    config["algorithm"]["evals"] = {}
    config["algorithm"]["collecting"] = {"num_envs": 64, "rollout_length": 8}
    twisterl.train(config, tmp_path / "run", num_steps=4, quiet=True)
    return sorted(set(seen))


@pytest.mark.parametrize("name", SETTABLE)
def test_the_curriculum_reaches_the_environment(name, tmp_path):
    assert levels_of(SETTABLE[name], tmp_path) == [1, 2, 3, 4]


@pytest.mark.parametrize("name", SETTABLE)
def test_the_first_difficulty_reaches_the_environment(name, tmp_path):
    assert levels_of(SETTABLE[name], tmp_path, diff_start=3) == [1, 3, 4], "1 when it is opened"


class Puzzler(gymnasium.Env):
    """The same with Gymnasium's interface: the first move solves."""

    observation_space = gymnasium.spaces.Box(0, 1, (4,))
    action_space = gymnasium.spaces.Discrete(3)
    difficulty = 1

    def level(self, options):
        return self.difficulty

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        seen.append(int(self.level(options)))
        return np.zeros(4, np.float32), {}

    def step(self, action):
        return np.zeros(4, np.float32), 1.0, True, False, {"is_success": True}


def reading_options(self, *, seed=None, options=None):
    seen.append(options["difficulty"] if options else 1)
    return np.zeros(4, np.float32), {}


def taking_it(self, *, seed=None, options=None, difficulty=1):
    return reading_options(self, options={"difficulty": difficulty})


def puzzler(**members):
    return type("Puzzler", (Puzzler,), members)


def nested(environment):
    class Made(gymnasium.wrappers.TimeLimit):
        def __init__(self):
            super().__init__(gymnasium.wrappers.OrderEnforcing(environment()), 50)

    return Made


OF_GYMNASIUM = {
    "an attribute": puzzler(),
    "of numpy": puzzler(difficulty=np.int32(1)),
    "a property": SETTABLE["a property"].difficulty and puzzler(difficulty=SETTABLE["a property"].difficulty),
    "in options": puzzler(difficulty=None, reset=reading_options),
    "an argument": puzzler(difficulty=None, reset=taking_it),
    "a method": puzzler(
        difficulty=None, _level=1, set_difficulty=lambda self, level: setattr(self, "_level", level),
        level=lambda self, options: self._level,
    ),
    "wrapped": nested(puzzler()),
    "wrapped, in options": nested(puzzler(difficulty=None, reset=reading_options)),
    "wrapped, a method": nested(
        puzzler(
            difficulty=None, _level=1, set_difficulty=lambda self, level: setattr(self, "_level", level),
            level=lambda self, options: self._level,
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_GYMNASIUM)
def test_the_curriculum_reaches_environments_of_gymnasium(name, tmp_path):
    assert levels_of(OF_GYMNASIUM[name], tmp_path) == [1, 2, 3, 4]


UNSETTABLE = {
    "nothing": plain(TRUTH, step=Base.step, is_final=Base.is_final, reward=Base.reward),
    "read only": kind(difficulty=property(lambda self: 1)),
    "a name, with a method": kind(
        difficulty="easy", reset=lambda self: setattr(self, "t", 0), set_difficulty=lambda self, name: name.upper()
    ),
    "a name": kind(difficulty="easy", reset=lambda self: setattr(self, "t", 0)),
    "of gymnasium": puzzler(difficulty=property(lambda self: 1)),
}


@pytest.mark.parametrize("name", UNSETTABLE)
def test_a_curriculum_that_cannot_reach_the_environment_is_warned_of_once(name, tmp_path):
    with pytest.warns(UserWarning, match="diff_start and diff_max") as warned:
        levels_of(UNSETTABLE[name], tmp_path, diff_start=3)
    about = [str(warning.message) for warning in warned if "diff_max" in str(warning.message)]
    assert len(about) == 1
    assert UNSETTABLE[name].__name__ in about[0]


@pytest.mark.parametrize("environment", [SETTABLE["an int"], UNSETTABLE["nothing"], puzzler()], ids=str)
def test_no_warning_without_a_curriculum(environment, tmp_path, recwarn):
    levels_of(environment, tmp_path, diff_max=1)
    assert not [warning for warning in recwarn if "diff" in str(warning.message)]


def play(environment):
    env = twisterl.make(environment)
    env.reset()
    for _ in range(LENGTH):
        env.observe()
        env.step(0)


def raised_by(environment):
    """The error of opening an environment and playing it."""
    with pytest.raises(twisterl.EnvError) as raised:
        play(environment)
    return str(raised.value)


def later(value, usual, step=3):
    """Return a method that returns `value` from a step on, and `usual` before."""
    return lambda self, *_: value if self.t >= step else usual(self) if callable(usual) else usual


@pytest.mark.parametrize(
    "value", [None, "1", b"1", [1.0], np.ones(2), np.array(["1"]), 1j, object(), float("nan"), 1e39]
)
def test_what_is_no_reward_is_refused_with_class_method_and_step(value):
    text = raised_by(plain(TRUTH, reward=later(value, 0.0)))
    assert "Plain, step 3: reward(): expected a" in text
    assert "found" in text
    text = raised_by(plain(TRUTH, value=later(value, 0.0)))
    assert "step 3: value(): expected a" in text
    text = raised_by(stepping(lambda self, outcome: (outcome[0], value if self.t == 3 else 0.0, *outcome[2:])))
    assert "step 3: the reward of step(): expected a" in text


@pytest.mark.parametrize(
    "value", [1, True, np.float32(1), np.array(1), np.array([1.0]), np.array([[1]]), np.bool_(True)]
)
def test_numbers_of_every_type_are_rewards(value):
    assert twisterl.make(plain(TRUTH, reward=lambda self: value)).step(0)[0] == 1.0
    assert twisterl.make(stepping(lambda self, outcome: (outcome[0], value, *outcome[2:]))).step(0)[0] == 1.0


@pytest.mark.parametrize("value", [None, "False", 2, 0.5, np.array([True, False]), [], "yes"])
def test_what_is_no_flag_is_refused_with_class_method_and_step(value):
    assert "step 3: is_final(): expected True or False" in raised_by(plain(TRUTH, is_final=later(value, False)))
    assert "step 3: truncated(): expected True" in raised_by(plain(TRUTH, truncated=later(value, False)))
    ending = {"is_final": lambda self: self.t >= 3}
    assert "step 3: success(): expected True" in raised_by(plain(TRUTH, success=later(value, False), **ending))
    for place, name in ((2, "terminated"), (3, "truncated")):

        def with_flag(self, outcome, place=place):
            return (*outcome[:place], value if self.t == 3 else False, *outcome[place + 1 :])

        assert f"step 3: {name} of step(): expected True or False" in raised_by(stepping(with_flag))


@pytest.mark.parametrize("value", [True, np.bool_(True), 1, 1.0, np.array([True]), np.array(1)])
def test_flags_of_every_type_end_episodes(value):
    assert twisterl.make(plain(TRUTH, is_final=later(value, False, 1))).step(0)[1:] == (True, False)
    assert twisterl.make(plain(TRUTH, truncated=later(value, False, 1))).step(0)[1:] == (False, True)
    ended = stepping(lambda self, outcome: (*outcome[:2], value, False, outcome[4]))
    assert twisterl.make(ended).step(0)[1:] == (True, False)


def stepping(change, reset=None):
    """An environment of Gymnasium whose step returns what `change` makes of it."""
    parent = of_gymnasium(TRUTH, checks=False)
    members = {"step": lambda self, action: change(self, parent.step(self, action))}
    if reset is not None:
        members["reset"] = lambda self, *, seed=None, options=None: reset(parent.reset(self, seed=seed))
    return type("Stepping", (parent,), members)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda self, o: (o[0], o[1], o[2], o[4]), "4 values (return terminated and truncated in the place of done)"),
        (lambda self, o: o[:3], "found 3 values"),
        (lambda self, o: None, "found None"),
        (lambda self, o: o[0], "found [1.0"),
        (lambda self, o: (*o[:4], None), "step(): expected a dict as its last value, found None"),
        (lambda self, o: (*o[:4], [1]), "step(): expected a dict as its last value, found [1]"),
    ],
)  # fmt: skip
def test_what_step_may_not_return_is_named(change, message):
    text = raised_by(stepping(change))
    assert "Stepping, step 1: step(): expected" in text
    assert message in text


@pytest.mark.parametrize(
    "change", [lambda o: o[0], lambda o: None, lambda o: (o[0], None), lambda o: (*o, 1), lambda o: {}]
)
def test_what_reset_may_not_return_is_named(change):
    text = raised_by(stepping(lambda self, outcome: outcome, change))
    assert "Stepping, reset: reset(): expected an observation and a dict" in text
    assert "return (observation, {})" in text


def test_lists_and_other_dicts_are_taken():
    kinds = stepping(lambda self, o: [*o[:4], {"is_success": np.array([True])}], lambda o: [o[0], {}])
    env = twisterl.make(kinds)
    env.step(0)
    assert env.solved()


class Fleet:
    """As vector environments of other packages look."""

    num_envs = 4
    envs: tuple = ()
    observation_space = gymnasium.spaces.Box(0, 1, (4,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self):
        pass

    step_async = step_wait = step = reset


class Pieces:
    """As environments of PettingZoo look."""

    possible_agents = ("a", "b")
    agents = possible_agents

    def observation_space(self, agent):
        pass

    action_space = reset = step = agent_iter = observation_space


class Parallel(Pieces):
    observation_spaces: dict = {}  # noqa: RUF012


def of_ours():
    return twisterl.gym.make_vec("Puzzle", 2)


@pytest.mark.parametrize(
    ("factory", "found"),
    [
        (of_ours, "vector environment GymVectorEnv of 2 (give a function with the argument num_envs"),
        (Fleet, "vector environment Fleet of 4 (give the class or id of a single one"),
        (Pieces, "PettingZoo environment Pieces (wrap it"),
        (Parallel, "PettingZoo environment Parallel (wrap it"),
        (lambda: None, "expected an object with reset and step, found NoneType"),
        (lambda: 5, "expected an object with reset and step, found int"),
        (type("Bare", (), {"reset": note, "step": note}), "expected a method num_actions(), or Gymnasium's"),
        (type("Unspaced", (), {"reset": note, "step": note, "observation_space": 5, "action_space": 6}), "space"),
    ],
)
def test_what_is_no_single_environment_is_named_with_advice(factory, found):
    with pytest.raises(twisterl.EnvError) as raised:
        twisterl.make(factory)
    assert found in str(raised.value)


def test_what_an_environment_raises_carries_its_name_and_step():
    def raising(self, action):
        self.t += 1
        if self.t == 2:
            raise ZeroDivisionError("the second step")

    env = twisterl.make(plain(TRUTH, step=raising))
    env.step(0)
    with pytest.raises(ZeroDivisionError, match="the second step") as raised:
        env.step(0)
    assert raised.value.__notes__ == ["raised in environment odd_envs.Plain, step 2"]
