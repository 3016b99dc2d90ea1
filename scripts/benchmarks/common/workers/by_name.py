"""One training of an environment of which no more than the name is given, for `benchmark.py by_name`.

    python by_name.py {ours,sb3} ENV SEED SECONDS {success,reward} THRESHOLD

Prints a line of JSON: the seconds of training and the steps until an evaluation of 20 or more greedy episodes reached
the threshold, evaluations not counted, or null; and the best evaluation. `ours` is `twisterl.train(ENV)`, `sb3` is PPO
of Stable-Baselines3 with its defaults, in an interpreter that has it.
"""

import json
import sys
import tempfile
import time

EPISODES, EVERY = 20, 4096  # of the evaluations of `sb3`
MOST = 10**9  # steps; the time ends it before


class Watch:
    """The evaluations of a training so far."""

    def __init__(self, seconds, threshold):
        self.seconds, self.threshold = seconds, threshold
        self.best, self.reached, self.steps = None, None, None

    def take(self, figure, trained, steps):
        """Take an evaluation in."""
        self.best = figure if self.best is None else max(self.best, figure)
        if self.reached is None and figure >= self.threshold:
            self.reached, self.steps = trained, steps

    def goes_on(self, trained):
        """Tell if it is worth going on."""
        return self.reached is None and trained < self.seconds

    def print(self):
        """Print the result."""
        print(json.dumps({"seconds": self.reached, "steps": self.steps, "best": self.best}), flush=True)


def ours(env, seed, measure, watch):
    """Our trainer."""
    import twisterl

    trained = 0.0

    def seen(metrics):
        nonlocal trained
        # An evaluation is that of the policy before the iteration.
        for figures in list(metrics["evals"].values())[:1]:
            watch.take(figures[measure], trained, metrics["env_steps"])
        trained += metrics["time"]["total"] - metrics["time"]["evaluate"]
        return watch.goes_on(trained)

    with tempfile.TemporaryDirectory() as folder:
        run = twisterl.train(env, f"{folder}/run", seed=seed, callback=seen, quiet=True)
        if watch.reached is None:
            for figures in list((run.final_evaluation or {}).values())[:1]:
                watch.take(figures[measure], trained, int(run.metrics["env_steps"][-1]))


def sb3(env, seed, measure, watch):
    """Stable-Baselines3."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy

    if measure != "reward":
        raise SystemExit(f"{env}: Stable-Baselines3 has no measure of success")
    test = make_vec_env(env, n_envs=1, seed=12345)

    class Evaluate(BaseCallback):
        trained, since, due = 0.0, time.perf_counter(), EVERY

        def _on_step(self):
            if self.num_timesteps < self.due:
                return True
            self.trained += time.perf_counter() - self.since
            self.due += EVERY
            mean, _ = evaluate_policy(self.model, test, EPISODES, deterministic=True)
            watch.take(float(mean), self.trained, self.num_timesteps)
            self.since = time.perf_counter()
            return watch.goes_on(self.trained)

    PPO("MlpPolicy", make_vec_env(env, seed=seed), seed=seed, device="cpu").learn(MOST, callback=Evaluate())


if __name__ == "__main__":
    side, env, seed, seconds, measure, threshold = sys.argv[1:]
    watch = Watch(float(seconds), float(threshold))
    {"ours": ours, "sb3": sb3}[side](env, int(seed), measure, watch)
    watch.print()
