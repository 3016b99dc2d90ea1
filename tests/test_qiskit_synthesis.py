"""Scripts of `qiskit-gym` on `twisterl.quantum`: environments, configs, files, training and synthesis."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import twisterl

pytest.importorskip("qiskit")
from qiskit import QuantumCircuit
from qiskit.circuit.library import LinearFunction, PermutationGate
from qiskit.quantum_info import Clifford, Operator, random_clifford
from qiskit.synthesis.linear import random_invertible_binary_matrix
from qiskit.transpiler import CouplingMap
from twisterl.errors import CheckpointError, ConfigError, FileError, MissingError, UsageError
from twisterl.quantum import (
    AlphaZeroConfig,
    BasicPolicyConfig,
    CliffordGym,
    Conv1dPolicyConfig,
    EvalConfig,
    LinearFunctionGym,
    PermutationGym,
    PPOConfig,
    RLSynthesis,
)

MODEL = "perm_square_3x3"
SMALL = BasicPolicyConfig(embedding_size=16, common_layers=[16])


@pytest.fixture(scope="module")
def peer(root):
    return root / "tests/vectors/peer"


@pytest.fixture(scope="module")
def grid(peer):
    return RLSynthesis.from_config_json(peer / f"{MODEL}.json", peer / f"{MODEL}.pt")


def swaps(circuit):
    assert {each.operation.name for each in circuit.data} <= {"swap"}
    return len(circuit.data)


def test_a_shipped_model_gives_its_golden_numbers(peer, grid):
    cases = json.loads((peer / f"{MODEL}.golden.json").read_text())["cases"]
    for case in cases:
        grid.env.set_state(case["state"])
        probabilities, value = grid.algorithm.policy.predict(grid.env.observe())
        assert probabilities.tolist() == pytest.approx(case["probabilities"], abs=1e-4)
        assert float(value[0]) == pytest.approx(case["value"], abs=1e-4)
    assert cases


def test_a_shipped_model_solves_greedily_and_shorter_with_search(grid):
    rng = np.random.default_rng(7)
    targets = [rng.permutation(9) for _ in range(40)]
    greedy = [grid.synth(target, search="greedy") for target in targets]
    assert sum(circuit is not None for circuit in greedy) == 40
    searched = [grid.synth(target) for target in targets]
    sampled = [grid.synth(target, search="best-of=100") for target in targets]
    for target, circuit in zip(targets, searched, strict=True):
        assert LinearFunction(circuit).permutation_pattern().tolist() == target.tolist()
        pairs = {tuple(sorted(circuit.find_bit(q).index for q in each.qubits)) for each in circuit.data}
        assert pairs <= {tuple(sorted(qubits)) for _, qubits in grid.env.config["gateset"]}
    # The policy alone is about 2 % above the optimum.
    assert sum(map(swaps, searched)) <= min(sum(map(swaps, greedy)), sum(map(swaps, sampled)))


@pytest.mark.parametrize("given", [PermutationGate(range(8, -1, -1)), list(range(8, -1, -1))])
def test_the_forms_of_a_permutation(grid, given):
    assert swaps(grid.synth(given)) == 16  # the most that any permutation of this grid needs, by breadth-first search


def test_a_circuit_is_a_target(grid):
    given = QuantumCircuit(9, global_phase=0.5)
    given.swap(0, 8)
    found = grid.synth(given)
    assert found.global_phase == pytest.approx(0.5)
    assert swaps(found) == 7  # 3 SWAPs to one side, 1, and 3 back
    assert LinearFunction(found) == LinearFunction(given)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([0, 1, 2], "permutation: expected 9 qubits, found 3"),
        ([0] * 9, "expected each qubit once"),
        (QuantumCircuit(10_000), "expected 9 qubits, found 10000"),
        (None, "^permutation: expected a circuit, a gate, a Clifford or a list of qubits, found NoneType None"),
        ("8765", "^permutation: expected a circuit"),
    ],
)
def test_wrong_targets_are_refused(grid, bad, message):
    with pytest.raises(UsageError, match=message):
        grid.synth(bad)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_searches": 0}, "num_searches: expected a whole number from 1"),
        ({"num_searches": 10**9}, "num_searches: expected a whole number from 1"),
        ({"search": "depth-first"}, "search"),
    ],
)
def test_wrong_options_are_refused(grid, options, message):
    with pytest.raises(UsageError, match=message):
        grid.synth(list(range(9)), **options)


def test_a_wrong_number_of_iterations_is_named_as_given(grid):
    with pytest.raises(UsageError, match="num_iterations: expected a whole number from 0"):
        grid.learn(num_iterations=-1)


def test_none_where_nothing_was_found(grid):
    assert grid.synth(list(range(8, -1, -1)), search="greedy", max_steps=3) is None


def test_tree_search_takes_the_place_of_the_beam(grid):
    assert swaps(grid.synth([1, 0, *range(2, 9)], num_searches=2, num_mcts_searches=16)) == 1


# Environments.


def test_actions_are_in_the_order_of_the_peer():
    # Both directions of an edge are listed, and so are SWAPs, as in its models.
    env = LinearFunctionGym.from_coupling_map(CouplingMap.from_line(3, bidirectional=True))
    pairs = [(0, 1), (1, 0), (1, 2), (2, 1)]
    assert env.config["gateset"] == [(name, pair) for name in ("CX", "SWAP") for pair in pairs]
    assert env.action_space.n == 8
    env = CliffordGym.from_coupling_map([(0, 1)], basis_gates=("H", "CX"))
    assert env.config["gateset"] == [("H", (0,)), ("H", (1,)), ("CX", (0, 1))]


def test_environments_have_the_interface_of_gymnasium(capsys):
    env = LinearFunctionGym.from_coupling_map("line:3")
    env.difficulty = 4
    observation, info = env.reset(seed=1)
    assert observation.shape == env.observation_space.shape == (3, 3)
    assert env.observation_space.contains(observation)
    assert info == {}
    given = QuantumCircuit(3)
    given.cx(0, 1)
    env.set_state(env.get_state(given))
    env.render(mode="human")
    assert "1" in capsys.readouterr().out
    action = env.config["gateset"].index(("CX", (0, 1)))
    observation, reward, terminated, truncated, _ = env.step(action)
    assert (observation == np.eye(3)).all()
    assert reward == pytest.approx(1 - 0.01 - 0.0001)
    assert terminated
    assert not truncated
    assert env.build_circuit_from_solution([action], given) == given


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: PermutationGym.from_coupling_map("line:3", basis_gates=["CX"]), ConfigError, r"basis_gates\[0\]"),
        (lambda: CliffordGym.from_coupling_map("line:3", basis_gates=["H", "T"]), ConfigError, r"basis_gates\[1\]"),
        (lambda: LinearFunctionGym.from_coupling_map("line:3", "CX"), ConfigError, "found the text 'CX'"),
        (
            lambda: LinearFunctionGym.from_coupling_map("line:3").render("rgb_array"),
            UsageError,
            "mode: expected 'human'",
        ),
        (lambda: CliffordGym.from_coupling_map("line:40"), ConfigError, "num_qubits: expected 1 to 32, found 40"),
        (lambda: CliffordGym(2, [("CX", (0, 2))]), ConfigError, "gateset"),
        (lambda: LinearFunctionGym(2, [("CX", (0, 0))]), ConfigError, "two different qubits"),
        (lambda: LinearFunctionGym.from_json({"difficulty": 1}), ConfigError, "expected num_qubits and gateset"),
        (lambda: RLSynthesis(twisterl.make("Puzzle"), PPOConfig(), SMALL), UsageError, "env: expected an environment"),
        (lambda: RLSynthesis(LinearFunctionGym.from_coupling_map("line:2"), SMALL, SMALL), ConfigError, "rl_config"),
        (
            lambda: RLSynthesis(LinearFunctionGym.from_coupling_map("line:2"), PPOConfig, SMALL),
            ConfigError,
            r"rl_config: expected a config such as PPOConfig\(\), found the class",
        ),
    ],
)
def test_wrong_environments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_environments_of_the_peer_are_made_anew():
    foreign = SimpleNamespace(cls_name="PermutationEnv", config={"num_qubits": 2, "gateset": [("SWAP", (0, 1))]})
    rls = RLSynthesis(foreign, PPOConfig(), SMALL)
    assert swaps(rls.synth([1, 0])) == 1


# Configs.


def test_the_defaults_of_the_configs():
    assert PPOConfig().to_json() == {
        "collecting": {"num_cores": 32, "num_episodes": 1024, "lambda": 0.995, "gamma": 0.995},
        "training": {
            "num_epochs": 10,
            "vf_coef": 0.8,
            "ent_coef": 0.01,
            "clip_ratio": 0.1,
            "normalize_advantage": False,
        },
        "learning": {"diff_threshold": 0.85, "diff_max": 256, "diff_metric": "ppo_deterministic"},
        "optimizer": {"lr": 3e-4},
        "evals": {
            "ppo_deterministic": vars(EvalConfig()),
            "ppo_10": vars(EvalConfig(deterministic=False, num_searches=10)),
        },
        "logging": {"log_freq": 1, "checkpoint_freq": 10},
    }
    assert AlphaZeroConfig().to_json()["collecting"] == {
        "num_cores": 32,
        "num_episodes": 128,
        "num_mcts_searches": 1000,
        "C": 1.41,
        "max_expand_depth": 1,
    }
    assert Conv1dPolicyConfig().to_json()["embedding_size"] == 1260


@pytest.mark.parametrize("config", [PPOConfig(lr=0.1, gamma=0.9), AlphaZeroConfig(num_episodes=3), SMALL])
def test_configs_survive_json(config):
    assert type(config).from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (PPOConfig(num_cores=0), "num_cores: expected 1 or more, found 0"),
        (PPOConfig(gamma=1.5), "gamma: expected a number from 0 to 1"),
        (PPOConfig(diff_metric="none"), "diff_metric: expected one of ppo_deterministic, ppo_10"),
        (PPOConfig(evals={"ppo_deterministic": EvalConfig(num_episodes=0)}), "evals.ppo_deterministic.num_episodes"),
        (AlphaZeroConfig(C=0), "C: expected more than 0"),
        (BasicPolicyConfig(embedding_size=0), "embedding_size: expected 1 or more"),
        (BasicPolicyConfig(common_layers=[0]), r"common_layers\[0\]: expected 1 or more"),
    ],
)
def test_wrong_configs_are_refused(config, message):
    with pytest.raises(ConfigError, match=message):
        config.to_json()


# Files.


@pytest.mark.parametrize("model", [SMALL, Conv1dPolicyConfig(embedding_size=12, common_layers=[16])])
@pytest.mark.parametrize("algorithm", [PPOConfig(), AlphaZeroConfig(num_mcts_searches=8)])
def test_saved_files_load(tmp_path, model, algorithm):
    env = LinearFunctionGym.from_coupling_map("line:3", basis_gates=["CX"])
    made = RLSynthesis(env, algorithm, model)
    made.save(tmp_path / "model.json", tmp_path / "model.pt")
    again = RLSynthesis.from_config_json(tmp_path / "model.json", tmp_path / "model.pt")
    assert again.to_json() == json.loads((tmp_path / "model.json").read_text())
    for name, values in made.algorithm.policy.state_dict().items():
        assert (again.algorithm.policy.state_dict()[name] == values).all()
    # Without RLSynthesis, too.
    assert twisterl.load_policy(tmp_path / "model.pt").env_cls == "LinearFunction"


def test_a_saved_file_is_one_of_pytorch(peer, tmp_path, grid):
    """The names, shapes and values are those of the file that PyTorch wrote."""
    import pt_files

    grid.save(tmp_path / "again.json", tmp_path / "again.pt")
    ours, theirs = (dict(pt_files.read(path.read_bytes())) for path in (tmp_path / "again.pt", peer / f"{MODEL}.pt"))
    assert set(ours) == set(theirs)
    for name in theirs:
        assert ours[name].shape == theirs[name].shape
        assert (ours[name] == theirs[name]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"env_cls": "twisterl.envs.Puzzle"}, "env_cls: expected one of CliffordEnv, .*, found 'twisterl.envs.Puzzle'"),
        ({"algorithm_cls": "os.system"}, "algorithm_cls: expected one of AZ, PPO"),
        ({"policy_cls": None}, "policy_cls: expected one of"),
        ({"env": 5}, "env: expected an object, found 5"),
        ({"env": {}}, "env: expected num_qubits and gateset"),
        ({"algorithm": {"evals": 5}}, "algorithm.evals: expected an object"),
        ({"algorithm": {"training": 5}}, "algorithm.training: expected an object"),
        ({"algorithm": {"optimizer": {"lr": "fast"}}}, "lr: expected more than 0, found 'fast'"),
        ({"policy": {"common_layers": "wide"}}, "common_layers: expected a list of widths"),
    ],
)
def test_wrong_files_are_refused(peer, tmp_path, change, message):
    config = {**json.loads((peer / f"{MODEL}.json").read_text()), **change}
    (tmp_path / "model.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=message):
        RLSynthesis.from_config_json(tmp_path / "model.json")


def test_files_that_cannot_be_written_or_read_are_named(grid, tmp_path):
    for paths in ((tmp_path / "none/a.json",), (tmp_path / "a.json", tmp_path / "none/a.pt")):
        with pytest.raises(FileError, match=r"none/a.*: cannot write: No such file"):
            grid.save(*paths)
    with pytest.raises(MissingError):
        RLSynthesis.from_config_json(tmp_path / "missing.json")
    (tmp_path / "broken.pt").write_bytes(b"PK\x03\x04")
    grid.save(tmp_path / "a.json")
    with pytest.raises(CheckpointError, match=r"broken\.pt"):
        RLSynthesis.from_config_json(tmp_path / "a.json", tmp_path / "broken.pt")


def test_weights_of_another_size_are_refused(peer):
    env = PermutationGym.from_coupling_map("line:3")
    with pytest.raises(CheckpointError):
        RLSynthesis(env, PPOConfig(), BasicPolicyConfig(), peer / f"{MODEL}.pt")


# Training.


def test_training_makes_a_synthesis_of_linear_functions(tmp_path):
    env = LinearFunctionGym.from_coupling_map("line:3", basis_gates=["CX"])
    config = PPOConfig(num_episodes=128, num_epochs=4, lr=0.003, diff_max=16, normalize_advantage=True)
    rls = RLSynthesis(env, config, BasicPolicyConfig(embedding_size=64, common_layers=[64]))
    rls.learn(num_iterations=30, tb_path=tmp_path / "run")
    assert (tmp_path / "run/metrics.jsonl").is_file()
    assert env.difficulty > 1
    for seed in range(20):
        matrix = random_invertible_binary_matrix(3, seed=seed)
        circuit = rls.synth(LinearFunction(matrix), num_searches=64)
        assert (LinearFunction(circuit).linear == matrix).all()
        assert len(circuit.data) <= 9  # no function needs more on a line of 3: 9 gates of CX make any


def test_cliffords_come_with_their_signs():
    # An untrained policy and a beam as wide as the 720 classes of two qubits.
    env = CliffordGym.from_coupling_map("line:2", basis_gates=["H", "S", "CX"])
    rls = RLSynthesis(env, PPOConfig(), SMALL)
    for seed in range(20):
        clifford = random_clifford(2, seed=seed)
        circuit = rls.synth(clifford, num_searches=1024)
        assert Clifford(circuit) == clifford
        assert {each.operation.name for each in circuit.data} <= {"h", "s", "cx", "x", "y", "z"}
        given = clifford.to_circuit()
        assert Operator(rls.synth(given, num_searches=1024)) == Operator(given)


# Modules and documents.


def test_the_script_in_the_documents_runs(root, capsys):
    blocks = (root / "docs/quantum.md").read_text("utf-8").split("```python\n")[1:]
    (script,) = [block.split("```")[0] for block in blocks if "synthesis.learn(" in block]
    exec(compile(script, "quantum.md", "exec"), {})
    assert "X" in capsys.readouterr().out  # the picture of a circuit of SWAPs


def test_the_modules_of_the_peer_by_their_paths():
    from twisterl.quantum import envs, rl
    from twisterl.quantum.envs.synthesis import SYNTH_ENVS
    from twisterl.quantum.rl.configs import ALGORITHMS, POLICIES
    from twisterl.quantum.rl.synthesis import gate_list_to_circuit

    assert set(SYNTH_ENVS) == {"CliffordEnv", "LinearFunctionEnv", "PermutationEnv", "PauliNetworkEnv"}
    assert set(ALGORITHMS) == {"AZ", "PPO"}
    assert set(POLICIES) == {"BasicPolicy", "Conv1dPolicy"}
    assert envs.CliffordGym is CliffordGym
    assert rl.RLSynthesis is RLSynthesis
    assert gate_list_to_circuit([("CX", (0, 2))]).num_qubits == 3


def test_without_qiskit_an_error_names_the_extra():
    script = (
        "import sys\n"
        "for name in ('qiskit', 'rustworkx', 'gymnasium'): sys.modules[name] = None\n"
        "import twisterl.quantum\n"
        "assert twisterl.quantum.coupling_of('line:3').num_qubits == 3\n"
        "try:\n    twisterl.quantum.RLSynthesis\n"
        "except ImportError as error:\n    print(error)\n"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "pip install 'twisterl[qiskit]'" in shown.stdout


def test_importing_the_package_imports_nothing_heavy():
    script = (
        "import sys, twisterl.quantum\n"
        "twisterl.quantum.coupling_of('grid:2x2')\n"
        "assert not {'qiskit', 'gymnasium', 'numpy.linalg'} & (set(sys.modules) - {'numpy.linalg'})"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
