"""The trainer's command line, as a user meets it: its own process, files and exit codes."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cli_configs import TINY, assert_refused, changed, write
from safetensors.numpy import load_file
from tensorboard_events import scalars

GOAL = "0,1,2,3,4,5"
LENGTH = 40  # iterations of the runs that are stopped on the way


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """The config of a run that takes well under a second."""
    return write(tmp_path_factory.mktemp("config") / "tiny.json", TINY)


@pytest.fixture(scope="module")
def run(cli, tiny, tmp_path_factory) -> Path:
    """The folder of a finished run of three iterations."""
    path = tmp_path_factory.mktemp("runs") / "run"
    result = cli(tiny, "--num-steps", 3, "--run-path", path, "--seed", 7)
    assert result.returncode == 0, result.stderr
    return path


def metrics(run: Path) -> list[dict]:
    """The records of a run without their times, the only thing in them that may differ between equal runs."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in record.items() if key != "time"} for record in records]


def weights(checkpoint: Path) -> dict[str, bytes]:
    files = sorted(checkpoint.glob("*.safetensors"))
    assert files, f"no weights in {checkpoint}"
    return {file.name: file.read_bytes() for file in files}


def assert_same_run(one: Path, other: Path) -> None:
    assert metrics(one) == metrics(other)
    for checkpoint in ("checkpoint_last", "checkpoint_best"):
        assert weights(one / checkpoint) == weights(other / checkpoint), checkpoint


def start(train_bin: Path, *args) -> subprocess.Popen:
    return subprocess.Popen([train_bin, *map(str, args)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for_records(run: Path, count: int, process: subprocess.Popen) -> None:
    """Wait until the run folder is there and ``count`` iterations are logged."""
    end = time.monotonic() + 60
    log = run / "metrics.jsonl"
    while not run.exists() or (count > 0 and not (log.exists() and log.read_bytes().count(b"\n") >= count)):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, f"no {count} records within 60 s"
        time.sleep(0.002)


# What the command line says of itself


def test_help_names_flags_and_subcommands(cli):
    result = cli("--help")
    assert result.returncode == 0
    flags = ["--run-path", "--num-steps", "--seed", "--num-cores", "--resume", "--load-checkpoint", "--set", "--quiet"]
    for name in [*flags, "evaluate", "solve", "compare", "convert", "schema", "envs"]:
        assert name in result.stdout


def test_no_arguments_show_usage(cli):
    assert_refused(cli(), "Usage")


def test_envs_lists_the_puzzle(cli):
    result = cli("envs")
    assert result.returncode == 0
    assert "Puzzle" in result.stdout


# Configs


@pytest.mark.parametrize(
    ("config", "mentions"),
    [
        ("", ["bad.json"]),
        ("[1, 2", ["bad.json"]),
        ("[]", ["config: expected"]),
        ("[" * 100_000, ["bad.json"]),
        (changed("env.width", 1), ["env.width"]),
        (changed("env.width", 1e300), ["env.width"]),
        (changed("env.nonsense", 1), ["nonsense"]),
        (changed("env_cls", "Labyrinth"), ["env_cls", "Labyrinth", "Puzzle"]),
        (changed("algorithm_cls", "Magic"), ["algorithm_cls", "Magic"]),
        (changed("algorithm.learning.diff_metric", "missing"), ["diff_metric", "missing", "ppo_1"]),
        (changed("policy.embedding_size", 10**9), ["policy"]),
    ],
    ids=["empty", "cut", "list", "nested", "small", "huge", "env key", "env name", "algorithm", "metric", "network"],
)
def test_bad_configs_are_refused_with_the_place(cli, tmp_path, config, mentions):
    run = tmp_path / "run"
    assert_refused(cli(write(tmp_path / "bad.json", config), "--num-steps", 1, "--run-path", run), *mentions)
    assert not run.exists()


def test_missing_config_is_refused(cli, tmp_path):
    assert_refused(cli(tmp_path / "absent.json"), "absent.json")
    assert_refused(cli(tmp_path), str(tmp_path))


def test_set_overrides_the_config(cli, tiny, tmp_path):
    run = tmp_path / "run"
    overrides = ["--set", "algorithm.training.ent_coef=0.125", "--set", "policy.common_layers=[8]"]
    result = cli(tiny, "--num-steps", 1, "--run-path", run, *overrides)
    assert result.returncode == 0, result.stderr
    config = json.loads((run / "config.json").read_text())
    assert config["algorithm"]["training"]["ent_coef"] == 0.125
    assert config["policy"]["common_layers"] == [8]


@pytest.mark.parametrize("override", ["algorithm.training.nonsense=1", "algorithm.training.num_epochs=ten", "no_value"])
def test_bad_overrides_are_refused(cli, tiny, tmp_path, override):
    run = tmp_path / "run"
    result = cli(tiny, "--num-steps", 1, "--run-path", run, "--set", override)
    assert_refused(result, override.split("=")[0])
    assert not run.exists()


# A run and its folder


def test_run_fills_its_folder(run):
    config = json.loads((run / "config.json").read_text())
    assert config["env"]["width"] == 3
    assert config["algorithm"]["training"]["num_epochs"] == 2
    records = metrics(run)
    *iterations, end = records
    assert [record["iteration"] for record in records] == [0, 1, 2, 3]
    fields = {"iteration", "env_steps", "difficulty", "success", "evals"}
    assert all(fields | {"rollout", "losses"} <= set(record) for record in iterations)
    assert set(end) == {*fields, "final"}, "the evaluation at the end"
    for checkpoint in ("checkpoint_last", "checkpoint_best"):
        assert any(load_file(file) for file in (run / checkpoint).glob("*.safetensors"))


def test_folder_holds_nothing_unfinished(run):
    assert not [path for path in run.parent.rglob("*") if "tmp" in path.name or ".new" in path.name]


def test_tensorboard_events_hold_the_metrics(run):
    (events,) = run.rglob("events.out.tfevents.*")
    found = scalars(events)
    assert found["Benchmark/difficulty"] == [(r["iteration"], r["difficulty"]) for r in metrics(run)]
    entropies = [r["losses"]["entropy"] for r in metrics(run) if not r.get("final")]
    assert [value for _, value in found["Losses/entropy"]] == pytest.approx(entropies, rel=1e-6)


def test_run_folder_in_use_is_refused(cli, tiny, run):
    before = weights(run / "checkpoint_last")
    assert_refused(cli(tiny, "--num-steps", 1, "--run-path", run), str(run), "--resume")
    assert weights(run / "checkpoint_last") == before


def test_progress_is_plain_lines_without_a_terminal_and_nothing_when_quiet(cli, tiny, tmp_path):
    loud = cli(tiny, "--num-steps", 2, "--run-path", tmp_path / "loud")
    assert "difficulty" in loud.stderr + loud.stdout
    assert "\x1b" not in loud.stderr + loud.stdout
    quiet = cli(tiny, "--num-steps", 2, "--run-path", tmp_path / "quiet", "--quiet")
    assert quiet.returncode == 0
    assert quiet.stderr == ""


# Reproducibility


def test_runs_with_one_seed_are_the_same_for_any_number_of_threads(cli, tiny, run, tmp_path):
    for cores in (1, 2):
        again = tmp_path / f"cores-{cores}"
        result = cli(tiny, "--num-steps", 3, "--seed", 7, "--num-cores", cores, "--run-path", again)
        assert result.returncode == 0, result.stderr
        assert_same_run(run, again)


def test_another_seed_is_another_run(cli, tiny, run, tmp_path):
    other = tmp_path / "run"
    assert cli(tiny, "--num-steps", 3, "--seed", 8, "--run-path", other).returncode == 0
    assert weights(other / "checkpoint_last") != weights(run / "checkpoint_last")


# Ends of a run that its user, or the machine, brings about


@pytest.fixture(scope="module")
def whole(cli, tiny, tmp_path_factory) -> Path:
    """The run that was never stopped."""
    path = tmp_path_factory.mktemp("whole") / "run"
    result = cli(tiny, "--num-steps", LENGTH, "--run-path", path)
    assert result.returncode == 0, result.stderr
    return path


def test_ctrl_c_saves_and_the_rest_follows_from_there(train_bin, cli, tiny, whole, tmp_path):
    run = tmp_path / "run"
    process = start(train_bin, tiny, "--num-steps", LENGTH, "--run-path", run)
    wait_for_records(run, 3, process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert "panicked" not in stderr
    assert len(metrics(run)) < LENGTH
    result = cli("--resume", run)
    assert result.returncode == 0, result.stderr
    assert_same_run(run, whole)


@pytest.mark.parametrize("records", [0, 1, 2, 5, 17])
def test_killed_run_resumes_to_the_same_bytes(train_bin, cli, tiny, whole, tmp_path, records):
    run = tmp_path / "run"
    process = start(train_bin, tiny, "--num-steps", LENGTH, "--run-path", run)
    wait_for_records(run, records, process)
    process.kill()
    process.communicate()
    result = cli("--resume", run, "--num-steps", LENGTH)
    assert result.returncode == 0, result.stderr
    assert_same_run(run, whole)


def test_run_is_prolonged_by_resume(cli, tiny, tmp_path):
    run, straight = tmp_path / "run", tmp_path / "straight"
    assert cli(tiny, "--num-steps", 3, "--run-path", run).returncode == 0
    result = cli("--resume", run, "--num-steps", 5)
    assert result.returncode == 0, result.stderr
    assert cli(tiny, "--num-steps", 5, "--run-path", straight).returncode == 0
    assert_same_run(run, straight)


def test_resume_refuses_what_is_no_run(cli, tmp_path):
    assert_refused(cli("--resume", tmp_path), str(tmp_path))
    assert_refused(cli("--resume", tmp_path / "absent"), "absent")


# Using what was trained


@pytest.mark.parametrize("source", ["", "checkpoint_last", "checkpoint_best"])
def test_solved_board_needs_no_move(cli, run, source):
    result = cli("solve", run / source, "--state", GOAL)
    assert result.returncode == 0, result.stderr
    assert "0 moves" in result.stdout


@pytest.mark.parametrize(
    ("state", "mention"),
    [
        ("0,1,2,3,5,4", "state"),
        ("0,1,2", "state"),
        ("0,1,2,3,4,4", "state"),
        ("0,1,2,3,4,6", "state"),
        ("0,1,2,3,4,x", "x"),
        ("", "state"),
    ],
    ids=["unsolvable", "short", "twice", "out of range", "no number", "empty"],
)
def test_impossible_boards_are_refused(cli, run, state, mention):
    assert_refused(cli("solve", run, "--state", state), mention)


def test_evaluate_scores_states_against_their_optimal_lengths(cli, run, tmp_path):
    near = {"state": [1, 0, 2, 3, 4, 5], "optimal": 1}
    states = {"width": 3, "height": 2, "instances": [{"state": [0, 1, 2, 3, 4, 5], "optimal": 0}, near]}
    result = cli("evaluate", run, "--states", write(tmp_path / "states.json", states), "--greedy", "--json")
    assert result.returncode == 0, result.stderr
    score = json.loads(result.stdout)
    assert score["count"] == 2
    assert {"solved", "mean_length", "mean_optimal", "optimal_fraction", "seconds_per_state"} <= set(score)


def test_evaluate_is_reproducible(cli, run):
    def score(seed):
        result = cli("evaluate", run, "--num-episodes", 50, "--difficulty", 6, "--seed", seed, "--json")
        assert result.returncode == 0, result.stderr
        score = json.loads(result.stdout)
        assert score["count"] == 50
        return {key: value for key, value in score.items() if key != "seconds_per_state"}

    assert score(1) == score(1)


@pytest.mark.parametrize("content", ["", "{}", '{"instances": [{"state": "x"}]}', '{"instances": [{"state": [1]}]}'])
def test_bad_states_files_are_refused(cli, run, tmp_path, content):
    result = cli("evaluate", run, "--states", write(tmp_path / "states.json", content), "--json")
    assert_refused(result, "states.json" if not content.endswith("[1]}]}") else "state")


@pytest.mark.parametrize("damage", [lambda b: b[:-7], lambda b: b[:4], lambda b: b"\xff" * 8 + b[8:], lambda b: b""])
def test_damaged_checkpoints_are_refused(cli, run, tmp_path, damage):
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    for file in (run / "checkpoint_last").iterdir():
        data = file.read_bytes()
        (checkpoint / file.name).write_bytes(damage(data) if file.suffix == ".safetensors" else data)
    assert_refused(cli("solve", checkpoint, "--state", GOAL), ".safetensors")


def test_policy_converts_there_and_back(cli, run, tmp_path):
    out = tmp_path / "policy.safetensors"
    result = cli("convert", run / "checkpoint_best", out)
    assert result.returncode == 0, result.stderr
    assert "embeddings.weight" in load_file(out)


def test_training_starts_from_given_weights(cli, tiny, run, tmp_path):
    result = cli(tiny, "--num-steps", 1, "--run-path", tmp_path / "run", "--load-checkpoint", run / "checkpoint_best")
    assert result.returncode == 0, result.stderr


# The peer's files, unchanged


@pytest.mark.parametrize("name", ["ppo_puzzle8_v1", "ppo_puzzle15_v1"])
def test_peer_config_trains(cli, root, tmp_path, name):
    run = tmp_path / "run"
    result = cli(root / f"tests/configs/{name}.peer.json", "--num-steps", 1, "--run-path", run)
    assert result.returncode == 0, result.stderr
    record, end = metrics(run)
    assert list(end["evals"]) == list(record["evals"])
    assert record["rollout"]["episodes"] == 1024
    assert record["losses"]["epochs"] == 10
    assert list(record["evals"]) == ["ppo_1", "ppo_10"]


def test_play_that_never_goes_back_is_not_caught_between_two_states(cli, root, tmp_path):
    peer = [root / "tests/vectors/peer/ppo_puzzle8_v1.safetensors"]
    peer += ["--config", root / "tests/configs/ppo_puzzle8_v1.peer.json"]
    many = ["--num-episodes", 300, "--difficulty", 1000, "--json"]
    success = [
        json.loads(cli("evaluate", *peer, *many, "--greedy", *flag).stdout)["success"]
        for flag in ([], ["--no-backtracking"])
    ]
    assert success[0] < 0.6
    assert success[1] > 0.9
    refused = cli("evaluate", *peer, *many, "--search", "beam=4", "--no-backtracking")
    assert refused.returncode == 2
    assert "no-backtracking: expected search greedy, sample or best-of=N with it, found beam=4" in refused.stderr
    # It is part of the policy where the config says so.
    config = tmp_path / "run.json"
    config.write_text(
        json.dumps(
            {
                "env_cls": "Puzzle",
                "policy": {"embedding_size": 16, "common_layers": [], "backtracking": False},
                "algorithm": {"collecting": {"num_episodes": 8}, "training": {"num_epochs": 1}},
                "num_iterations": 1,
            }
        )
    )
    assert cli(config, "--run-path", tmp_path / "run").returncode == 0
    score = [cli("evaluate", tmp_path / "run", *many, "--greedy", *flag) for flag in ([], ["--no-backtracking"])]
    assert json.loads(score[0].stdout)["lengths"] == json.loads(score[1].stdout)["lengths"]
    refused = cli(config, "--run-path", tmp_path / "no", "--set", "env_cls=CartPole-v1")
    assert refused.returncode == 1
    assert "policy.backtracking: expected true for an environment that does not declare" in refused.stderr


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_peer_checkpoint_solves_and_converts(cli, root, tmp_path, suffix):
    checkpoint = root / f"tests/vectors/peer/ppo_puzzle8_v1.{suffix}"
    config = ["--config", root / "tests/configs/ppo_puzzle8_v1.peer.json"]
    board = ["--state", "1,4,2,3,7,5,6,0,8"]  # the goal after the blank went right, down, down
    result = cli("solve", checkpoint, *config, *board)
    assert result.returncode == 0, result.stderr
    assert "solved after 3 moves" in result.stdout
    out = tmp_path / "policy.safetensors"
    assert cli("convert", checkpoint, out, *config).returncode == 0
    assert cli("solve", out, *board).stdout == result.stdout
