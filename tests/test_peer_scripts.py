"""The steps of scripts for the published package, done with ours."""

import json
import subprocess
import sys

import numpy as np
import pytest
import twisterl
from peer_files import copy_checkpoint


@pytest.fixture
def files(root, tmp_path):
    """A config and both checkpoints of the published package, under its names."""
    for ending in ("pt", "safetensors"):
        copy_checkpoint(root, tmp_path, ending=ending)
    return tmp_path


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_the_notebook_s_steps(files, ending):
    from twisterl.train import load_config, prepare_algorithm

    config = load_config(str(files / "ppo_puzzle8_v1.json"))
    algo = prepare_algorithm(config, load_checkpoint_path=str(files / f"ppo_puzzle8_v1.{ending}"))
    state = [8, 7, 5, 3, 2, 0, 4, 6, 1]
    solution = algo.solve(state, deterministic=False, num_searches=100)
    algo.env.set_state(state)
    for action in solution:
        algo.env.step(action)
    assert algo.env.get_state() == list(range(9))
    assert algo.solve(state, num_mcts_searches=100, C=2**0.5, max_expand_depth=1)
    (success, _reward), seconds = algo.evaluate({"num_episodes": 50, "deterministic": False, "num_searches": 10})
    assert 0 <= success <= 1
    assert seconds > 0
    # An entry of `evals` searches as evaluations in training do: attempts are sampled unless it is deterministic.
    entry = {"num_episodes": 50, "num_mcts_searches": 5, "num_searches": 3, "difficulty": 100, "max_steps": 20}
    most_visited, _ = algo.evaluate(entry)
    sampled, _ = algo.evaluate({**entry, "deterministic": False})
    assert most_visited != sampled
    with pytest.raises(twisterl.UsageError, match=r"evaluate: num_episode: .* .did you mean `num_episodes`"):
        algo.evaluate({"num_episode": 50})
    with pytest.raises(twisterl.UsageError, match="evaluate: num_searches: expected at least 1"):
        algo.evaluate({"num_searches": 0})


def test_algorithms_learn_in_steps(tmp_path):
    from twisterl.utils import prepare_algorithm

    config = {
        "env_cls": "twisterl.envs.Puzzle",
        "env": {"width": 2, "height": 2, "difficulty": 1, "depth_slope": 2, "max_depth": 20},
        "policy_cls": "twisterl.nn.BasicPolicy",
        "policy": {"embedding_size": 16, "common_layers": [16]},
        "algorithm_cls": "twisterl.rl.PPO",
        "algorithm": {"collecting": {"num_episodes": 64}, "training": {"num_epochs": 2}},
    }
    algo = prepare_algorithm(config, str(tmp_path / "run"))
    data, _ = algo.collect()
    assert len(data) == len(data.rewards) == len(data.additional_data["advs"])
    sums = [value + advantage for value, advantage in zip(data.values, data.additional_data["advs"], strict=True)]
    assert data.additional_data["rets"] == pytest.approx(sums, abs=1e-4)
    before = algo.policy.weights()
    algo.learn(2)
    algo.learn(3)
    assert len(twisterl.load_run(tmp_path / "run").iterations()) == 5
    after = algo.policy.weights()
    assert any((before[name] != after[name]).any() for name in before)
    with pytest.raises(twisterl.UsageError, match="Rust"):
        algo.train_step(None)


def test_collected_transitions_are_those_that_the_run_learns_from(tmp_path):
    from twisterl.utils import prepare_algorithm

    starts = {"uniform": 0.3, "mixed": 0.3, "failures": 0.3, "probe_states": 64}
    collecting = {"num_envs": 200, "rollout_length": 8, "normalize_rewards": True, "reward_scale": 3.0}
    config = {
        "env_cls": "twisterl.envs.Puzzle",
        "env": {"width": 2, "height": 2, "difficulty": 3, "max_depth": 12},
        "policy": {"embedding_size": 16, "common_layers": [16]},
        "algorithm_cls": "twisterl.rl.PPO",
        "algorithm": {"collecting": {**collecting, "starts": starts}, "training": {"num_epochs": 1}},
    }
    data, _ = prepare_algorithm(config).collect()
    values, returns = np.array(data.values), np.array(data.additional_data["rets"])
    run = twisterl.train(config, tmp_path / "run", num_steps=1, quiet=True)
    (metrics,) = run.iterations()
    assert len(data) == metrics["env_steps"] == 1600
    # In one update of one epoch, the run's losses are those of the collected values, 1 - var(R - V) / var(R) is the
    # explained variance, and (R - V)^2 the loss of the value (Schulman et al. 2017, eq. 9).
    explained = 1 - np.var(returns - values) / np.var(returns)
    assert metrics["losses"]["explained_variance"] == pytest.approx(explained, abs=1e-6)
    assert metrics["losses"]["value_loss"] == pytest.approx(np.mean((returns - values) ** 2), rel=1e-4)
    # Rewards are 1 for a solution and the same small cost for each other move, before they are normalized.
    plain = {"collecting": {**collecting, "starts": starts, "normalize_rewards": False}}
    raw, _ = prepare_algorithm({**config, "algorithm": plain}).collect()
    assert raw.actions == data.actions
    scale = data.rewards[0] / raw.rewards[0]
    assert data.rewards == pytest.approx(scale * np.array(raw.rewards), rel=1e-5)
    assert scale != pytest.approx(1, rel=0.01)
    scrambles = {"collecting": {**collecting, "starts": {}}}
    other, _ = prepare_algorithm({**config, "algorithm": scrambles}).collect()
    assert other.obs[:200] != data.obs[:200]


def test_transitions_go_on_until_something_is_learned(tmp_path):
    from twisterl.utils import prepare_algorithm

    config = {
        "env_cls": "Pendulum-v1",
        "policy": {"embedding_size": 16},
        "algorithm": {
            "collecting": {"num_envs": 4, "rollout_length": 20},
            "learning": {"diff_metric": "greedy"},
            "evals": {"greedy": {"num_episodes": 2}},
        },
    }
    algo = prepare_algorithm(config, str(tmp_path / "run"))
    first, _ = algo.collect()
    second, _ = algo.collect()
    assert first.obs.shape == (80, 3)
    assert first.actions[0].shape == (1,)
    # The second iteration continues the episodes: a step turns the pendulum by 0.4 at most.
    jumps = np.linalg.norm(second.obs[:4, :2] - first.obs[-4:, :2], axis=1)
    assert (jumps < 0.5).all()
    again = prepare_algorithm(config).collect()[0]
    assert (again.obs == first.obs).all()
    algo.learn(1)
    assert algo.collect()[0].logits != first.logits


def test_checkpoints_are_read_and_converted(files):
    from twisterl.utils import convert_pt_to_safetensors, load_checkpoint

    pt = load_checkpoint(str(files / "ppo_puzzle8_v1.pt"))
    other = load_checkpoint(str(files / "ppo_puzzle8_v1.safetensors"))
    assert pt.keys() == other.keys()
    assert all(np.array_equal(pt[name], other[name]) for name in pt)
    written = convert_pt_to_safetensors(str(files / "ppo_puzzle8_v1.pt"), str(files / "whole.safetensors"))
    assert twisterl.load_policy(written).num_actions == 4
    (files / "ppo_puzzle8_v1.json").unlink()
    bare = load_checkpoint(convert_pt_to_safetensors(str(files / "ppo_puzzle8_v1.pt"), str(files / "bare.safetensors")))
    assert all(np.array_equal(pt[name], bare[name]) for name in pt)


def test_the_module_trains_from_the_command_line(files):
    config = json.loads((files / "ppo_puzzle8_v1.json").read_text())
    config["env"] |= {"width": 2, "height": 2}
    config["policy"] = {"embedding_size": 8, "common_layers": [8]}
    config["algorithm"]["collecting"]["num_episodes"] = 16
    config["algorithm"]["evals"] = {name: {**e, "num_episodes": 2} for name, e in config["algorithm"]["evals"].items()}
    (files / "small.json").write_text(json.dumps(config))
    flags = ["--config", "small.json", "--run_path", "run", "--num_steps", "2"]
    command = [sys.executable, "-m", "twisterl.train", *flags]
    done = subprocess.run(command, cwd=files, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert len(twisterl.load_run(files / "run").iterations()) == 2


def test_the_command_has_the_trainer_s_commands(files):
    def call(*args):
        return subprocess.run(
            [sys.executable, "-m", "twisterl", *args], cwd=files, capture_output=True, text=True, timeout=120
        )

    solved = call("solve", "ppo_puzzle8_v1.safetensors", "--state", "1,0,2,3,4,5,6,7,8")
    assert solved.returncode == 0, solved.stderr
    assert "solved after 1 move" in solved.stdout
    assert call("evaluate", "ppo_puzzle8_v1.pt", "--num-episodes", "5", "--difficulty", "2").returncode == 0
    assert "Puzzle" in call("envs").stdout
    assert json.loads(call("schema").stdout)["required"] == ["env_cls"]
    assert call("solve", "nothing", "--state", "1").returncode == 1
    assert call("nonsense.json").returncode == 1
    assert call("plot", "--help").returncode == 0
    assert "twisterl" in call("--help").stdout
