"""Episodes of the environment `PauliNetworkEnv` of `qiskit-gym`, whose observations and rewards ours must have.

    python pauli_network.py > pauli_network.json      # with qiskit-gym 0.4.2 and its extension

A start is made backwards from the identity: each gate of a random circuit is undone, and after some CX gates a
rotation on one qubit is put in front. Left out is what differs: CZ, which the peer applies with the roles of X and Z
exchanged; SWAPs in the middle of which it removes rotations; starts with rotations on one qubit, which it removes
with the first CX; and more rotations than an observation shows, which it drops.
"""

import json
import random

from qiskit_gym import qiskit_gym_rs

LINE = {n: [edge for q in range(n - 1) for edge in ((q, q + 1), (q + 1, q))] for n in (2, 3)}
RING = [edge for q in range(4) for edge in ((q, (q + 1) % 4), ((q + 1) % 4, q))]
# Qubits, edges, kinds of gates, rotations, columns for them, gates of the circuit.
PROBLEMS = [
    (2, LINE[2], ["H", "S", "CX"], 2, 2, 6),
    (3, LINE[3], ["H", "S", "Sdg", "SX", "SXdg", "CX", "SWAP"], 4, 4, 14),
    (3, LINE[3], ["H", "S", "CX"], 4, 6, 12),
    (4, RING, ["H", "SX", "CX"], 5, 5, 16),
]
EPISODES = 3

rng = random.Random(5)


def gateset(n, edges, kinds):
    places = {kind: [[q] for q in range(n)] for kind in kinds}
    places |= {kind: [list(edge) for edge in sorted(edges)] for kind in kinds if kind in ("CX", "SWAP")}
    return [[kind, qubits] for kind in kinds for qubits in places[kind]]


def apply(gate, rows, n):
    """Applies a gate as the peer does: CX from the second qubit to the first."""
    kind, a, b = gate[0], gate[1][0], gate[1][-1]
    if kind == "H":
        rows[a], rows[n + a] = rows[n + a], rows[a]
    elif kind in ("S", "Sdg"):
        rows[n + a] = [x ^ y for x, y in zip(rows[n + a], rows[a], strict=True)]
    elif kind in ("SX", "SXdg"):
        rows[a] = [x ^ y for x, y in zip(rows[a], rows[n + a], strict=True)]
    elif kind == "CX":
        rows[a] = [x ^ y for x, y in zip(rows[a], rows[b], strict=True)]
        rows[n + b] = [x ^ y for x, y in zip(rows[n + b], rows[n + a], strict=True)]
    else:
        for first, second in ((a, b), (n + a, n + b)):
            rows[first], rows[second] = rows[second], rows[first]


def start(n, gates, count, length):
    """Returns rows of the tableau with the rotations behind it, and actions that solve it; `None` if it is not used."""
    cx = [i for i, gate in enumerate(gates) if gate[0] == "CX"]
    actions = [rng.randrange(len(gates)) if rng.random() < 0.5 else rng.choice(cx) for _ in range(length)]
    rows = [[int(row == column) for column in range(2 * n)] for row in range(2 * n)]
    for action in reversed(actions):
        while action in cx and len(rows[0]) < 2 * n + count and rng.random() < 0.5:
            qubit, letter = rng.choice(gates[action][1]), rng.randrange(1, 4)
            for row in rows:
                row.insert(2 * n, 0)
            rows[qubit][2 * n], rows[n + qubit][2 * n] = letter & 1, letter >> 1
        apply(gates[action], rows, n)
    weights = [sum(rows[q][c] | rows[n + q][c] for q in range(n)) for c in range(2 * n, len(rows[0]))]
    return (rows, actions) if len(weights) == count and min(weights) > 1 else None


def episode(n, edges, kinds, count, shown, length):
    """Returns an episode, `None` if it is not to be used."""
    gates = gateset(n, edges, kinds)
    begun = start(n, gates, count, length)
    if begun is None:
        return None
    rows, actions = begun
    tableau = [rows[row][column] for row in range(2 * n) for column in range(2 * n)]
    letters = [[rows[q][c] + 2 * rows[n + q][c] for q in range(n)] for c in range(2 * n, 2 * n + count)]
    peer = qiskit_gym_rs.PauliNetworkEnv(n, 1, gates, 2, 64, shown, add_perms=False)
    labels = [["IXZY"[letter] for letter in reversed(rotation)] for rotation in letters]
    peer.set_state([count, *tableau, *(x for label in labels for x in (n, *map(ord, label)))])
    observations, rewards = [sorted(peer.observe())], []
    for action in actions:
        peer.step(action)
        observations.append(sorted(peer.observe()))
        rewards.append(round(peer.reward(), 6))
        if gates[action][0] == "SWAP" and rewards[-1] > -0.0302:
            return None
        if peer.is_final():
            break
    return {
        "env": {
            "num_qubits": n,
            "gateset": gates,
            "difficulty": 1,
            "depth_slope": 2,
            "max_depth": 64,
            "max_rotations": shown,
            "pauli_diff_scale": 16,
            "num_qubits_decay": 0.5,
            "final_pauli_layers": None,
            "metrics_weights": None,
            "add_perms": False,
            "pauli_layer_reward": 0.01,
            "track_solution": True,
        },
        "state": [count, *tableau, *(x for i, rotation in enumerate(letters) for x in (i, *rotation))],
        "actions": actions[: len(rewards)],
        "observations": observations,
        "rewards": rewards,
    }


cases = []
for problem in PROBLEMS:
    wanted = len(cases) + EPISODES
    while len(cases) < wanted:
        case = episode(*problem)
        if case is not None:
            cases.append(case)
print(json.dumps({"source": "qiskit-gym 0.4.2", "cases": cases}, separators=(",", ":")))
