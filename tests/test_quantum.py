"""Circuits of quantum gates: the environments and the configs and models of `qiskit-gym`."""

import json

import pytest
import twisterl
from twisterl import _core

MODEL = "perm_square_3x3"


@pytest.fixture(scope="module")
def peer(root):
    return root / "tests/vectors/peer"


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("PermutationEnv", "Permutation"),
        ("qiskit_gym.envs.synthesis.LinearFunctionEnv", "LinearFunction"),
        ("twisterl.envs.CliffordEnv", "Clifford"),
        ("Clifford", "Clifford"),
    ],
)
def test_names_of_the_peer_lead_to_native_environments(name, ours):
    env = twisterl.make(name, num_qubits=2)
    assert env.env_cls == ours
    assert env.params["num_qubits"] == 2


def test_a_shipped_model_gives_its_golden_numbers(peer):
    policy = twisterl.load_policy(peer / f"{MODEL}.pt")
    env = twisterl.make("PermutationEnv", **json.loads((peer / f"{MODEL}.json").read_text())["env"])
    cases = json.loads((peer / f"{MODEL}.golden.json").read_text())["cases"]
    for case in cases:
        env.set_state(case["state"])
        assert list(env.observe()) == case["observation"]
        probabilities, value = policy.predict(env.observe())
        assert probabilities.tolist() == pytest.approx(case["probabilities"], abs=1e-4)
        assert value == pytest.approx(case["value"], abs=1e-4)
    assert cases


def test_a_shipped_model_solves_permutations_greedily(peer, cli):
    options = ("--greedy", "--num-episodes", 200, "--difficulty", 100)
    shown = cli("evaluate", peer / f"{MODEL}.pt", *options)
    assert shown.returncode == 0, shown.stderr
    assert "200 of 200 solved" in shown.stdout


def test_wrong_gates_and_states_are_refused_with_their_place():
    with pytest.raises(twisterl.ConfigError, match=r"env.gateset\[1\]: expected one of the gates .*, found \"T\""):
        twisterl.make("CliffordEnv", num_qubits=2, gateset=[("H", (0,)), ("T", (1,))])
    with pytest.raises(twisterl.ConfigError, match=r"env.num_qubits: expected 1 to 32, found 10000"):
        twisterl.make("CliffordEnv", num_qubits=10_000)
    env = twisterl.make("LinearFunction", num_qubits=2)
    with pytest.raises(twisterl.StateError, match="invertible matrix"):
        env.set_state([1, 1, 1, 1])


def test_solutions_are_printed_as_gates(cli, tmp_path):
    config = {
        "env_cls": "LinearFunctionEnv",
        "env": {"num_qubits": 2, "gateset": [["CX", [0, 1]], ["CX", [1, 0]]], "difficulty": 4},
        "policy_cls": "BasicPolicy",
        "policy": {"embedding_size": 16, "common_layers": [16]},
        "algorithm_cls": "PPO",
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    trained = cli(tmp_path / "config.json", "--num-steps", 0, "--run-path", tmp_path / "run")
    assert trained.returncode == 0, trained.stderr
    shown = cli("solve", tmp_path / "run", "--state", "0 1 1 0", "--search", "beam=8")
    assert "solved after 3 moves" in shown.stdout, shown.stderr
    assert "cx 0 1" in shown.stdout


@pytest.fixture(scope="module")
def cheap(cli, tmp_path_factory):
    """A policy that knows nothing, for Cliffords of two qubits whose CX gates alone cost something."""
    folder = tmp_path_factory.mktemp("cheap")
    config = {
        "env_cls": "Clifford",
        "env": {"num_qubits": 2, "difficulty": 30, "metrics_weights": {"n_cnots": 0.1, "n_gates": 0}},
        "policy": {"embedding_size": 16, "common_layers": [16]},
        "algorithm_cls": "BackwardScramble",
        "algorithm": {},
    }
    (folder / "config.json").write_text(json.dumps(config))
    trained = cli(folder / "config.json", "--num-steps", 0, "--run-path", folder / "run")
    assert trained.returncode == 0, trained.stderr
    return folder / "run"


# The tableau of gates on one qubit, which needs no CX, and that of a SWAP, which needs three.
LOCAL = [1, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 1]
SWAP = [0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0]


@pytest.mark.parametrize(("search", "invert"), [("beam=2000", "never"), ("widening=2000", "both")])
def test_the_greatest_return_is_the_cheapest_circuit(cheap, search, invert):
    policy = twisterl.load_policy(cheap)
    found = policy.solve_batch([LOCAL, SWAP], search=search, objective="return", invert=invert)
    assert [round(solution.reward, 4) for solution in found] == [1.0, 0.7]
    assert all(solution.success for solution in found)
    assert not any(solution.inverted for solution in found) or invert == "both"


def test_uniform_targets_are_those_of_the_command_line(cheap, cli):
    policy = twisterl.load_policy(cheap)
    figures = policy.evaluate(num_episodes=30, start="uniform", search="beam=4", seed=3)
    shown = cli("evaluate", cheap, "--num-episodes", 30, "--start=uniform", "--search", "beam=4", "--seed", 3, "--json")
    assert shown.returncode == 0, shown.stderr
    expected = json.loads(shown.stdout)
    for name in ("count", "solved", "mean_length", "mean_reward", "nodes_per_state"):
        assert figures[name] == expected[name]
    assert figures["mean_length"] != policy.evaluate(num_episodes=30, search="beam=4", seed=3)["mean_length"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": "random"}, "start: expected scramble or uniform, found"),
        ({"start": None}, "start: expected a text, found None"),
        ({"states": [LOCAL], "start": "uniform"}, "start: expected none beside given states"),
    ],
)
def test_starts_that_cannot_be_drawn_are_refused(cheap, arguments, message):
    with pytest.raises(twisterl.UsageError, match=message):
        twisterl.load_policy(cheap).evaluate(**arguments)


def test_environments_without_random_states_are_named(tmp_path):
    policy = twisterl.train({"env_cls": "CartPole-v1"}, tmp_path / "run", num_steps=0, quiet=True).policy
    with pytest.raises(twisterl.UsageError, match=r"start: expected an environment .* states, found CartPole"):
        policy.evaluate(start="uniform")


def test_both_ends_are_solved_within_one_budget(cheap):
    policy = twisterl.load_policy(cheap)
    env = twisterl.make("Clifford", num_qubits=2, difficulty=30)
    states = []
    for seed in range(40):
        env.reset(seed=seed)
        states.append(list(env.get_state()))
    options = {"search": "beam=24", "nodes": 200, "max_steps": 10}
    one = policy.solve_batch(states, **options)
    both = policy.solve_batch(states, **options, invert="both")
    assert all(solution.nodes <= 200 for solution in [*one, *both])
    assert sum(solution.success for solution in both) > sum(solution.success for solution in one)
    assert any(solution.inverted for solution in both)
    for state, solution in zip(states, both, strict=True):
        env.set_state(state)
        for action in solution.actions:
            env.step(action)
        assert env.solved() == solution.success


def test_both_ends_are_refused_where_there_is_one(cli, cheap, tmp_path):
    policy = twisterl.load_policy(cheap)
    with pytest.raises(twisterl.UsageError, match=r"objective: expected length or return, found 'cost'"):
        policy.solve(SWAP, objective="cost")
    with pytest.raises(twisterl.UsageError, match=r"invert: expected text, found True"):
        policy.solve(SWAP, invert=True)
    shown = cli("solve", cheap, "--state", " ".join(map(str, SWAP)), "--invert", "twice")
    assert shown.returncode == 2
    assert "expected never or both" in shown.stderr
    config = {"env_cls": "Puzzle", "env": {"width": 2, "height": 2}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert cli(tmp_path / "config.json", "--num-steps", 0, "--run-path", tmp_path / "run").returncode == 0
    shown = cli("solve", tmp_path / "run", "--state", "1 0 2 3", "--invert", "both")
    assert shown.returncode != 0
    assert "invert: expected never, since Puzzle tells no inverse problem of the state, found both" in shown.stderr


def test_evaluations_of_a_run_have_an_objective(cli, tmp_path):
    evaluation = {"num_episodes": 5, "num_mcts_searches": 8, "objective": "return", "invert": "both"}
    config = {
        "env_cls": "LinearFunction",
        "env": {"num_qubits": 3, "difficulty": 2},
        "policy": {"embedding_size": 16, "common_layers": [16]},
        "algorithm_cls": "BackwardScramble",
        "algorithm": {"learning": {"diff_metric": "cheap"}, "evals": {"cheap": evaluation}},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    trained = cli(tmp_path / "config.json", "--num-steps", 1, "--run-path", tmp_path / "run")
    assert trained.returncode == 0, trained.stderr
    written = json.loads((tmp_path / "run/config.json").read_text())["algorithm"]["evals"]["cheap"]
    assert (written["objective"], written["invert"]) == ("return", "both")


def test_experts_teach_the_solutions_of_problems_and_of_their_inverses(cli, tmp_path):
    def solutions(invert):
        experts = {"after": 0, "num_problems": 20, "beam": 4, "num_solutions": 8, "invert": invert}
        config = {
            "env_cls": "Permutation",
            "env": {"num_qubits": 4, "difficulty": 20},
            "policy": {"embedding_size": 16, "common_layers": [16]},
            "algorithm_cls": "BackwardScramble",
            "algorithm": {"collecting": {"experts": experts}, "training": {"num_epochs": 1}},
        }
        (tmp_path / "config.json").write_text(json.dumps(config))
        trained = cli(tmp_path / "config.json", "--num-steps", 1, "--run-path", tmp_path / invert)
        assert trained.returncode == 0, trained.stderr
        state = json.loads((tmp_path / invert / "checkpoint_last/state.json").read_text())
        return state["algorithm"]["algorithm"]["solutions"]

    alone, both = solutions("never"), solutions("both")
    assert len(both) == 2 * len(alone) > 20
    for inverse, problem in zip(both[::2], both[1::2], strict=True):
        assert inverse["actions"] == problem["actions"][::-1]
        state = [int(entry) for entry in inverse["start"]]
        assert [state[int(entry)] for entry in problem["start"]] == [0, 1, 2, 3]
        for action in inverse["actions"]:
            state[action], state[action + 1] = state[action + 1], state[action]
        assert state == [0, 1, 2, 3]


def test_experts_from_both_ends_need_inverse_problems(cli, tmp_path):
    config = {
        "env_cls": "Puzzle",
        "env": {"width": 2, "height": 2},
        "algorithm_cls": "BackwardScramble",
        "algorithm": {"collecting": {"experts": {"after": 0, "invert": "both"}}},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    refused = cli(tmp_path / "config.json", "--num-steps", 1, "--run-path", tmp_path / "run")
    assert refused.returncode != 0
    assert "expected never, since Puzzle tells no inverse problem" in refused.stderr


def test_circuits_of_classes_are_gates_of_the_map():
    env = twisterl.make("CliffordCoset", num_qubits=2, coupling_map=[[1, 0]])
    cz = [1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0, 1]
    action = next(a for a in range(env.num_actions()) if env.action_name(a) == "cz 0 1")
    assert env.num_actions() == 9
    circuit = _core.circuit(env.spec, cz, [action])
    assert circuit == [("h", [0], None, False), ("cx", [1, 0], None, False), ("h", [0], None, False)]
    with pytest.raises(twisterl.ActionError, match="expected 0 to 8, found 9"):
        _core.circuit(env.spec, cz, [9])
    with pytest.raises(twisterl.ConfigError, match=r"env.basis_gates: expected CX, CY and XCY in both directions"):
        twisterl.make("CliffordCoset", num_qubits=2, basis_gates=["CX"])
