//! The sliding puzzle: numbered tiles and one blank on a board of `height` rows and `width` columns.
//!
//! Boards are row-major, 0 is the blank, and the goal is 0, 1, 2, ..., or 1, 2, ..., 0 ([`PuzzleGoal`]). A move slides the
//! blank left (0), up (1), right (2) or down (3). A move off the board is masked; taken anyway, it changes nothing but uses
//! one move of the budget.
//! The observation is sparse, `[cells, cells]`: bit `cell * cells + tile` is set if `tile` lies on `cell`.
//!
//! Problem, scramble and rewards are those of the peer's `twisterl.envs.Puzzle`, but each reward belongs to the transition
//! just made, and an exhausted budget truncates instead of terminating.

use super::grid::{self, MOVES, Reflection};
use crate::env::{Environment, Step, key_of_words, whole_numbers};
use crate::error::in_range;
use crate::rng::Rng;
use crate::space::symmetry::Twist;
use crate::space::{Action, ActionSpace, ObservationRow, ObservationSpace};
use crate::{Error, Result};
use rand::{Rng as _, RngExt};

mod goal;
mod params;
#[cfg(test)]
mod tests;

pub use goal::PuzzleGoal;
pub use params::PuzzleParams;

use goal::ORDERED;

/// The fewest cells of a side.
const MIN_SIDE: usize = 2;
/// The most cells of a side.
const MAX_SIDE: usize = 6;
const SIDES: usize = MAX_SIDE - MIN_SIDE + 1;
const MAX_CELLS: usize = MAX_SIDE * MAX_SIDE;

/// The greatest difficulty and budget. A scramble of this many moves takes some milliseconds, so that no config can hang.
const LIMIT: usize = 1_000_000;

/// The greatest magnitude of a reward: its square, which losses take, must fit single precision.
const MAX_REWARD: f32 = 1e18;

/// Tiles row-major. Entries beyond the board hold their own index, so that boards of all sizes compare with the goal.
type Board = [u8; MAX_CELLS];

/// The cell to which each action takes the blank from each cell: the cell itself where the move is illegal, so that moves
/// need no branch.
type Targets = [[u8; MOVES.len()]; MAX_CELLS];

/// The targets by height and width, each less [`MIN_SIDE`].
static TARGETS: [[Targets; SIDES]; SIDES] = {
    let mut all = [[[[0; MOVES.len()]; MAX_CELLS]; SIDES]; SIDES];
    let mut size = 0;
    while size < SIDES * SIDES {
        let (h, w) = (size / SIDES, size % SIDES);
        all[h][w] = targets(h + MIN_SIDE, w + MIN_SIDE);
        size += 1;
    }
    all
};

const fn targets(height: usize, width: usize) -> Targets {
    let mut targets = [[0; MOVES.len()]; MAX_CELLS];
    let mut cell = 0;
    while cell < height * width {
        let (row, column) = (cell / width, cell % width);
        let left = if column > 0 { cell - 1 } else { cell };
        let up = if row > 0 { cell - width } else { cell };
        let right = if column + 1 < width { cell + 1 } else { cell };
        let down = if row + 1 < height { cell + width } else { cell };
        targets[cell] = [left as u8, up as u8, right as u8, down as u8];
        cell += 1;
    }
    targets
}

/// A board of the sliding puzzle.
#[derive(Debug, Clone)]
pub struct Puzzle {
    board: Board,
    blank: u8,
    width: u8,
    height: u8,
    /// Moves left.
    budget: u32,
    targets: &'static Targets,
    goal: PuzzleGoal,
    solved_board: &'static Board,
    /// The cell of the blank on the solved board.
    home: u8,
    solved_reward: f32,
    failed_reward: f32,
    move_reward: f32,
    max_depth: u32,
    difficulty: usize,
    depth_slope: usize,
    depth_offset: usize,
}

impl Puzzle {
    fn cells(&self) -> usize {
        usize::from(self.width) * usize::from(self.height)
    }

    fn tiles(&self) -> &[u8] {
        &self.board[..self.cells()]
    }

    /// Returns the budget of an episode of the current difficulty.
    fn episode_budget(&self) -> u32 {
        let budget = self.depth_slope.saturating_mul(self.difficulty);
        let budget = budget.saturating_add(self.depth_offset);
        // At most `max_depth`, which is a `u32`.
        budget.clamp(1, self.max_depth as usize) as u32
    }

    #[inline]
    fn slide(&mut self, action: usize) {
        let blank = usize::from(self.blank);
        let target = self.targets[blank][action];
        self.board[blank] = self.board[usize::from(target)];
        self.board[usize::from(target)] = 0;
        self.blank = target;
    }

    /// Returns true if moves lead from this board to the goal. Every move swaps two entries and takes the blank one cell
    /// nearer to its place in the goal or farther from it, so that both parities agree on exactly the reachable boards
    /// (W. E. Story, "Notes on the '15' puzzle", 1879).
    fn solvable(&self, board: &Board, blank: usize, goal: PuzzleGoal) -> bool {
        let (cells, width) = (self.cells(), usize::from(self.width));
        let home = goal.home(cells);
        let distance =
            (blank / width).abs_diff(home / width) + (blank % width).abs_diff(home % width);
        odd(&board[..cells], home) == (distance % 2 == 1)
    }

    /// Returns the cell opposite to `cell` across the main diagonal of a square board.
    fn transposed(&self, cell: usize) -> usize {
        Reflection::Diagonal.image((usize::from(self.height), usize::from(self.width)), cell)
    }

    /// Returns the tile whose place in the goal is opposite to that of `tile`.
    fn transposed_tile(&self, tile: usize) -> usize {
        let place = place(tile, usize::from(self.home), self.cells());
        usize::from(self.solved_board[self.transposed(place)])
    }

    fn unsolvable(&self, board: &Board, blank: usize) -> Error {
        let other = self.goal.other();
        let advice = match self.solvable(board, blank, other) {
            true => format!(" (moves lead to the goal of \"goal\": {:?})", other.name()),
            false => String::new(),
        };
        let board = &board[..self.cells()];
        let found = format!("{board:?}, which is one swap of two tiles off{advice}");
        Error::state("a board that moves can solve", found)
    }

    fn is_square(&self) -> bool {
        self.width == self.height
    }
}

/// Returns the place of a tile in the goal with the blank at `home`, the first or the last of `cells` cells.
fn place(tile: usize, home: usize, cells: usize) -> usize {
    (tile + home) % cells
}

/// Returns true if the board is an odd permutation of the goal with the blank at `home`: a cycle of length n is n - 1 swaps.
fn odd(tiles: &[u8], home: usize) -> bool {
    let mut seen = [false; MAX_CELLS];
    let mut odd = false;
    for start in 0..tiles.len() {
        let mut cell = start;
        while !seen[cell] {
            seen[cell] = true;
            cell = place(usize::from(tiles[cell]), home, tiles.len());
            odd ^= cell != start;
        }
    }
    odd
}

impl Environment for Puzzle {
    const NAME: &'static str = "Puzzle";
    const UNWRITTEN_DEFAULTS: &'static [(&'static str, &'static str)] =
        &[("move_reward", "-0.5 / max_depth"), ("goal", "\"blank_first\"")];
    type Params = PuzzleParams;

    fn new(params: &PuzzleParams) -> Result<Self> {
        let width = in_range("width", params.width, MIN_SIDE..=MAX_SIDE)?;
        let height = in_range("height", params.height, MIN_SIDE..=MAX_SIDE)?;
        let max_depth = in_range("max_depth", params.max_depth, 1..=LIMIT)?;
        in_range("difficulty", params.difficulty, 0..=LIMIT)?;
        let move_reward = params.move_reward.unwrap_or(-0.5 / max_depth as f32);
        for (path, reward) in [
            ("solved_reward", params.solved_reward),
            ("failed_reward", params.failed_reward),
            ("move_reward", move_reward),
        ] {
            if !(-MAX_REWARD..=MAX_REWARD).contains(&reward) {
                let expected = format!("a number from -{MAX_REWARD:e} to {MAX_REWARD:e}");
                return Err(Error::config(path, expected, format!("{reward:?}")));
            }
        }
        let cells = width * height;
        let (solved_board, home) = (params.goal.board(cells), params.goal.home(cells) as u8);
        let mut puzzle = Self {
            board: *solved_board,
            blank: home,
            width: width as u8,
            height: height as u8,
            budget: 0,
            targets: &TARGETS[height - MIN_SIDE][width - MIN_SIDE],
            goal: params.goal,
            solved_board,
            home,
            solved_reward: params.solved_reward,
            failed_reward: params.failed_reward,
            move_reward,
            max_depth: max_depth as u32,
            difficulty: params.difficulty,
            depth_slope: params.depth_slope,
            depth_offset: params.depth_offset,
        };
        puzzle.budget = puzzle.episode_budget();
        Ok(puzzle)
    }

    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::SparseBinary { shape: vec![self.cells(); 2] }
    }

    fn action_space(&self) -> ActionSpace {
        ActionSpace::discrete(MOVES.len())
    }

    /// Makes `difficulty` moves, each drawn uniformly among all four. Illegal ones do nothing, so that a scramble may be
    /// shorter and may even end solved.
    fn reset(&mut self, rng: &mut Rng) {
        self.board = *self.solved_board;
        self.blank = self.home;
        let mut left = self.difficulty;
        while left > 0 {
            let mut bits = rng.next_u32();
            let now = left.min(16); // a word holds 16 moves of two bits
            for _ in 0..now {
                self.slide((bits & 3) as usize);
                bits >>= 2;
            }
            left -= now;
        }
        self.budget = self.episode_budget();
    }

    #[inline]
    fn step(&mut self, action: Action<'_>) -> Step {
        self.slide(action.index());
        self.budget = self.budget.saturating_sub(1);
        if self.solved() {
            Step { reward: self.solved_reward, terminated: true, truncated: false }
        } else if self.budget == 0 {
            Step { reward: self.failed_reward, terminated: false, truncated: true }
        } else {
            Step { reward: self.move_reward, terminated: false, truncated: false }
        }
    }

    #[inline]
    fn observe(&self, row: &mut ObservationRow<'_>) {
        let cells = self.cells();
        row.ones(
            self.tiles().iter().enumerate().map(|(cell, &tile)| cell * cells + usize::from(tile)),
        );
    }

    #[inline]
    fn action_mask(&self, mask: &mut [bool]) {
        for (legal, &target) in mask.iter_mut().zip(&self.targets[usize::from(self.blank)]) {
            *legal = target != self.blank;
        }
    }

    #[inline]
    fn solved(&self) -> bool {
        // The blank decides most boards without the longer comparison.
        self.blank == self.home && self.board == *self.solved_board
    }

    fn state(&self, out: &mut Vec<f64>) {
        out.extend(self.tiles().iter().map(|&tile| f64::from(tile)));
    }

    /// Hashes the tiles as they lie in memory, four a word.
    #[inline]
    fn state_key(&self, _scratch: &mut Vec<f64>) -> u64 {
        let words = self.board.as_chunks::<4>().0.iter().take(self.cells().div_ceil(4));
        key_of_words(words.map(|&tiles| u64::from(u32::from_le_bytes(tiles))))
    }

    /// One more move solves the board at best.
    fn best_return(&self) -> Option<f32> {
        let solved = self.solved_reward;
        (solved >= self.failed_reward && self.move_reward <= 0.0).then_some(if self.solved() {
            0.0
        } else {
            solved
        })
    }

    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        let cells = self.cells();
        if state.len() != cells {
            return Err(Error::state(
                format!("{cells} tiles of a {} x {} board", self.width, self.height),
                state.len(),
            ));
        }
        let mut board = ORDERED;
        let mut places = [None; MAX_CELLS];
        for (cell, tile) in whole_numbers(state, cells).enumerate() {
            let tile = tile?;
            if let Some(first) = places[tile].replace(cell) {
                return Err(Error::state(
                    "each tile once",
                    format!("{tile} at positions {first} and {cell}"),
                ));
            }
            board[cell] = tile as u8;
        }
        // Each tile has a place: there are as many tiles as cells, none of them twice.
        let blank = board.iter().take_while(|&&tile| tile != 0).count();
        if !self.solvable(&board, blank, self.goal) {
            return Err(self.unsolvable(&board, blank));
        }
        self.board = board;
        self.blank = blank as u8;
        self.budget = self.max_depth;
        Ok(())
    }

    fn difficulty(&self) -> usize {
        self.difficulty
    }

    /// Difficulties above a million count as a million.
    fn set_difficulty(&mut self, difficulty: usize) {
        self.difficulty = difficulty.min(LIMIT);
    }

    fn reset_uniform(&mut self, rng: &mut Rng) -> bool {
        let mut board = ORDERED;
        for last in (1..self.cells()).rev() {
            board.swap(last, rng.random_range(0..=last as u32) as usize);
        }
        let blank = board.iter().take_while(|&&tile| tile != 0).count();
        if !self.solvable(&board, blank, self.goal) {
            // One swap pairs each unsolvable board with one solvable board, so that all of these stay equally likely.
            match blank {
                0 => board.swap(1, 2),
                1 => board.swap(0, 2),
                _ => board.swap(0, 1),
            }
        }
        self.board = board;
        self.blank = blank as u8;
        self.budget = self.episode_budget();
        true
    }

    fn limit_budget(&mut self) {
        self.budget = self.budget.min(self.episode_budget());
    }

    /// Returns the reflection across the main diagonal, for square boards: the goal is symmetric once each tile is renamed to
    /// the number that belongs on the image of the tile's own place.
    fn twists(&self) -> Vec<Twist> {
        if !self.is_square() {
            return Vec::new();
        }
        let cells = self.cells();
        let observation = (0..cells * cells)
            .map(|bit| self.transposed(bit / cells) * cells + self.transposed_tile(bit % cells))
            .map(|bit| bit as u32)
            .collect();
        vec![Twist { observation, action: vec![1, 0, 3, 2] }]
    }

    fn twisted_state(&self, index: usize) -> Option<Vec<f64>> {
        if !self.is_square() || index != 0 {
            return None;
        }
        // The reflection is its own inverse, so that each cell receives the tile of its image.
        let image = (0..self.cells())
            .map(|cell| self.transposed_tile(self.board[self.transposed(cell)].into()) as f64);
        Some(image.collect())
    }

    /// Left and right, up and down undo each other.
    fn inverse(&self, action: usize) -> Option<usize> {
        Some(grid::opposite(action))
    }

    fn render(&self) -> String {
        let digits = if self.cells() > 10 { 2 } else { 1 };
        let bar = "─".repeat(digits + 2);
        let rule = |left, middle, right| {
            format!("{left}{}{right}", vec![bar.as_str(); usize::from(self.width)].join(middle))
        };
        let rows = self.tiles().chunks(usize::from(self.width)).map(|tiles| {
            let shown = tiles.iter().map(|&tile| match tile {
                0 => " ".repeat(digits + 2),
                _ => format!(" {tile:>digits$} "),
            });
            format!("│{}│", shown.collect::<Vec<_>>().join("│"))
        });
        let rows = rows.collect::<Vec<_>>().join(&format!("\n{}\n", rule("├", "┼", "┤")));
        format!("{}\n{rows}\n{}", rule("┌", "┬", "┐"), rule("└", "┴", "┘"))
    }

    fn action_name(&self, action: Action<'_>) -> String {
        grid::move_name(action.index())
    }
}
