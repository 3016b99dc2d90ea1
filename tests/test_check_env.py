"""`twisterl.check_env` and `check`: environments of every interface pass, and the first broken rule is named."""

import json
import os
import random
import subprocess
import sys
import types
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import twisterl

CELLS, GOAL, BUDGET = 9, 4, 20
MIRRORED = [list(range(CELLS)), list(range(CELLS))[::-1]], [[0, 1], [1, 0]]


class Line:
    """A walk to the middle of a line, with the methods of the PyPI package."""

    def __init__(self, size=CELLS):
        self.size, self.difficulty, self.cell, self.left = size, 1, GOAL, BUDGET

    def num_actions(self):
        return 2

    def obs_shape(self):
        return [self.size]

    def reset(self):
        reach = min(self.difficulty, GOAL)
        self.cell, self.left = GOAL + random.randint(-reach, reach), BUDGET

    def step(self, action):
        self.cell = min(max(self.cell + (1 if action else -1), 0), self.size - 1)
        self.left -= 1

    def observe(self):
        return [self.cell]

    def masks(self):
        return [self.cell > 0, self.cell < self.size - 1]

    def is_final(self):
        return self.cell == GOAL

    def truncated(self):
        return self.left <= 0 and self.cell != GOAL

    def reward(self):
        return float(self.cell == GOAL)

    def get_state(self):
        return [self.cell]

    def set_state(self, state):
        (cell,) = state
        if cell not in range(self.size):
            raise ValueError(cell)
        self.cell, self.left = int(cell), BUDGET

    def twists(self):
        return MIRRORED


class PeerLine:
    """The same with the other names of the PyPI package, and without states, masks, twists and difficulty."""

    def __init__(self):
        self.line = Line()
        self.line.difficulty = GOAL

    def num_actions(self):
        return 2

    def obs_shape(self):
        return [CELLS]

    def reset(self):
        self.line.reset()

    def next(self, action):
        self.line.step(action)

    def observe(self):
        return self.line.observe()

    def is_final(self):
        return self.line.is_final()

    def truncated(self):
        return self.line.truncated()

    def value(self):
        return self.line.reward()


class GymLine(gymnasium.Env):
    """The same with Gymnasium's interface."""

    observation_space = gymnasium.spaces.Discrete(CELLS)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.cell, self.left = int(self.np_random.integers(CELLS)), BUDGET
        return self.seen(), {}

    def seen(self):
        return self.cell

    def moved(self, action):
        return self.cell + (1 if action else -1)

    def reward(self):
        return float(self.cell == GOAL)

    def step(self, action):
        self.cell = min(max(self.moved(action), 0), CELLS - 1)
        self.left -= 1
        done = self.cell == GOAL
        return self.seen(), self.reward(), done, self.left <= 0 and not done, {}


def of(base, **members):
    return type(base.__name__, (base,), members)


@pytest.fixture
def module(monkeypatch):
    """Put the environments into a module that names can lead to."""
    module = types.ModuleType("lines")
    module.Line, module.GymLine = of(Line), of(GymLine)
    for made in (module.Line, module.GymLine):
        made.__module__ = "lines"
    monkeypatch.setitem(sys.modules, "lines", module)


@pytest.mark.parametrize(
    ("env", "name", "symmetries"),
    [
        ("Puzzle", "Puzzle", 1),
        ("FrozenLake-v1", "FrozenLake-v1", 0),
        ("lines.Line", "lines.Line", 1),
        (Line, f"{__name__}.Line", 1),
        (lambda: Line(), f"{__name__}.<lambda>", 1),
        (Line(), f"{__name__}.Line", 1),
        (PeerLine, f"{__name__}.PeerLine", 0),
        (GymLine, f"{__name__}.GymLine", 0),
        (GymLine(), f"{__name__}.GymLine", 0),
        ({"env_cls": "lines.GymLine", "algorithm": {"never": "read"}}, "lines.GymLine", 0),
    ],
)
def test_environments_of_every_kind_pass(module, env, name, symmetries):
    report = twisterl.check_env(env)
    assert (report.env_cls, report.symmetries) == (name, symmetries)
    assert report.episodes >= 32
    assert report.steps > 1000
    assert str(report).startswith(f"{name}: keeps the contract (checked: {report.episodes} episodes, ")


def test_parameters_are_the_caller_s_or_those_of_the_config(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"env_cls": "Puzzle", "env": {"width": 3, "height": 2}}))
    assert twisterl.check_env(file).symmetries == 0
    assert twisterl.check_env(file, height=3).symmetries == 1
    with pytest.raises(twisterl.ConfigError, match=r"env\.width: expected .*, found 99"):
        twisterl.check_env("Puzzle", width=99)
    with pytest.raises(twisterl.ConfigError, match="env_cls: expected the name of an environment"):
        twisterl.check_env({"env": {}})


def test_what_cannot_be_checked_is_named():
    report = twisterl.check_env(GymLine)
    assert any("wrong states are refused" in what for what in report.not_checked)
    assert f"not checked: {report.not_checked[0]}" in str(report)

    def refuses(self, action):
        if not self.masks()[action]:
            raise RuntimeError("a wall")
        Line.step(self, action)

    report = twisterl.check_env(of(Line, step=refuses))
    assert any(what.startswith("masked actions") and "a wall" in what for what in report.not_checked)
    report = twisterl.check_env(of(GymLine, moved=lambda self, action: 0, reward=lambda self: 0.0, left=10**9))
    assert not any("episodes end" in what for what in report.not_checked)
    without = of(Line, twists=lambda self: ([list(range(CELLS)), [1, 0, *range(2, CELLS)]], [[0, 1], [0, 1]]))
    with pytest.raises(twisterl.EnvError, match="twists are symmetries"):
        twisterl.check_env(without)


def own_randomness(self):
    Line.reset(self)
    self.cell = random.Random().randrange(CELLS)


def shared(self, action):
    Line.step(self, action)
    type(self).moves = getattr(type(self), "moves", 0) + 1


def half_set(self, state):
    self.cell = 0
    Line.set_state(self, state)


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (of(Line, reset=own_randomness), "the same start and actions give the same episode"),
        (
            of(Line, step=lambda self, action: Line.step(self, random.getrandbits(1))),
            "the same start and actions give the same episode",
        ),
        (of(GymLine, moved=lambda self, _: random.SystemRandom().randrange(CELLS)), "the same start and actions"),
        (
            of(Line, step=shared, observe=lambda self: [getattr(type(self), "moves", 0) % CELLS]),
            "(clones|environments of a batch) share nothing|the same start and actions",
        ),
        (of(Line, get_state=lambda self: [min(self.cell, 3)]), "a state can be set again"),
        (of(Line, get_state=lambda self: [self.cell, self.left]), "a state can be set again"),
        (of(Line, set_state=lambda self, s: setattr(self, "cell", 1)), "a state can be set again"),
        (of(Line, set_state=lambda self, s: Line.set_state(self, s[:1])), "wrong states are refused"),
        (of(Line, set_state=half_set), "a refused state changes nothing"),
        (of(Line, twists=lambda self: (MIRRORED[0], [[0, 1], [0, 1]])), "twists are symmetries"),
        (of(Line, masks=lambda self: [False, False]), "mask"),
        (of(Line, observe=lambda self: [CELLS]), "observation|observe"),
        (of(Line, reward=lambda self: float("nan")), "reward"),
        (of(GymLine, seen=lambda self: CELLS), "observation"),
        (of(GymLine, reward=lambda self: np.inf), "reward"),
    ],
)
def test_the_first_broken_rule_is_named_with_what_was_found(broken, rule):
    for env in (broken, broken()):
        with pytest.raises(twisterl.EnvError, match=rule) as error:
            twisterl.check_env(env)
        assert f"environment {__name__}.{broken.__name__}" in str(error.value)
        assert "found " in str(error.value)


def test_what_an_environment_raises_arrives_as_it_is():
    with pytest.raises(ZeroDivisionError) as error:
        twisterl.check_env(of(GymLine, reward=lambda self: 1 / 0))
    assert any("GymLine" in note for note in error.value.__notes__)


def test_the_command_checks_names_and_configs(cli, tmp_path):
    config = tmp_path / "puzzle.json"
    config.write_text(json.dumps({"env_cls": "twisterl.envs.Puzzle", "env": {"width": 3, "height": 3}}))
    for given in (["Puzzle"], ["Puzzle", "--set", "width=3"], [str(config)]):
        done = cli("check", *given)
        assert done.returncode == 0, done.stderr
        assert "keeps the contract (checked: 64 episodes, " in done.stdout
        assert "1 symmetry)" in done.stdout
    config.write_text("{}")
    done = cli("check", str(config))
    assert done.returncode == 1
    assert "env_cls: expected a value, found none" in done.stderr


WILD = """
from test_check_env import GymLine, Line

class Wild(Line):
    def reward(self):
        return float("nan")
"""


def test_the_command_of_the_package_checks_environments_in_python(tmp_path):
    def check(name):
        command = [sys.executable, "-m", "twisterl", "check", name]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        options = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
        return subprocess.run(command, timeout=120, check=False, **options)

    (tmp_path / "mine.py").write_text(WILD)
    done = check("mine.GymLine")
    assert done.returncode == 0, done.stderr
    assert "mine.GymLine: keeps the contract (checked: 32 episodes, " in done.stdout
    assert "not checked: that wrong states are refused" in done.stdout
    done = check("mine.Wild")
    assert done.returncode == 1
    assert "environment mine.Wild" in done.stderr
    assert "reward" in done.stderr
