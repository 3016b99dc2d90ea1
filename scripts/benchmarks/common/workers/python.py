"""One side of `benchmark.py python`: measures the package that this interpreter has, ours or the peer's."""

import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
sys.path.insert(0, str(ROOT / "tests"))
CHECKPOINT = ROOT / "tests/vectors/peer/ppo_puzzle8_v1.safetensors"
CONFIG = ROOT / "tests/configs/ppo_puzzle8_v1.peer.json"
ONES = [8, 16, 23, 30, 38, 45, 58, 69, 73]
EPISODES = 512


def rate(work, seconds: float) -> float:
    """Calls a second of `work`."""
    work()
    calls, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        for _ in range(20):
            work()
        calls += 20
    return calls / (time.perf_counter() - begun)


def slow_rate(work, seconds: float) -> float:
    """Units a second of `work`, which returns how many it did."""
    units, begun = work(), time.perf_counter()
    units = 0
    while time.perf_counter() - begun < seconds:
        units += work()
    return units / (time.perf_counter() - begun)


def slow_collection(workers: int, seconds: float) -> float:
    """Thousand steps a second that training collects from an environment whose steps take 50 us."""
    import twisterl

    config = {
        "env_cls": "envs_in_python.SlowWalk",
        "env": {"size": 64},
        "policy": {"embedding_size": 64, "common_layers": [64]},
        "algorithm": {
            "collecting": {"num_episodes": EPISODES, "workers": workers},
            "training": {"num_epochs": 1},
            "learning": {"diff_start": 60, "diff_metric": "rollout"},
            "evals": {},
        },
    }
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        go_on = lambda _: time.perf_counter() - begun < seconds  # noqa: E731
        run = twisterl.train(config, Path(folder) / "run", quiet=True, callback=go_on)
        rows = run.iterations()
    # Without the first iteration, in which environments are made.
    steps = rows[-1]["env_steps"] - (rows[0]["env_steps"] if len(rows) > 1 else 0)
    return steps / sum(row["time"]["collect"] for row in (rows[1:] or rows)) / 1e3


def ours(seconds: float) -> dict[str, float]:
    """Our package."""
    import numpy as np
    import twisterl

    policy = twisterl.load_policy(CHECKPOINT, CONFIG)
    env = policy.make_env(seed=0)
    env.difficulty = 1000
    bits = np.zeros((4096, 81), np.float32)
    for row in bits:
        env.reset()
        row[env.observe()] = 1
    config = {
        "env_cls": "envs_in_python.Walk",
        "env": {"size": 64},
        "policy": {"embedding_size": 64, "common_layers": [64]},
        "algorithm": {"collecting": {"num_episodes": EPISODES, "gamma": 0.995, "lambda": 0.995}},
    }
    written = json.dumps(config)
    collector = twisterl._core.PpoCollector(written, twisterl.Policy(initial=written))
    return {
        "predict": 1e6 / rate(lambda: policy.predict(ONES), seconds),
        "predict_batch": slow_rate(lambda: len(policy.predict_batch(bits)[1]), seconds) / 1e3,
        "env_step": 1e6 / rate(lambda: env.step(1), seconds),
        "python_env": slow_rate(lambda: len(collector.collect(60)["actions"]), seconds) / 1e3,
        "slow_env": slow_collection(1, 4 * seconds),
        "slow_env_2_workers": slow_collection(2, 4 * seconds),
    }


def peer(seconds: float) -> dict[str, float]:
    """The published package."""
    import envs_in_python
    from safetensors.torch import load_file
    from twisterl import twisterl as core
    from twisterl.envs import Puzzle
    from twisterl.nn import BasicPolicy

    def made(bits, actions, **sizes):
        return BasicPolicy([bits], actions, policy_layers=(), value_layers=(), **sizes)

    policy = made(81, 4, embedding_size=512, common_layers=(256,))
    policy.load_state_dict(load_file(CHECKPOINT))
    fast = policy.to_rust()
    env = Puzzle(3, 3, 1000, 2, 256)
    env.reset()
    walker = made(64, 2, embedding_size=64, common_layers=(64,)).to_rust()
    walk = envs_in_python.OldWalk(64)
    walks = core.env.PyEnv(walk)
    walks.difficulty = 60
    # With two threads the peer waits for ever on an environment that is written in Python.
    collector = core.collector.PPOCollector(EPISODES, 0.995, 0.995, 1)
    masks = [True] * 4

    def predict():
        return fast.predict(ONES, masks)

    one = rate(predict, seconds)
    slow_walks = core.env.PyEnv(envs_in_python.SlowWalk(64))
    slow_walks.difficulty = 60
    slow = slow_rate(lambda: len(collector.collect(slow_walks, walker).actions), seconds) / 1e3
    return {
        "predict": 1e6 / one,
        # There is no call for a batch.
        "predict_batch": one / 1e3,
        "env_step": 1e6 / rate(lambda: env.step(1), seconds),
        "python_env": slow_rate(lambda: len(collector.collect(walks, walker).actions), seconds) / 1e3,
        "slow_env": slow,
        # It has no worker processes.
        "slow_env_2_workers": slow,
    }


if __name__ == "__main__":
    side, seconds = sys.argv[1], float(sys.argv[2])
    print(json.dumps({"ours": ours, "peer": peer}[side](seconds)))
