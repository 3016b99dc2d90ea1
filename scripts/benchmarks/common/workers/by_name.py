"""One training of an environment of which no more than the name is given, for `benchmark.py by_name`.

    python by_name.py {ours,sb3} ENV SEED SECONDS {success,reward} THRESHOLD EPISODES

Prints a line of JSON: the seconds of training and the steps until the first of two evaluations in a row that reached
the threshold, evaluations not counted, or null; and the best evaluation. An evaluation is the mean of that many greedy
episodes. `ours` is `twisterl.train(ENV)`, `sb3` is PPO of Stable-Baselines3 with its defaults, in an interpreter that
has it. ENV is a name, or FILE:CLASS for a class in a Python file.
"""

import importlib.util
import json
import sys
import tempfile
import time

# Steps from one evaluation to the next of `sb3`; ours makes as many in an iteration.
EVERY = 4096
PUZZLES_EVERY = 40  # iterations of a preset for goals, of 2,048 steps each
LONGEST = 1000  # steps of an evaluation's episode: a greedy policy may never end it
PARALLEL = 20  # environments of an evaluation of `sb3`
MOST = 10**9  # steps; the time ends it before


class Watch:
    """The evaluations of a training so far."""

    def __init__(self, seconds, threshold):
        self.limit, self.threshold = seconds, threshold
        self.best, self.first, self.reached = None, None, None

    def take(self, figure, trained, steps):
        """Take an evaluation in."""
        self.best = figure if self.best is None else max(self.best, figure)
        if figure < self.threshold:
            self.first = None
        elif self.first is None:
            self.first = {"seconds": trained, "steps": steps}
        else:
            self.reached = self.first

    def goes_on(self, trained):
        """Tell if it is worth going on."""
        return self.reached is None and trained < self.limit

    def print(self):
        """Print the result."""
        reached = self.reached or {"seconds": None, "steps": None}
        print(json.dumps({**reached, "best": self.best}), flush=True)


def environment(env):
    """Return the class that FILE:CLASS names, or the name of an environment itself."""
    file, colon, name = env.rpartition(":")
    if not colon:
        return env
    spec = importlib.util.spec_from_file_location("spaces", file)
    sys.modules["spaces"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


def ours(env, seed, measure, episodes, watch):
    """Our trainer."""
    import twisterl

    trained = 0.0
    evaluations = {"every": PUZZLES_EVERY if measure == "success" else 1, "num_episodes": episodes}
    if measure == "reward":
        evaluations["max_steps"] = LONGEST

    def seen(metrics):
        nonlocal trained
        # An evaluation is that of the policy before the iteration.
        for figures in list(metrics["evals"].values())[:1]:
            watch.take(figures[measure], trained, metrics["env_steps"])
        trained += metrics["time"]["total"] - metrics["time"]["evaluate"]
        return watch.goes_on(trained)

    with tempfile.TemporaryDirectory() as folder:
        changes = {f"algorithm.evals.greedy.{name}": value for name, value in evaluations.items()}
        run = twisterl.train(env, f"{folder}/run", seed=seed, callback=seen, set=changes, quiet=True)
        if watch.reached is None:
            for figures in list((run.final_evaluation or {}).values())[:1]:
                watch.take(figures[measure], trained, int(run.metrics["env_steps"][-1]))


def sb3(env, seed, measure, episodes, watch):
    """Stable-Baselines3."""
    import gymnasium
    from gymnasium import spaces
    from gymnasium.wrappers import TimeLimit
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy

    if measure != "reward":
        raise SystemExit(f"{env}: Stable-Baselines3 has no measure of success")

    def limited():
        return TimeLimit(env() if callable(env) else gymnasium.make(env), LONGEST)

    test = make_vec_env(limited, n_envs=PARALLEL, seed=12345)

    class Evaluate(BaseCallback):
        trained, since, due = 0.0, 0.0, EVERY

        def _on_training_start(self):
            self.since = time.perf_counter()

        def _on_step(self):
            if self.num_timesteps < self.due:
                return True
            self.trained += time.perf_counter() - self.since
            self.due += EVERY
            mean, _ = evaluate_policy(self.model, test, episodes, deterministic=True)
            watch.take(float(mean), self.trained, self.num_timesteps)
            self.since = time.perf_counter()
            return watch.goes_on(self.trained)

    policy = "MultiInputPolicy" if isinstance(test.observation_space, spaces.Dict) else "MlpPolicy"
    PPO(policy, make_vec_env(env, seed=seed), seed=seed, device="cpu").learn(MOST, callback=Evaluate())


if __name__ == "__main__":
    side, env, seed, seconds, measure, threshold, episodes = sys.argv[1:]
    watch = Watch(float(seconds), float(threshold))
    {"ours": ours, "sb3": sb3}[side](environment(env), int(seed), measure, int(episodes), watch)
    watch.print()
