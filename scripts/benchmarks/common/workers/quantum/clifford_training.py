"""Trains by qiskit-gym's own Python, and prints the steps and seconds of each iteration as a line of JSON.

    python clifford_training.py train QUBITS DIFFICULTY NUM_CORES EPISODES ITERATIONS
    python clifford_training.py config QUBITS DIFFICULTY NUM_CORES EPISODES     # prints the config of that training

Runs in an interpreter that has qiskit-gym; its `twisterl` is the PyPI package or ours, which has the same interface.
Cliffords on a line, with the default gates, network and PPO of qiskit-gym. The difficulty stays as it is.
"""

import json
import sys
import tempfile
from pathlib import Path

import twisterl
from loguru import logger
from qiskit_gym.envs import CliffordGym
from qiskit_gym.rl import BasicPolicyConfig, PPOConfig, RLSynthesis
from qiskit_gym.rl.configs import EvalConfig


def synthesis(qubits, difficulty, num_cores, episodes):
    """Return a training that has not begun."""
    line = [edge for q in range(qubits - 1) for edge in ((q, q + 1), (q + 1, q))]
    env = CliffordGym.from_coupling_map(line, difficulty=difficulty)
    # The curriculum needs an evaluation; one episode, and its time does not count.
    evals = {"ppo_deterministic": EvalConfig(num_episodes=1, num_cores=num_cores)}
    limits = {"num_cores": num_cores, "num_episodes": episodes, "diff_max": difficulty}
    return RLSynthesis(env, PPOConfig(**limits, evals=evals), BasicPolicyConfig())


def of_peer(algorithm, iterations):
    """Yield the steps and seconds of each iteration of the PyPI package."""
    taken = []
    train = algorithm.train

    def counting_train(data):
        taken.append(len(data[0]))
        return train(data)

    algorithm.train = counting_train
    for _ in range(iterations):
        (seconds, _, _), total = algorithm.learn_step()
        evaluations = sum(value for name, value in seconds.items() if name.startswith("eval"))
        yield {"steps": taken[-1], "collect": seconds["collect"], "total": total - evaluations}


def of_ours(algorithm, iterations):
    """Yield the steps and seconds of each iteration of our package, from the metrics of the run."""
    with tempfile.TemporaryDirectory() as folder:
        algorithm.run_path = str(Path(folder) / "run")
        algorithm.learn(iterations)
        rows = [json.loads(line) for line in (Path(algorithm.run_path) / "metrics.jsonl").read_text().splitlines()]
    before = 0
    for row in rows:
        if not row.get("final"):
            seconds = row["time"]
            total = seconds["total"] - seconds["evaluate"]
            yield {"steps": row["env_steps"] - before, "collect": seconds["collect"], "total": total}
            before = row["env_steps"]


def main():
    """Do what the arguments ask for."""
    logger.remove()
    what, *numbers = sys.argv[1:]
    qubits, difficulty, num_cores, episodes, *iterations = map(int, numbers)
    made = synthesis(qubits, difficulty, num_cores, episodes)
    if what == "config":
        print(json.dumps(made.to_json()))
        return
    made.env.difficulty = difficulty
    side = of_ours if hasattr(twisterl, "load_policy") else of_peer
    for row in side(made.algorithm, *iterations):
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
