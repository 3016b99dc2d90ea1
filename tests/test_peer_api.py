"""The interface of the PyPI package `twisterl` without PyTorch: modules, policies and helper functions."""

import importlib
import json
import sys
import types
import warnings

import numpy as np
import pytest
import twisterl
from peer_envs import CONFIG, Swaps, described
from twisterl import rl
from twisterl.defaults import AZ_CONFIG, PPO_CONFIG, make_config
from twisterl.nn.policy import BasicPolicy, Conv1dPolicy, Transpose
from twisterl.nn.utils import embeddingbag_to_rust, make_sequential, sequential_to_rust
from twisterl.rl.algorithm import timed


def relu(x):
    return np.maximum(x, 0)


SYMBOLS = "tests/data/peer_symbols.json"


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
        """As much of a tensor of PyTorch as is used."""

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
    # The first one says that both actions do the same, of which the second one names one.
    policy.set_permutations([[0, 1, 2], [2, 1, 0]], [[1, 1], [1, 1]])
    policy.set_permutations([], [])
    for obs_perms, act_perms in (
        ([[2, 1, 0]], [[0, 1]] * 2),
        ([[2, 1, 1]], None),
        ([[2, 1, 0]], [[0, 2]]),
        ([[2, 1, 0]], [[1, 1]]),
    ):
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
