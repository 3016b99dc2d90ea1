"""Environments whose life cycle is not that of a plain simulation: they own files, draw at random, never end."""

import copy
import os
import random
import sqlite3
import threading
import time
from typing import ClassVar

import gymnasium
import numpy as np
from envs_in_python import Walk


class Line(gymnasium.Env):
    """A line of five places with the goal at 0, with Gymnasium's interface."""

    observation_space = gymnasium.spaces.Discrete(5)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.steps = int(self.np_random.integers(1, 5)), 0
        return self.place, {}

    def step(self, action):
        self.place = max(0, min(4, self.place + (1 if action else -1)))
        self.steps += 1
        solved = self.place == 0
        return self.place, float(solved) - 0.05, solved, self.steps >= 10, {"is_success": solved}


# Environments that cannot be replayed.


class OwnGenerator(Walk):
    """Slips at random, by a generator of its own that nobody seeds."""

    def __init__(self, size=8):
        super().__init__(size)
        self.rng = np.random.default_rng()

    def step(self, action):
        super().step(action if self.rng.random() < 0.7 else 1 - action)


class OwnStart(Walk):
    """Begins anywhere, by a generator of its own that is seeded once."""

    def __init__(self, size=8):
        super().__init__(size)
        self.rng = random.Random(1)

    def reset(self):
        super().reset()
        self.place = self.rng.randint(1, self.size - 1)


class GlobalRandomness(Walk):
    """Slips at random, by the global generator."""

    def step(self, action):
        super().step(action if random.random() < 0.7 else 1 - action)


class NoisyLine(Line):
    """Slips at random, by a generator of its own."""

    def __init__(self):
        self.rng = np.random.default_rng()

    def step(self, action):
        return super().step(int(action) if self.rng.random() < 0.7 else 1 - int(action))


class Strict(OwnGenerator):
    """Refuses the actions that its state does not allow, so that a replay in another state fails."""

    def step(self, action):
        if not self.masks()[action]:
            raise ValueError(f"action {action} at {self.place}")
        super().step(action)

    def masks(self):
        return [self.place > 0, self.place < self.size - 1]


# Environments that have to be closed.


class Counted:
    """Counts the environments made and closed, and owns a file meanwhile."""

    made: ClassVar[list] = []
    closed: ClassVar[list] = []

    def count(self):
        Counted.made.append(id(self))
        self.number = len(Counted.made)
        self.descriptor = os.open(os.devnull, os.O_RDONLY)

    def close(self):
        os.close(self.descriptor)
        Counted.closed.append(self.number)


class CountedWalk(Counted, Walk):
    """A line that is counted."""

    def __init__(self, size=8):
        Walk.__init__(self, size)
        self.count()


class ExitingClose(Walk):
    """Asks to end the program when it is closed."""

    def close(self):
        raise SystemExit(0)


class CountedLine(Counted, Line):
    """The same with Gymnasium's interface."""

    def __init__(self):
        self.count()


class CountedClones(CountedWalk):
    """Clones run the constructor, and have a file of their own."""

    def clone(self):
        twin = CountedClones(self.size)
        twin.place, twin.steps, twin.difficulty = self.place, self.steps, self.difficulty
        return twin


class SharedFile(Walk):
    """Clones run the constructor, but share the file of their original."""

    opened: ClassVar[list] = []

    def __init__(self, size=8, file=None):
        super().__init__(size)
        self.file = file or open(os.devnull)  # noqa: PTH123, SIM115
        if file is None:
            SharedFile.opened.append(self.file)

    def clone(self):
        twin = SharedFile(self.size, self.file)
        twin.place, twin.steps, twin.difficulty = self.place, self.steps, self.difficulty
        return twin

    def step(self, action):
        self.file.read(0)  # fails once it is closed
        super().step(action)

    def close(self):
        self.file.close()


class CountedFailing(CountedWalk):
    """Raises after some steps."""

    def step(self, action):
        super().step(action)
        if self.steps == 5:
            raise ZeroDivisionError("the fifth step")


class CountedSlow(CountedWalk):
    """Takes its time."""

    def step(self, action):
        time.sleep(0.01)
        super().step(action)


class CannotClose(Walk):
    """Fails to close."""

    def close(self):
        raise OSError("no such device")


# Environments that are hard to copy.


class WithLock(Walk):
    """Has a lock, which cannot be copied."""

    def __init__(self, size=8):
        super().__init__(size)
        self.lock = threading.Lock()


class WithFile(Walk):
    """Has an open file, which cannot be copied."""

    def __init__(self, size=8):
        super().__init__(size)
        self.file = open(os.devnull)  # noqa: PTH123, SIM115

    def close(self):
        self.file.close()


class WithGenerator(Walk):
    """Gives its rewards from a Python generator, which cannot be copied."""

    def reset(self):
        super().reset()
        self.costs = (-0.01 * i for i in range(1000))
        self.cost = 0.0

    def step(self, action):
        super().step(action)
        self.cost = next(self.costs)

    def reward(self):
        return 1.0 if self.place == 0 else self.cost


class LineWithLock(Line):
    """The same with Gymnasium's interface."""

    def __init__(self):
        self.lock = threading.Lock()


class ByCopy(WithLock):
    """Has the method `__copy__`, whose copies are independent."""

    copies = 0

    def __copy__(self):
        ByCopy.copies += 1
        twin = ByCopy(self.size)
        twin.place, twin.steps, twin.difficulty = self.place, self.steps, self.difficulty
        return twin


class LineByCopy(LineWithLock):
    """The same with Gymnasium's interface."""

    copies = 0

    def __copy__(self):
        LineByCopy.copies += 1
        twin = LineByCopy()
        twin.place, twin.steps = self.place, self.steps
        return twin


class SharedBoard(Walk):
    """Keeps its place in a list, which the copies of `__copy__` share."""

    def __init__(self, size=8):
        self.board = [0]
        super().__init__(size)

    place = property(lambda self: self.board[0], lambda self, place: self.board.__setitem__(0, place))

    def __copy__(self):
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin


class SharedClones(SharedBoard):
    """The clones share the list, too."""

    def clone(self):
        return copy.copy(self)


class BrokenClone(Walk):
    """Fails to clone itself."""

    def clone(self):
        raise AttributeError("no board")


class OtherClone(Walk):
    """Has methods of these names that do something else."""

    def clone(self):
        return {"place": self.place}

    def copy(self):
        return None


class NoWay(OwnGenerator):
    """Can neither be copied nor replayed."""

    def __init__(self, size=8):
        super().__init__(size)
        self.lock = threading.Lock()


# Environments without an end, and those that begin at it.


class Endless(Walk):
    """Never ends, and can never be solved."""

    def step(self, action):
        super().step(action)
        self.place = max(1, self.place)

    def is_final(self):
        return False


class EndlessLine(Line):
    """The same with Gymnasium's interface."""

    def step(self, action):
        self.place = max(1, min(4, self.place + (1 if action else -1)))
        return self.place, -0.05, False, False, {}


class BeginsSolved(Walk):
    """Begins at the goal."""

    def reset(self):
        self.place = self.steps = 0

    def step(self, action):
        raise AssertionError("a step after the end")


class LineBeginsSolved(Line):
    """The same with Gymnasium's interface."""

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 0
        return 0, {"is_success": True}

    def step(self, action):
        raise AssertionError("a step after the end")


# Environments whose reset takes no seed.


class Unseeded(Line):
    """Draws from the generator that Gymnasium gives it."""

    def reset(self):
        self.place, self.steps = int(self.np_random.integers(1, 5)), 0
        return self.place, {}


class UnseededGlobally(Line):
    """Draws from the global generators."""

    def reset(self, options=None):
        self.place, self.steps = (random.randint(1, 4) + int(np.random.randint(0, 4))) % 4 + 1, 0
        return self.place, {}


class SeededByKeywords(Line):
    """Takes any keyword, a seed among them."""

    seeds: ClassVar[list] = []

    def reset(self, **options):
        SeededByKeywords.seeds.append(options["seed"])
        return super().reset(seed=options["seed"])


class NoisyView(Walk):
    """Shows other numbers at every look."""

    def __init__(self, size=8):
        super().__init__(size)
        self.rng = random.Random(3)

    def observe(self):
        return [self.place] if self.rng.random() < 0.5 else []


class ReturnsItself(Walk):
    """Has a method `clone` that returns the environment itself."""

    def clone(self):
        return self


class WithDatabase(Walk):
    """Has an object of a C library, which cannot be copied."""

    def __init__(self, size=8):
        super().__init__(size)
        self.database = sqlite3.connect(":memory:", check_same_thread=False)

    def close(self):
        self.database.close()


class RefusesDeepCopies(Walk):
    """Says that it cannot be copied."""

    def __deepcopy__(self, memo):
        raise RuntimeError("one of a kind")
