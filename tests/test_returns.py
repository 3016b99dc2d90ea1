"""Environments without a measure of success: returns in its place, wherever figures are shown."""

import json
import re

import envs_in_python
import gymnasium
import numpy as np
import pytest
import twisterl
from tensorboard_events import scalars
from twisterl import plotting

ALGORITHM = {
    "collecting": {"num_envs": 4, "rollout_length": 16},
    "training": {"num_epochs": 1, "minibatch_size": 32},
    "learning": {"diff_metric": "greedy"},
    "evals": {"greedy": {"num_episodes": 3, "every": 2, "deterministic": True}},
}


class Levels(gymnasium.Env):
    """As many steps as the difficulty says, each with a reward of 2; it says nothing of success."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Discrete(2)
    difficulty = 3
    tells = False  # that it is not solved

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.steps += 1
        over = self.steps >= self.difficulty
        return np.zeros(1, np.float32), 2.0, over, False, {"is_success": False} if over and self.tells else {}


class Failing(Levels):
    """It tells that no episode is solved."""

    tells = True


def config_of(env, **learning):
    twisterl.register(env)
    name = twisterl._internal.environments.path_of(env)
    algorithm = {**ALGORITHM, "learning": {**ALGORITHM["learning"], **learning}}
    policy = {"embedding_size": 8, "common_layers": [8]}
    return {"env_cls": name, "policy": policy, "algorithm": algorithm, "num_iterations": 3}


@pytest.fixture
def run(tmp_path):
    with pytest.warns(UserWarning, match=r"algorithm\.learning\.diff_metric: the difficulty goes up with success"):
        return twisterl.train(config_of(Levels), tmp_path / "run", quiet=True)


def test_metrics_have_returns_and_no_success(run):
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows] == [0, 1, 2, 3]
    assert all(row["success"] is None for row in rows)
    assert [row["evals"].get("greedy") for row in rows] == [
        {"success": None, "reward": 6.0, "length": 3.0},
        None,
        {"success": None, "reward": 6.0, "length": 3.0},
        {"success": None, "reward": 6.0, "length": 3.0},
    ]
    assert "losses" not in rows[3]


def test_the_final_evaluation_is_in_metrics_and_tensorboard(run):
    assert len(run.iterations()) == 3
    assert run.final_evaluation == {"greedy": {"success": None, "reward": 6.0, "length": 3.0}}
    assert run.metrics["iteration"].tolist() == [0, 1, 2]
    events = next(run.path.glob("events.out.tfevents.*"))
    assert scalars(events)["Benchmark/Detail/Reward/greedy"] == [(0, 6.0), (2, 6.0), (3, 6.0)]


def test_texts_show_returns(run, capfd):
    assert repr(run) == f"<Run {run.path}: 3 iterations, 192 steps, last return 6.0>"
    solution = run.policy.solve_scrambles(1, None, {})[0]
    assert solution[0] is None
    env = run.policy.make_env(seed=0)
    found = run.policy.solve(env.get_state(), search="greedy")
    assert found.success is None
    assert repr(found).startswith("<Solution: return 6 after 3 steps, actions [")
    assert str(found).endswith("return 6 after 3 steps")
    figures = run.policy.evaluate(num_episodes=4)
    assert (figures["success"], figures["solved"]) == (None, None)
    assert (figures["mean_reward"], figures["mean_length"]) == (6.0, 3.0)


def test_tables_and_figures_show_returns(run):
    groups = plotting.load_groups([run.path])
    table = plotting.results_table(groups).to_markdown()
    assert "return" in table
    assert "solved" not in table.splitlines()[0]
    for figure in (plotting.overview(groups), plotting.training_curves(groups), plotting.learning_curves(groups)):
        titles = [axes.get_title() for axes in figure.axes]
        assert not [title for title in titles if title.startswith("solved")], titles


def test_progress_and_summary_show_returns(cli, tmp_path):
    result = cli("CartPole-v1", "--num-steps", 2, "--run-path", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    shown = result.stdout + result.stderr
    assert "success" not in shown
    assert "difficulty  " not in shown
    assert "  return " in result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == 4, "the run, its best policy, a blank line, and the return of an episode"
    assert re.fullmatch(r"best policy: return [\d.]+ \(evaluation greedy\)", lines[1])
    assert lines[3].startswith("return ")
    assert lines[3].endswith(" steps")


def test_goals_show_success(cli, tmp_path):
    size = ["--set", "env.width=2", "--set", "env.height=2"]
    result = cli("Puzzle", "--num-steps", 2, *size, "--run-path", tmp_path / "run")
    assert "success" in result.stderr
    assert re.search(r"\nbest policy: success [\d.]+ % \(evaluation \w+\)\n", result.stdout), result.stdout
    assert "solved after " in result.stdout


def test_solve_of_control_is_no_failure(cli, tmp_path):
    assert cli("CartPole-v1", "--num-steps", 1, "--run-path", tmp_path / "run").returncode == 0
    result = cli("solve", tmp_path / "run", "--state", "0,0,0,0")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1].startswith("return ")
    shown = cli("evaluate", tmp_path / "run", "--num-episodes", 3).stdout
    assert "success" not in shown
    assert shown.startswith("3 episodes, search best-of=1\n")
    assert re.search(r"\n  return +\S+ +mean\n", shown), shown


def test_success_that_is_told_is_shown_even_if_there_is_none(tmp_path):
    run = twisterl.train(config_of(Failing), tmp_path / "run", quiet=True)
    assert run.iterations()[0]["evals"]["greedy"] == {"success": 0.0, "reward": 6.0, "length": 0.0}
    assert repr(run).endswith("difficulty 3, last success 0.0 %>")
    assert run.policy.evaluate(num_episodes=2)["success"] == 0.0


def test_success_is_known_from_the_first_time_on(tmp_path):
    run = twisterl.train(config_of(envs_in_python.OnceEach), tmp_path / "run", num_steps=2, quiet=True)
    assert run.iterations()[0]["evals"]["greedy"]["success"] == 1.0


@pytest.mark.filterwarnings("ignore:.*goes up with success")
def test_a_longer_run_replaces_the_final_evaluation(tmp_path):
    whole = twisterl.train(config_of(Levels), tmp_path / "whole", num_steps=4, quiet=True)
    again = twisterl.train(config_of(Levels), tmp_path / "part", num_steps=3, quiet=True).resume(
        num_steps=4, quiet=True
    )

    def timeless(run):
        lines = (run.path / "metrics.jsonl").read_text().splitlines()
        return [{**json.loads(line), "time": None} for line in lines]

    assert timeless(again) == timeless(whole)
    name = "checkpoint_last/policy.safetensors"
    assert (again.path / name).read_bytes() == (whole.path / name).read_bytes()


@pytest.mark.parametrize(("learning", "warns"), [({"diff_max": 3}, 0), ({}, 1), ({"diff_threshold": 0.0}, 0)])
def test_a_curriculum_that_cannot_rise_warns_once(tmp_path, recwarn, learning, warns):
    twisterl.train(config_of(Levels, **learning), tmp_path / "run", quiet=True)
    texts = [str(warning.message) for warning in recwarn if "goes up with success" in str(warning.message)]
    assert len(texts) == warns, texts
