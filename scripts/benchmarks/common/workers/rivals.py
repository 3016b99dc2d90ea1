"""One training of a rival by PPO a call, for `benchmark.py rivals`, inside the rivals' own Python.

    python rivals.py {sb3,torch,rlox} TASK SEED MAX_STEPS EVERY

Prints a JSON line for each evaluation: environment steps, seconds of training (evaluation not counted), and the mean
return of 100 greedy episodes. This file imports nothing of ours.
"""

import json
import sys
import time

import gymnasium
import numpy as np
import torch
from torch import nn

EPISODES = 100
# The RL Zoo's hyperparameters for PPO of Stable-Baselines3.
ZOO = {
    "CartPole-v1": {
        "n_envs": 8,
        "n_steps": 32,
        "batch_size": 256,
        "gae_lambda": 0.8,
        "gamma": 0.98,
        "n_epochs": 20,
        "ent_coef": 0.0,
        "learning_rate": 1e-3,
        "clip_range": 0.2,
        "annealed": True,
    },
    "Pendulum-v1": {
        "n_envs": 4,
        "n_steps": 1024,
        "batch_size": 64,
        "gae_lambda": 0.95,
        "gamma": 0.9,
        "n_epochs": 10,
        "ent_coef": 0.0,
        "learning_rate": 1e-3,
        "clip_range": 0.2,
        "annealed": False,
    },
}


class Clock:
    """Training time, and when the next evaluation is due."""

    def __init__(self, every):
        self.every, self.due = every, every
        self.spent, self.since = 0.0, time.perf_counter()

    def reached(self, steps, returns):
        """Evaluate by `returns()` if it is time to."""
        if steps < self.due:
            return
        self.spent += time.perf_counter() - self.since
        self.due += self.every
        print(json.dumps({"steps": steps, "seconds": self.spent, "reward": float(returns())}), flush=True)
        self.since = time.perf_counter()


def greedy_returns(task, act):
    """Mean return of one greedy episode in each of 100 environments; `act` maps observations to actions."""
    envs = gymnasium.make_vec(task, EPISODES, vectorization_mode="sync")
    seen, _ = envs.reset(seed=12345)
    total, over = np.zeros(EPISODES), np.zeros(EPISODES, bool)
    while not over.all():
        seen, reward, terminated, truncated, _ = envs.step(act(seen))
        total += np.where(over, 0.0, reward)
        over |= terminated | truncated
    return total.mean()


def sb3(task, seed, max_steps, clock):
    """Stable-Baselines3."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env

    options = dict(ZOO[task])
    envs = make_vec_env(task, n_envs=options.pop("n_envs"), seed=seed)
    if options.pop("annealed"):
        for name in ("learning_rate", "clip_range"):
            options[name] = lambda left, first=options[name]: left * first
    if task == "Pendulum-v1":
        options |= {"use_sde": True, "sde_sample_freq": 4}

    class Watch(BaseCallback):
        def _on_rollout_start(self):
            clock.reached(self.num_timesteps, lambda: greedy_returns(task, self.act))

        def _on_step(self):
            return True

        def act(self, seen):
            return self.model.predict(seen, deterministic=True)[0]

    PPO("MlpPolicy", envs, seed=seed, device="cpu", **options).learn(max_steps, callback=Watch())


def rlox(task, seed, max_steps, clock):
    """The package rlox, whose CartPole is written in Rust."""
    from rlox.algorithms.ppo import PPO
    from rlox.callbacks import Callback

    options = dict(ZOO[task])
    options["anneal_lr"] = options.pop("annealed")
    size = options["n_envs"] * options["n_steps"]

    class Watch(Callback):
        rollouts = 0

        def on_step(self, algo=None, **_):
            self.rollouts += 1
            clock.reached(self.rollouts * size, lambda: greedy_returns(task, lambda seen: self.act(algo, seen)))
            return True

        def act(self, algo, seen):
            with torch.no_grad():
                return algo.policy.actor(torch.as_tensor(seen, dtype=torch.float32)).argmax(1).numpy()

    torch.manual_seed(seed)
    PPO(task, seed=seed, callbacks=[Watch()], **options).train(max_steps)


# long function: one algorithm in one loop, to be compared as such
def plain_torch(task, seed, max_steps, clock):
    """PPO written plainly in PyTorch, everything in one loop, as CleanRL has it; discrete actions."""
    o = ZOO[task]
    torch.manual_seed(seed)
    same = {"autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP}
    envs = gymnasium.make_vec(task, o["n_envs"], vectorization_mode="sync", vector_kwargs=same)
    inputs, outputs = envs.single_observation_space.shape[0], int(envs.single_action_space.n)

    def mlp(out, gain):
        layers = [nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, out)]
        for layer, std in zip(layers[::2], (2**0.5, 2**0.5, gain), strict=True):
            nn.init.orthogonal_(layer.weight, std)
            nn.init.zeros_(layer.bias)
        return nn.Sequential(*layers)

    actor, critic = mlp(outputs, 0.01), mlp(1, 1.0)
    weights = [*actor.parameters(), *critic.parameters()]
    optimizer = torch.optim.Adam(weights, lr=o["learning_rate"], eps=1e-5)
    shape = (o["n_steps"], o["n_envs"])
    seen = torch.zeros(*shape, inputs)
    actions, logs, rewards, ends, values = (torch.zeros(shape) for _ in range(5))
    now, _ = envs.reset(seed=seed)
    now, begins = torch.as_tensor(now, dtype=torch.float32), torch.zeros(shape[1])
    size = shape[0] * shape[1]
    for update in range(max_steps // size):
        left = 1 - update * size / max_steps
        optimizer.param_groups[0]["lr"] = left * o["learning_rate"]
        with torch.no_grad():
            for t in range(shape[0]):
                seen[t], ends[t] = now, begins
                chances = torch.distributions.Categorical(logits=actor(now))
                choice = chances.sample()
                actions[t], logs[t], values[t] = choice, chances.log_prob(choice), critic(now).flatten()
                now, reward, terminated, truncated, _ = envs.step(choice.numpy())
                rewards[t] = torch.as_tensor(reward)
                now = torch.as_tensor(now, dtype=torch.float32)
                begins = torch.as_tensor(terminated | truncated, dtype=torch.float32)
            advantages, last, follows = torch.zeros(shape), torch.zeros(shape[1]), critic(now).flatten()
            for t in reversed(range(shape[0])):
                on = 1 - (begins if t == shape[0] - 1 else ends[t + 1])
                last = rewards[t] + o["gamma"] * on * follows - values[t] + o["gamma"] * o["gae_lambda"] * on * last
                advantages[t], follows = last, values[t]
            returns = (advantages + values).flatten()
        flat, chosen, before, gains = seen.flatten(0, 1), actions.flatten(), logs.flatten(), advantages.flatten()
        for _ in range(o["n_epochs"]):
            for rows in torch.randperm(size).split(o["batch_size"]):
                chances = torch.distributions.Categorical(logits=actor(flat[rows]))
                ratio = (chances.log_prob(chosen[rows]) - before[rows]).exp()
                gain = (gains[rows] - gains[rows].mean()) / (gains[rows].std() + 1e-8)
                clip = o["clip_range"] * left
                surrogate = torch.min(gain * ratio, gain * ratio.clamp(1 - clip, 1 + clip)).mean()
                error = (critic(flat[rows]).flatten() - returns[rows]).square().mean()
                optimizer.zero_grad()
                (0.5 * error - surrogate - o["ent_coef"] * chances.entropy().mean()).backward()
                nn.utils.clip_grad_norm_(weights, 0.5)
                optimizer.step()

        def act(observations):
            with torch.no_grad():
                return actor(torch.as_tensor(observations, dtype=torch.float32)).argmax(1).numpy()

        clock.reached((update + 1) * size, lambda: greedy_returns(task, act))


if __name__ == "__main__":
    side, task, seed, max_steps, every = sys.argv[1:]
    sides = {"sb3": sb3, "torch": plain_torch, "rlox": rlox}
    sides[side](task, int(seed), int(max_steps), Clock(int(every)))
