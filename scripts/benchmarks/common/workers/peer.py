"""One measurement of the peer a call, for `benchmark.py peer`, inside the peer's own Python.

The peer is the PyPI package ``twisterl`` 0.5.1 (Rust collection, PyTorch training). Everything timed here is its own
code: ``BasicPolicy``, ``PPO.train_step``, ``PPOCollector``, ``PPO.learn``. Results leave as JSON lines on stdout.
This file imports nothing of ours, and must stay outside any folder that has a package called ``twisterl``.
"""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path

import torch
from loguru import logger
from twisterl import twisterl
from twisterl.utils import load_config, prepare_algorithm

# One sampled episode a board: 32 random moves away, at most 2 x 32 moves to solve it.
QUALITY_ENV = {"width": 3, "height": 3, "difficulty": 32, "depth_slope": 2, "max_depth": 256}
QUALITY_EVAL = {
    "num_episodes": 1000,
    "deterministic": False,
    "num_searches": 1,
    "num_mcts_searches": 0,
    "seed": 0,
    "C": 1.41,
    "max_expand_depth": 1,
}
MCTS_SIMULATIONS = 100
MCTS_C = 2**0.5  # the default of the peer's `solve`


def emit(**fields):
    """Write one JSON line and flush it, so that the driver sees it at once."""
    print(json.dumps(fields), flush=True)


def make_algorithm(args):
    """Build the peer's PPO from its config file, held to the CPU and to ``--num-cores`` threads, with no run folder."""
    config = load_config(args.config)
    algorithm = config["algorithm"]
    algorithm["device"] = "cpu"
    algorithm["collecting"]["num_cores"] = args.num_cores
    for evaluation in algorithm["evals"].values():
        evaluation["num_cores"] = args.num_cores
    return prepare_algorithm(config)


def learner(args):
    """Samples/s of ``PPO.train_step`` (forward, loss, backward, Adam) on dense one-hot random boards."""
    ppo = make_algorithm(args)
    batches = []
    for _ in range(8):
        boards = torch.argsort(torch.rand(args.batch, 9), dim=1)  # (batch, 9) random permutations
        observations = torch.nn.functional.one_hot(boards, 9).float().reshape(args.batch, 81)
        actions = torch.randint(4, (args.batch,))
        with torch.no_grad():
            logits, _ = ppo.policy(observations)
            log_probs = torch.distributions.Categorical(logits=logits).log_prob(actions)
        no_twist = torch.full((args.batch,), -1)
        advantages, returns = torch.randn(args.batch), torch.randn(args.batch)
        batches.append((observations, log_probs, actions, advantages, returns, no_twist))
    for batch in batches:  # warm up
        ppo.train_step(batch)
    steps, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < args.seconds or steps == 0:
        ppo.train_step(batches[steps % len(batches)])
        steps += 1
    emit(samples_per_second=steps * args.batch / elapsed)


def collection(args):
    """Steps/s of ``PPOCollector.collect`` with an untrained policy, 1,024 episodes a call, difficulty 32.

    Every recorded step counts (one forward pass each), the final one of an episode included; turning the data into
    Python lists is not on the clock.
    """
    env = twisterl.env.Puzzle(**QUALITY_ENV)
    policy = make_algorithm(args).policy.to_rust()
    collector = twisterl.collector.PPOCollector(1024, 0.995, 0.995, args.num_cores)
    collector.collect(env, policy)  # warm up
    steps, elapsed = 0, 0.0
    while elapsed < args.seconds:
        start = time.perf_counter()
        data = collector.collect(env, policy)
        elapsed += time.perf_counter() - start
        steps += len(data.actions)
    emit(steps_per_second=steps / elapsed)


def quality(args):
    """Train as the peer does, for ever: one line an iteration, with the quality test off the clock.

    Each iteration is one call of the peer's own ``learn`` without a run folder, so that it writes no logs, no
    TensorBoard events and no checkpoints on the clock. The quality is tested after every iteration once the
    curriculum has reached ``--check-from``; before that ``success`` is null.
    """
    ppo = make_algorithm(args)
    samples = 0
    train = ppo.train

    def counting_train(data):
        nonlocal samples
        samples += len(data[0])
        return train(data)

    ppo.train = counting_train
    test_env = twisterl.env.Puzzle(**QUALITY_ENV)
    elapsed, iteration = 0.0, 0
    while True:
        start = time.perf_counter()
        ppo.learn(1, best_metrics=(0, 0.0, 0.0))
        elapsed += time.perf_counter() - start
        success = None
        if ppo.env.difficulty >= args.check_from:
            weights = ppo.policy.to_rust()
            success, _ = twisterl.collector.evaluate(test_env, weights, num_cores=args.num_cores, **QUALITY_EVAL)
        emit(
            iteration=iteration,
            elapsed=elapsed,
            env_steps=samples,
            difficulty=ppo.env.difficulty,
            success=success,
        )
        iteration += 1


def solve_boards(job):
    """Solve some boards one by one by MCTS; the moves made for each, and whether they solve it."""
    config, checkpoint, boards = job
    algorithm = prepare_algorithm(load_config(config), load_checkpoint_path=checkpoint)
    policy, env, played = algorithm.policy.to_rust(), algorithm.env, []
    for board in boards:
        env.set_state(board)
        (success, _reward), actions = twisterl.collector.solve(env, policy, True, 1, MCTS_SIMULATIONS, MCTS_C, 1)
        played.append((len(actions), bool(success)))
    return played


def mcts(args):
    """Simulations/s of MCTS on the boards of ``--states``, in as many processes as cores; loading is off the clock."""
    boards = [instance["state"] for instance in json.loads(Path(args.states).read_text("utf-8-sig"))["instances"]]
    jobs = [(args.config, args.checkpoint, boards[i :: args.num_cores]) for i in range(args.num_cores)]
    with ProcessPoolExecutor(args.num_cores) as pool:
        list(pool.map(solve_boards, [(*job[:2], job[2][:1]) for job in jobs]))  # warm up: load, and solve one
        start = time.perf_counter()
        played = [board for part in pool.map(solve_boards, jobs) for board in part]
        elapsed = time.perf_counter() - start
    lengths = [moves for moves, success in played if success]
    emit(
        simulations_per_second=MCTS_SIMULATIONS * sum(moves for moves, _ in played) / elapsed,
        solved=len(lengths) / len(boards),
        mean_length=sum(lengths) / max(len(lengths), 1),
    )


def versions(_args):
    """Name what is installed here."""
    emit(twisterl=version("twisterl"), torch=torch.__version__)


def main():
    """Run the one measurement that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    measures = {f.__name__: f for f in (learner, collection, quality, mcts, versions)}
    parser.add_argument("measure", choices=measures)
    parser.add_argument("--config", help="a config file of the peer")
    parser.add_argument("--checkpoint", help="weights for `mcts`")
    parser.add_argument("--states", help="boards for `mcts`")
    parser.add_argument("--num-cores", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=0, help="PyTorch's; the peer's Rust side takes no seed")
    parser.add_argument("--check-from", type=int, default=16, help="test the quality from this difficulty on")
    args = parser.parse_args()
    logger.remove()
    torch.set_num_threads(args.num_cores)
    torch.manual_seed(args.seed)
    measures[args.measure](args)


if __name__ == "__main__":
    main()
