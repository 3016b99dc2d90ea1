"""Inverse problems of environments written in Python: a dial that is turned by one place to 0, from either side."""

import sys

import pytest
import twisterl
from twisterl.errors import ConfigError, EnvError

PLACES = 7


class Dial:
    """Action 0 turns up, action 1 down. The inverse problem is the opposite place."""

    def __init__(self, places=PLACES):
        self.places, self.place, self.difficulty = places, 0, 1

    def num_actions(self):
        return 2

    def obs_shape(self):
        return [self.places]

    def reset(self, difficulty=1, seed=0):
        self.place = min(difficulty, self.places - 1)

    def get_state(self):
        return [self.place]

    def set_state(self, state):
        if len(state) != 1 or not 0 <= state[0] < self.places or state[0] != int(state[0]):
            raise ValueError(f"expected a place below {self.places}, found {state}")
        self.place = int(state[0])

    def step(self, action):
        self.place = (self.place + (1, -1)[action]) % self.places

    def observe(self):
        return [self.place]

    def is_final(self):
        return self.place == 0

    def success(self):
        return self.place == 0

    def reward(self):
        return -1.0


class WithInverse(Dial):
    def inverse_state(self):
        return [-self.place % self.places]

    def inverse(self, action):
        return 1 - action


class WithSolution(Dial):
    def inverse_state(self):
        return (-self.place % self.places,)

    def invert_solution(self, actions):
        return [1 - action for action in actions[::-1]]


class Never(WithInverse):
    def inverse_state(self):
        return None


class OneWay(WithInverse):
    """Solutions cannot be turned around: nothing undoes an action."""

    def inverse(self, action):
        return None


class Wrong(WithInverse):
    """Each action is said to undo itself."""

    def inverse(self, action):
        return action


class Outside(WithInverse):
    def inverse_state(self):
        return [self.places]


class Alone(Dial):
    def inverse_state(self):
        return [0]


class Text(WithInverse):
    def inverse_state(self):
        return "none"


class NoList(WithSolution):
    def invert_solution(self, actions):
        return 5


class NoAction(WithSolution):
    def invert_solution(self, actions):
        return [7] * len(actions)


def policy_of(env, **options):
    """Return an untrained policy."""
    run = twisterl.train(env, algorithm="PPO", num_steps=0, quiet=True, **options)
    return run.policy


@pytest.mark.parametrize("env", [WithInverse, WithSolution])
def test_both_ends_are_solved(env, tmp_path):
    assert "keeps the contract" in str(twisterl.check_env(env))
    policy = policy_of(env, run_path=tmp_path / "run")
    # A beam as wide as there are places finds the shortest solution: 2 turns down from place 2, and 2 up from place 5.
    for place, actions in ((2, [1, 1]), (5, [0, 0])):
        found = policy.solve([place], search="beam=16", invert="both")
        assert (found.success, list(found.actions)) == (True, actions)
    # A greedy policy goes the way that its weights say, which may be the longer one from one end alone.
    lengths = {place: len(policy.solve([place], search="greedy", max_steps=PLACES)) for place in range(1, PLACES)}
    for place in range(1, PLACES):
        found = policy.solve([place], search="greedy", invert="both", max_steps=PLACES)
        assert len(found) == min(lengths[place], lengths[PLACES - place])
        assert found.inverted == (lengths[PLACES - place] < lengths[place])


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (Dial, "tells no inverse problem of the state"),
        (Never, "tells no inverse problem of the state"),
        (OneWay, "a solution of the inverse problem gives one of the problem: none"),
        (Wrong, "which do not solve it"),
        (Outside, "expected a place below 7"),
        (Alone, r"inverse_state: expected invert_solution\(actions\) or inverse\(action\) beside it"),
        (Text, r"inverse_state\(\): expected finite numbers in a list, a tuple or an array"),
        (NoList, r"invert_solution\(\): expected a list of actions, found 5"),
        (NoAction, r"invert_solution\(\)\[0\]: expected an action from 0 to 1, found 7"),
    ],
)
def test_without_an_inverse_problem_that_holds_both_ends_are_refused(env, message, tmp_path):
    policy = policy_of(env, run_path=tmp_path / "run")

    def solve():
        for seed in range(50):  # until a sample of two actions solves the inverse problem, and none the problem
            policy.solve([2], search="sample", invert="both", max_steps=2, seed=seed)

    with pytest.raises((ConfigError, EnvError, ValueError), match=message):
        solve()


@pytest.mark.parametrize(
    ("env", "rule"), [(Wrong, "a solution of the inverse_state"), (Outside, "an inverse_state can")]
)
def test_the_check_names_a_wrong_inverse_problem(env, rule):
    with pytest.raises(EnvError, match=rule):
        twisterl.check_env(env)


@pytest.mark.skipif(sys.platform == "win32", reason="workers need sockets of Unix")
def test_evaluations_in_worker_processes_solve_both_ends(tmp_path):
    evals = {"both": {"num_episodes": 4, "deterministic": True, "invert": "both", "max_steps": PLACES, "difficulty": 5}}
    success = []
    for workers in (1, 2):
        config = {
            "env_cls": "test_inverse_problems.WithInverse",
            "algorithm_cls": "PPO",
            "algorithm": {
                "collecting": {"num_episodes": 4, "workers": workers},
                "evals": evals,
                "learning": {"diff_metric": "both"},
            },
            "num_iterations": 1,
        }
        run = twisterl.train(config, tmp_path / f"run{workers}", quiet=True)
        success.append(run.iterations()[0]["evals"]["both"])
    assert success[0] == success[1]
    assert success[0]["success"] == 1
