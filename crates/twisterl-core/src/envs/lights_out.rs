//! Lights out: switch off all lights of a board. A press toggles a light and its neighbours left, right, above and below.
//!
//! Presses are additions modulo 2: their order does not matter, and a second press undoes the first. The matrix from
//! presses to lights is symmetric. A board is therefore solvable if and only if it has an even number of lights in common
//! with each *quiet pattern*, a set of presses that changes nothing (Anderson and Feil 1998, "Turning lights out with linear
//! algebra", theorem 1).
//!
//! The observation is dense, `[height, width]`: 1 for a light that is on. The press that solves the board is worth 1, any
//! other costs `0.5 / max_steps`.

use super::grid::Reflection;
use super::time_limit::TimeLimit;
use crate::env::{Environment, Step, key_of_words, whole_numbers};
use crate::error::in_range;
use crate::rng::Rng;
use crate::space::symmetry::Twist;
use crate::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use crate::{Error, Result};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Most lights of a side.
const MAX_SIDE: usize = 8;
/// The greatest difficulty.
const MAX_DIFFICULTY: usize = 1_000_000;

/// A set of lights, row-major, the first in the lowest bit.
type Lights = u64;

/// The parameters of [`LightsOut`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LightsOutParams {
    /// Rows, 1 to 8.
    pub height: usize,
    /// Columns, 1 to 8.
    pub width: usize,
    /// Random presses of a scramble, at most a million; a light may be pressed again.
    pub difficulty: usize,
    /// Presses after which an episode is truncated, 1 to a million.
    pub max_steps: usize,
}

impl Default for LightsOutParams {
    fn default() -> Self {
        Self { height: 5, width: 5, difficulty: 1, max_steps: 64 }
    }
}

/// A board of lights.
#[derive(Debug)]
pub struct LightsOut {
    lights: Lights,
    time: TimeLimit,
    params: LightsOutParams,
    board: Arc<Board>,
}

impl Clone for LightsOut {
    fn clone(&self) -> Self {
        let (params, board) = (self.params.clone(), Arc::clone(&self.board));
        Self { lights: self.lights, time: self.time.clone(), params, board }
    }

    fn clone_from(&mut self, source: &Self) {
        self.lights = source.lights;
        self.time.clone_from(&source.time);
        self.params.clone_from(&source.params);
        // Searches copy boards of one size to each other; counting the references is most of the work.
        if !Arc::ptr_eq(&self.board, &source.board) {
            self.board = Arc::clone(&source.board);
        }
    }
}

/// The constants of a board size.
#[derive(Debug)]
struct Board {
    /// The lights that each press toggles.
    presses: Vec<Lights>,
    /// A basis of the quiet patterns.
    quiet: Vec<Lights>,
}

impl Board {
    fn new(height: usize, width: usize) -> Self {
        let press = |cell: usize| {
            let (row, column) = (cell / width, cell % width);
            let near =
                |other: &usize| row.abs_diff(other / width) + column.abs_diff(other % width) <= 1;
            (0..height * width).filter(near).fold(0, |lights, other| lights | 1 << other)
        };
        let presses: Vec<Lights> = (0..height * width).map(press).collect();
        let quiet = quiet_patterns(&presses);
        Self { presses, quiet }
    }

    fn solvable(&self, lights: Lights) -> bool {
        self.quiet.iter().all(|pattern| (pattern & lights).count_ones().is_multiple_of(2))
    }
}

/// Returns a basis of the sets of presses whose sum is 0, by Gaussian elimination.
fn quiet_patterns(presses: &[Lights]) -> Vec<Lights> {
    let mut quiet = Vec::new();
    // Sums of presses, each with a leading light that no later one has, and the set of presses in each sum.
    let mut reduced: Vec<(Lights, Lights)> = Vec::new();
    for (press, &lights) in presses.iter().enumerate() {
        let (mut lights, mut set) = (lights, 1 << press);
        for &(other, others) in &reduced {
            let leading = other & other.wrapping_neg();
            if lights & leading != 0 {
                lights ^= other;
                set ^= others;
            }
        }
        match lights {
            0 => quiet.push(set),
            _ => reduced.push((lights, set)),
        }
    }
    quiet
}

impl LightsOut {
    fn cells(&self) -> usize {
        self.board.presses.len()
    }

    fn press(&mut self, cell: usize) {
        self.lights ^= self.board.presses[cell];
    }

    fn lit(&self, cell: usize) -> bool {
        self.lights >> cell & 1 == 1
    }

    fn image(&self, reflection: Reflection, cell: usize) -> usize {
        reflection.image((self.params.height, self.params.width), cell)
    }

    /// Returns the reflections that are symmetries of the board and not the identity.
    fn reflections(&self) -> impl Iterator<Item = Reflection> {
        let LightsOutParams { height, width, .. } = self.params;
        [
            (Reflection::Horizontal, width > 1),
            (Reflection::Vertical, height > 1),
            (Reflection::Diagonal, width == height && width > 1),
        ]
        .into_iter()
        .filter_map(|(reflection, moves)| moves.then_some(reflection))
    }
}

impl Environment for LightsOut {
    const NAME: &'static str = "LightsOut";

    type Params = LightsOutParams;

    fn new(params: &Self::Params) -> Result<Self> {
        let height = in_range("height", params.height, 1..=MAX_SIDE)?;
        let width = in_range("width", params.width, 1..=MAX_SIDE)?;
        let time = TimeLimit::new("max_steps", params.max_steps)?;
        in_range("difficulty", params.difficulty, 0..=MAX_DIFFICULTY)?;
        let board = Arc::new(Board::new(height, width));
        Ok(Self { lights: 0, time, params: params.clone(), board })
    }

    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::Dense { shape: vec![self.params.height, self.params.width] }
    }

    fn action_space(&self) -> ActionSpace {
        ActionSpace::discrete(self.cells())
    }

    fn reset(&mut self, rng: &mut Rng) {
        self.lights = 0;
        let cells = self.cells() as u32;
        for _ in 0..self.params.difficulty {
            self.press(rng.random_range(0..cells) as usize);
        }
        self.time.restart();
    }

    #[inline]
    fn step(&mut self, action: Action<'_>) -> Step {
        self.press(action.index());
        let solved = self.solved();
        let reward = if solved { 1.0 } else { -0.5 / self.time.limit() as f32 };
        self.time.count(reward, solved)
    }

    #[inline]
    fn observe(&self, row: &mut ObservationRow<'_>) {
        for cell in 0..self.cells() {
            row.values(&[f32::from(u8::from(self.lit(cell)))]);
        }
    }

    #[inline]
    fn solved(&self) -> bool {
        self.lights == 0
    }

    fn state(&self, out: &mut Vec<f64>) {
        out.extend((0..self.cells()).map(|cell| f64::from(u8::from(self.lit(cell)))));
    }

    fn state_key(&self, _scratch: &mut Vec<f64>) -> u64 {
        key_of_words([self.lights].into_iter())
    }

    /// One more press solves the board at best.
    fn best_return(&self) -> Option<f32> {
        Some(if self.solved() { 0.0 } else { 1.0 })
    }

    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        let cells = self.cells();
        if state.len() != cells {
            let LightsOutParams { height, width, .. } = self.params;
            let expected = format!("{cells} lights of a {height} x {width} board");
            return Err(Error::state(expected, state.len()));
        }
        let mut lights = 0;
        for (cell, light) in whole_numbers(state, 2).enumerate() {
            lights |= (light? as Lights) << cell;
        }
        if !self.board.solvable(lights) {
            return Err(Error::state("a board that presses can solve", format!("{state:?}")));
        }
        self.lights = lights;
        self.time.restart();
        Ok(())
    }

    fn difficulty(&self) -> usize {
        self.params.difficulty
    }

    /// Difficulties above a million count as a million.
    fn set_difficulty(&mut self, difficulty: usize) {
        self.params.difficulty = difficulty.min(MAX_DIFFICULTY);
    }

    /// Presses each light with probability one half: equally many sets of presses make each solvable board.
    fn reset_uniform(&mut self, rng: &mut Rng) -> bool {
        self.lights = 0;
        let pressed: u64 = rng.random();
        for cell in (0..self.cells()).filter(|cell| pressed >> cell & 1 == 1) {
            self.press(cell);
        }
        self.time.restart();
        true
    }

    fn twists(&self) -> Vec<Twist> {
        let twist = |reflection| {
            let image: Vec<u32> =
                (0..self.cells()).map(|cell| self.image(reflection, cell) as u32).collect();
            Twist { observation: image.clone(), action: image }
        };
        self.reflections().map(twist).collect()
    }

    fn twisted_state(&self, index: usize) -> Option<Vec<f64>> {
        let reflection = self.reflections().nth(index)?;
        let light = |cell| f64::from(u8::from(self.lit(self.image(reflection, cell))));
        Some((0..self.cells()).map(light).collect())
    }

    /// A second press undoes the first.
    fn inverse(&self, action: usize) -> Option<usize> {
        (action < self.cells()).then_some(action)
    }

    fn render(&self) -> String {
        let width = self.params.width;
        let light = |cell| if self.lit(cell) { "■" } else { "□" };
        let row = |row| -> Vec<_> { (row * width..(row + 1) * width).map(light).collect() };
        (0..self.params.height).map(|y| row(y).join(" ")).collect::<Vec<_>>().join("\n")
    }

    fn action_name(&self, action: Action<'_>) -> String {
        let (index, width) = (action.index(), self.params.width);
        format!("row {}, column {}", index / width + 1, index % width + 1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::rng::{Purpose, stream};
    use std::collections::BTreeSet;

    fn board(height: usize, width: usize) -> LightsOut {
        let params = LightsOutParams { height, width, ..LightsOutParams::default() };
        LightsOut::new(&params).unwrap()
    }

    #[test]
    fn a_press_toggles_a_light_and_its_neighbours() {
        let mut env = board(3, 3);
        env.step(4.into());
        assert_eq!(env.render(), "□ ■ □\n■ ■ ■\n□ ■ □");
        env.step(0.into());
        assert_eq!(env.render(), "■ □ □\n□ ■ ■\n□ ■ □");
        assert_eq!(env.action_name(5.into()), "row 2, column 3");
    }

    #[test]
    fn the_number_of_quiet_patterns_matches_the_literature() {
        // OEIS A159257.
        for (side, count) in [(1, 0), (2, 0), (3, 0), (4, 4), (5, 2), (6, 0), (7, 0), (8, 0)] {
            assert_eq!(board(side, side).board.quiet.len(), count, "{side}");
        }
    }

    #[test]
    fn a_board_can_be_set_if_and_only_if_presses_make_it() {
        let mut env = board(4, 3);
        let mut made = BTreeSet::new();
        for set in 0u64..1 << 12 {
            env.lights = 0;
            (0..12).filter(|cell| set >> cell & 1 == 1).for_each(|cell| env.press(cell));
            made.insert(env.lights);
        }
        for lights in 0u64..1 << 12 {
            let state: Vec<f64> = (0..12).map(|cell| (lights >> cell & 1) as f64).collect();
            assert_eq!(env.set_state(&state).is_ok(), made.contains(&lights));
        }
    }

    #[test]
    fn a_scramble_makes_as_many_presses_as_the_difficulty() {
        let mut env = board(3, 3);
        env.set_difficulty(3);
        let mut counts = BTreeSet::new();
        for index in 0..100 {
            env.reset(&mut stream(0, Purpose::Start, 0, index));
            // On a 3 x 3 board a single set of presses makes each board.
            let ways = (0u64..1 << 9).filter(|set| {
                let pressed = (0..9).filter(|cell| set >> cell & 1 == 1);
                pressed.fold(env.lights, |lights, cell| lights ^ env.board.presses[cell]) == 0
            });
            counts.extend(ways.map(u64::count_ones));
        }
        // Two presses of one light cancel.
        assert_eq!(counts, BTreeSet::from([1, 3]));
        env.set_difficulty(usize::MAX);
        env.reset(&mut stream(0, Purpose::Start, 0, 0));
    }
}
