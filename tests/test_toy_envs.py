"""Small environments of Gymnasium and PettingZoo train, in this process and in workers, with the same results."""

import importlib
import importlib.util

import gymnasium
import numpy as np
import pytest
import twisterl
from tiny_runs import timeless

IDS = ["FrozenLake-v1", "Taxi-v4", "Blackjack-v1", "CliffWalking-v1", "LunarLander-v3"]


class OneAgent(gymnasium.Env):
    """A classic game of PettingZoo for one agent, whose opponent plays at random."""

    def __init__(self, game="tictactoe_v3"):
        self.game = importlib.import_module(f"pettingzoo.classic.{game}").env()
        self.game.reset()
        self.me = self.game.possible_agents[0]
        shape = self.game.observation_space(self.me)["observation"].shape
        self.observation_space = gymnasium.spaces.Box(0, 1, shape, np.float32)
        self.action_space = self.game.action_space(self.me)

    def _seen(self):
        seen = self.game.observe(self.me)
        return seen["observation"].astype(np.float32), {"action_mask": seen["action_mask"]}

    def _let_others_play(self):
        while self.game.agent_selection != self.me and not all(self.game.terminations.values()):
            mask = self.game.observe(self.game.agent_selection)["action_mask"]
            self.game.step(int(self.np_random.choice(np.flatnonzero(mask))))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.game.reset(seed=seed)
        self._let_others_play()
        return self._seen()

    def step(self, action):
        self.game.step(int(action))
        self._let_others_play()
        over = all(self.game.terminations.values())
        seen, info = self._seen()
        reward = float(self.game.rewards[self.me]) if over else 0.0
        return seen, reward, over, False, {**info, "is_success": reward > 0}


def trained(folder, workers, env_cls, env, steps):
    config = {
        "env_cls": env_cls,
        "env": env,
        "policy": {"embedding_size": 32, "common_layers": [32]},
        "algorithm_cls": "PPO",
        "algorithm": {
            "collecting": {"num_envs": 16, "rollout_length": 32, "max_steps": 100, "workers": workers},
            "training": {"num_epochs": 4, "minibatch_size": 256, "normalize_advantage": True},
            "optimizer": {"lr": 3e-3},
            "evals": {"greedy": {"num_episodes": 10, "max_steps": 50}},
            "learning": {"diff_metric": "rollout"},
        },
        "num_iterations": steps // 512,
    }
    return twisterl.train(config, folder / str(workers), quiet=True, seed=1)


@pytest.mark.parametrize("id", IDS)
def test_environments_of_gymnasium_train(tmp_path, id):
    if id.startswith("LunarLander") and importlib.util.find_spec("Box2D") is None:
        pytest.skip("LunarLander needs gymnasium[box2d]")
    runs = [trained(tmp_path, workers, "gymnasium.make", {"id": id}, 2048) for workers in (1, 2)]
    assert timeless(runs[0].path) == timeless(runs[1].path)
    assert runs[0].final_evaluation["greedy"]["reward"] is not None


def test_the_lake_is_crossed_where_the_ice_is_not_slippery(tmp_path):
    run = trained(tmp_path, 2, "gymnasium.make", {"id": "FrozenLake-v1", "is_slippery": False}, 20480)
    assert run.final_evaluation["greedy"]["reward"] == 1.0


def test_a_game_of_pettingzoo_is_learned_through_a_wrapper_for_one_agent(tmp_path):
    pytest.importorskip("pettingzoo", reason="needs pettingzoo[classic]")
    runs = [trained(tmp_path, workers, "test_toy_envs.OneAgent", {}, 10240) for workers in (1, 2)]
    assert timeless(runs[0].path) == timeless(runs[1].path)
    assert runs[0].final_evaluation["greedy"]["success"] >= 0.8
