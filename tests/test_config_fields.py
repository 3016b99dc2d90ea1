"""Fields of configs by algorithm: the JSON Schema, resolved configs, errors and notes."""

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
from cli_configs import assert_refused, changed, write

CONFIGS = sorted([*Path(__file__).parent.glob("configs/*.json"), *Path(__file__).parents[1].glob("examples/**/*.json")])


@pytest.fixture(scope="module")
def schema(cli) -> jsonschema.Draft202012Validator:
    result = cli("schema")
    assert result.returncode == 0, result.stderr
    schema = json.loads(result.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.name)
def test_schema_accepts_every_config_in_the_repository(schema, config):
    schema.validate(json.loads(config.read_text()))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("nonsense", 1),
        ("engine", "processes:0"),
        ("engine", "rai"),
        ("engine", 4),
        ("algorithm.training.nonsense", 1),
        ("algorithm.collecting.num_mcts_searches", 8),
        ("algorithm.es", {}),
        ("algorithm.training.num_epochs", "ten"),
        ("algorithm.collecting.gamma", 2),
        ("policy.common_layers", [0]),
        ("algorithm.evals.ppo_1.num_episodes", -1),
    ],
)
def test_schema_and_trainer_refuse_the_same(schema, cli, tmp_path, path, value):
    config = changed(path, value)
    assert not schema.is_valid(config)
    run = tmp_path / "run"
    assert_refused(cli(write(tmp_path / "bad.json", config), "--num-steps", 1, "--run-path", run), path)
    assert not run.exists()


@pytest.mark.parametrize("name", ["ppo_puzzle8", "az_puzzle8", "backward_puzzle15", "es_puzzle8"])
def test_resolved_configs_are_complete_and_valid(schema, cli, root, tmp_path, name):
    run = tmp_path / "run"
    result = cli(root / f"examples/{name}_v1.json", "--num-steps", 0, "--run-path", run, "--set", "env.difficulty=2")
    assert result.returncode == 0, result.stderr
    assert "note" not in result.stderr
    config = json.loads((run / "config.json").read_text())
    schema.validate(config)
    # Every field that the schema has for this algorithm is there, and no other.
    branch = schema.schema["$defs"][config["algorithm_cls"]]
    # The others are written where they are given.
    assert list(config) == [name for name in branch["properties"] if name not in ("env_sandbox", "engine")]
    for section in ("policy", "algorithm"):
        assert list(config[section]) == list(branch["properties"][section]["properties"])
    again = tmp_path / "again"
    assert cli(run / "config.json", "--num-steps", 0, "--run-path", again).returncode == 0
    assert (again / "config.json").read_text() == (run / "config.json").read_text()


def test_the_algorithm_decides_which_fields_the_schema_accepts(schema):
    fields = {"collecting": {"starts": {"mixed": 0.5}}}
    for name, valid in [("PPO", True), ("AZ", True), ("ES", True), ("BackwardScramble", False)]:
        for path in ("", "twisterl.rl."):
            config = {"env_cls": "Puzzle", "algorithm_cls": f"{path}{name}", "algorithm": fields}
            assert schema.is_valid(config) == valid
    assert schema.is_valid({"env_cls": "Puzzle", "algorithm": {"training": {"clip_ratio": 0.1}}}), "PPO is the default"
    assert not schema.is_valid({"env_cls": "Puzzle", "algorithm_cls": "Magic"})


def test_fields_that_the_algorithm_does_not_use_are_errors_but_notes_in_configs_of_the_peer(cli, tmp_path):
    config = changed("algorithm.training.clip_ratio", 0.2)
    config |= {"algorithm_cls": "AZ", "policy_cls": "BasicPolicy"}
    config["algorithm"]["collecting"] |= {"num_mcts_searches": 2, "num_episodes": 4}
    run = tmp_path / "run"
    mention = "algorithm.training.clip_ratio: expected no value, since AZ does not use this field (PPO does), found 0.2"
    assert_refused(cli(write(tmp_path / "ours.json", config), "--num-steps", 1, "--run-path", run), mention)
    assert not run.exists()
    config |= {"algorithm_cls": "twisterl.rl.AZ", "policy_cls": "twisterl.nn.BasicPolicy"}
    result = cli(write(tmp_path / "peer.json", config), "--num-steps", 1, "--run-path", run)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("note: ") == 1
    assert "note: algorithm.training.clip_ratio: ignored, since AZ does not use this field" in result.stderr
    resolved = json.loads((run / "config.json").read_text())
    assert "clip_ratio" not in resolved["algorithm"]["training"]
    result = cli("--resume", run, "--num-steps", 2)
    assert result.returncode == 0, result.stderr
    assert "ignored" not in result.stderr


def test_old_runs_of_all_fields_are_resumed_with_notes_on_what_was_set(cli, root, tmp_path):
    for name, noted in [("ppo", 0), ("az", 0), ("es", 4)]:
        run = tmp_path / name
        shutil.copytree(root / "tests/data/runs_of_0_1" / name, run)
        result = cli("--resume", run, "--num-steps", 9)
        assert result.returncode == 0, result.stderr
        assert result.stderr.count("note: algorithm.training.") == result.stderr.count("note: ") == noted
