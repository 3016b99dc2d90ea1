"""Algorithm objects with the interface of the PyPI package `twisterl`.

New code should use `twisterl.train` and `twisterl.load_policy`, which are simpler.
"""

from twisterl._internal.peer.data import CollectedData
from twisterl.rl.algorithm import Algorithm
from twisterl.rl.az import AZ
from twisterl.rl.others import ES, BackwardScramble
from twisterl.rl.ppo import PPO

__all__ = ["AZ", "CLASSES", "ES", "PPO", "Algorithm", "BackwardScramble", "CollectedData"]

CLASSES: dict[str, type[Algorithm]] = {"PPO": PPO, "AZ": AZ, "BackwardScramble": BackwardScramble, "ES": ES}
