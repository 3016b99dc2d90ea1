"""Many boards solved or compared in one command: records, errors by line, tables and figures."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import twisterl
from peer_files import copy_checkpoint
from processes import SLACK

START = [1, 2, 0, 3, 4, 5, 6, 7, 8]  # two moves to the left
BOARDS = "1 2 0 3 4 5 6 7 8 2\n2 1 0 3 4 5 6 7 8 2\n\n1 0 2 3 4 5 6 7 x 1\n0 1 2 3 4 5 6 7 8 0\n"
FIELDS = ["index", "line", "state", "solved", "length", "optimal", "gap", "reward", "moves", "actions"]
FIELDS += ["nodes", "simulations", "seconds", "error"]


@pytest.fixture(scope="module")
def policy_file(root, tmp_path_factory):
    file = copy_checkpoint(root, tmp_path_factory.mktemp("peer"))
    twisterl.load_policy(file).save(file.with_name("whole.safetensors"))
    return file.with_name("whole.safetensors")


@pytest.fixture
def boards(tmp_path):
    (tmp_path / "boards.txt").write_text(BOARDS)
    return tmp_path / "boards.txt"


@pytest.fixture(params=["binary", "module"])
def program(request, train_bin):
    """Both programs: the trainer, and the command of the Python package."""
    command = [train_bin] if request.param == "binary" else [sys.executable, "-m", "twisterl"]

    def call(*args, **options):
        words = [*command, *map(str, args)]
        return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, **options)

    return call


def records(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_each_board_has_a_record_in_its_place(program, policy_file, boards):
    result = program("solve", policy_file, "--states", boards, "--search", "beam=16", "--json")
    found = records(result)
    assert result.returncode == 1
    assert all(list(record) == FIELDS for record in found)
    assert [record["index"] for record in found] == [0, 1, 2, 3]
    assert [record["line"] for record in found] == [1, 2, 4, 5]
    assert [record["solved"] for record in found] == [True, False, False, True]
    assert [record["length"] for record in found] == [2, None, None, 0]
    assert [record["gap"] for record in found] == [0, None, None, 0]
    assert found[0]["moves"] == ["left", "left"]
    assert found[0]["state"] == START
    assert "expected a board that moves can solve" in found[1]["error"]
    assert 'found "x"' in found[2]["error"]
    assert found[0]["error"] is None
    assert f"{boards}, line 2: expected a board that moves can solve" in result.stderr
    assert f"{boards}, line 4: expected numbers" in result.stderr


@pytest.mark.parametrize("search", ["greedy", "best-of=4", "mcts=8", "beam=4"])
def test_records_do_not_depend_on_threads_and_agree_with_python(cli, policy_file, tmp_path, search):
    policy = twisterl.load_policy(policy_file)
    states = [policy.solve_scramble(20, search="greedy", seed=seed).start for seed in range(70)]
    file = tmp_path / "states.json"
    file.write_text(json.dumps(states))

    def solve(cores):
        result = cli("solve", policy_file, "--states", file, "--search", search, "--json", "--num-cores", cores)
        return [{**record, "seconds": 0} for record in records(result)]

    one = solve(1)
    assert one == solve(2)
    solutions = policy.solve_batch(states, search=search)
    shared = ["state", "solved", "length", "optimal", "gap", "actions", "nodes", "simulations"]
    assert [[record[key] for key in shared] for record in one] == [
        [solution.to_dict()[key] for key in shared] for solution in solutions
    ]


def test_a_table_is_read_again_as_states(cli, policy_file, boards, tmp_path):
    flags = ["--search", "beam=16"]
    table = cli("solve", policy_file, "--states", boards, "--csv", *flags)
    rows = list(csv.DictReader(io.StringIO(table.stdout)))
    assert [list(row) for row in rows] == [FIELDS] * 4
    assert rows[0]["state"] == "1 2 0 3 4 5 6 7 8"
    assert rows[0]["moves"] == "left; left"
    assert [row["solved"] for row in rows] == ["true", "false", "false", "true"]
    lines = cli("solve", policy_file, "--states", boards, "--json", *flags)
    for text in (table.stdout, lines.stdout):
        again = cli("solve", policy_file, "--states", "-", "--json", *flags, input=text)
        assert [record["length"] for record in records(again)] == [2, None, None, 0], again.stderr
        assert records(again)[0]["optimal"] == 2


def test_exit_codes_tell_whether_all_is_solved(program, policy_file, tmp_path):
    file = tmp_path / "one.txt"
    file.write_text("1 2 0 3 4 5 6 7 8\n")
    solved = program("solve", policy_file, "--states", file, "--search", "beam=16")
    assert (solved.returncode, solved.stdout) == (0, "line 1: solved after 2 moves: left, left\n")
    unsolved = program("solve", policy_file, "--states", file, "--search", "beam=1", "--max-steps", 1)
    assert unsolved.returncode == 1
    assert unsolved.stdout.startswith("line 1: not solved")
    file.write_text("no boards at all\n")
    refused = program("solve", policy_file, "--states", file, "--json")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "expected a header with a column `state`" in refused.stderr


def test_one_state_is_a_record_too(cli, policy_file):
    result = cli("solve", policy_file, "--state", "1 2 0 3 4 5 6 7 8", "--search", "beam=16", "--json")
    (record,) = records(result)
    assert (record["index"], record["line"], record["length"]) == (0, None, 2)
    for arguments in (["--state", "1", "--states", "x"], ["--json", "--csv", "--state", "1"], []):
        assert cli("solve", policy_file, *arguments).returncode == 2


def first_line(running):
    """The first line of a program, which is ended if there is none for long; empty then."""
    patience = threading.Timer(120, running.kill)
    patience.start()
    try:
        return running.stdout.readline()
    finally:
        patience.cancel()


@pytest.mark.slow
def test_records_come_while_others_are_being_solved(train_bin, policy_file, tmp_path):
    """The first record is there long before the end, and Ctrl-C ends the rest within a second or so."""
    file = tmp_path / "states.txt"
    file.write_text("8 7 5 3 2 0 4 6 1\n" * 20_000)
    command = [train_bin, "solve", policy_file, "--states", file, "--search", "beam=256", "--json", "--max-steps", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        first = first_line(running)
        assert first, running.communicate()
        assert json.loads(first)["index"] == 0
        running.send_signal(signal.SIGINT)
        begun = time.monotonic()
        # Not `communicate`, which would lose the lines that were read ahead with the first.
        out = running.stdout.read()
        assert running.wait(timeout=30) == 130, running.stderr.read()
        assert time.monotonic() - begun < SLACK
    assert [json.loads(line)["index"] for line in out.splitlines()] == list(range(1, out.count("\n") + 1))


def test_a_reader_that_goes_away_ends_the_work(train_bin, policy_file, tmp_path):
    file = tmp_path / "states.txt"
    # Minutes of work, on any machine.
    file.write_text("8 7 5 3 2 0 4 6 1\n" * 200_000)
    command = [train_bin, "solve", policy_file, "--states", file, "--search", "beam=256", "--json", "--max-steps", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert first_line(running)
        running.stdout.close()
        try:
            assert running.wait(timeout=20) in (0, 1)
        finally:
            running.kill()
        assert running.stderr.read() == ""


def test_solutions_are_records():
    policy = twisterl.Policy
    solution = twisterl.Solution(policy, True, 0.5, [1, 1, 0], START, 7, 0, 0.25)
    record = solution.to_dict(optimal=2)
    assert json.loads(json.dumps(record)) == {
        "state": START,
        "solved": True,
        "length": 3,
        "optimal": 2,
        "gap": 1,
        "reward": 0.5,
        "actions": [1, 1, 0],
        "nodes": 7,
        "simulations": 0,
        "seconds": 0.25,
    }
    failed = twisterl.Solution(policy, False, 0.5, [1], START).to_dict(optimal=2)
    assert (failed["length"], failed["gap"], failed["actions"]) == (None, None, [1])
    unmeasured = twisterl.Solution(policy, None, 475.0, [1, 0], START).to_dict()
    assert (unmeasured["solved"], unmeasured["length"]) == (None, 2), "as `solve --json` has it"


SEARCHES = ["greedy", "beam=4", "mcts=8"]


def test_policies_and_methods_are_compared(program, policy_file, boards, tmp_path):
    boards.write_text("1 2 0 3 4 5 6 7 8 2\n0 1 2 3 4 5 6 7 8 0\n")
    flags = ["--states", boards, "--search", ",".join(SEARCHES)]
    both = [f"first={policy_file}", f"second={policy_file}"]

    def compare(*more):
        result = program("compare", *both, *flags, *more)
        assert result.returncode == 0, result.stderr
        return result.stdout

    results = json.loads(compare("--json"))["results"]
    assert [(r["policy"], r["search"]) for r in results] == [(p, s) for p in ("first", "second") for s in SEARCHES]
    best = results[1]
    assert (best["success"], best["mean_length"], best["mean_gap"], best["relative_gap"]) == (1.0, 1.0, 0.0, 0.0)
    assert best["optimal_fraction"] == 1.0

    def without_times(results):
        return [{key: value for key, value in r.items() if not key.startswith("seconds")} for r in results]

    assert without_times(json.loads(compare("--json"))["results"]) == without_times(results)
    table = compare("--out", tmp_path / "results.json").splitlines()
    assert table[0].split() == ["policy", "search", "success", "optimal", "moves", "gap", "nodes", "time"]
    assert max(map(len, table)) <= 80
    assert f"2 states of {boards.name}" in table
    assert without_times(json.loads((tmp_path / "results.json").read_text())["results"]) == without_times(results)


def test_comparisons_that_cannot_be_made_are_refused(cli, policy_file, boards):
    for arguments, message in [
        (["--search", "greedy,astar"], "expected greedy, sample"),
        (["--search", "beam=0"], "with a number from 1"),
        (["--out", boards.with_suffix(".png")], "expected a path that ends in .json"),
        (["--states", boards], "line 2: expected a board that moves can solve"),
        ([policy_file], "expected another name than those before it"),
    ]:
        result = cli("compare", policy_file, *arguments)
        assert result.returncode in (1, 2), arguments
        assert message in result.stderr, result.stderr
        assert result.stdout == ""


def test_the_package_draws_comparisons(policy_file, boards, tmp_path):
    boards.write_text("1 2 0 3 4 5 6 7 8 2\n1 2 5 3 4 8 6 7 0 4\n")
    command = [sys.executable, "-m", "twisterl"]
    environment = {**os.environ, "MPLBACKEND": "Agg"}

    def call(*args):
        words = [*command, *map(str, args)]
        return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, env=environment)

    figure = tmp_path / "pareto.png"
    result = call("compare", policy_file, "--states", boards, "--search", "greedy,beam=4", f"--out={figure}")
    assert result.returncode == 0, result.stderr
    assert figure.read_bytes().startswith(b"\x89PNG")
    first = json.loads(figure.with_suffix(".json").read_text())
    assert len(first["results"]) == 2
    again = call("plot", figure.with_suffix(".json"), "--formats", "svg")
    assert again.returncode == 0, again.stderr
    assert figure.with_suffix(".svg").read_bytes().startswith(b"<?xml")
    elsewhere = call("plot", figure.with_suffix(".json"), "--formats", "svg", "--out", tmp_path / "new/folder")
    assert elsewhere.returncode == 0, elsewhere.stderr
    assert (tmp_path / "new/folder/pareto.svg").exists()
    replaced = call("compare", policy_file, "--states", boards, f"--out={figure}")
    assert replaced.returncode == 0, replaced.stderr
    # The results lie beside the figure, but in the place of no other file.
    (tmp_path / "config.json").write_text('{"env_cls": "Puzzle"}')
    beside = call("compare", policy_file, "--states", boards, "--out", tmp_path / "config.png")
    assert beside.returncode == 2
    assert "config.json can be written, found another file there" in beside.stderr
    assert (tmp_path / "config.json").read_text() == '{"env_cls": "Puzzle"}'
    (tmp_path / "other.json").write_text('{"results": [{"search": "greedy"}]}')
    refused = call("plot", tmp_path / "other.json")
    assert refused.returncode == 1
    assert "results[0]: expected an object with `policy` and `search`" in refused.stderr
