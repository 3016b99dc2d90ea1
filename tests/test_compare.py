"""The scripts that compare two builds: what they see, what they report, and that they notice a change."""

import json
import sys

import numpy as np
import pytest
from comparison import cases, runs, tensors
from comparison.differences import Difference, ExpectationError, Verdict, differences, read_expectations
from comparison.speed import benchmark, ratios, table, unmatched
from safetensors.numpy import save


def paths(before, after) -> list[str]:
    return [difference.path for difference in differences(before, after)]


# Checksums and fingerprints


def test_checksums_see_tensors_and_not_metadata():
    weights = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(2, np.float64)}
    plain, described = save(weights), save(weights, {"env": '{"width": 3}', "name": "puzzle"})
    assert tensors.checksums(plain) == tensors.checksums(described)
    assert tensors.metadata(described) == {"env": {"width": 3}, "name": "puzzle"}
    assert tensors.checksums(plain)["a"].startswith("F32 2x3 ")
    for name in weights:
        changed = {**weights, name: weights[name] + 1}
        assert paths(tensors.checksums(plain), tensors.checksums(save(changed))) == [name]
    reshaped = {**weights, "a": weights["a"].reshape(3, 2)}
    assert paths(tensors.checksums(plain), tensors.checksums(save(reshaped))) == ["a"]


def test_times_are_left_out_on_all_levels():
    record = {"iteration": 1, "time": {"total": 2}, "evals": [{"time": 3, "success": 0.5}]}
    assert runs.without_times(record) == {"iteration": 1, "evals": [{"success": 0.5}]}


def test_long_values_become_checksums():
    state = {"iteration": 3, "live": [list(range(200)), 1]}
    short = runs.shortened(state)
    assert short["iteration"] == 3
    assert short["live"].endswith(runs.shortened(state["live"]).split()[-1])
    assert runs.shortened({**state, "live": [list(range(201)), 1]})["live"] != short["live"]


# Differences


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1, "b": [1, 2]}, {"a": 1, "b": [1, 2]}, []),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["a/b"]),
        ({"a": [1, 2, 3]}, {"a": [1, 0, 0]}, ["a/1", "a/2"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a"]),
        ({"a": 1}, {"b": 1}, ["a", "b"]),
        ({"a": 1}, {"a": 1.0}, ["a"]),
        ({"a": None}, {}, ["a"]),
        ({"a": 0.1}, {"a": 0.1 + 2**-56}, ["a"]),
    ],
)
def test_differences_are_named_one_by_one(before, after, expected):
    assert paths(before, after) == expected


def test_expected_differences_are_reported_with_their_reason():
    found = [Difference("training/es/metrics/0/x", 1, 2), Difference("training/ppo/metrics/0/x", 1, 2)]
    expectations = {"training/es/*": "renamed", "answers/*": "not needed"}
    verdict = Verdict.of(found, expectations)
    assert verdict.unexpected == found[1:]
    assert verdict.expected == {"training/es/*": found[:1], "answers/*": []}
    report = verdict.report(expectations, limit=5).splitlines()
    assert "expected (1): training/es/*: renamed" in report
    assert "expected (0): answers/*: not needed" in report
    assert report[-1] == "DIFFERS  training/ppo/metrics/0/x: 1 -> 2"


def test_reports_show_a_limited_number_of_each_case():
    found = [Difference(f"training/{name}/metrics/{i}", 1, 2) for name in ("a", "b") for i in range(5)]
    report = Verdict.of(found, {}).report({}, limit=2)
    assert report.count("DIFFERS") == 4
    assert report.count("and 3 more of this case") == 2


@pytest.mark.parametrize("text", ["", "[]", '{"a": ""}', '{"a": 1}'])
def test_expectations_without_reasons_are_refused(tmp_path, text):
    file = tmp_path / "expected.json"
    file.write_text(text)
    with pytest.raises(ExpectationError, match=r"expected\.json"):
        read_expectations(file)


# Cases


def test_every_example_is_trained(root):
    names = {case.config for case in cases.examples()}
    assert names == {f"examples/{file.name}" for file in (root / "examples").glob("*.json")}


def test_cases_have_names_of_their_own_and_their_policies_are_there(root):
    trainings = [*cases.examples(), *cases.variants()]
    for names in ([case.name for case in trainings], [case.name for case in cases.PROBLEMS]):
        assert len(set(names)) == len(names)
    kept = {case.name for case in trainings if case.kept}
    for case in cases.PROBLEMS:
        inside, _, name = case.policy.partition("/")
        assert name.partition("/")[0] in kept if inside == "runs" else (root / case.policy).is_file(), case.name


# The scripts


@pytest.fixture(scope="module")
def only() -> list[str]:
    return ["--only", "es_cartpole_v1", "--sections", "training,resume"]


def test_a_trainer_computes_the_same_as_itself_and_changes_are_noticed(script, train_bin, only, tmp_path):
    record = tmp_path / "record.json"
    made = script("compare.py", "binaries", "record", train_bin, "--out", record, *only)
    assert made.returncode == 0, made.stderr
    same = script("compare.py", "binaries", "compare", record, train_bin, *only)
    assert same.returncode == 0, same.stdout + same.stderr

    found = json.loads(record.read_text())
    found["resume"]["es_cartpole_v1"]["metrics"][25]["losses"]["sigma"] = 0.5
    found["training"]["es_cartpole_v1"]["tensors"]["checkpoint_last/train.safetensors"]["adam.v"] = "F32 1 0"
    record.write_text(json.dumps(found))
    changed = script("compare.py", "binaries", "compare", record, train_bin, *only)
    assert changed.returncode == 1
    assert "DIFFERS  resume/es_cartpole_v1/metrics/25/losses/sigma: 0.5 -> 0.1" in changed.stdout
    assert "DIFFERS  training/es_cartpole_v1/tensors/checkpoint_last/train.safetensors/adam.v" in changed.stdout

    expected = tmp_path / "expected.json"
    expected.write_text(json.dumps({"*/es_cartpole_v1/*": "made up"}))
    result = script("compare.py", "binaries", "compare", record, train_bin, *only, "--expect", expected)
    assert result.returncode == 0, result.stdout
    assert "0 differences, 2 more that are expected" in result.stdout


def test_what_fails_is_no_difference(script, train_bin, only, tmp_path):
    assert script("compare.py", "binaries", "compare", tmp_path / "absent.json", train_bin, *only).returncode == 2
    result = script("compare.py", "binaries", "record", sys.executable, "--out", tmp_path / "record.json", *only)
    assert result.returncode == 2
    assert "error: " in result.stderr


def test_a_case_that_fails_differs(script, train_bin, only, tmp_path):
    record = tmp_path / "record.json"
    assert script("compare.py", "binaries", "record", train_bin, "--out", record, *only).returncode == 0
    (tmp_path / "record-runs/es_cartpole_v1/config.json").write_text("{}")
    result = script("compare.py", "binaries", "compare", record, train_bin, *only)
    assert result.returncode == 1
    assert "DIFFERS  resume/es_cartpole_v1/error: (absent) -> " in result.stdout
    assert "DIFFERS  training" not in result.stdout


def test_packages_are_compared(script, tmp_path):
    record = tmp_path / "python.json"
    assert script("compare.py", "packages", "record", "--out", record).returncode == 0
    found = json.loads(record.read_text())
    found["policies"]["puzzle15"]["predict"][0][1] += 1e-9
    record.write_text(json.dumps(found))
    result = script("compare.py", "packages", "compare", record)
    assert result.returncode == 1
    assert result.stdout.count("DIFFERS") == 1
    assert "policies/puzzle15/predict/0/1" in result.stdout


def test_speed_is_compared_in_turns(script, train_bin, tmp_path):
    out = tmp_path / "speed.json"
    options = ["--rounds", 2, "--seconds", 0, "--train", "es_cartpole_v1:2", "--most", 1000, "--out", out]
    result = script("compare.py", "speed", train_bin, train_bin, *options)
    assert result.returncode == 0, result.stdout + result.stderr
    rounds = json.loads(out.read_text())["rounds"]
    assert len(rounds) == 2
    assert all(side["old"] != side["new"] for side in rounds), "both sides are measured, even if they are one binary"
    assert set(rounds[0]["old"]) == {"train es_cartpole_v1", "train es_cartpole_v1, processor"}
    assert all(f"| {name} | " in result.stdout for name in rounds[0]["new"])


def test_hot_paths_are_timed_by_name(train_bin):
    times = benchmark(train_bin, 1, ["--num-cores", "1"])
    assert len(times) > 5
    assert all(seconds > 0 for seconds in times.values())


def test_ratios_are_those_of_one_round():
    found = [({"a": 1.0, "b": 1.0}, {"a": 2.0, "c": 1.0}), ({"a": 2.0, "b": 1.0}, {"a": 2.0, "c": 1.0})]
    assert ratios(found) == {"a": [1.0, 2.0]}
    assert unmatched(found) == ["b", "c"]
    assert table(ratios(found)).splitlines()[-1] == "| a | 1.500 | 1.000 | 2.000 |"
