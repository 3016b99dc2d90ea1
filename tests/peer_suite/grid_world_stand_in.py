"""The module `grid_world` of the PyPI package's examples, written in Python with the same methods."""

import random


class GridWorld:
    """An agent walks to a goal and avoids a trap. A state has 1 for the agent, 2 for the goal and 3 for the trap."""

    def __init__(self, width, height, max_steps, difficulty):
        self.width, self.height, self.max_steps = width, height, max_steps
        self.difficulty = difficulty
        self.steps_left = max_steps
        self.agent = self.goal = self.trap = (0, 0)

    def num_actions(self):
        return 4

    def obs_shape(self):
        return [self.width * self.height] * 2

    def get_state(self):
        board = [0] * (self.width * self.height)
        for value, (x, y) in ((2, self.goal), (3, self.trap), (1, self.agent)):
            board[y * self.width + x] = value
        return board

    def set_state(self, board):
        for place, value in enumerate(board):
            where = (place % self.width, place // self.width)
            if value == 1:
                self.agent = where
            elif value == 2:
                self.goal = where
            elif value == 3:
                self.trap = where
        self.steps_left = self.max_steps

    def reset(self):
        cells = [(x, y) for x in range(self.width) for y in range(self.height)]
        self.agent = random.choice(cells)
        reach = min(self.difficulty, self.width + self.height)
        distance = {cell: abs(cell[0] - self.agent[0]) + abs(cell[1] - self.agent[1]) for cell in cells}
        self.goal = random.choice([cell for cell in cells if 0 < distance[cell] <= reach])
        self.trap = random.choice([cell for cell in cells if cell not in (self.agent, self.goal)])
        self.steps_left = self.max_steps

    def step(self, action):
        x, y = self.agent
        dx, dy = ((0, -1), (0, 1), (-1, 0), (1, 0))[action]
        if 0 <= x + dx < self.width and 0 <= y + dy < self.height:
            self.agent = (x + dx, y + dy)
        self.steps_left = max(self.steps_left - 1, 0)

    def masks(self):
        x, y = self.agent
        return [y > 0, y + 1 < self.height, x > 0, x + 1 < self.width]

    def at_goal(self):
        return self.agent == self.goal

    def success(self):
        return self.at_goal()

    def is_final(self):
        return self.steps_left == 0 or self.agent in (self.goal, self.trap)

    def reward(self):
        if self.at_goal():
            return 1.0
        return -0.5 if self.agent == self.trap or self.steps_left == 0 else -0.5 / self.steps_left

    def observe(self):
        cells = self.width * self.height
        return [place * cells + value for place, value in enumerate(self.get_state())]

    def twists(self):
        return [], []
