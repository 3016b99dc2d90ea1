"""The life of environments written in Python: replays, copies, ends, and the close of each."""

import copy
import gc
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import envs_with_lives
import gymnasium
import numpy as np
import pytest
import twisterl
from envs_with_lives import ByCopy, Counted, LineByCopy, SeededByKeywords, SharedFile
from life_cycle import ALGORITHMS, config, train, weights

RANDOM = ["OwnGenerator", "OwnStart", "GlobalRandomness", "NoisyLine", "Strict"]


def stopped_and_resumed(path, env_cls, name):
    """Stop a run after 3 of 6 iterations and resume it. Return it with the warnings of both parts."""
    with warnings.catch_warnings(record=True) as first:
        warnings.simplefilter("always")
        run = train(path, env_cls, name, 6, lambda metrics: metrics["iteration"] < 2)
    with warnings.catch_warnings(record=True) as second:
        warnings.simplefilter("always")
        run = run.resume(quiet=True)
    return run, *([str(warning.message) for warning in caught] for caught in (first, second))


@pytest.mark.parametrize(("env_cls", "name"), [*itertools.product(RANDOM, ["PPO", "AZ", "ES"])])
def test_runs_with_environments_that_cannot_be_replayed_resume(tmp_path, env_cls, name):
    run, first, second = stopped_and_resumed(tmp_path / "run", env_cls, name)
    assert len(run.iterations()) == 6
    differs = [text for text in first if "played again" in text]
    assert len(differs) == 1, first
    assert f"envs_with_lives.{env_cls}" in differs[0]
    afresh = [text for text in second if "begin afresh" in text]
    assert len(afresh) == (name == "PPO"), second


@pytest.mark.parametrize(("env_cls", "name"), [*itertools.product(["Line", "CountedWalk"], ["PPO", "AZ", "ES"])])
def test_runs_with_environments_that_can_be_replayed_resume_identically(tmp_path, env_cls, name):
    whole = train(tmp_path / "whole", env_cls, name, 6)
    run, first, second = stopped_and_resumed(tmp_path / "run", env_cls, name)
    assert weights(run) == weights(whole)
    assert (first, second) == ([], [])


@pytest.fixture
def counted():
    """The numbers of the environments made and closed."""
    Counted.made.clear()
    Counted.closed.clear()
    return Counted


def assert_all_closed(counted, most):
    """Assert that each environment made was closed once, and that no more than so many were made."""
    gc.collect()
    assert 0 < len(counted.made) <= most
    assert sorted(counted.closed) == list(range(1, len(counted.made) + 1))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc, to count open files")
@pytest.mark.parametrize("env_cls", ["CountedWalk", "CountedLine"])
@pytest.mark.parametrize(("name", "most"), [("PPO", 16), ("PPO by episodes", 16), ("AZ", 16), ("ES", 16)])
def test_training_closes_each_environment_once(tmp_path, counted, env_cls, name, most):
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    run = train(tmp_path / "run", env_cls, name, 10, lambda metrics: metrics["iteration"] < 4)
    assert_all_closed(counted, most)
    run.resume(quiet=True)
    assert_all_closed(counted, 2 * most)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_copies_are_closed_if_copying_ran_their_constructor(tmp_path, counted):
    train(tmp_path / "run", "CountedClones", "AZ", 1)
    assert_all_closed(counted, 10_000)
    assert len(counted.made) > 20, "clones among them"


def test_copies_that_share_a_file_are_not_closed(tmp_path):
    SharedFile.opened.clear()
    train(tmp_path / "run", "SharedFile", "AZ", 2)
    assert SharedFile.opened
    assert all(file.closed for file in SharedFile.opened)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_environments_are_closed_after_errors(tmp_path, counted, name):
    with pytest.raises(ZeroDivisionError) as raised:
        train(tmp_path / "run", "CountedFailing", name, 5)
    assert raised.tb is not None, "what holds the traceback does not keep them open"
    assert_all_closed(counted, 30)


def test_an_exit_in_close_does_not_end_the_run(tmp_path):
    with pytest.warns(UserWarning, match=r"close\(\) raised SystemExit"):
        run = train(tmp_path / "run", "ExitingClose", "PPO", 2)
    assert len(run.iterations()) == 2


@pytest.fixture
def interrupt_after():
    """Press Ctrl-C after some seconds, unless the test has ended before."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    timers = []

    def interrupt(seconds):
        timers.append(threading.Timer(seconds, signal.raise_signal, [signal.SIGINT]))
        timers[-1].start()

    yield interrupt
    for timer in timers:
        timer.cancel()
        timer.join()
    signal.signal(signal.SIGINT, handler)


@pytest.mark.parametrize("name", ["PPO", "AZ", "ES"])
def test_environments_are_closed_on_ctrl_c(tmp_path, counted, interrupt_after, name):
    interrupt_after(1.0)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", "CountedSlow", name, 1000)
    assert_all_closed(counted, 30)


def test_policies_close_their_environments(tmp_path, counted):
    train(tmp_path / "run", "CountedWalk", "PPO", 1)
    counted.made.clear()
    counted.closed.clear()
    policy = twisterl.load_policy(tmp_path / "run", trust=True)
    for search in ("greedy", "best-of=4", "mcts=4", "beam=4"):
        policy.evaluate(num_episodes=3, search=search)
        assert policy.solve([2], search=search).frames()
    assert not counted.closed
    del policy
    assert_all_closed(counted, 16)


def test_an_environment_is_closed_when_it_is_no_longer_used(counted):
    env = twisterl.make("envs_with_lives.CountedWalk")
    twin = copy.deepcopy(env)
    del env, twin
    assert_all_closed(counted, 3)
    script = (
        "import twisterl, envs_with_lives, atexit; atexit.register(lambda: print(len(envs_with_lives.Counted.made),"
        "len(envs_with_lives.Counted.closed))); env = twisterl.make('envs_with_lives.CountedWalk'); env.reset()"
    )
    tests = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", script], cwd=tests, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1"], "at exit"
    assert done.stderr == ""


def test_an_environment_that_cannot_be_closed_is_warned_of(tmp_path):
    with pytest.warns(UserWarning, match=r"CannotClose: close\(\) raised OSError: no such device"):
        train(tmp_path / "run", "CannotClose", "PPO", 1)


COPIES = [
    *(("WithLock", "plays its episodes again"), ("WithFile", "plays its episodes again")),
    *(("WithGenerator", "plays its episodes again"), ("LineWithLock", "plays its episodes again")),
    *(("ByCopy", None), ("LineByCopy", None), ("Walk", None), ("Line", None), ("OtherClone", None)),
    *(("WithDatabase", "plays its episodes again"), ("RefusesDeepCopies", "plays its episodes again")),
    ("ReturnsItself", None),
    *(("SharedBoard", "is copied by copy.deepcopy"), ("SharedClones", "is copied by copy.deepcopy")),
    ("BrokenClone", "is copied by copy.deepcopy, since its own way does not work (clone(): AttributeError: no board)"),
]


@pytest.mark.parametrize(("env_cls", "warning"), COPIES)
def test_tree_search_copies_environments_in_a_way_that_works(tmp_path, env_cls, warning):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = train(tmp_path / "run", env_cls, "AZ", 2)
        if env_cls != "WithGenerator":  # which has other rewards
            # The same rules, copied in the plain way, give the same run.
            other = train(tmp_path / "plain", "Line" if env_cls.startswith("Line") else "Walk", "AZ", 2)
            for name, values in run.last_policy.weights().items():
                assert (values == other.last_policy.weights()[name]).all()
    texts = [str(each.message) for each in caught]
    assert len(texts) == (warning is not None), texts
    assert all(warning in text and env_cls in text for text in texts)


def test_noisy_observations_do_not_keep_an_environment_from_being_copied(tmp_path):
    with pytest.warns(UserWarning, match="played again"):
        run = train(tmp_path / "run", "NoisyView", "AZ", 2)
    assert len(run.iterations()) == 2


def test_copies_by_copy_are_those_of_the_class(tmp_path):
    ByCopy.copies = LineByCopy.copies = 0
    train(tmp_path / "walk", "ByCopy", "AZ", 1)
    train(tmp_path / "line", "LineByCopy", "AZ", 1)
    assert ByCopy.copies > 20
    assert LineByCopy.copies > 20


@pytest.mark.parametrize("search", ["mcts=4", "gumbel=4", "beam=4"])
def test_environments_that_cannot_be_copied_are_refused_with_advice(tmp_path, search):
    with pytest.raises(twisterl.EnvError) as raised:
        train(tmp_path / "az", "NoWay", "AZ", 1)
    found = str(raised.value)
    for part in ("envs_with_lives.NoWay", "NoWay a method clone()", "copy.deepcopy: TypeError: cannot pickle"):
        assert part in found
    assert "playing the episode again: " in found
    run = train(tmp_path / "ppo", "NoWay", "PPO", 1, evals={"tree": {"num_episodes": 1}})
    with pytest.raises(twisterl.EnvError, match="a method clone"):
        run.policy.evaluate(num_episodes=2, search=search)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("env_cls", ["LineByCopy", "LineWithLock", "Line"])
def test_wrapped_environments_are_copied_with_their_wrappers(env_cls, wrapped):
    kind = getattr(envs_with_lives, env_cls)

    def make():
        return gymnasium.wrappers.TimeLimit(kind(), 5) if wrapped else kind()

    env = twisterl.make(make, seed=1)
    env.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        twin = env.clone()
    for _ in range(4):
        assert env.step(1) == twin.step(1)
        assert np.array_equal(env.observe(), twin.observe())
    # The fifth step is the last of the wrapper, in the copy as in the original.
    assert env.step(1)[2] == twin.step(1)[2] == wrapped


@pytest.mark.parametrize("env_cls", ["Unseeded", "UnseededGlobally"])
@pytest.mark.parametrize("name", ["PPO", "AZ", "ES"])
def test_resets_without_a_seed_repeat(tmp_path, env_cls, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs = [train(tmp_path / str(number), env_cls, name, 2) for number in range(2)]
    assert weights(runs[0]) == weights(runs[1])
    starts = set()
    env = twisterl.make(f"envs_with_lives.{env_cls}", seed=3)
    for _ in range(40):
        env.reset()
        starts.add(tuple(env.observe()))
    assert len(starts) == 4


def test_resets_by_any_keyword_get_a_seed():
    SeededByKeywords.seeds.clear()
    env = twisterl.make("envs_with_lives.SeededByKeywords", seed=3)
    env.reset()
    assert len(set(SeededByKeywords.seeds)) == 2


LIMITED = [
    ("PPO by episodes", 10_000, "algorithm.collecting.max_steps"),
    ("AZ", 1_000, "algorithm.collecting.max_steps"),
    ("ES", 10_000, "algorithm.es.max_steps"),
]


@pytest.mark.parametrize("env_cls", ["Endless", "EndlessLine"])
@pytest.mark.parametrize(("name", "limit", "field"), LIMITED)
def test_training_episodes_without_an_end_are_truncated(tmp_path, env_cls, name, limit, field):
    few = {"collecting": {"num_episodes": 2, **({"num_mcts_searches": 2} if name == "AZ" else {})}}
    few = {"es": {"population": 2, "num_episodes": 1}} if name == "ES" else few
    evals = {"greedy": {"num_episodes": 1, "max_steps": 5}, "tree": {"num_episodes": 1, "max_steps": 5}}
    with pytest.warns(UserWarning, match="default limit") as caught:
        run = train(tmp_path / "run", env_cls, name, 2, evals=evals, **few)
    assert [str(warning.message).partition(":")[0] for warning in caught] == [field]
    assert f"within {limit} steps" in str(caught[0].message)
    assert run.metrics["rollout.length"].tolist() == [limit, limit]
    section = field.split(".")[1]
    few[section] = {**few[section], "max_steps": 7}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = train(tmp_path / "short", env_cls, name, 2, evals=evals, **few)
    assert run.metrics["rollout.length"].tolist() == [7, 7]


@pytest.mark.parametrize("env_cls", ["Endless", "EndlessLine"])
def test_evaluations_and_solutions_without_an_end_are_truncated(tmp_path, env_cls):
    with pytest.warns(UserWarning, match="default limit") as caught:
        run = train(tmp_path / "run", env_cls, "PPO", 2)
    paths = [str(warning.message).partition(":")[0] for warning in caught]
    assert paths == [f"algorithm.evals.{name}.max_steps" for name in ("greedy", "tree")]
    policy = run.policy
    for search, limit in (("greedy", 10_000), ("best-of=2", 10_000), ("mcts=2", 1_000), ("beam=1", 1_000)):
        with pytest.warns(UserWarning, match=f"^max_steps: an episode did not end within {limit} steps") as caught:
            solution = policy.solve_scramble(search=search)
        assert not solution.success
        assert len(solution) == limit
        assert len(caught) == 1
    with pytest.warns(UserWarning, match="max_steps"):
        policy.evaluate(num_episodes=1, search="greedy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not policy.evaluate(num_episodes=1, search="greedy", max_steps=20)["success"]


@pytest.mark.parametrize("env_cls", ["BeginsSolved", "LineBeginsSolved", "Puzzle"])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_environments_that_begin_solved_are_solved_in_no_steps_everywhere(tmp_path, env_cls, name):
    changed = config(env_cls, name, learning={"diff_max": 0})
    if env_cls == "Puzzle":  # no random moves from the goal
        changed |= {"env_cls": "Puzzle", "env": {"width": 2, "height": 2, "difficulty": 0}}
    run = twisterl.train(changed, tmp_path / "run", num_steps=2, quiet=True)
    metrics = run.metrics
    for figures in ("rollout", "evals.greedy", "evals.tree"):
        assert metrics[f"{figures}.success"].tolist() == [1, 1]
        assert metrics[f"{figures}.length"].tolist() == [0, 0]
        assert metrics[f"{figures}.reward"].tolist() == [0, 0]
    assert metrics["env_steps"].tolist() == [0, 0]
    assert metrics["success"].tolist() == [1, 1]
    policy = run.policy
    for search in ("greedy", "sample", "mcts=2", "beam=2"):
        solution = policy.solve_scramble(0, search=search)
        assert (solution.success, len(solution), solution.reward) == (True, 0, 0)
        assert policy.evaluate(difficulty=0, num_episodes=2, search=search)["success"] == 1
    resumed = run.resume(num_steps=3, quiet=True)
    assert resumed.metrics["rollout.success"].tolist() == [1, 1, 1]
    if name.startswith("PPO"):
        collected, _ = twisterl.rl.PPO(changed).collect()
        assert len(collected) == 0
    assert policy.make_env().is_final()


@pytest.mark.parametrize("metric", ["rollout", "greedy"])
def test_the_curriculum_leaves_a_difficulty_that_begins_solved(tmp_path, metric):
    changed = config("Puzzle", "PPO", learning={"diff_metric": metric, "diff_step": 2}, collecting={"num_envs": 256})
    changed |= {"env_cls": "Puzzle", "env": {"width": 2, "height": 2, "difficulty": 0}}
    run = twisterl.train(changed, tmp_path / "run", num_steps=2, quiet=True)
    assert run.metrics["difficulty"].tolist() == [0, 2]


@pytest.mark.parametrize("search", ["greedy", "mcts=8"])
@pytest.mark.parametrize("call", ["evaluate", "solve_batch"])
def test_environments_are_closed_after_interrupted_calls(tmp_path, counted, interrupt_after, call, search):
    train(tmp_path / "run", "CountedSlow", "ES", 0)
    policy = twisterl.load_policy(tmp_path / "run", trust=True)
    interrupt_after(0.3)
    work = {"evaluate": {"num_episodes": 5000, "difficulty": 7}, "solve_batch": {"states": [[7]] * 5000}}
    with pytest.raises(KeyboardInterrupt):
        getattr(policy, call)(search=search, **work[call])
    del policy
    assert_all_closed(counted, 300)


@pytest.mark.slow
def test_the_command_line_warns_and_closes(tmp_path):
    made = tmp_path / "made.py"
    made.write_text(
        "import atexit, envs_with_lives as envs\n"
        "Endless = envs.Endless\n"
        "CountedWalk = envs.CountedWalk\n"
        "atexit.register(lambda: print('made', len(envs.Counted.made), 'closed', len(envs.Counted.closed)))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}

    def call(*args):
        command = [sys.executable, "-m", "twisterl", *map(str, args)]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=100
        )

    changed = config("Endless", "ES", es={"num_episodes": 1, "population": 2, "max_steps": 5})
    for env_cls in ("Endless", "CountedWalk"):
        (tmp_path / "config.json").write_text(json.dumps({**changed, "env_cls": f"made.{env_cls}"}))
        done = call("train", "config.json", "--num-steps", 1, "--run-path", env_cls, "--quiet")
        assert done.returncode == 0, done.stderr
        fields = [f"algorithm.evals.{name}.max_steps" for name in ("greedy", "tree")]
        warned = [line.split(":")[1].strip() for line in done.stderr.splitlines() if line.startswith("warning: ")]
        assert warned == (fields if env_cls == "Endless" else [])
    made, closed = done.stdout.split()[1::2]
    assert made == closed
    assert int(made) > 5
    done = call("solve", "Endless", "--state", 1, "--trust", "--greedy")
    assert "warning: --max-steps: an episode did not end within 10000 steps" in done.stderr
    done = call("evaluate", "Endless", "--trust", "--num-episodes", 1)
    assert "warning: --max-steps: an episode did not end" in done.stderr
