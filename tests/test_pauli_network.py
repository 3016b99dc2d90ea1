"""Pauli networks and routing: solutions as circuits, the former compared as unitaries."""

import itertools
import json
import math

import numpy as np
import pytest
import twisterl
from twisterl import _core

LETTERS = {
    0: np.eye(2),
    1: np.array([[0, 1], [1, 0]]),
    2: np.diag([1, -1]),
    3: np.array([[0, -1j], [1j, 0]]),
}
S = np.diag([1, 1j])
SX = np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2
GATES = {
    "h": np.array([[1, 1], [1, -1]]) / math.sqrt(2),
    "s": S,
    "sdg": S.conj(),
    "sx": SX,
    "sxdg": SX.conj().T,
}
INVERSES = {"s": "sdg", "sdg": "s", "sx": "sxdg", "sxdg": "sx"}


def product(letters):
    """Returns the Pauli of the letters of each qubit; qubit 0 is the last factor."""
    matrix = np.eye(1)
    for letter in letters:
        matrix = np.kron(LETTERS[letter], matrix)
    return matrix


def on(n, qubits, letters):
    return product([letters[qubits.index(q)] if q in qubits else 0 for q in range(n)])


def unitary(n, name, qubits, angle=0.0):
    """Returns the unitary of an operation."""
    if name in ("rx", "ry", "rz"):
        pauli = on(n, qubits, [{"rx": 1, "rz": 2, "ry": 3}[name]])
        return math.cos(angle / 2) * np.eye(2**n) - 1j * math.sin(angle / 2) * pauli
    if name in GATES:
        identity = np.eye(2)
        factors = [GATES[name] if q == qubits[0] else identity for q in range(n)]
        matrix = np.eye(1)
        for factor in factors:
            matrix = np.kron(factor, matrix)
        return matrix
    # By sums of Paulis: (1 + Z + X - ZX) / 2 and the like.
    terms = {
        "cx": [(0, 0, 1), (2, 0, 1), (0, 1, 1), (2, 1, -1)],
        "cz": [(0, 0, 1), (2, 0, 1), (0, 2, 1), (2, 2, -1)],
        "swap": [(0, 0, 1), (1, 1, 1), (2, 2, 1), (3, 3, 1)],
    }[name]
    return sum(sign * on(n, qubits, [a, b]) for a, b, sign in terms) / 2


def letters_of(n, matrix):
    """Returns the letters of a Pauli and its sign."""
    for letters in itertools.product(range(4), repeat=n):
        overlap = np.trace(product(letters) @ matrix).real / 2**n
        if abs(overlap) > 0.5:
            return list(letters), round(overlap)
    raise AssertionError("no Pauli")


def problem(n, circuit):
    """Returns the unitary of a circuit, its state, and the angles of the rotations of the state."""
    whole = clifford = np.eye(2**n)
    rotations, angles = [], []
    for name, qubits, angle in circuit:
        gate = unitary(n, name, qubits, angle)
        whole = gate @ whole
        if angle is None:
            clifford = gate @ clifford
            continue
        pauli = on(n, qubits, [{"rx": 1, "rz": 2, "ry": 3}[name]])
        letters, sign = letters_of(n, clifford.conj().T @ pauli @ clifford)
        rotations += [len(angles), *letters]
        angles.append(sign * angle)
    columns = []
    for letter, qubit in itertools.product((1, 2), range(n)):
        image, _ = letters_of(n, clifford.conj().T @ on(n, [qubit], [letter]) @ clifford)
        columns.append([letter & 1 for letter in image] + [letter >> 1 for letter in image])
    return whole, [len(angles), *np.array(columns).T.ravel().tolist(), *rotations], angles


def random_circuit(n, gates, rng):
    circuit = []
    for _ in range(12):
        name, qubits = gates[rng.integers(len(gates))]
        circuit.append((name, qubits, None))
        if rng.random() < 0.4:
            circuit.append((["rx", "ry", "rz"][rng.integers(3)], [int(rng.integers(n))], float(rng.uniform(-3, 3))))
    return circuit


@pytest.mark.parametrize("env_cls", ["PauliNetwork", "qiskit_gym.envs.synthesis.PauliNetworkEnv"])
@pytest.mark.parametrize("n", [2, 3])
def test_circuits_are_the_unitary_of_their_problem_up_to_a_pauli_behind_them(n, env_cls):
    names = ["H", "S", "Sdg", "SX", "SXdg", "CX", "CZ", "SWAP"]
    edges = [[a, b] for a in range(n) for b in range(n) if abs(a - b) == 1]
    gateset = [[name, [q]] for name in names[:5] for q in range(n)]
    gateset += [[name, edge] for name in names[5:] for edge in edges]
    env = twisterl.make(env_cls, num_qubits=n, gateset=gateset, max_rotations=3)
    spec = env.spec
    _, solved, _ = problem(n, [])
    gates = [_core.circuit(spec, solved, [action])[0][:2] for action in range(len(gateset))]
    assert sorted(map(str, gates)) == sorted(str((name.lower(), qubits)) for name, qubits in gateset)
    rng = np.random.default_rng(n)
    emitted = 0
    for _ in range(30):
        circuit = random_circuit(n, gates, rng)
        whole, state, angles = problem(n, circuit)
        # Gates that are undone again change the places of rotations, and an inverse in place of a gate adds a Pauli.
        detour = [gates[rng.integers(len(gates))] for _ in range(rng.integers(5))]
        back = [(INVERSES.get(name, name), qubits) for name, qubits in reversed(detour)]
        own = [(name, qubits) for name, qubits, angle in circuit if angle is None]
        own = [(INVERSES.get(name, name) if rng.random() < 0.5 else name, qubits) for name, qubits in own]
        actions = [gates.index(gate) for gate in detour + back + own]
        env.set_state(state)
        for action in actions:
            env.step(action)
        assert env.solved()
        made = np.eye(2**n)
        operations = _core.circuit(spec, state, actions)
        assert sorted(index for _, _, index, _ in operations if index is not None) == list(range(len(angles)))
        for name, qubits, index, negative in operations:
            angle = 0.0 if index is None else (-angles[index] if negative else angles[index])
            emitted += negative
            made = unitary(n, name, qubits, angle) @ made
        rest = whole @ made.conj().T
        overlaps = [abs(np.trace(product(letters) @ rest)) for letters in itertools.product(range(4), repeat=n)]
        assert max(overlaps) == pytest.approx(2**n)
    assert emitted > 10


def test_circuits_refuse_what_they_cannot_show():
    spec = _core.EnvSpec("PauliNetwork", '{"num_qubits": 2}')
    with pytest.raises(twisterl.StateError, match="expected 17 entries for 2 qubits and 0 rotations, found 1"):
        _core.circuit(spec, [0.0], [])
    with pytest.raises(twisterl.TwisteRLError, match=r"action: expected 0 to 8, found 9"):
        _core.circuit(spec, problem(2, [])[1], [9])
    with pytest.raises(twisterl.ConfigError, match=r"env_cls: expected .*PauliNetworkCoset or Routing, found Puzzle"):
        _core.circuit(_core.EnvSpec("Puzzle", "{}"), [], [])


def test_a_routed_circuit_has_swaps_and_the_gates_of_the_state():
    env = twisterl.make("Routing", num_qubits=3)
    state = [2, 1, 0, 0, 1, 0, 2, 1, 2]
    operations = _core.circuit(env.spec, state, [0])
    # Gate 0 is executed at once, with qubit 0 at 2; the SWAP brings qubits 0 and 2 together, but 1 and 2 as well.
    assert operations == [
        ("gate", [2, 1], 0, False),
        ("swap", [0, 1], None, False),
        ("gate", [2, 1], 1, False),
        ("gate", [0, 1], 2, False),
    ]
    env.set_state(state)
    env.step(0)
    assert env.solved()
    assert list(env.get_state()) == [2, 0, 1]


def test_a_config_of_the_peer_trains_and_keeps_the_order_of_its_models(cli, tmp_path):
    gateset = [["H", [0]], ["H", [1]], ["S", [0]], ["S", [1]], ["CX", [0, 1]], ["CX", [1, 0]]]
    env = {
        "num_qubits": 2,
        "difficulty": 4,
        "gateset": gateset,
        "depth_slope": 2,
        "max_depth": 128,
        "max_rotations": 3,
        "pauli_diff_scale": 2,
        "num_qubits_decay": 0.5,
        "final_pauli_layers": None,
        "metrics_weights": None,
        "add_perms": True,
        "pauli_layer_reward": 0.01,
        "track_solution": True,
    }
    config = {
        "env_cls": "qiskit_gym.envs.synthesis.PauliNetworkEnv",
        "env": env,
        "policy_cls": "twisterl.nn.BasicPolicy",
        "policy": {"embedding_size": 16, "common_layers": [16]},
        "algorithm_cls": "twisterl.rl.PPO",
        "algorithm": {"collecting": {"num_episodes": 16}},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    trained = cli(tmp_path / "config.json", "--num-steps", 1, "--run-path", tmp_path / "run")
    assert trained.returncode == 0, trained.stderr
    policy = twisterl.load_policy(tmp_path / "run")
    assert policy.env_cls == "PauliNetwork"
    assert policy.env_params == {**env, "order": "qiskit_gym"}
    # A rotation about Z Z: the fifth gate, named CX from 0 to 1, is that from 1 to 0.
    state = [1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 2, 2]
    solution = policy.solve(state, search="beam=64")
    assert len(solution.actions) == 2
    made = _core.circuit(twisterl.make(policy.env_cls, **policy.env_params).spec, state, solution.actions)
    assert [(name, index) for name, _, index, _ in made] == [("cx", None), ("rz", 0), ("cx", None)]


@pytest.mark.slow
def test_the_example_of_pauli_networks_raises_its_difficulty(root, tmp_path):
    run = twisterl.train(root / "examples/quantum/ppo_pauli3_v1.json", tmp_path / "run", num_steps=60)
    assert max(metrics["difficulty"] for metrics in run.iterations()) >= 4


@pytest.mark.slow
def test_the_example_of_routing_needs_a_third_of_the_swaps_of_random_play(root, tmp_path):
    run = twisterl.train(root / "examples/quantum/ppo_routing_line5_v1.json", tmp_path / "run", num_steps=15)
    first, *_, last = run.iterations()
    assert first["rollout"]["length"] > 25
    assert last["evals"]["greedy"]["success"] == 1.0
    assert last["evals"]["greedy"]["length"] < 8.5
