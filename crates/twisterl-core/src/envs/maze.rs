//! Mazes: a walker among walls, on the way to a goal. Each episode has a maze of its own.
//!
//! Shown are three planes of numbers, 0 or 1 for each cell: walls, walker, goal. A step goes left (0), up (1), right (2) or
//! down (3); into a wall it is masked, and made all the same it leads nowhere. The step that reaches the goal is worth 1,
//! any other costs `0.5 / max_steps`.

use crate::env::{Environment, Step, key_of_words, whole_numbers};
use crate::rng::Rng;
use crate::space::symmetry::Twist;
use crate::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use crate::{Error, Result};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};

/// Most cells a side.
const MAX_SIDE: usize = 16;
const MAX_CELLS: usize = MAX_SIDE * MAX_SIDE;
/// The longest budget.
const MAX_STEPS: usize = 1_000_000;
/// The distance of cells that no way leads to.
const CUT_OFF: u16 = u16::MAX;

const ACTIONS: [&str; 4] = ["left", "up", "right", "down"];

/// The parameters of [`Maze`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MazeParams {
    /// Rows, 2 to 16.
    pub height: usize,
    /// Columns, 2 to 16.
    pub width: usize,
    /// The share of cells that are walls, 0 to 0.9.
    pub walls: f64,
    /// Steps from the start to the goal, or as many as there can be in the maze.
    pub difficulty: usize,
    /// Steps after which an episode is truncated, 1 to a million.
    pub max_steps: usize,
}

impl Default for MazeParams {
    fn default() -> Self {
        Self { height: 8, width: 8, walls: 0.3, difficulty: 1, max_steps: 64 }
    }
}

/// The maze and who walks in it. Cells are numbered row by row.
#[derive(Debug, Clone)]
pub struct Maze {
    walls: [bool; MAX_CELLS],
    walker: usize,
    goal: usize,
    steps_left: usize,
    params: MazeParams,
}

impl Maze {
    fn cells(&self) -> usize {
        self.params.height * self.params.width
    }

    /// The cell that an action leads to from `cell`, if none is in the way.
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
        (self.walls.get(to) == Some(&false)).then_some(to)
    }

    /// The number of steps to `goal` from each cell, [`CUT_OFF`] from where there is no way, by breadth-first search.
    fn distances(&self, goal: usize) -> [u16; MAX_CELLS] {
        let mut distances = [CUT_OFF; MAX_CELLS];
        let mut queue = [0; MAX_CELLS];
        let (mut next, mut end) = (0, 1);
        (queue[0], distances[goal]) = (goal, 0);
        while next < end {
            let cell = queue[next];
            next += 1;
            for to in (0..ACTIONS.len()).filter_map(|action| self.target(cell, action)) {
                if distances[to] == CUT_OFF {
                    distances[to] = distances[cell] + 1;
                    queue[end] = to;
                    end += 1;
                }
            }
        }
        distances
    }

    /// A maze with a goal; the start is drawn among the cells whose number of steps to the goal `wanted` lets pass, given
    /// the largest.
    fn draw(&mut self, rng: &mut Rng, wanted: impl Fn(u16, u16) -> bool) {
        let cells = self.cells();
        self.walls = [false; MAX_CELLS];
        self.goal = rng.random_range(0..cells as u32) as usize;
        for cell in 0..cells {
            self.walls[cell] = rng.random_bool(self.params.walls) && cell != self.goal;
        }
        let distances = self.distances(self.goal);
        let reached = || distances.iter().filter(|&&distance| distance != CUT_OFF);
        let farthest = reached().max().copied().unwrap_or(0);
        let fits = |cell: &usize| distances[*cell] != CUT_OFF && wanted(distances[*cell], farthest);
        let count = (0..cells).filter(fits).count() as u32;
        let chosen = rng.random_range(0..count.max(1)) as usize;
        self.walker = (0..cells).filter(fits).nth(chosen).unwrap_or(self.goal);
        self.steps_left = self.params.max_steps;
    }

    /// The image of a cell: mirrored left to right for twist 0, upside down for twist 1.
    fn mirrored(&self, twist: usize, cell: usize) -> usize {
        let MazeParams { height, width, .. } = self.params;
        match twist {
            0 => cell / width * width + (width - 1 - cell % width),
            _ => (height - 1 - cell / width) * width + cell % width,
        }
    }
}

impl Environment for Maze {
    const NAME: &'static str = "Maze";

    type Params = MazeParams;

    fn new(params: &Self::Params) -> Result<Self> {
        for (path, value, least, most) in [
            ("height", params.height, 2, MAX_SIDE),
            ("width", params.width, 2, MAX_SIDE),
            ("max_steps", params.max_steps, 1, MAX_STEPS),
        ] {
            if !(least..=most).contains(&value) {
                return Err(Error::config(path, format!("{least} to {most}"), value));
            }
        }
        if !(0.0..=0.9).contains(&params.walls) {
            return Err(Error::config("walls", "0 to 0.9", params.walls));
        }
        let walls = [false; MAX_CELLS];
        let steps_left = params.max_steps;
        Ok(Self { walls, walker: 0, goal: 0, steps_left, params: params.clone() })
    }

    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::Dense { shape: vec![3, self.params.height, self.params.width] }
    }

    fn action_space(&self) -> ActionSpace {
        ActionSpace::discrete(ACTIONS.len())
    }

    fn reset(&mut self, rng: &mut Rng) {
        let steps = u16::try_from(self.params.difficulty).unwrap_or(CUT_OFF);
        self.draw(rng, |distance, farthest| distance == steps.min(farthest));
    }

    #[inline]
    fn step(&mut self, action: Action<'_>) -> Step {
        self.walker = self.target(self.walker, action.index()).unwrap_or(self.walker);
        self.steps_left = self.steps_left.saturating_sub(1);
        let solved = self.solved();
        Step {
            reward: if solved { 1.0 } else { -0.5 / self.params.max_steps as f32 },
            terminated: solved,
            truncated: !solved && self.steps_left == 0,
        }
    }

    fn observe(&self, row: &mut ObservationRow<'_>) {
        let mut plane = [0.0; MAX_CELLS];
        let Some(plane) = plane.get_mut(..self.cells()) else { return };
        for (value, &wall) in plane.iter_mut().zip(&self.walls) {
            *value = f32::from(u8::from(wall));
        }
        row.values(plane);
        for cell in [self.walker, self.goal] {
            plane.fill(0.0);
            if let Some(value) = plane.get_mut(cell) {
                *value = 1.0;
            }
            row.values(plane);
        }
    }

    #[inline]
    fn action_mask(&self, mask: &mut [bool]) {
        let legal = |action| self.target(self.walker, action).is_some();
        // One who is walled in may push against any wall.
        if (0..ACTIONS.len()).any(legal) {
            mask.iter_mut().enumerate().for_each(|(action, to)| *to = legal(action));
        }
    }

    #[inline]
    fn solved(&self) -> bool {
        self.walker == self.goal
    }

    /// Walker, goal, and then a 1 for each wall and a 0 for each other cell.
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

    /// The step to the goal is worth 1, and those before it cost.
    fn best_return(&self) -> Option<f32> {
        Some(if self.solved() { 0.0 } else { 1.0 })
    }

    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        let cells = self.cells();
        let expected = || format!("walker, goal, and {cells} cells that are walls (1) or not (0)");
        if state.len() != cells + 2 {
            return Err(Error::state(expected(), format!("{} numbers", state.len())));
        }
        let (places, rest) = state.split_at(2);
        let places = whole_numbers(places, cells).collect::<Result<Vec<_>>>()?;
        let [walker, goal] = places[..] else {
            return Err(Error::state(expected(), state.len()));
        };
        let mut walls = [false; MAX_CELLS];
        for (cell, wall) in whole_numbers(rest, 2).enumerate() {
            walls[cell] = wall? == 1;
        }
        let next = Self { walls, walker, goal, ..self.clone() };
        if walls[walker] || next.distances(goal)[walker] == CUT_OFF || walls[goal] {
            let found = format!("none from {walker} to {goal}");
            return Err(Error::state("a maze with a way to the goal", found));
        }
        *self = Self { steps_left: self.params.max_steps, ..next };
        Ok(())
    }

    fn difficulty(&self) -> usize {
        self.params.difficulty
    }

    fn set_difficulty(&mut self, difficulty: usize) {
        self.params.difficulty = difficulty;
    }

    /// A maze as of [`reset`](Self::reset), and any of the cells from which a way leads to the goal.
    fn reset_uniform(&mut self, rng: &mut Rng) -> bool {
        self.draw(rng, |_, _| true);
        true
    }

    fn twists(&self) -> Vec<Twist> {
        let cells = self.cells();
        let twist = |index, action: [u32; 4]| Twist {
            observation: (0..3 * cells)
                .map(|value| (value / cells * cells + self.mirrored(index, value % cells)) as u32)
                .collect(),
            action: action.to_vec(),
        };
        vec![twist(0, [2, 1, 0, 3]), twist(1, [0, 3, 2, 1])]
    }

    fn twisted_state(&self, index: usize) -> Option<Vec<f64>> {
        let mut state: Vec<f64> =
            [self.walker, self.goal].map(|cell| self.mirrored(index, cell) as f64).to_vec();
        // A reflection is its own inverse.
        let wall = |cell| f64::from(u8::from(self.walls[self.mirrored(index, cell)]));
        state.extend((0..self.cells()).map(wall));
        Some(state)
    }

    /// Left and right, up and down undo each other.
    fn inverse(&self, action: usize) -> Option<usize> {
        Some((action + 2) % ACTIONS.len())
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
        let index = action.index();
        ACTIONS.get(index).map_or_else(|| index.to_string(), ToString::to_string)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::env::check::check_env;
    use crate::rng::{Purpose, stream};

    fn maze(height: usize, width: usize, walls: f64) -> Maze {
        let params = MazeParams { height, width, walls, ..MazeParams::default() };
        Maze::new(&params).unwrap()
    }

    #[test]
    fn it_keeps_the_contract() {
        for (height, width, walls) in [(2, 2, 0.9), (3, 5, 0.0), (8, 8, 0.3), (16, 16, 0.4)] {
            assert_eq!(check_env(&maze(height, width, walls), 1).unwrap().twists, 2);
        }
    }

    #[test]
    fn walls_are_in_the_way() {
        let mut env = maze(2, 3, 0.0);
        // A G in the corner, and a wall between.
        env.set_state(&[0.0, 2.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]).unwrap();
        assert_eq!(env.render(), "A█G\n···");
        let mut mask = [true; 4];
        env.action_mask(&mut mask);
        assert_eq!(mask, [false, false, false, true]);
        assert_eq!(env.distances(env.goal)[..6], [4, CUT_OFF, 0, 3, 2, 1]);
        for (action, cell) in [(2, 0), (3, 3), (2, 4), (2, 5), (2, 5), (1, 2)] {
            let step = env.step(action.into());
            assert_eq!((env.walker, step.terminated), (cell, cell == 2));
        }
        assert_eq!(env.render(), "·█*\n···");
    }

    #[test]
    fn starts_are_as_far_as_the_difficulty_says() {
        let mut env = maze(8, 8, 0.3);
        env.set_difficulty(3);
        let mut exact = 0;
        for index in 0..200 {
            env.reset(&mut stream(0, Purpose::Start, 0, index));
            let distance = env.distances(env.goal)[env.walker];
            assert!(distance <= 3);
            exact += usize::from(distance == 3);
        }
        // A goal in a pocket of the maze has no start as far away.
        assert!(exact > 150, "{exact}");
    }

    #[test]
    fn mazes_without_a_way_are_refused() {
        let mut env = maze(2, 2, 0.0);
        for (state, message) in [
            (&[0.0, 3.0, 0.0, 1.0, 1.0, 0.0][..], "a maze with a way to the goal"),
            (&[0.0, 0.0, 1.0, 0.0, 0.0, 0.0], "a maze with a way to the goal"),
            (&[0.0, 3.0, 0.0, 2.0, 0.0, 0.0], "found 2"),
            (&[0.0, 4.0, 0.0, 0.0, 0.0, 0.0], "found 4"),
            (&[0.0, 3.0], "walker, goal, and 4 cells"),
        ] {
            let error = env.set_state(state).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
