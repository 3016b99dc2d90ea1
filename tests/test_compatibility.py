"""Runs and policies made by released versions, which this one must read, use and resume (tests/data/make_runs.py).

Numbers are compared up to rounding: their last bits depend on the vector instructions of the processor.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import twisterl
from safetensors.numpy import load_file

RELEASES = sorted((Path(__file__).parent / "data").glob("runs_of_*"))
ANSWERS = {release: json.loads((release / "answers.json").read_text()) for release in RELEASES}
POLICIES = [pytest.param(r, policy, id=f"{r.name}-{policy}") for r in RELEASES for policy in ANSWERS[r]["policies"]]
RUNS = [
    pytest.param(release, run, id=f"{release.name}-{run}") for release in RELEASES for run in ANSWERS[release]["runs"]
]
TOLERANCE = 1e-4  # relative and absolute, of what follows from many sums
FEWEST = 0.9  # share of Adam's second moments that is left, at least, after the few steps of two iterations


# Of evaluations and training episodes.
UNMEASURED = ("success", "solved", "length", "mean_length")


def assert_close(found: Any, expected: Any, tolerance: float, place: str = "") -> None:
    """Holds `found` to what is in `expected`; fields that a release did not have are ignored.

    Environments without a measure of success had a success of 0, and no length of solutions.
    """
    if isinstance(expected, dict):
        unmeasured = "success" in found and found["success"] is None
        for name, value in expected.items():
            if unmeasured and name in UNMEASURED and not value:
                continue
            assert name in found, f"{place}.{name} is missing"
            assert_close(found[name], value, tolerance, f"{place}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), place
        for index, pair in enumerate(zip(found, expected, strict=True)):
            assert_close(*pair, tolerance, f"{place}[{index}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=tolerance, abs=tolerance), place
    else:
        assert found == expected, place


@pytest.fixture
def copied(tmp_path):
    """Copy a run of a release, so that it can be resumed."""
    return lambda release, name: shutil.copytree(release / name, tmp_path / name)


def records(run: Path) -> list[dict]:
    """The records of iterations: older versions did not log the evaluation at the end."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if not row.get("final")]


def test_there_are_runs_of_every_algorithm():
    for release in RELEASES:
        configs = [json.loads((release / run / "config.json").read_text()) for run in ANSWERS[release]["runs"]]
        assert {config["algorithm_cls"] for config in configs} == {"PPO", "AZ", "BackwardScramble", "ES"}
    assert RELEASES


def assert_predicts(policy: twisterl.Policy, cases: list[dict], tolerance: float) -> None:
    for case in cases:
        says, value = policy.predict(case["observation"], case["mask"])
        assert says == pytest.approx(case["says"], abs=tolerance)
        assert value == pytest.approx(case["value"], abs=tolerance)


@pytest.mark.parametrize(("release", "path"), POLICIES)
def test_policies_predict_what_they_did(release, path):
    assert_predicts(twisterl.load_policy(release / path), ANSWERS[release]["policies"][path]["predictions"], 1e-5)


@pytest.mark.parametrize(("release", "path"), POLICIES)
def test_policies_solve_what_they_did(cli, release, path, tmp_path):
    states = tmp_path / "states.json"
    states.write_text(json.dumps(ANSWERS[release]["boards"]))
    puzzle = twisterl.load_policy(release / path).env_cls == "Puzzle"
    problems = ["--states", states] if puzzle else ["--num-episodes", 5]
    for options, expected in ANSWERS[release]["policies"][path]["evaluations"].items():
        result = cli("evaluate", release / path, *problems, "--json", *options.split())
        assert result.returncode == 0, result.stderr
        assert_close(json.loads(result.stdout), expected, TOLERANCE, options)


@pytest.mark.parametrize(("release", "name"), RUNS)
def test_runs_are_resumed_where_they_ended(cli, copied, release, name):
    run = copied(release, name)
    before, expected = records(run), ANSWERS[release]["runs"][name]
    steps = len(before) + len(expected["metrics"])
    result = cli("--resume", run, "--num-steps", steps, "--quiet")
    assert result.returncode == 0, result.stderr
    after = records(run)
    assert after[: len(before)] == before
    assert [record["iteration"] for record in after] == list(range(steps))
    assert_close(after[len(before) :], expected["metrics"], TOLERANCE)
    assert_predicts(twisterl.load_policy(run / "checkpoint_last"), expected["predictions"], TOLERANCE)


@pytest.mark.parametrize(("release", "name"), RUNS)
def test_moments_of_adam_are_taken_over(cli, copied, release, name):
    """A step keeps 99.9 % of each second moment and adds a square; moments that begin anew at 0 stay far below."""
    run = copied(release, name)
    steps = len(records(run)) + len(ANSWERS[release]["runs"][name]["metrics"])
    before = load_file(run / "checkpoint_last/train.safetensors")
    assert cli("--resume", run, "--num-steps", steps, "--quiet").returncode == 0
    after = load_file(run / "checkpoint_last/train.safetensors")
    assert before["adam.v"].max() > 0
    assert (after["adam.v"] >= FEWEST * before["adam.v"]).all()
    assert (after["adam.m"] != before["adam.m"]).any()
    assert before.keys() == after.keys()


@pytest.mark.parametrize(("release", "name"), RUNS)
def test_runs_are_resumed_from_python(copied, release, name):
    run = twisterl.load_run(copied(release, name))
    expected = ANSWERS[release]["runs"][name]["metrics"]
    first = len(run.iterations())
    resumed = run.resume(num_steps=first + len(expected), quiet=True)
    assert_close(resumed.iterations()[first:], expected, TOLERANCE)


@pytest.mark.parametrize(("release", "name"), RUNS)
def test_runs_are_where_others_start(cli, release, name, tmp_path):
    """The weights of a run can be those with which another one begins."""
    run = tmp_path / "run"
    weights = ["--load-checkpoint", release / name, "--num-steps", 0]
    result = cli(release / name / "config.json", "--run-path", run, "--quiet", *weights)
    assert result.returncode == 0, result.stderr
    one, other = (
        load_file(f / "policy.safetensors") for f in (release / name / "checkpoint_best", run / "checkpoint_last")
    )
    assert all(np.array_equal(one[tensor], other[tensor]) for tensor in one | other)
