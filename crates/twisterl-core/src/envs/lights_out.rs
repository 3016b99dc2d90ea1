//! Lights out: a board of lights, to be switched off. A press switches a light and its neighbours left, right, above and
//! below.
//!
//! Presses are additions modulo 2: their order does not matter, and a second press undoes the first. The matrix that takes
//! presses to lights is symmetric, so that exactly those boards can be solved that have an even number of lights in common
//! with each *quiet pattern*, a set of presses that changes nothing (Anderson and Feil 1998, "Turning lights out with linear
//! algebra", theorem 1).
//!
//! What is shown are numbers, 0 or 1 for each light. The last light that goes out is worth 1, any other press costs
//! `0.5 / max_steps`.

use crate::env::{Environment, Step, key_of_words, whole_numbers};
use crate::rng::Rng;
use crate::space::symmetry::Twist;
use crate::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use crate::{Error, Result};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Most lights a side.
const MAX_SIDE: usize = 8;
/// The longest budget, and the greatest difficulty.
const LIMIT: usize = 1_000_000;

/// Lights row-major, the first in the lowest bit.
type Lights = u64;

/// The parameters of [`LightsOut`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LightsOutParams {
    /// Rows, 1 to 8.
    pub height: usize,
    /// Columns, 1 to 8.
    pub width: usize,
    /// Random presses that make a start, at most a million; a light may be pressed again.
    pub difficulty: usize,
    /// Presses after which an episode is truncated, 1 to a million.
    pub max_steps: usize,
}

impl Default for LightsOutParams {
    fn default() -> Self {
        Self { height: 5, width: 5, difficulty: 1, max_steps: 64 }
    }
}

/// The board.
#[derive(Debug, Clone)]
pub struct LightsOut {
    lights: Lights,
    steps_left: usize,
    params: LightsOutParams,
    board: Arc<Board>,
}

/// What follows from the size.
#[derive(Debug)]
struct Board {
    /// What a press of each light switches.
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

/// A basis of the sets of presses whose sum is 0, by elimination: each press is kept beside the set that makes it up.
fn quiet_patterns(presses: &[Lights]) -> Vec<Lights> {
    let mut quiet = Vec::new();
    // Sums of presses, each with a leading light that no later one has, and which presses they are sums of.
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
        self.lights ^= self.board.presses.get(cell).copied().unwrap_or(0);
    }

    fn lit(&self, cell: usize) -> bool {
        self.lights >> cell & 1 == 1
    }

    /// The image of a light: mirrored left to right for twist 0, upside down for twist 1, across the diagonal of a square
    /// board for twist 2.
    fn image(&self, twist: usize, cell: usize) -> usize {
        let LightsOutParams { height, width, .. } = self.params;
        let (row, column) = (cell / width, cell % width);
        match twist {
            0 => row * width + (width - 1 - column),
            1 => (height - 1 - row) * width + column,
            _ => column * width + row,
        }
    }

    /// The twists that are not the identity.
    fn reflections(&self) -> impl Iterator<Item = usize> {
        let LightsOutParams { height, width, .. } = self.params;
        let moves = [width > 1, height > 1, width == height && width > 1];
        (0..3).filter(move |&twist| moves.get(twist) == Some(&true))
    }
}

impl Environment for LightsOut {
    const NAME: &'static str = "LightsOut";

    type Params = LightsOutParams;

    fn new(params: &Self::Params) -> Result<Self> {
        for (path, value, most) in [
            ("height", params.height, MAX_SIDE),
            ("width", params.width, MAX_SIDE),
            ("max_steps", params.max_steps, LIMIT),
        ] {
            if !(1..=most).contains(&value) {
                return Err(Error::config(path, format!("1 to {most}"), value));
            }
        }
        if params.difficulty > LIMIT {
            return Err(Error::config("difficulty", format!("0 to {LIMIT}"), params.difficulty));
        }
        let board = Arc::new(Board::new(params.height, params.width));
        Ok(Self { lights: 0, steps_left: params.max_steps, params: params.clone(), board })
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
        self.steps_left = self.params.max_steps;
    }

    #[inline]
    fn step(&mut self, action: Action<'_>) -> Step {
        self.press(action.index());
        self.steps_left = self.steps_left.saturating_sub(1);
        let solved = self.solved();
        Step {
            reward: if solved { 1.0 } else { -0.5 / self.params.max_steps as f32 },
            terminated: solved,
            truncated: !solved && self.steps_left == 0,
        }
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

    /// The last press is worth 1, and those before it cost.
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
        (self.lights, self.steps_left) = (lights, self.params.max_steps);
        Ok(())
    }

    fn difficulty(&self) -> usize {
        self.params.difficulty
    }

    /// Difficulties above a million count as a million.
    fn set_difficulty(&mut self, difficulty: usize) {
        self.params.difficulty = difficulty.min(LIMIT);
    }

    /// Each light is pressed or not: of all boards that can be solved each is made by equally many of such sets.
    fn reset_uniform(&mut self, rng: &mut Rng) -> bool {
        self.lights = 0;
        let pressed: u64 = rng.random();
        for cell in (0..self.cells()).filter(|cell| pressed >> cell & 1 == 1) {
            self.press(cell);
        }
        self.steps_left = self.params.max_steps;
        true
    }

    fn twists(&self) -> Vec<Twist> {
        let image = |twist| -> Vec<u32> {
            (0..self.cells()).map(|cell| self.image(twist, cell) as u32).collect()
        };
        let twist = |twist| Twist { observation: image(twist), action: image(twist) };
        self.reflections().map(twist).collect()
    }

    fn twisted_state(&self, index: usize) -> Option<Vec<f64>> {
        let twist = self.reflections().nth(index)?;
        // Each reflection is its own inverse.
        let light = |cell| f64::from(u8::from(self.lit(self.image(twist, cell))));
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
    use crate::env::check::check_env;
    use crate::rng::{Purpose, stream};
    use std::collections::BTreeSet;

    fn board(height: usize, width: usize) -> LightsOut {
        let params = LightsOutParams { height, width, ..LightsOutParams::default() };
        LightsOut::new(&params).unwrap()
    }

    #[test]
    fn it_keeps_the_contract() {
        for (height, width, twists) in [(1, 1, 0), (1, 2, 1), (3, 5, 2), (5, 5, 3), (8, 8, 3)] {
            assert_eq!(check_env(&board(height, width), 1).unwrap().twists, twists);
        }
    }

    #[test]
    fn a_press_switches_a_light_and_its_neighbours() {
        let mut env = board(3, 3);
        env.step(4.into());
        assert_eq!(env.render(), "□ ■ □\n■ ■ ■\n□ ■ □");
        env.step(0.into());
        assert_eq!(env.render(), "■ □ □\n□ ■ ■\n□ ■ □");
        assert_eq!(env.action_name(5.into()), "row 2, column 3");
    }

    /// The dimensions that the literature gives (OEIS A159257): 3 x 3 has none, 4 x 4 four, 5 x 5 two.
    #[test]
    fn quiet_patterns_are_as_many_as_known() {
        for (side, count) in [(1, 0), (2, 0), (3, 0), (4, 4), (5, 2), (6, 0), (7, 0), (8, 0)] {
            assert_eq!(board(side, side).board.quiet.len(), count, "{side}");
        }
    }

    #[test]
    fn exactly_the_boards_that_presses_make_can_be_set() {
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
    fn starts_are_as_many_presses_from_dark_as_the_difficulty_says() {
        let mut env = board(3, 3);
        env.set_difficulty(3);
        let mut counts = BTreeSet::new();
        for index in 0..100 {
            env.reset(&mut stream(0, Purpose::Start, 0, index));
            // A 3 x 3 board has one way only.
            let ways = (0u64..1 << 9).filter(|set| {
                let pressed = (0..9).filter(|cell| set >> cell & 1 == 1);
                pressed.fold(env.lights, |lights, cell| lights ^ env.board.presses[cell]) == 0
            });
            counts.extend(ways.map(u64::count_ones));
        }
        // Two presses of one light are none.
        assert_eq!(counts, BTreeSet::from([1, 3]));
        env.set_difficulty(usize::MAX);
        env.reset(&mut stream(0, Purpose::Start, 0, 0));
    }

    #[test]
    fn impossible_boards_and_parameters_are_refused() {
        let mut env = board(5, 5);
        let mut state = vec![0.0; 25];
        state[0] = 1.0;
        let error = env.set_state(&state).unwrap_err().to_string();
        assert!(error.contains("a board that presses can solve"), "{error}");
        assert!(env.set_state(&[0.0]).is_err() && env.set_state(&[2.0; 25]).is_err());
        let params = LightsOutParams { width: 9, ..LightsOutParams::default() };
        assert_eq!(
            LightsOut::new(&params).unwrap_err().to_string(),
            "width: expected 1 to 8, found 9"
        );
    }
}
