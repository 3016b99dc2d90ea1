"""States as people have them: in files and as Python values."""

import itertools
import json

import numpy as np
import pytest
import twisterl
from envs_in_python import Walk
from peer_files import copy_checkpoint

START = [1, 2, 0, 3, 4, 5, 6, 7, 8]  # two moves to the left
ROWS = [START[:3], START[3:6], START[6:]]


@pytest.fixture(scope="module")
def policy(root, tmp_path_factory):
    file = copy_checkpoint(root, tmp_path_factory.mktemp("peer"))
    twisterl.load_policy(file).save(file.with_name("whole.safetensors"))
    return twisterl.load_policy(file.with_name("whole.safetensors"))


@pytest.fixture(scope="module")
def policy_file(policy, tmp_path_factory):
    file = tmp_path_factory.mktemp("policy") / "policy.safetensors"
    policy.save(file)
    return file


FILES = {
    "states.json": json.dumps({"instances": [{"state": START, "optimal": 2.0}]}),
    "rows.json": json.dumps([{"state": ROWS, "optimal": 2}]),
    "lines.jsonl": json.dumps({"state": START, "optimal": 2}) + "\n",
    "header.csv": 'state,optimal\n"1,2,0,3,4,5,6,7,8",2\n',
    "german.csv": "\ufeffnr;s1;s2;s3;s4;s5;s6;s7;s8;s9;optimal\r\n1;1;2;0;3;4;5;6;7;8;2\r\n",
    "bare.csv": "1,2,0,3,4,5,6,7,8,2\n",
    "korf.txt": "# index, tiles, optimal length\n1 1 2 0 3 4 5 6 7 8 2\n",
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_states_are_evaluated(policy, policy_file, cli, tmp_path, name):
    file = tmp_path / name
    file.write_text(FILES[name])
    figures = policy.evaluate(file, search="beam=16")
    assert (figures["count"], figures["solved"], figures["mean_length"], figures["mean_optimal"]) == (1, 1, 2, 2)
    flags = ["--search", "beam=16", "--json"]
    for states, options in ((file, {}), ("-", {"input": FILES[name]})):
        result = cli("evaluate", policy_file, "--states", states, *flags, **options)
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout)["optimal_fraction"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 2 0 3 4 5 6 7 8\n\n2 1 0 3 4 5 6 7 8\n", ": line 3: expected a board that moves can solve, found [2, 1, 0"),
        ("state\n1 2 0 3 4 5 6 7\n", ": line 2: expected 9 tiles of a 3 x 3 board, found 8"),
        ('[[1,2,0,3,4,5,6,7,8],\n[1,2,0,3,4,5,6,7,"x"]]', ': line 2, [1][8]: expected a number, found "x"'),
    ],
)
def test_a_wrong_board_is_named_by_its_line(policy, policy_file, cli, tmp_path, content, message):
    file = tmp_path / "states"
    file.write_text(content)
    result = cli("evaluate", policy_file, "--states", file)
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: {file}{message}")
    with pytest.raises(twisterl.ConfigError) as error:
        policy.evaluate(file)
    assert str(error.value).startswith(f"{file}{message}")
    result = cli("evaluate", policy_file, "--states", "-", input=content)
    assert result.stderr.startswith(f"error: standard input{message}")


STATES = [
    START,
    tuple(START),
    ROWS,
    tuple(map(tuple, ROWS)),
    np.array(START),
    np.array(ROWS, np.uint8),
    np.array(ROWS, float),
    [np.int64(tile) for tile in START],
    "1 2 0 3 4 5 6 7 8",
    "[[1, 2, 0], [3, 4, 5], [6, 7, 8]]",
]


@pytest.mark.parametrize("state", STATES, ids=repr)
def test_states_of_any_kind_are_solved(policy, state):
    assert policy.solve(state, search="beam=16").actions == [0, 0]
    env = policy.make_env()
    env.set_state(state)
    assert env.get_state() == START


def test_batches_of_any_kind_are_solved(policy):
    boards = np.array([START, START])
    for states in (boards, boards.tolist(), boards.reshape(2, 3, 3), STATES):
        found = policy.solve_batch(states, search="beam=16")
        assert [solution.actions for solution in found] == [[0, 0]] * len(states)
    known = [{"state": np.array(ROWS), "optimal": optimal} for optimal in (2, 2.0, np.int64(2), np.float32(2), None)]
    figures = policy.evaluate(iter([*known, {"state": START, "optimal": np.nan}]), search="beam=16")
    assert (figures["count"], figures["mean_optimal"], figures["optimal_fraction"]) == (6, 2, 1)


def test_wrong_states_are_numbered(policy):
    for call in (policy.solve_batch, policy.evaluate):
        with pytest.raises(twisterl.StateError, match=r"two tiles off, in states\[2\]"):
            call([START, START, [2, 1, *START[2:]], START])
        with pytest.raises(twisterl.StateError, match=r"states\[1\]: expected a sequence of finite numbers, found NaN"):
            call([START, [np.nan, *START[1:]]])
    with pytest.raises(twisterl.StateError, match=r"^state: expected 9 tiles of a 3 x 3 board, found 2$"):
        policy.solve([1, 2])
    for states, message in (
        ([], "states: expected at least one"),
        (3, "states: expected states or the path of a file, found int"),
        ([{"board": START}], r"states\[0\]: expected a dict with 'state'"),
        (
            [{"state": START, "optimal": 1.5}],
            r"states\[0\].optimal: expected a whole number of moves, 0 or more, found",
        ),
        ([{"state": START, "optimal": -1}], r"states\[0\].optimal: expected a whole number"),
        (itertools.repeat(None, 0), "states: expected at least one"),
        (itertools.count(), "states: expected at least one, at most 1000000, found more"),
        (range(10**12), "states: expected at least one, at most 10000000, found more"),
    ):
        with pytest.raises(twisterl.UsageError, match=message):
            policy.evaluate(states)


def test_states_on_the_command_line_are_flat_or_in_rows(policy_file, cli):
    for state in ("1,2,0,3,4,5,6,7,8", "1 2 0 3 4 5 6 7 8", json.dumps(ROWS), str(tuple(START))):
        result = cli("solve", policy_file, "--state", state, "--search", "beam=16")
        assert result.returncode == 0, result.stderr
    result = cli("solve", policy_file, "--state", "1 2 x")
    assert (result.returncode, 'expected numbers separated by blanks or commas, found "x"' in result.stderr) == (
        2,
        True,
    )


def test_the_goal_may_have_the_blank_last(tmp_path, cli):
    env = twisterl.make("Puzzle", width=4, height=4, goal="blank_last", difficulty=0)
    env.reset()
    assert env.get_state() == [*range(1, 16), 0]
    assert env.solved()
    env.set_state([*range(1, 15), 0, 15])
    assert env.step(2) == (1.0, True, False)
    with pytest.raises(twisterl.StateError, match=r'moves lead to the goal of "goal": "blank_last"'):
        twisterl.make("Puzzle", width=4, height=4).set_state([*range(1, 16), 0])
    with pytest.raises(twisterl.ConfigError, match=r"env.goal: expected one of `blank_first`, `blank_last`, found `x`"):
        twisterl.make("Puzzle", goal="x")
    config = {
        "env_cls": "Puzzle",
        "env": {"width": 3, "height": 2, "goal": "blank_last", "difficulty": 4},
        "policy": {"embedding_size": 16, "common_layers": []},
        "algorithm": {
            "collecting": {"num_episodes": 64},
            "evals": {"x": {"num_episodes": 10}},
            "learning": {"diff_metric": "x"},
        },
    }
    run = twisterl.train(config, tmp_path / "run", num_steps=1, quiet=True)
    assert run.policy.env_params["goal"] == "blank_last"
    found = run.policy.solve([[1, 2, 3], [0, 4, 5]], search="beam=64")
    assert found.actions == [2, 2]
    file = tmp_path / "states.txt"
    file.write_text("1 2 3\n0 4 5\n\n1 2 3\n4 0 5\n")
    figures = run.policy.evaluate(file, search="beam=64")
    assert (figures["solved"], figures["mean_length"]) == (2, 1.5)
    result = cli("evaluate", tmp_path / "run", "--states", file, "--search", "beam=64", "--twists", "each", "--json")
    assert json.loads(result.stdout)["mean_length"] == 1.5


@pytest.mark.parametrize("twists", ["each", "average"])
def test_symmetries_of_dense_observations_are_used(tmp_path, cli, twists):
    config = {
        "env_cls": "LightsOut",
        "env": {"height": 3, "width": 3, "difficulty": 2},
        "algorithm": {
            "collecting": {"num_episodes": 16},
            "evals": {"x": {"num_episodes": 2}},
            "learning": {"diff_metric": "x"},
        },
    }
    run = twisterl.train(config, tmp_path / "run", num_steps=1, quiet=True)
    flags = ("--num-episodes", 10, "--search", "beam=16", "--json", "--twists", twists)
    result = cli("evaluate", tmp_path / "run", *flags)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["success"] == 1
    assert run.policy.evaluate(num_episodes=10, search="beam=16", twists=twists)["success"] == 1


class Fragile(Walk):
    """An environment that stops working."""

    broken = False

    def reset(self):
        if self.broken:
            raise RuntimeError("no power")
        super().reset()


def test_an_environment_that_cannot_begin_an_episode_is_no_error_of_the_file(tmp_path, monkeypatch):
    (tmp_path / "states").write_text("3\n1\n")
    config = {"env": {"size": 8}, "policy": {"embedding_size": 4, "common_layers": [4]}, "algorithm_cls": "PPO"}
    twisterl.register("Fragile", Fragile)
    policy = twisterl.rl.PPO({**config, "env_cls": "Fragile"}).policy
    assert policy.evaluate(tmp_path / "states")["count"] == 2
    monkeypatch.setattr(Fragile, "broken", True)
    with pytest.raises(RuntimeError, match="no power"):
        policy.evaluate(tmp_path / "states")
