"""The algorithm objects of the PyPI package `twisterl`, on environments that scripts hand over."""

import copy
import json
import types
import warnings

import numpy as np
import pytest
import twisterl
from peer_envs import CONFIG, Anything, Locked, Recorder, Swaps, described
from twisterl import rl
from twisterl.nn.policy import BasicPolicy, Conv1dPolicy
from twisterl.rl.algorithm import evaluate, solve
from twisterl.utils import prepare_algorithm

# Warned of at each start, since the generator of `Swaps` is not seeded by `reset`.
own_randomness = pytest.mark.filterwarnings("ignore:.*played again with the same seed")


@own_randomness
@pytest.mark.parametrize("kind", [BasicPolicy, Conv1dPolicy])
def test_an_environment_and_a_policy_are_trained_in_place(kind, tmp_path):
    env = Swaps(difficulty=4)
    policy = described(env, kind)
    before = policy.state_dict()
    algo = rl.PPO(env, policy, CONFIG, str(tmp_path / "run"))
    assert (algo.env, algo.policy, algo.obs_size, algo.num_actions) == (env, policy, 16, 3)
    assert algo.config["evals"]["ppo_1"]["C"] == 1.41
    algo.learn(2)
    env.difficulty = 2
    algo.learn(1)
    (times, benchmarks, losses), seconds = algo.learn_step()
    assert [row["difficulty"] for row in twisterl.load_run(tmp_path / "run").iterations()] == [4, 4, 2, 2]
    assert benchmarks["successes"].keys() == benchmarks["rewards"].keys() == {"ppo_1"}
    assert (benchmarks["difficulty"], benchmarks["success"]) == (2, benchmarks["successes"]["ppo_1"])
    assert {"collect", "train", "to_rust", "data_to_torch", "total"} <= times.keys()
    assert {"policy", "value", "entropy", "total"} <= losses.keys()
    assert 0 < times["total"] <= seconds
    after = policy.state_dict()
    assert all((after[name] != values).any() for name, values in before.items())
    # A policy of its own with these weights plays the same.
    other = described(env, kind)
    other.load_state_dict(after)
    rows = np.eye(16)
    assert np.array_equal(other(rows)[0], policy(rows)[0])
    assert rl.PPO(env, other, CONFIG).solve([3, 2, 1, 0], True) == algo.solve([3, 2, 1, 0], deterministic=True)
    entry = algo.config["evals"]["ppo_1"]
    for success, reward in (algo.evaluate(entry)[0], evaluate(env, algo.rs_pol, **entry)):
        # A solved row gives 1, and each of at most 5 other steps costs 0.05 or 0.5.
        assert success - 1 <= reward <= success
    assert sorted(path.name for path in (tmp_path / "run").glob("*.safetensors")) == [
        "checkpoint_best.safetensors",
        "checkpoint_last.safetensors",
    ]
    last = twisterl.utils.load_checkpoint(str(tmp_path / "run/checkpoint_last.safetensors"))
    assert all(np.array_equal(last[name], values) for name, values in algo.policy.weights().items())
    assert json.loads((tmp_path / "run/full_algorithm_config.json").read_text())["optimizer"]["lr"] == 3e-3
    assert json.loads((tmp_path / "run/base_config.json").read_text())["policy"]["embedding_size"] == 16


@own_randomness
def test_the_curriculum_moves_the_difficulty_of_the_environment():
    env = Swaps()
    easy = {**CONFIG, "learning": {"diff_threshold": 0.0, "diff_max": 3, "diff_metric": "ppo_1"}}
    algo = rl.PPO(env, described(env), easy)
    algo.learn(1)
    assert env.difficulty == 2
    algo.learn(4, best_metrics=(1, 0.0, 0.0))
    assert env.difficulty == 3


def test_solutions_begin_where_the_environment_is():
    env = Swaps()
    algo = rl.PPO(env, described(env), CONFIG)
    state = [1, 0, 2, 3]
    assert algo.solve(state, num_searches=50) == [0]
    assert (env.row, env.left) == (state, 12)
    assert algo.solve([0, 1, 2, 3]) == []
    assert algo.solve([1, 2, 3, 0], False, 200, 0, 2**0.5, 1) == [2, 1, 0]
    assert algo.solve(state, num_mcts_searches=30, max_expand_depth=2) == [0]
    # All steps but none of the budget.
    env.set_state(state)
    env.left = 1
    result = solve(env, algo.rs_pol, False, 50, 0, 1.41, 1)
    assert result == ((1.0, 1.0), [0])
    assert (env.row, env.left) == (state, 1)
    env.set_state([3, 2, 1, 0])
    env.left = 2
    (success, _), _ = solve(
        env, algo.rs_pol, deterministic=False, num_searches=5, num_mcts_searches=0, C=1, max_expand_depth=1
    )
    assert success == 0.0
    puzzle = twisterl.envs.Puzzle(3, 3, 1, 2, 20)
    puzzle.set_state([1, 0, 2, 3, 4, 5, 6, 7, 8])
    policy = BasicPolicy(puzzle.obs_shape(), puzzle.num_actions(), 8)
    assert solve(puzzle, policy.to_rust(), False, 50, 0, 1.41, 1) == ((1.0, 1.0), [0])


def test_a_solution_that_the_environment_records_is_the_answer():
    env = Recorder()
    algo = rl.PPO(env, described(env), CONFIG)
    assert algo.solve([1, 0, 2, 3], num_searches=50) == ["swap 0"]
    env.track_solution = lambda: False
    assert algo.solve([1, 0, 2, 3], num_searches=50) == [0]


def test_collected_steps_have_the_shapes_of_the_package():
    env = Swaps(difficulty=3)
    algo = rl.PPO(env, described(env), CONFIG)
    data, _ = algo.collect()
    count = len(data)
    lists = (data.obs, data.logits, data.values, data.rewards, data.actions, data.perms)
    assert all(type(part) is list and len(part) == count for part in (*lists, *data.additional_data.values()))
    assert data.perms == [-1] * count
    assert data.additional_data.keys() == {"rets", "advs"}
    for obs, logits, value, action in zip(*lists[:3], data.actions, strict=True):
        row = np.zeros(16)
        row[obs] = 1
        (expected,), ((expected_value,),) = algo.policy(row)
        # The first swap is forbidden where a 3 comes first.
        forbidden = 3 in obs
        assert logits == pytest.approx([-1e10 if forbidden else expected[0], *expected[1:]], abs=1e-5)
        assert value == pytest.approx(expected_value, abs=1e-5)
        assert not (forbidden and action == 0)
    sums = [value + advantage for value, advantage in zip(data.values, data.additional_data["advs"], strict=True)]
    assert data.additional_data["rets"] == pytest.approx(sums, abs=1e-4)
    more = copy.deepcopy(data)
    more.merge(data)
    assert (len(more), more.get_additional_data_item("advs")) == (2 * count, 2 * data.additional_data["advs"])
    again = algo.collector.collect(env, algo.rs_pol)
    assert again.obs == data.obs


def test_examples_of_alphazero_have_the_shapes_of_the_package():
    env = Swaps(difficulty=3)
    collecting = {"num_cores": 2, "num_episodes": 6, "num_mcts_searches": 8, "C": 1.41, "max_expand_depth": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        algo = rl.AZ(env, described(env), {"collecting": {**collecting, "seed": 123}})
        data, _ = algo.collect()
    assert len(data.obs) == len(data.logits) == len(data.additional_data["remaining_values"]) > 0
    assert np.sum(data.logits, axis=1) == pytest.approx(np.ones(len(data)))
    assert (data.values, data.rewards, data.actions) == ([], [], [])
    direct = twisterl.twisterl.collector.AZCollector(**collecting).collect(env, algo.rs_pol)
    assert (direct.obs, direct.logits) == (data.obs, data.logits)


@own_randomness
def test_a_run_is_not_silently_begun_again(tmp_path):
    env = Swaps()
    algo = rl.PPO(env, described(env), copy.deepcopy(CONFIG), str(tmp_path / "run"))
    algo.learn(1)
    algo.config["training"]["ent_coef"] = 0.5
    with pytest.raises(twisterl.ConfigError, match=r"algorithm\.training\.ent_coef"):
        algo.learn(1)
    algo.config["training"]["ent_coef"] = CONFIG["training"]["ent_coef"]
    algo.config["learning"]["diff_threshold"] = 0.9
    algo.learn(1)
    algo.policy.load_state_dict({name: 0 * values for name, values in algo.policy.state_dict().items()})
    with pytest.raises(twisterl.UsageError, match="weights were replaced"):
        algo.learn(1)
    assert len(twisterl.load_run(tmp_path / "run").iterations()) == 2
    algo.run_path = str(tmp_path / "other")
    algo.learn(1)
    assert len(twisterl.load_run(tmp_path / "other").iterations()) == 1
    assert np.abs(algo.policy.state_dict()["common.0.bias"]).max() < 0.05


@own_randomness
def test_a_folder_with_a_writer_s_events_is_as_good_as_empty(tmp_path):
    written = []
    writer = types.SimpleNamespace(log_dir=str(tmp_path / "elsewhere"), add_scalar=lambda *event: written.append(event))
    env = Swaps()
    algo = rl.PPO(env, described(env), CONFIG)
    (tmp_path / "events.out.tfevents.1700000000.host.1.0").write_bytes(b"")
    algo.run_path, algo.tb_writer = str(tmp_path), writer
    algo.learn(1)
    assert (tmp_path / "config.json").is_file()
    assert [(tag, step) for tag, _, step in written] == [
        ("Benchmark/difficulty", 0),
        ("Benchmark/success", 0),
        ("Benchmark/reward", 0),
    ]


class WithOwnStep(rl.PPO):
    """An algorithm with gradients of PyTorch."""

    def train_step(self, torch_data):
        return {"total": 0.0}


REFUSED = {
    "module": (lambda: rl.PPO(Swaps(), object(), {}), "policy: expected a policy of twisterl.nn, found object"),
    "loaded": (lambda: rl.PPO(Swaps(), described(Swaps())._native, {}), "a loaded policy"),
    "environment": (lambda: rl.PPO(3, described(Swaps()), {}), "env: expected an environment .* found int"),
    "config": (lambda: rl.PPO(Swaps(), described(Swaps()), [1]), "config: expected the section"),
    "train": (lambda: rl.PPO(Swaps(), described(Swaps()), {}).train(None), "train: updates happen in Rust"),
    "override": (lambda: WithOwnStep(Swaps(), described(Swaps()), {}).learn(1), r"WithOwnStep\.train_step"),
    "optimizer": (lambda: rl.AZ(Swaps(), described(Swaps()), {}).optimizer, "optimizer: updates happen in Rust"),
    "copies": (lambda: rl.PPO(Locked(), described(Swaps()), CONFIG).learn(1), r"cannot be copied.* clone\(\)"),
    "fit": (lambda: rl.PPO(Swaps(5), described(Swaps()), CONFIG).collect(), "shape"),
    "eval": (lambda: rl.PPO(Swaps(), described(Swaps()), CONFIG).evaluate({"num_episode": 3}), "num_episodes"),
    "mask": (lambda: described(Swaps()).to_rust().predict([0], [True]), "masks: expected 3, found 1"),
    "index": (lambda: described(Swaps()).predict([16, 2]), "found 16"),
    "perm": (lambda: described(Swaps())(np.zeros((1, 16)), perm_indices=[2]), "perm_indices"),
    "steps": (lambda: rl.PPO(Swaps(), described(Swaps()), CONFIG).learn("1"), "num_steps: expected a whole number"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_says_so(case):
    call, message = REFUSED[case]
    with pytest.raises(twisterl.TwisteRLError, match=message):
        call()


@own_randomness
def test_configs_name_classes_by_any_of_their_paths(tmp_path):
    config = {
        "env_cls": "peer_envs.Anything",
        "env": {"size": 3},
        "policy_cls": "twisterl.nn.policy.BasicPolicy",
        "policy": {"embedding_size": 4, "common_layers": [], "device": "cpu"},
        "algorithm_cls": "twisterl.rl.ppo.PPO",
        "algorithm": {key: value for key, value in CONFIG.items() if key != "learning"},
    }
    config["algorithm"]["learning"] = {"diff_threshold": 0.5, "diff_metric": "ppo_1"}
    algo = prepare_algorithm(config, str(tmp_path / "run"))
    assert isinstance(algo, rl.PPO)
    assert (type(algo.env), type(algo.policy)) == (Anything, BasicPolicy)
    assert algo.policy.obs_perms == Swaps(3).twists()[0]
    algo.env.difficulty = 2
    algo.learn(1)
    assert twisterl.load_run(tmp_path / "run").iterations()[0]["difficulty"] == 2
    again = prepare_algorithm(config, None, str(tmp_path / "run/checkpoint_last.safetensors"))
    assert np.array_equal(again.policy.state_dict()["action.0.bias"], algo.policy.state_dict()["action.0.bias"])
    for key, value, message in (
        ("algorithm_cls", "twisterl.rl.SAC", "algorithm_cls: expected one of PPO"),
        ("policy_cls", "collections.OrderedDict", "policy_cls: expected BasicPolicy or a class derived from it"),
        ("policy_cls", "twisterl.nn.Conv3d", "policy_cls: expected one of"),
        ("env_cls", "peer_envs.Nothing", "env_cls: expected a class, found nothing"),
        ("env_cls", 3, "env_cls: expected the name"),
    ):
        with pytest.raises(twisterl.ConfigError, match=message):
            prepare_algorithm({**config, key: value})


def test_the_command_of_the_package_writes_its_files(root, tmp_path):
    config = json.loads((root / "tests/configs/ppo_puzzle8_v1.peer.json").read_text())
    config["env"] |= {"width": 2, "height": 2}
    config["policy"] = {"embedding_size": 8, "common_layers": [8]}
    config["algorithm"]["collecting"]["num_episodes"] = 16
    (tmp_path / "small.json").write_text(json.dumps(config))
    twisterl.train.main(str(tmp_path / "small.json"), str(tmp_path / "run"), None, 1)
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"base_config.json", "full_algorithm_config.json", "checkpoint_last.safetensors"} <= files
    best = tmp_path / "run/checkpoint_best.safetensors"
    algo = prepare_algorithm(
        twisterl.utils.load_config(tmp_path / "run/base_config.json"), load_checkpoint_path=str(best)
    )
    assert np.array_equal(algo.policy.weights()["action.0.bias"], twisterl.load_policy(best).weights()["action.0.bias"])
