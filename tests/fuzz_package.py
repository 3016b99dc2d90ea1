"""Calls the package with arguments of every wrong kind: `fuzz_package.py CONFIG WEIGHTS SEED CASES`."""

import faulthandler
import itertools
import json
import os
import random
import shutil
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import numpy as np
import odd_envs
import twisterl

faulthandler.dump_traceback_later(150, exit=True)

warnings.simplefilter("ignore")
config, weights, seed, cases = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
random.seed(seed)
policy = twisterl.load_policy(weights, config)
env = twisterl.make("Puzzle")
gym = twisterl.gym.make("Puzzle")
vector = twisterl.gym.make_vec("Puzzle", 2)
pole = twisterl.make("CartPole-v1")
os.chdir(tempfile.mkdtemp())


class Liar:
    """Pretends to be a sequence and a number."""

    def __len__(self):
        return random.choice([0, 9, 2**40])

    def __getitem__(self, i):
        raise RuntimeError("no item")

    def __float__(self):
        raise RuntimeError("no number")

    def __index__(self):
        return 2**70


class Endless:
    def __iter__(self):
        return itertools.count()


def number():
    return random.choice(
        [
            0,
            1,
            3,
            8,
            9,
            80,
            81,
            -1,
            -(2**63),
            2**31,
            2**63,
            2**64,
            10**30,
            0.5,
            -0.0,
            1e308,
            1e-320,
            float("nan"),
            float("inf"),
            -float("inf"),
            True,
            np.int8(3),
            np.float16(2),
            np.uint64(2**63),
            np.float64("nan"),
            3j,
        ]
    )


def array():
    shape = random.choice(
        [(), (0,), (1,), (9,), (81,), (9, 9), (1, 81), (2, 9, 9), (0, 81), (3, 0), (1, 1, 1, 1), (82,)]
    )
    kind = random.choice(["f4", "f8", "f2", "i1", "i8", "u8", "?", "c8", "U3", "S2", "O", ">f4", "M8[s]"])
    made = np.zeros(shape, kind)
    if made.size and kind in ("f4", "f8", "i8", "i1"):
        made.flat[random.randrange(made.size)] = random.choice([1, -1, 127] + [np.nan, np.inf] * (kind[0] == "f"))
    return random.choice([made, made.T, made[::-1] if made.ndim else made, made.tolist()])


def junk(depth=0):
    kind = random.randrange(12 if depth < 3 else 5)
    if kind == 0:
        return None
    if kind == 1:
        return number()
    if kind == 2:
        return random.choice(["", "text", "beam=3", "\x00", "\ud800", "x" * 5000, b"bytes", bytearray(9)])
    if kind == 3:
        return random.choice([Liar(), object(), Liar, len, ..., NotImplemented, range(9), {1, 2}, frozenset()])
    if kind == 4:
        return [number() for _ in range(random.choice([0, 1, 2, 9, 9, 81]))]
    if kind == 5:
        return array()
    if kind == 6:
        return [junk(depth + 1) for _ in range(random.randrange(4))]
    if kind == 7:
        return {random.choice(["state", "a", 1, None]): junk(depth + 1) for _ in range(random.randrange(3))}
    if kind == 8:
        return tuple(junk(depth + 1) for _ in range(random.randrange(4)))
    if kind == 9:
        return random.sample(range(9), 9)
    if kind == 10:
        return random.sample(range(-1, 90), random.randrange(12))
    return (junk(depth + 1) for _ in range(3))


def options(*names):
    return {name: junk() for name in random.sample(names, min(len(names), random.randrange(1, 4)))}


SOLVE = (
    "search",
    "deterministic",
    "backtracking",
    "num_searches",
    "num_mcts_searches",
    "C",
    "max_expand_depth",
    "temperature",
    "gamma",
    "leaves",
    "score",
    "twists",
    "objective",
    "invert",
    "max_steps",
    "seed",
    "num_cores",
    "seconds",
    "nodes",
    "nonsense",
)
SMALL = {"seconds": 0.05, "nodes": 2000, "max_steps": 50}
PATHS = (
    "env.width",
    "env.height",
    "env.difficulty",
    "policy.embedding_size",
    "policy.common_layers",
    "seed",
    "env_cls",
    "algorithm_cls",
    "policy_cls",
    "algorithm.collecting.num_envs",
    "algorithm.training.num_epochs",
    "algorithm",
    "env",
    "algorithm.optimizer.lr",
    "algorithm.training.clip_ratio",
    "algorithm.evals",
    "nonsense",
    "",
    ".",
    "env..width",
)
SMALL_RUN = {
    "env_cls": "Puzzle",
    "env": {"width": 2, "height": 2},
    "algorithm_cls": "twisterl.rl.PPO",
    "policy_cls": "twisterl.nn.BasicPolicy",
    "policy": {"embedding_size": 8, "common_layers": [8]},
    "algorithm": {"collecting": {"num_envs": 4, "rollout_length": 4}},
    "num_iterations": 1,
}


def changed():
    """A small config with some of its values replaced."""
    config = {**SMALL_RUN}
    for _ in range(random.randrange(1, 3)):
        config[random.choice([*config, "nonsense"])] = junk()
    return config


def states_file():
    """Write a file of states in one of the formats, sometimes damaged, and return its path."""
    boards = [random.sample(range(9), 9) for _ in range(random.randrange(1, 4))]
    text = random.choice(
        [
            lambda: json.dumps({"instances": [{"state": board, "optimal": 3.0} for board in boards]}),
            lambda: "\n".join(map(json.dumps, boards)),
            lambda: "state,optimal\n" + "".join(f'"{board}",5\n' for board in boards),
            lambda: "".join(f"{i} {' '.join(map(str, board))}\n" for i, board in enumerate(boards)),
            lambda: str(np.array(boards).reshape(-1, 3)),
            lambda: str(junk()),
        ]
    )()
    for _ in range(random.randrange(3)):
        at = random.randrange(len(text) + 1)
        text = text[:at] + random.choice(["", "x", ",", "\n", '"', "[", "NaN", "-1", "\0", "#"]) + text[at + 1 :]
    file = Path("states")
    file.write_text(text, encoding="utf-8", errors="replace")
    return file


def train(config, **given):
    """Stops after an iteration, however many a lucky number asks for."""
    return twisterl.train(config, "run", quiet=True, **{"callback": lambda _: False, **given})


CALLS = {
    "predict": lambda: policy.predict(junk(), *[junk()] * random.randrange(2)),
    "predict_batch": lambda: policy.predict_batch(junk(), *[junk()] * random.randrange(2)),
    "act": lambda: policy.act(junk(), **options("mask", "deterministic", "nonsense")),
    "solve": lambda: policy.solve(junk(), **SMALL),
    "solve, options": lambda: policy.solve([1, 0, 2, 3, 4, 5, 6, 7, 8], **{**SMALL, **options(*SOLVE[:-4])}),
    "evaluate": lambda: policy.evaluate(junk(), **SMALL),
    "evaluate, options": lambda: policy.evaluate([[1, 0, 2, 3, 4, 5, 6, 7, 8]], **{**SMALL, **options(*SOLVE[:-4])}),
    "scramble": lambda: policy.solve_scramble(random.choice([None, 3, -1, "x", 1.5, [], 2**70])),
    "load_policy": lambda: twisterl.load_policy(junk(), *[junk()] * random.randrange(2)),
    "load_run": lambda: twisterl.load_run(junk()),
    "evaluate, file": lambda: policy.evaluate(states_file(), **SMALL),
    "reset, options": lambda: random.choice([gym, vector]).reset(**options("seed", "options", "nonsense")),
    "make": lambda: twisterl.make(
        random.choice(["Puzzle", "CartPole-v1", junk()]), **options("width", "height", "seed", "difficulty", "x")
    ),
    "gym.make": lambda: twisterl.gym.make("Puzzle", **options("width", "height", "difficulty", "render_mode")),
    "step": lambda: random.choice([env, pole]).step(junk()),
    "set_state": lambda: random.choice([env, pole]).set_state(junk()),
    "step of vectors": lambda: vector.step(junk()),
    "environments": lambda: odd_envs.try_one(random),
    "methods of environments": lambda: odd_envs.try_methods(random),
    "train": lambda: train(changed()),
    "train, set": lambda: train(SMALL_RUN, set={random.choice(PATHS): junk()}),
    "train, arguments": lambda: train(SMALL_RUN, **options("num_steps", "seed", "load_checkpoint", "num_cores")),
    "train, callback": lambda: train(SMALL_RUN, callback=junk()),
    "resume": lambda: twisterl.resume(junk()),
    "save": lambda: policy.save(junk()),
}
# Beside the package's own: what Python raises for arguments of the wrong kind, name or size, and what a liar raises.
ALLOWED = (twisterl.TwisteRLError, TypeError, OverflowError, MemoryError, UnicodeEncodeError)
LIES = ("no item", "no number")
vector.reset()
refused = answered = 0
surprises = {}
for case in range(cases):
    name = list(CALLS)[case % len(CALLS)]
    try:
        CALLS[name]()
        answered += 1
    except ALLOWED:
        refused += 1
    except BaseException as error:
        if isinstance(error, RuntimeError) and str(error) in LIES:
            refused += 1
        else:
            surprises.setdefault((name, type(error).__name__), traceback.format_exc(limit=-3, chain=False))
    shutil.rmtree("run", ignore_errors=True)
for (name, _), text in surprises.items():
    print(f"{name}:\n{text}", file=sys.stderr)
assert policy.predict([1, 2, 3])[0].sum() > 0.99, "the policy no longer works"
print(f"{refused} refused, {answered} answered")
sys.exit(len(surprises))
