//! Mazes: a walker among walls looks for a goal. Each episode has a maze of its own.
//!
//! The observation is dense, `[3, height, width]`: planes of zeros and ones for walls, walker and goal. A step goes left (0),
//! up (1), right (2) or down (3). A step into a wall is masked; taken anyway, it moves nothing. The step that reaches the
//! goal is worth 1, any other costs `0.5 / max_steps`.

use super::grid::{self, MOVES, Reflection};
use super::time_limit::TimeLimit;
use crate::env::{Environment, Step, key_of_words, whole_numbers};
use crate::error::counts::counted;
use crate::error::in_range;
use crate::rng::Rng;
use crate::space::symmetry::Twist;
use crate::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use crate::{Error, Result};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

/// Most cells of a side.
const MAX_SIDE: usize = 16;
const MAX_CELLS: usize = MAX_SIDE * MAX_SIDE;
/// The distance of cells from which no path leads to the goal.
const UNREACHABLE: u16 = u16::MAX;
/// The reflections under which mazes are symmetric, with the action that each action becomes.
const TWISTS: [(Reflection, [u32; 4]); 2] =
    [(Reflection::Horizontal, [2, 1, 0, 3]), (Reflection::Vertical, [0, 3, 2, 1])];

/// The parameters of [`Maze`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MazeParams {
    /// Rows, 2 to 16.
    pub height: usize,
    /// Columns, 2 to 16.
    pub width: usize,
    /// Probability of a wall in each cell, 0 to 0.9.
    pub walls: f64,
    /// Steps from the start to the goal; the largest distance in mazes that have no start as far away.
    pub difficulty: usize,
    /// Steps after which an episode is truncated, 1 to a million.
    pub max_steps: usize,
}

impl Default for MazeParams {
    fn default() -> Self {
        Self { height: 8, width: 8, walls: 0.3, difficulty: 1, max_steps: 64 }
    }
}

/// A maze with its walker. Cells are numbered row by row.
#[derive(Debug, Clone)]
pub struct Maze {
    walls: [bool; MAX_CELLS],
    walker: usize,
    goal: usize,
    time: TimeLimit,
    params: MazeParams,
}

impl Maze {
    fn cells(&self) -> usize {
        self.params.height * self.params.width
    }

    /// Returns the cell that an action leads to from `cell`, `None` if a wall or the border is in the way.
    #[inline]
    fn target(&self, cell: usize, action: usize) -> Option<usize> {
        let MazeParams { height, width, .. } = self.params;
        let to = match action {
            0 if !cell.is_multiple_of(width) => cell - 1,
            1 if cell >= width => cell - width,
            2 if cell % width + 1 < width => cell + 1,
            3 if cell + width < height * width => cell + width,
            _ => return None,
        };
        (!self.walls[to]).then_some(to)
    }

    /// Returns the number of steps from each cell to `goal`, or [`UNREACHABLE`], by breadth-first search.
    fn distances(&self, goal: usize) -> [u16; MAX_CELLS] {
        let mut distances = [UNREACHABLE; MAX_CELLS];
        let mut queue = [0; MAX_CELLS];
        let (mut next, mut end) = (0, 1);
        (queue[0], distances[goal]) = (goal, 0);
        while next < end {
            let cell = queue[next];
            next += 1;
            for to in (0..MOVES.len()).filter_map(|action| self.target(cell, action)) {
                if distances[to] == UNREACHABLE {
                    distances[to] = distances[cell] + 1;
                    queue[end] = to;
                    end += 1;
                }
            }
        }
        distances
    }

    /// Draws walls and a goal, and a start among the cells that `wanted` accepts: it is given the cell's distance to the
    /// goal and the largest distance.
    fn draw(&mut self, rng: &mut Rng, wanted: impl Fn(u16, u16) -> bool) {
        let cells = self.cells();
        self.walls = [false; MAX_CELLS];
        self.goal = rng.random_range(0..cells as u32) as usize;
        for cell in 0..cells {
            self.walls[cell] = rng.random_bool(self.params.walls) && cell != self.goal;
        }
        let distances = self.distances(self.goal);
        let reached = distances.iter().filter(|&&distance| distance != UNREACHABLE);
        let farthest = reached.fold(0, |farthest, &distance| farthest.max(distance));
        let fits =
            |&cell: &usize| distances[cell] != UNREACHABLE && wanted(distances[cell], farthest);
        let (mut starts, mut count) = ([0; MAX_CELLS], 0);
        for cell in (0..cells).filter(fits) {
            starts[count] = cell;
            count += 1;
        }
        // Distances up to the largest all occur, so that there is a start.
        self.walker = starts[..count][rng.random_range(0..count as u32) as usize];
        self.time.restart();
    }

    fn image(&self, reflection: Reflection, cell: usize) -> usize {
        reflection.image((self.params.height, self.params.width), cell)
    }
}

impl Environment for Maze {
    const NAME: &'static str = "Maze";

    type Params = MazeParams;

    fn new(params: &Self::Params) -> Result<Self> {
        in_range("height", params.height, 2..=MAX_SIDE)?;
        in_range("width", params.width, 2..=MAX_SIDE)?;
        in_range("walls", params.walls, 0.0..=0.9)?;
        let time = TimeLimit::new("max_steps", params.max_steps)?;
        Ok(Self { walls: [false; MAX_CELLS], walker: 0, goal: 0, time, params: params.clone() })
    }

    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::Dense { shape: vec![3, self.params.height, self.params.width] }
    }

    fn action_space(&self) -> ActionSpace {
        ActionSpace::discrete(MOVES.len())
    }

    fn reset(&mut self, rng: &mut Rng) {
        let steps = u16::try_from(self.params.difficulty).unwrap_or(UNREACHABLE);
        self.draw(rng, |distance, farthest| distance == steps.min(farthest));
    }

    #[inline]
    fn step(&mut self, action: Action<'_>) -> Step {
        self.walker = self.target(self.walker, action.index()).unwrap_or(self.walker);
        let solved = self.solved();
        let reward = if solved { 1.0 } else { -0.5 / self.time.limit() as f32 };
        self.time.count(reward, solved)
    }

    fn observe(&self, row: &mut ObservationRow<'_>) {
        let mut plane = [0.0; MAX_CELLS];
        let plane = &mut plane[..self.cells()];
        for (value, &wall) in plane.iter_mut().zip(&self.walls) {
            *value = f32::from(u8::from(wall));
        }
        row.values(plane);
        for cell in [self.walker, self.goal] {
            plane.fill(0.0);
            plane[cell] = 1.0;
            row.values(plane);
        }
    }

    #[inline]
    fn action_mask(&self, mask: &mut [bool]) {
        let legal = |action| self.target(self.walker, action).is_some();
        // A walker between four walls may step into any of them.
        if (0..MOVES.len()).any(legal) {
            mask.iter_mut().enumerate().for_each(|(action, to)| *to = legal(action));
        }
    }

    #[inline]
    fn solved(&self) -> bool {
        self.walker == self.goal
    }

    /// Walker, goal, and for each cell 1 for a wall and 0 otherwise.
    fn state(&self, out: &mut Vec<f64>) {
        out.extend([self.walker as f64, self.goal as f64]);
        out.extend(self.walls.iter().take(self.cells()).map(|&wall| f64::from(u8::from(wall))));
    }

    fn state_key(&self, _scratch: &mut Vec<f64>) -> u64 {
        let words = self
            .walls
            .as_chunks::<64>()
            .0
            .iter()
            .map(|walls| walls.iter().fold(0u64, |word, &wall| word << 1 | u64::from(wall)));
        key_of_words(words.chain([(self.walker * MAX_CELLS + self.goal) as u64]))
    }

    /// One more step reaches the goal at best.
    fn best_return(&self) -> Option<f32> {
        Some(if self.solved() { 0.0 } else { 1.0 })
    }

    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        let cells = self.cells();
        if state.len() != cells + 2 {
            let expected = format!("walker, goal, and {cells} cells that are walls (1) or not (0)");
            return Err(Error::state(expected, counted(state.len(), "number")));
        }
        let (places, rest) = state.split_at(2);
        let places = whole_numbers(places, cells).collect::<Result<Vec<_>>>()?;
        let (walker, goal) = (places[0], places[1]);
        let mut walls = [false; MAX_CELLS];
        for (cell, wall) in whole_numbers(rest, 2).enumerate() {
            walls[cell] = wall? == 1;
        }
        let next = Self { walls, walker, goal, ..self.clone() };
        if walls[walker] || next.distances(goal)[walker] == UNREACHABLE || walls[goal] {
            let found = format!("none from {walker} to {goal}");
            return Err(Error::state("a maze with a way to the goal", found));
        }
        *self = next;
        self.time.restart();
        Ok(())
    }

    fn difficulty(&self) -> usize {
        self.params.difficulty
    }

    fn set_difficulty(&mut self, difficulty: usize) {
        self.params.difficulty = difficulty;
    }

    /// Draws a maze as [`reset`](Self::reset) does, and a start among all cells from which a path leads to the goal.
    fn reset_uniform(&mut self, rng: &mut Rng) -> bool {
        self.draw(rng, |_, _| true);
        true
    }

    fn twists(&self) -> Vec<Twist> {
        let cells = self.cells();
        let twist = |(reflection, action): (Reflection, [u32; 4])| Twist {
            observation: (0..3 * cells)
                .map(|value| (value / cells * cells + self.image(reflection, value % cells)) as u32)
                .collect(),
            action: action.to_vec(),
        };
        TWISTS.map(twist).to_vec()
    }

    fn twisted_state(&self, index: usize) -> Option<Vec<f64>> {
        let &(reflection, _) = TWISTS.get(index)?;
        let mut state: Vec<f64> =
            [self.walker, self.goal].map(|cell| self.image(reflection, cell) as f64).to_vec();
        let wall = |cell| f64::from(u8::from(self.walls[self.image(reflection, cell)]));
        state.extend((0..self.cells()).map(wall));
        Some(state)
    }

    /// Left and right, up and down undo each other.
    fn inverse(&self, action: usize) -> Option<usize> {
        Some(grid::opposite(action))
    }

    fn render(&self) -> String {
        let shown = |cell| match (cell == self.walker, cell == self.goal) {
            (true, true) => '*',
            (true, false) => 'A',
            (false, true) => 'G',
            (false, false) if self.walls[cell] => '█',
            (false, false) => '·',
        };
        let width = self.params.width;
        let row = |row| (row * width..(row + 1) * width).map(shown).collect::<String>();
        (0..self.params.height).map(row).collect::<Vec<_>>().join("\n")
    }

    fn action_name(&self, action: Action<'_>) -> String {
        grid::move_name(action.index())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::rng::{Purpose, stream};

    fn maze(height: usize, width: usize, walls: f64) -> Maze {
        let params = MazeParams { height, width, walls, ..MazeParams::default() };
        Maze::new(&params).unwrap()
    }

    #[test]
    fn walls_block_steps() {
        let mut env = maze(2, 3, 0.0);
        // Walker and goal in one row, with a wall between them.
        env.set_state(&[0.0, 2.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]).unwrap();
        assert_eq!(env.render(), "A█G\n···");
        let mut mask = [true; 4];
        env.action_mask(&mut mask);
        assert_eq!(mask, [false, false, false, true]);
        assert_eq!(env.distances(env.goal)[..6], [4, UNREACHABLE, 0, 3, 2, 1]);
        for (action, cell) in [(2, 0), (3, 3), (2, 4), (2, 5), (2, 5), (1, 2)] {
            let step = env.step(action.into());
            assert_eq!((env.walker, step.terminated), (cell, cell == 2));
        }
        assert_eq!(env.render(), "·█*\n···");
    }

    #[test]
    fn the_difficulty_is_the_distance_of_the_start() {
        let mut env = maze(8, 8, 0.3);
        env.set_difficulty(3);
        let mut exact = 0;
        for index in 0..200 {
            env.reset(&mut stream(0, Purpose::Start, 0, index));
            let distance = env.distances(env.goal)[env.walker];
            assert!(distance <= 3);
            exact += usize::from(distance == 3);
        }
        // Goals in small pockets of the maze have no start as far away.
        assert!(exact > 150, "{exact}");
    }
}
