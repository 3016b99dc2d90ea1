"""Configs of runs for the tests of the life cycle of environments."""

import twisterl

EVALS = {"greedy": {"num_episodes": 4}, "tree": {"num_episodes": 2, "num_mcts_searches": 4}}
ALGORITHMS = {
    "PPO": {"collecting": {"num_envs": 8, "rollout_length": 16}, "training": {"num_epochs": 1, "minibatch_size": 64}},
    "PPO by episodes": {"collecting": {"num_episodes": 8}, "training": {"num_epochs": 1}},
    "AZ": {"collecting": {"num_episodes": 4, "num_mcts_searches": 4}, "training": {"num_epochs": 1}},
    "ES": {"es": {"population": 4, "num_episodes": 2}},
}


def config(env_cls, name, **changes):
    """The config of a small run by this algorithm, with changes in its sections."""
    shared = {"evals": EVALS, "learning": {"diff_metric": "rollout"}, "logging": {"tensorboard": False}}
    algorithm = {**ALGORITHMS[name], **shared}
    for section, fields in changes.items():
        algorithm[section] = {**algorithm.get(section, {}), **fields}
    policy = {"embedding_size": 8, "common_layers": []}
    algorithm_cls = name.split()[0]
    return {
        "env_cls": f"envs_with_lives.{env_cls}",
        "policy": policy,
        "algorithm_cls": algorithm_cls,
        "algorithm": algorithm,
    }


def train(path, env_cls, name, num_steps, callback=None, **changes):
    """Train, quietly."""
    changed = config(env_cls, name, **changes)
    return twisterl.train(changed, path, num_steps=num_steps, callback=callback, quiet=True)


def weights(run):
    """The bytes of the last policy."""
    return (run.path / "checkpoint_last/policy.safetensors").read_bytes()
