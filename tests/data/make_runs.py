#!/usr/bin/env python3
"""Makes a folder of tiny runs and policies with a released trainer, which later versions must be able to use.

    .venv/bin/python tests/data/make_runs.py --binary target/release/twisterl-train --out tests/data/runs_of_0_1

Run it once a release, with the trainer and the package of that release, and never change what it made: tests
(tests/test_compatibility.py) hold every later version to it. `answers.json` has what the release answers:

- `policies`: by the path of a policy, its predictions for some observations, and what `evaluate` says;
- `runs`: by the name of a run, the metrics of the iterations that follow when it is resumed, and a prediction then.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import twisterl

ITERATIONS = 8  # of each run
MORE = 2  # after it is resumed
PREDICTED = 3  # observations of each policy
NETWORK = {"embedding_size": 6, "common_layers": [4]}
PUZZLE = {
    "env_cls": "Puzzle",
    "env": {
        "width": 3,
        "height": 2,
        "difficulty": 2,
        "depth_slope": 2,
        "depth_offset": 10,
        "max_depth": 40,
        "move_reward": -0.05,
        "failed_reward": -0.05,
    },
    "policy": {**NETWORK, "symmetry": "canonical"},
}
COMMON = {
    "learning": {"diff_metric": "random", "diff_threshold": 0.05, "diff_max": 20},
    "evals": {"random": {"start": "uniform", "num_episodes": 20, "every": 4}},
    "logging": {"checkpoint_freq": 5, "tensorboard": False},
    "optimizer": {"lr": 0.01, "lr_final": 0.001, "averaging": 0.8},
    "training": {"num_epochs": 1, "minibatch_size": 32, "vf_coef": 0.5, "max_grad_norm": 1.0},
}
STARTS = {"uniform": 0.3, "mixed": 0.2, "failures": 0.3, "failure_memory": 8, "probe_states": 32, "probe_every": 4}
STEPS = {"num_envs": 4, "rollout_length": 16, "gamma": 0.99, "lambda": 0.9}
GREEDY = {"greedy": {"num_episodes": 5, "every": 4}}


def puzzle(algorithm_cls: str, **algorithm: Any) -> dict[str, Any]:
    """Returns the config of a run on the 2 x 3 puzzle."""
    return {**PUZZLE, "algorithm_cls": algorithm_cls, "algorithm": {**COMMON, **algorithm}}


def control(env_cls: str, policy: dict[str, Any], **collecting: Any) -> dict[str, Any]:
    """Returns the config of a run of PPO on a task of control."""
    algorithm = {**COMMON, "collecting": {**STEPS, **collecting}, "evals": GREEDY}
    algorithm |= {"learning": {"diff_metric": "greedy", "diff_max": 1}}
    return {"env_cls": env_cls, "policy": {**NETWORK, **policy}, "algorithm": algorithm}


RUNS = {
    "ppo": puzzle("PPO", collecting={**STEPS, "starts": STARTS}),
    "ppo_cartpole": control("CartPole-v1", {"normalize_observations": True}, normalize_rewards=True),
    "az": puzzle(
        "AZ",
        collecting={"num_episodes": 4, "num_mcts_searches": 8, "selection": "gumbel", "replay_iterations": 2},
    ),
    "backward_scramble": puzzle(
        "BackwardScramble",
        collecting={
            "num_walks": 8,
            "walk_length": 16,
            "experts": {"after": 0.3, "num_problems": 4, "beam": 16, "window": 8, "memory": 4, "num_solutions": 4},
        },
    ),
    "es": puzzle("ES", es={"population": 16, "num_episodes": 2, "sigma": 0.1}, collecting={"starts": {"mixed": 0.3}}),
}
LAYERS = [
    {"type": "reshape", "shape": [2, 3, 6]},
    {"type": "conv2d", "channels": 2, "kernel": 3, "padding": 1, "activation": "silu"},
    {"type": "layer_norm"},
    {"type": "flatten"},
    {"type": "residual", "layers": [{"type": "linear", "outputs": 12, "activation": "gelu"}]},
]
SQUASHED = [{"type": "squashed_gaussian", "log_std": "state"}]
# Only the files of policies are kept of these.
POLICIES = {
    "layers": {**RUNS["ppo"], "policy": {"layers": {"common": LAYERS}, "init": {"scheme": "orthogonal"}}},
    "no_backtracking": {**RUNS["backward_scramble"], "policy": {**NETWORK, "backtracking": False}},
    "conv1d": {**RUNS["ppo"], "policy_cls": "Conv1dPolicy", "policy": {"embedding_size": 12, "common_layers": [8]}},
    "pendulum": control("Pendulum-v1", {"distribution": SQUASHED, "normalize_observations": True}),
    "journey": control("Journey", {}),
}
BOARDS = ([1, 0, 2, 3, 4, 5], [3, 1, 2, 4, 0, 5], [4, 1, 2, 0, 5, 3], [0, 2, 1, 4, 3, 5], [3, 5, 1, 4, 2, 0])
EVALUATIONS = ("--search greedy", "--search greedy --twists each", "--search beam=8", "--search mcts=8 --max-steps 30")


def call(binary: Path, *args: object) -> str:
    """Runs the trainer and returns what it prints."""
    command = [str(binary), *map(str, args)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def train(binary: Path, config: dict[str, Any], run: Path) -> None:
    """Makes a run."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(config, file)
        file.flush()
        call(binary, file.name, "--quiet", "--run-path", run, "--num-steps", ITERATIONS, "--seed", 3)


def resumed(binary: Path, run: Path) -> dict[str, Any]:
    """Resumes a copy of a run.

    Returns the metrics of the iterations that follow, without times, and what the last policy predicts then.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copytree(run, Path(folder) / "run")
        call(binary, "--resume", copy, "--num-steps", ITERATIONS + MORE, "--quiet")
        lines = (copy / "metrics.jsonl").read_text().splitlines()[ITERATIONS:]
        predicted = predictions(twisterl.load_policy(copy / "checkpoint_last"))
    metrics = [{name: value for name, value in json.loads(line).items() if name != "time"} for line in lines]
    return {"metrics": metrics, "predictions": predicted[:1]}


def predictions(policy: twisterl.Policy) -> list[dict[str, Any]]:
    """Returns observations of starts and what the policy says of them."""
    env = policy.make_env(seed=5)
    found = []
    for board in BOARDS[:PREDICTED]:
        if policy.env_cls == "Puzzle":
            env.set_state(board)
        else:
            env.reset()
        observation, mask = env.observe(), env.masks()
        said, value = policy.predict(observation, mask)
        seen = observation if isinstance(observation, list) else observation.ravel().tolist()
        figures = [round(float(number), 7) for number in [*said, value]]
        found.append({"observation": seen, "mask": mask, "says": figures[:-1], "value": figures[-1]})
    return found


def evaluations(binary: Path, path: Path, env_cls: str) -> dict[str, Any]:
    """Returns what `evaluate` says of a policy, by the options; seconds are left out."""
    found = {}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(BOARDS, file)
        file.flush()
        for options in EVALUATIONS if env_cls == "Puzzle" else EVALUATIONS[:1]:
            problems = ["--states", file.name] if env_cls == "Puzzle" else ["--num-episodes", 5]
            figures = json.loads(call(binary, "evaluate", path, *problems, "--json", *options.split()))
            found[options] = {name: value for name, value in figures.items() if name != "seconds_per_state"}
    return found


def answers(binary: Path, out: Path) -> dict[str, Any]:
    """Returns what the release answers."""
    paths = [*(out / run for run in RUNS), *sorted((out / "policies").iterdir())]
    policies = {}
    for path in paths:
        policy = twisterl.load_policy(path)
        said = {"predictions": predictions(policy), "evaluations": evaluations(binary, path, policy.env_cls)}
        policies[str(path.relative_to(out))] = said
    return {"boards": BOARDS, "policies": policies, "runs": {run: resumed(binary, out / run) for run in RUNS}}


def main() -> None:
    """Makes the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, required=True, metavar="PATH", help="the trainer of the release")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to make")
    args = parser.parse_args()
    (args.out / "policies").mkdir(parents=True)
    for name, config in RUNS.items():
        train(args.binary, config, args.out / name)
    for name, config in POLICIES.items():
        with tempfile.TemporaryDirectory() as folder:
            train(args.binary, config, Path(folder) / name)
            policy = Path(folder) / name / "checkpoint_best/policy.safetensors"
            shutil.copyfile(policy, args.out / "policies" / f"{name}.safetensors")
    found = json.dumps(answers(args.binary, args.out), separators=(",", ":"))
    (args.out / "answers.json").write_text(found + "\n")


if __name__ == "__main__":
    main()
