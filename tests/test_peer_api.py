"""The interface of the PyPI package `twisterl`: its modules, classes and functions, without PyTorch."""

import copy
import importlib
import json
import random
import sys
import types
import warnings

import numpy as np
import pytest
import twisterl
from twisterl import rl
from twisterl.defaults import AZ_CONFIG, PPO_CONFIG, make_config
from twisterl.nn.policy import BasicPolicy, Conv1dPolicy, Transpose
from twisterl.nn.utils import embeddingbag_to_rust, make_sequential, sequential_to_rust
from twisterl.rl.algorithm import evaluate, solve, timed
from twisterl.utils import prepare_algorithm


class Swaps:
    """A row of numbers is sorted by swaps of neighbours.

    It has the methods of a Rust environment of the PyPI package: no `get_state` and no `success`, and `reset` takes
    nothing. Its randomness is its own.
    """

    def __init__(self, size=4, difficulty=1):
        self.size, self.difficulty = size, difficulty
        self.random = random.Random(0)
        self.row, self.left, self.trace = list(range(size)), 1, []

    def num_actions(self):
        return self.size - 1

    def obs_shape(self):
        return [self.size, self.size]

    def set_state(self, state):
        self.row, self.left, self.trace = [int(number) for number in state], 12, []

    def reset(self):
        self.row = list(range(self.size))
        for _ in range(self.difficulty):
            self.step(self.random.randrange(self.size - 1))
        self.left, self.trace = 3 * self.difficulty, []

    def step(self, action):
        self.row[action], self.row[action + 1] = self.row[action + 1], self.row[action]
        self.left = max(self.left - 1, 0)
        self.trace.append(action)

    def masks(self):
        return [action != 0 or self.row[0] != 3 for action in range(self.size - 1)]

    def is_final(self):
        return self.left == 0 or self.row == sorted(self.row)

    def reward(self):
        return 1.0 if self.row == sorted(self.row) else -0.5 if self.left == 0 else -0.05

    def observe(self):
        return [place * self.size + number for place, number in enumerate(self.row)]

    def twists(self):
        """The identity, and the same row read from the other end with the numbers reversed."""
        size, cells = self.size, range(self.size * self.size)
        actions = list(range(size - 1))
        return [list(cells), list(reversed(cells))], [actions, actions[::-1]]


class Recorder(Swaps):
    """The same with a solution of its own, in another notation."""

    def solution(self):
        return [f"swap {action}" for action in self.trace]


class Locked(Swaps):
    """The same, but it cannot be copied."""

    def __deepcopy__(self, memo):
        raise TypeError("cannot be copied")


CONFIG = {
    "collecting": {"num_cores": 2, "num_episodes": 64, "lambda": 0.995, "gamma": 0.995},
    "training": {**PPO_CONFIG["training"], "num_epochs": 2},
    "learning": {"diff_threshold": 0.85, "diff_max": 1, "diff_metric": "ppo_1"},
    "optimizer": {"lr": 3e-3},
    "evals": {"ppo_1": {"num_episodes": 20, "deterministic": False}},
}
# Warned of at each start, since the generator of `Swaps` is not seeded by `reset`.
own_randomness = pytest.mark.filterwarnings("ignore:.*played again with the same seed")


def described(env, kind=BasicPolicy, **more):
    obs_perms, act_perms = env.twists()
    options = {"obs_perms": obs_perms, "act_perms": act_perms, "common_layers": [16], **more}
    return kind(env.obs_shape(), env.num_actions(), 16, **options)


def relu(x):
    return np.maximum(x, 0)


SYMBOLS = "tests/data/peer_symbols.json"
# Those that need PyTorch raise an error that says so.
WITHOUT_TORCH = {"data_to_torch", "optimizer", "train", "train_step"}


def test_every_symbol_is_here_and_has_its_answer_in_the_docs(root):
    found = json.loads((root / SYMBOLS).read_text())
    answers = (root / "docs/migration.md").read_text()
    assert found["version"] in answers
    env = Swaps()
    instances = {"BasicPolicy": described(env), "Conv1dPolicy": described(env, Conv1dPolicy)}
    instances |= {name: getattr(rl, name)(env, described(env), CONFIG) for name in ("PPO", "AZ")}
    instances |= {"Algorithm": instances["PPO"], "Puzzle": twisterl.envs.Puzzle()}
    instances["CollectedData"] = twisterl.rl.CollectedData([[0]], [[0.0]], [0.0], [0.0], [0])
    for module, names in found["modules"].items():
        parent, _, last = module.rpartition(".")
        compiled = parent == "twisterl.twisterl"
        place = getattr(importlib.import_module(parent), last) if compiled else importlib.import_module(module)
        for name in names:
            assert f"`{name}`" in answers, f"{module}.{name}"
            owner, _, member = name.partition(".")
            assert hasattr(place, owner), f"{module}.{owner}"
            holder = instances.get(owner, getattr(place, owner))
            if member and member in WITHOUT_TORCH and isinstance(holder, rl.Algorithm):
                with pytest.raises(twisterl.UsageError, match="Rust"):
                    getattr(holder, member)(None)
            elif member:
                assert hasattr(holder, member), f"{module}.{name}"


@pytest.mark.parametrize("perms", [False, True])
def test_logits_and_values_are_those_of_the_formula(perms):
    env = Swaps()
    policy = (
        described(env, policy_layers=[8], value_layers=[4]) if perms else BasicPolicy([4, 4], 3, 16, (16,), (8,), (4,))
    )
    w = {name: np.asarray(values) for name, values in policy.state_dict().items()}
    assert w["embeddings.weight"].shape == (16, 16)
    rows = np.random.default_rng(0).random((5, 4, 4))

    def outputs(x):
        hidden = relu(x.reshape(-1, 16) @ w["embeddings.weight"].T + w["embeddings.bias"])
        hidden = relu(hidden @ w["common.0.weight"].T + w["common.0.bias"])
        heads = []
        for head in ("action", "value"):
            inner = relu(hidden @ w[f"{head}.0.weight"].T + w[f"{head}.0.bias"])
            heads.append(inner @ w[f"{head}.2.weight"].T + w[f"{head}.2.bias"])
        return heads

    logits, values = policy(rows)
    assert (logits.shape, values.shape) == ((5, 3), (5, 1))
    expected = outputs(rows)
    assert logits == pytest.approx(expected[0], abs=1e-5)
    assert values == pytest.approx(expected[1], abs=1e-5)
    one, value = policy.predict(rows[0].ravel())
    shares = np.exp(expected[0][0])
    assert one == pytest.approx(shares / shares.sum(), abs=1e-5)
    assert value == pytest.approx(expected[1][0], abs=1e-5)
    if perms:
        # Seen from the other end, all 16 values and the 3 actions are in reverse order.
        seen, _ = policy(rows, perm_indices=np.array([1, 0, -1, 1, 0]))
        turned = outputs(rows.reshape(5, 16)[:, ::-1])[0][:, ::-1]
        assert seen[[0, 3]] == pytest.approx(turned[[0, 3]], abs=1e-5)
        assert seen[[1, 2, 4]] == pytest.approx(expected[0][[1, 2, 4]], abs=1e-5)
    assert policy.action(policy.common(relu(policy.embeddings(rows.reshape(5, 16))))) == pytest.approx(logits, abs=1e-5)


@pytest.mark.parametrize("conv_dim", [0, 1])
def test_convolutions_are_those_of_the_formula(conv_dim):
    policy = Conv1dPolicy([2, 3], 4, 6, conv_dim=conv_dim, common_layers=(), policy_layers=(5,))
    w = policy.state_dict()
    kernel = w["conv_layer.weight"][:, :, 0]
    rows = np.random.default_rng(1).random((4, 2, 3)).astype(np.float32)
    # The vectors along `conv_dim` go through the same weights; one position follows the other.
    positions = rows if conv_dim == 1 else rows.transpose(0, 2, 1)
    hidden = relu((positions @ kernel.T).reshape(4, 6))
    logits = relu(hidden @ w["action.0.weight"].T + w["action.0.bias"]) @ w["action.2.weight"].T + w["action.2.bias"]
    assert policy(rows)[0] == pytest.approx(logits, abs=1e-5)
    assert np.array_equal(w[f"embeddings.{conv_dim}.weight"], w["conv_layer.weight"])
    assert relu(policy.embeddings(rows)) == pytest.approx(hidden, abs=1e-5)
    other = Conv1dPolicy([2, 3], 4, 6, conv_dim=conv_dim, common_layers=(), policy_layers=(5,), seed=1)
    other.load_state_dict({name: values for name, values in w.items() if name != "conv_layer.weight"})
    assert np.array_equal(other(rows)[0], policy(rows)[0])
    assert Transpose()(rows).shape == (4, 3, 2)


def test_weights_go_in_and_out():
    policy, other = BasicPolicy([3], 2, 4, seed=1), BasicPolicy([3], 2, 4, seed=2)
    weights = policy.state_dict()
    assert sum(p.numel() for p in policy.parameters()) == policy.num_parameters == 4 * 4 + 5 * 256 + 257 * 3
    assert dict(policy.named_parameters()).keys() == weights.keys()
    assert (weights["action.0.bias"] != other.state_dict()["action.0.bias"]).all()

    class Tensor:
        """What PyTorch's tensors have in common with it."""

        def __init__(self, values):
            self.values = values

        def detach(self):
            return self

        cpu = float = detach

        def numpy(self):
            return self.values

    other.load_state_dict({name: Tensor(values.numpy()) for name, values in weights.items()})
    assert all(np.array_equal(values, weights[name]) for name, values in other.state_dict().items())
    missing = {name: values for name, values in weights.items() if name != "common.0.bias"}
    with pytest.raises(twisterl.CheckpointError, match=r"common\.0\.bias"):
        other.load_state_dict(missing)
    other.load_state_dict({**missing, "unknown": np.zeros(3)}, strict=False)
    for wrong, message in (
        ({"more": np.zeros(7)}, "more"),
        ({"embeddings.weight": np.zeros((3, 4))}, "shape"),
        ({"embeddings.bias": np.full(4, np.nan)}, "finite"),
        ({"embeddings.bias": "text"}, "embeddings.bias: expected an array of numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            other.load_state_dict({**weights, **wrong})
    assert np.array_equal(other.state_dict()["embeddings.bias"], weights["embeddings.bias"])
    with pytest.raises(twisterl.ConfigError, match=r"policy\.embedding_size"):
        BasicPolicy([3], 2, 0)
    with pytest.raises(twisterl.ConfigError, match=r"policy\.activasion"):
        BasicPolicy([3], 2, 4, activasion="tanh")


def test_scripts_that_import_pytorch_get_its_tensors(monkeypatch, root):
    torch = types.ModuleType("torch")
    torch.from_numpy = lambda array: ("tensor", array)
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert all(kind == "tensor" for kind, _ in BasicPolicy([3], 2, 4).state_dict().values())
    file = root / "tests/vectors/peer/ppo_puzzle8_v1.safetensors"
    assert all(kind == "tensor" for kind, _ in twisterl.utils.load_checkpoint(file).values())


def test_permutations_are_checked():
    policy = BasicPolicy([3], 2, 4)
    policy.set_permutations([[2, 1, 0]])
    assert policy.act_perms == [[0, 1]]
    policy.set_permutations([], [])
    for obs_perms, act_perms in (([[2, 1, 0]], [[0, 1]] * 2), ([[2, 1, 1]], None), ([[2, 1, 0]], [[0, 2]])):
        with pytest.raises(ValueError, match="expected"):
            policy.set_permutations(obs_perms, act_perms)
    assert policy.obs_perms == []


def test_other_devices_are_accepted_with_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        policy = BasicPolicy([16], 3, 4, device="cpu").to("cpu").eval().train()
        assert rl.PPO(Swaps(), policy, {"device": "cpu"}).config["device"] == policy.device == "cpu"
    with pytest.warns(UserWarning, match="device: cuda:0 is not used") as told:
        assert BasicPolicy([16], 3, 4, device="cuda:0").device == "cpu"
    assert len(told) == 1
    with pytest.warns(UserWarning, match="device: cuda is not used") as told:
        assert rl.PPO(Swaps(), policy, {"device": "cuda"}).policy.device == "cpu"
    assert len(told) == 1
    with pytest.warns(UserWarning, match="device: mps is not used"):
        policy.to("mps")


def test_layers_are_exported_and_make_policies():
    seq = make_sequential(3, (2, 1), final_relu=False)
    assert [type(layer).__name__ for layer in seq] == ["Linear", "ReLU", "Linear"]
    assert type(sequential_to_rust(seq)).__name__ == "Sequential"
    with pytest.raises(TypeError, match="found str"):
        sequential_to_rust(["text"])
    with pytest.raises(TypeError, match="found ReLU"):
        embeddingbag_to_rust(seq[1], [3], 0)
    for policy in (described(Swaps()), described(Swaps(), Conv1dPolicy, conv_dim=1)):
        first = policy.conv_layer if isinstance(policy, Conv1dPolicy) else policy.embeddings
        parts = [sequential_to_rust(part) for part in (policy.common, policy.action, policy.value)]
        bag = embeddingbag_to_rust(first, policy.obs_shape, getattr(policy, "conv_dim", 0))
        made = twisterl.twisterl.nn.Policy(bag, *parts, policy.obs_perms, policy.act_perms)
        obs, masks = [1, 4, 11, 14], [True, False, True]
        bits = np.zeros(16)
        bits[obs] = 1
        (logits,), ((value,),) = policy(bits)
        assert made.forward(obs, masks) == (pytest.approx([logits[0], -1e10, logits[2]]), pytest.approx(value))
        shares = np.exp([logits[0], -np.inf, logits[2]])
        assert made.predict(obs, masks)[0] == pytest.approx(shares / shares.sum(), abs=1e-6)
        # The mean over the observation as it is and as it is seen from the other end.
        mean = (logits + np.asarray(policy(bits[::-1])[0][0])[::-1]) / 2
        shares = np.exp([mean[0], -np.inf, mean[2]])
        assert made.full_predict(obs, masks)[0] == pytest.approx(shares / shares.sum(), abs=1e-6)
        assert policy.to_rust().full_predict(obs, masks) == (
            pytest.approx(made.full_predict(obs, masks)[0]),
            pytest.approx(made.full_predict(obs, masks)[1]),
        )


def test_defaults_merge_as_the_package_merges_them():
    config = make_config("PPO", {"policy": {"embedding_size": 128}, "evals": {"mine": {"num_searches": 3}}})
    assert config["policy"] == {"embedding_size": 128}
    assert config["device"] == "cpu"
    assert config["evals"] == {"mine": {**twisterl.defaults.BASE_EVAL_CONFIG, "num_searches": 3}}
    assert (config["optimizer"]["lr"], config["collecting"]["num_episodes"]) == (0.0003, 16384)
    config["collecting"]["num_episodes"] = 1
    assert PPO_CONFIG["collecting"]["num_episodes"] == 16384
    assert make_config("AZ", {})["collecting"] == AZ_CONFIG["collecting"]
    with pytest.raises(ValueError, match="algo_name: expected one of PPO, AZ, found 'SAC'"):
        make_config("SAC", {})


def test_timed_returns_the_result_and_the_seconds():
    @timed
    def add(x, y):
        """Add."""
        return x + y

    result, seconds = add(1, y=2)
    assert (result, add.__name__, add.__doc__) == (3, "add", "Add.")
    assert 0 <= seconds < 10


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


class Any(Swaps):
    """An environment whose `reset` takes something."""

    def reset(self, anything):
        self.difficulty = anything
        super().reset()


@own_randomness
def test_configs_name_classes_by_any_of_their_paths(tmp_path):
    config = {
        "env_cls": f"{__name__}.Any",
        "env": {"size": 3},
        "policy_cls": "twisterl.nn.policy.BasicPolicy",
        "policy": {"embedding_size": 4, "common_layers": [], "device": "cpu"},
        "algorithm_cls": "twisterl.rl.ppo.PPO",
        "algorithm": {key: value for key, value in CONFIG.items() if key != "learning"},
    }
    config["algorithm"]["learning"] = {"diff_threshold": 0.5, "diff_metric": "ppo_1"}
    algo = prepare_algorithm(config, str(tmp_path / "run"))
    assert isinstance(algo, rl.PPO)
    assert (type(algo.env), type(algo.policy)) == (Any, BasicPolicy)
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
        ("env_cls", f"{__name__}.Nothing", "env_cls: expected a class, found nothing"),
        ("env_cls", 3, "env_cls: expected the name"),
    ):
        with pytest.raises(twisterl.ConfigError, match=message):
            prepare_algorithm({**config, key: value})


def test_the_hub_is_reached_by_names_that_tests_can_replace(monkeypatch, tmp_path):
    asked = []

    def download(repo_id, cache_dir, allow_patterns, revision, force_download):
        asked.append((repo_id, cache_dir, revision, force_download))
        return str(tmp_path)

    hub = types.SimpleNamespace(list_repo_files=lambda repo_id, revision: ["a.json"])
    monkeypatch.setattr("twisterl.utils.snapshot_download", download)
    monkeypatch.setattr("twisterl.utils.HfApi", lambda: hub)
    assert twisterl.utils.pull_hub_algorithm("a/b", "models", "v1") == str(tmp_path)
    assert asked == [("a/b", "models", "v1", False)]
    assert twisterl.utils.pull_hub_algorithm("a/b", validate=True) is False
    assert twisterl.utils.validate_algorithm_from_hub("a/b")["missing"] == ["*.safetensors or *.pt"]


def test_checkpoints_of_unknown_formats_are_refused(root, tmp_path):
    with pytest.raises(ValueError, match="Unknown checkpoint format"):
        twisterl.utils.load_checkpoint("model.unknown")
    source = tmp_path / "model.v1.pt"
    source.write_bytes((root / "tests/vectors/peer/ppo_puzzle8_v1.pt").read_bytes())
    assert twisterl.utils.convert_pt_to_safetensors(str(source)) == str(tmp_path / "model.v1.safetensors")


def test_errors_keep_their_module():
    errors = importlib.import_module("twisterl.errors")
    assert errors.ConfigError is twisterl.ConfigError
    assert twisterl.ConfigError.__module__ == "twisterl.errors"


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
