"""Environments that say the same in many ways: observations, masks and difficulties of every kind that people return.

Each is a counter: at step `t` of an episode it shows `truth.bits(t)` and allows `truth.allowed(t)`. What the
trainer reads has to be that, or to be refused by name.
"""

import random

import gymnasium
import numpy as np
import twisterl

LENGTH = 6  # steps of an episode


class Truth:
    """The bits and the allowed choices of an environment, by step.

    Args:
        shape: the shape of an observation.
        counts: the number of choices of each component of an action.
    """

    def __init__(self, shape=(4,), counts=(3,), seed=0):
        self.shape, self.counts = tuple(shape), tuple(counts)
        self.size, self.width = int(np.prod(shape)), sum(counts)
        rng = random.Random(seed)
        self._bits = [[rng.randrange(2) for _ in range(self.size)] for _ in range(LENGTH + 1)]
        self._allowed = [[b for n in counts for b in self._some(n, rng)] for _ in range(LENGTH + 1)]

    def __str__(self):
        return f"{self.shape} {self.counts}"

    @staticmethod
    def _some(n, rng):
        row = [rng.random() < 0.5 for _ in range(n)]
        row[rng.randrange(n)] = True
        return row

    def bits(self, t):
        return self._bits[min(t, LENGTH)]

    def ones(self, t):
        return [i for i, bit in enumerate(self.bits(t)) if bit]

    def allowed(self, t):
        return self._allowed[min(t, LENGTH)]

    def parts(self, t):
        rest = iter(self.allowed(t))
        return [[next(rest) for _ in range(n)] for n in self.counts]

    def actions(self, t):
        return [action for action, fine in enumerate(self.allowed(t)) if fine]

    def check(self, t, action):
        """Fail if an action was forbidden."""
        for fine, choice in zip(self.parts(t), np.ravel(action), strict=True):
            assert fine[int(choice)], f"a forbidden choice {action} at step {t}: {self.parts(t)}"


def shaped(truth, t, kind):
    return np.array(truth.bits(t), kind).reshape(truth.shape)


# Observations of plain environments, by (what observe() returns, what the class declares).
INDICES = {
    "a list": lambda r, t: r.ones(t),
    "in another order": lambda r, t: r.ones(t)[::-1],
    "a tuple": lambda r, t: tuple(r.ones(t)),
    "a set": lambda r, t: set(r.ones(t)),
    "an array": lambda r, t: np.array(r.ones(t), np.int64),
    "an array of bytes": lambda r, t: np.array(r.ones(t), np.uint8),
    "numbers of numpy": lambda r, t: [np.int32(i) for i in r.ones(t)],
}
VALUES = {
    "a row": lambda r, t: r.bits(t),
    "a tuple": lambda r, t: tuple(r.bits(t)),
    "an array": lambda r, t: np.array(r.bits(t)),
    "floats": lambda r, t: [float(bit) for bit in r.bits(t)],
    "booleans": lambda r, t: [bool(bit) for bit in r.bits(t)],
    "booleans of numpy": lambda r, t: np.array(r.bits(t), bool),
    "single precision": lambda r, t: np.array(r.bits(t), np.float32),
    "its shape": lambda r, t: shaped(r, t, np.int8),
    "nested lists": lambda r, t: shaped(r, t, np.int64).tolist(),
    "columns first": lambda r, t: np.asfortranarray(shaped(r, t, np.float64)),
    "nothing masked": lambda r, t: np.ma.array(r.bits(t)),
}
# What observe() may not return, whether it is taken for indices or for values.
NO_OBSERVATION = {
    "None": lambda r, t: None,
    "a text": lambda r, t: "0110",
    "a number": lambda r, t: 1,
    "one too many": lambda r, t: [*r.bits(t), 0.5],
    "repeated": lambda r, t: [0, 0],
    "negative": lambda r, t: [-1],
    "too large": lambda r, t: [r.size],
    "halves": lambda r, t: [0.5],
    "None within": lambda r, t: [None],
    "texts": lambda r, t: ["0"],
    "no number": lambda r, t: [float("nan")],
    "ragged": lambda r, t: [[0, 1], [1]],
    "a dict": lambda r, t: {"seen": r.ones(t)},
    "complex": lambda r, t: [1j] * r.size,
    "a generator": lambda r, t: (i for i in r.ones(t)),
    "masked": lambda r, t: np.ma.array(r.bits(t), mask=[False] * (r.size - 1) + [True]),
    "masked floats": lambda r, t: np.ma.array(r.bits(t), float, mask=[True] + [False] * (r.size - 1)),
    "masked within": lambda r, t: [*r.bits(t)[:-1], np.ma.masked],
}

# Masks of one component, wherever they are returned.
MASKS = {
    "booleans": lambda r, t: r.allowed(t),
    "zeros and ones": lambda r, t: [int(fine) for fine in r.allowed(t)],
    "floats": lambda r, t: [float(fine) for fine in r.allowed(t)],
    "a tuple": lambda r, t: tuple(r.allowed(t)),
    "an array": lambda r, t: np.array(r.allowed(t)),
    "bytes": lambda r, t: np.array(r.allowed(t), np.int8),
    "an array of floats": lambda r, t: np.array(r.allowed(t), np.float64),
    "booleans of numpy": lambda r, t: [np.bool_(fine) for fine in r.allowed(t)],
    "one row": lambda r, t: np.array([r.allowed(t)]),
    "a list of one row": lambda r, t: [r.allowed(t)],
    "one column": lambda r, t: np.array(r.allowed(t))[:, None],
    "an iterator": lambda r, t: iter(r.allowed(t)),
    "nothing masked": lambda r, t: np.ma.array(r.allowed(t)),
}
# Masks of several components.
PARTS = {
    "a list a component": lambda r, t: r.parts(t),
    "a tuple of lists": lambda r, t: tuple(r.parts(t)),
    "a tuple of arrays": lambda r, t: tuple(np.array(part, np.int8) for part in r.parts(t)),
    "flat": lambda r, t: r.allowed(t),
    "a flat array": lambda r, t: np.array(r.allowed(t)),
    "one row": lambda r, t: np.array([r.allowed(t)]),
}
NO_MASK = {
    "None": lambda r, t: None,
    "added to logits": lambda r, t: [0.0 if fine else -np.inf for fine in r.allowed(t)],
    "added, finite": lambda r, t: np.array([0.0 if fine else -1e9 for fine in r.allowed(t)]),
    "nothing added": lambda r, t: np.zeros(r.width) - np.array([0.0] * (r.width - 1) + [1e9]),
    "probabilities": lambda r, t: [1 / r.width + 0.01] * r.width,
    "one too few": lambda r, t: r.allowed(t)[1:],
    "one too many": lambda r, t: [*r.allowed(t), True],
    "not a number": lambda r, t: [float("nan")] * r.width,
    "texts": lambda r, t: ["1"] * r.width,
    "a text": lambda r, t: "1" * r.width,
    "twos": lambda r, t: [2] * r.width,
    "None within": lambda r, t: [None] * r.width,
    "a number": lambda r, t: 1,
    "a set": lambda r, t: {0, 1},
    "a dict": lambda r, t: dict.fromkeys(range(r.width), True),
    "nothing": lambda r, t: [],
    "one only": lambda r, t: [True],
    "all forbidden": lambda r, t: [False] * r.width,
    "masked": lambda r, t: np.ma.array(r.allowed(t), mask=[False] * (r.width - 1) + [True]),
    "masked within": lambda r, t: [*r.allowed(t)[:-1], np.ma.masked],
}
# The allowed actions instead of a mask.
ACTIONS = {
    "a list": lambda r, t: r.actions(t),
    "an array": lambda r, t: np.array(r.actions(t)),
    "a set": lambda r, t: set(r.actions(t)),
    "a mask": lambda r, t: r.allowed(t),
    "a mask of numpy": lambda r, t: np.array(r.allowed(t)),
}


# Ways of saying the same at random, for the fuzzer.


def any_truth(rng):
    shape = tuple(rng.randint(1, 4) for _ in range(rng.randint(1, 2)))
    counts = [rng.randint(1, 5) for _ in range(rng.choice([1, 1, 1, 2, 3]))]
    return Truth(shape, counts, rng.random())


def any_value(rng, depth=0):
    """Return a value of any kind, as a method may return by mistake."""
    numbers = (0, 1, 2, -1, 3.0, 0.5, 10**30, float("nan"), float("inf"), True, np.int8(1), np.float32(2), 1j)
    if depth == 3 or rng.random() < 0.3:
        return rng.choice([*numbers, None, "12", "", b"1", object(), {}, {1}, np.ma.masked, np.zeros(2), int])
    values = [any_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    few = rng.choice([list, tuple, lambda given: rng.sample(range(4), 4), lambda given: [rng.sample(range(3), 3)]])
    return few(values)


def try_methods(rng):
    """Open and look at a plain environment some of whose methods return, and take, values of any kind."""
    truth = any_truth(rng)
    names = (
        "twists",
        "get_state",
        "difficulty",
        "success",
        "truncated",
        "reward",
        "num_actions",
        "obs_shape",
        "render",
    )
    odd = {name: any_value(rng) for name in rng.sample(names, rng.choice([1, 1, 2, 3]))}
    declared = {name: value if name == "difficulty" else lambda self, value=value: value for name, value in odd.items()}
    wrong = rng.choice([lambda self: None, lambda self, a: None, lambda self, a, b: None, lambda self, *, a: None])
    if rng.random() < 0.2:
        declared[rng.choice(["reset", "step", "observe", "is_final", "twists", "success"])] = wrong
    env = twisterl.make(type("Odd", (plain(truth),), declared))
    env.step(0)
    env.get_state()
    size, count = int(np.prod(env.obs_shape())), env.num_actions()
    for seen, acted in zip(*env.twists(), strict=True):
        assert sorted(seen) == list(range(size)), seen
        assert sorted(acted) == list(range(count)), acted
    env.render()
    env.close()


def sometimes(good, bad, since):
    """Returns `good`, and `bad` from a step on."""
    return lambda r, t: (bad if t >= since else good)(r, t)


def any_env(rng):
    """Return an environment of any kind, its truth, and True if it may be refused."""
    truth = any_truth(rng)
    of_plain = len(truth.counts) == 1 and rng.random() < 0.6
    table = rng.choice([INDICES, VALUES] if of_plain else [VALUES])
    observe = table[rng.choice(list(table))]
    masks = MASKS if len(truth.counts) == 1 else PARTS
    mask = masks[rng.choice(list(masks))]
    may_fail = False
    fault = rng.choice([None, None, "mask", "observation"])
    since = rng.randrange(LENGTH)
    if fault == "mask":
        mask, may_fail = sometimes(mask, NO_MASK[rng.choice(list(NO_MASK))], since), True
    elif fault == "observation" and truth.size > 2:  # some are values of one or two numbers
        observe, may_fail = sometimes(observe, NO_OBSERVATION[rng.choice(list(NO_OBSERVATION))], since), True
    if of_plain:
        name = rng.choice(["masks", "action_masks", "action_mask", "get_action_mask", "valid_action_mask"])
        declared = {"obs_sparse": table is INDICES} if rng.random() < 0.5 or truth.size < 3 else {}
        return plain(truth, observe, mask, name, **declared), truth, may_fail
    if rng.random() < 0.4:
        key = rng.choice(["action_mask", "action_masks", "mask"])
        return of_gymnasium(truth, observe, info=lambda r, t: {key: mask(r, t)}), truth, may_fail
    return of_gymnasium(truth, observe, mask=mask, name=rng.choice(["action_masks", "masks"])), truth, may_fail


def try_one(rng):
    """Play an environment of any kind. Fail if something is read that is not the truth; raise its error if refused."""
    kind, truth, may_fail = any_env(rng)
    try:
        env = twisterl.make(kind)
        env.reset()
        for t in range(LENGTH):
            seen, masks = env.observe_rows([0])
            told = truth.allowed(t)
            assert np.ravel(seen).tolist() == truth.bits(t), f"step {t}: {seen} is not {truth.bits(t)}"
            assert masks[0].tolist() == told, f"step {t}: {masks} is not {told}"
            action = [rng.choice([i for i, fine in enumerate(part) if fine]) for part in truth.parts(t)]
            env.step(action[0] if len(action) == 1 else action)
    except twisterl.EnvError:
        assert may_fail, "refused without a reason"
        raise


class Counter:
    """The parts that all of them have in common."""

    truth: Truth

    def __init__(self):
        self.t = 0


def plain(truth, observe=INDICES["a list"], mask=None, name="masks", **declared):
    """A plain environment with these returns; `name` is that of the method that returns masks."""

    class Plain(Counter):
        def num_actions(self):
            return truth.width

        def obs_shape(self):
            return list(truth.shape)

        def reset(self):
            self.t = 0

        def step(self, action):
            if mask is not None:
                truth.check(self.t, [action])
            self.t += 1

        def observe(self):
            return observe(truth, self.t)

        def reward(self):
            return 0.0

        def is_final(self):
            return self.t >= LENGTH

    if mask is not None:
        declared[name] = lambda self: mask(truth, self.t)
    return type("Plain", (Plain,), declared)


def box(truth):
    return gymnasium.spaces.Box(0, 1, truth.shape, np.float32)


def actions(truth):
    single = len(truth.counts) == 1
    return gymnasium.spaces.Discrete(truth.width) if single else gymnasium.spaces.MultiDiscrete(truth.counts)


def of_gymnasium(truth, observe=None, space=None, info=None, mask=None, name="action_masks", **declared):
    """An environment with Gymnasium's interface. `info` and `mask` return masks."""
    observe = observe or (lambda r, t: shaped(r, t, np.float32))

    class OfGymnasium(Counter, gymnasium.Env):
        observation_space = space or box(truth)
        action_space = actions(truth)

        def _seen(self):
            return observe(truth, self.t), {} if info is None else info(truth, self.t)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            self.t = 0
            return self._seen()

        def step(self, action):
            if declared.get("checks", True):
                truth.check(self.t, action)
            self.t += 1
            seen, more = self._seen()
            return seen, 0.0, self.t >= LENGTH, False, more

    if mask is not None:
        declared[name] = lambda self: mask(truth, self.t)
    return type("OfGymnasium", (OfGymnasium,), declared)


CONFIG = {
    "env": {},
    "algorithm_cls": "PPO",
    "policy_cls": "BasicPolicy",
    "policy": {"embedding_size": 8, "common_layers": [], "policy_layers": [], "value_layers": []},
    "algorithm": {"collecting": {"num_envs": 8, "rollout_length": 16}, "training": {"num_epochs": 1}},
}


def config_of(kind, **learning):
    """Register an environment by its name, and return the config of a small run with it."""
    twisterl.register(kind.__name__, kind)
    algorithm = {**CONFIG["algorithm"], "learning": learning}
    return {**CONFIG, "env_cls": kind.__name__, "algorithm": algorithm}
