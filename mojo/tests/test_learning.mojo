"""Tests that each algorithm learns to solve 99 % of all boards of the 2 x 3 puzzle from three seeds.

The last policy of AlphaZero is saved to the file given as argument, if there is one.
"""

from std.sys import argv
from std.testing import TestSuite, assert_equal, assert_true

from twisterl.config.run_config import RunConfig
from twisterl.env.puzzle import Puzzle
from twisterl.policy.forward import Executor
from twisterl.policy.policy import parse_policy
from twisterl.search.solve import Play, play
from twisterl.trainer.trainer import Trainer

comptime ENV = (
    '{"env_cls":"Puzzle","env":{"width":3,"height":2,"difficulty":2,"depth_offset":10,"max_depth":60,"move_reward":-0.05,'
    '"failed_reward":-0.05},"policy":{"embedding_size":64,"common_layers":[32]},'
)
comptime EVALS = '"evals":{"random":{"start":"uniform","num_episodes":100,"every":25}}'
comptime PPO = (
    '"algorithm":{"collecting":{"num_envs":128,"rollout_length":16,"gamma":1.0,"lambda":0.9,"starts":{"uniform":0.5,'
    '"failures":0.3,"probe_states":256,"probe_every":10}},"training":{"num_epochs":1,"minibatch_size":256,'
    '"clip_ratio":0.2,"vf_coef":0.5,"ent_coef":0.05,"ent_coef_final":0.0,"normalize_advantage":true,"max_grad_norm":0.5},'
    '"learning":{"diff_metric":"rollout","diff_threshold":0.75,"diff_max":32},'
    '"optimizer":{"lr":0.004,"lr_final":1e-4,"averaging":0.9},'
)
comptime AZ = (
    '"algorithm_cls":"AZ","algorithm":{"collecting":{"num_episodes":64,"num_mcts_searches":16,"selection":"gumbel",'
    '"gamma":1.0,"replay_iterations":4,"starts":{"uniform":0.7}},"training":{"num_epochs":2,"minibatch_size":128},'
    '"learning":{"diff_metric":"rollout","diff_threshold":0.75,"diff_max":32},'
    '"optimizer":{"lr":0.004,"lr_final":1e-4,"averaging":0.8},'
)
comptime ES = (
    '"algorithm_cls":"ES","algorithm":{"es":{"population":256,"num_episodes":16,"deterministic":false,"sigma":0.1,'
    '"sigma_final":0.05},"collecting":{"starts":{"uniform":1.0}},"learning":{"diff_metric":"rollout","diff_start":25,'
    '"diff_max":25},"optimizer":{"lr":0.05,"lr_final":0.01,"averaging":0.9},'
)


def all_boards(config: RunConfig) raises -> List[Puzzle[2, 3]]:
    """Returns every board that is reachable from the goal."""
    var boards: List[Puzzle[2, 3]] = [Puzzle[2, 3](config.puzzle.params)]
    var known: Dict[UInt64, Bool] = {boards[0].state_key(): True}
    var next = 0
    while next < len(boards):
        for action in range(4):
            var after = boards[next].copy()
            _ = after.step(action)
            if after.state_key() not in known:
                known[after.state_key()] = True
                boards.append(after^)
        next += 1
    assert_equal(len(boards), 360)  # half of 6! are solvable
    for i in range(len(boards)):
        boards[i].set_state(boards[i].state())
    return boards^


def check_learns(algorithm: String, iterations: Int) raises -> Trainer[2, 3]:
    """Trains from 3 seeds and asserts that 99 % of the boards are solved greedily. Returns the last run."""
    var config = RunConfig(ENV + algorithm + EVALS + '},"num_iterations":' + String(iterations) + "}")
    var starts = all_boards(config)
    var trainer = Trainer[2, 3](config)
    for seed in range(3):
        config.seed = UInt64(seed)
        trainer = Trainer[2, 3](config)
        for _ in range(iterations):
            _ = trainer.step()
        # Through the bytes of a file, as users play it.
        var policy = parse_policy(trainer.policy().to_bytes())
        var solved = 0
        for solution in play(starts, Executor(policy), Play(greedy=True, threads=2)):
            solved += Int(solution.solved)
        assert_true(solved >= 357, String("seed ", seed, ": ", solved, " of 360 boards solved, 99 % are 357"))
    return trainer^


def test_ppo_solves_the_2x3_puzzle() raises:
    _ = check_learns(PPO, 800)


def test_alphazero_solves_the_2x3_puzzle() raises:
    var trainer = check_learns(AZ, 100)
    if len(argv()) > 1:
        trainer.policy().save(String(argv()[1]))


def test_es_solves_the_2x3_puzzle() raises:
    _ = check_learns(ES, 200)


def main() raises:
    var tests = TestSuite.discover_tests[__functions_in_module()](cli_args=List[StaticString]())
    tests^.run()
