//! The goals of the puzzle.

use super::{Board, MAX_CELLS};
use serde::{Deserialize, Serialize};

/// The solved board: the tiles in order, with the blank at one of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PuzzleGoal {
    /// 0, 1, 2, ..., n - 1: the blank is at the top left.
    #[default]
    BlankFirst,
    /// 1, 2, ..., n - 1, 0: the blank is at the bottom right.
    BlankLast,
}

impl PuzzleGoal {
    /// Returns the name in parameters.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BlankFirst => "blank_first",
            Self::BlankLast => "blank_last",
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::BlankFirst => Self::BlankLast,
            Self::BlankLast => Self::BlankFirst,
        }
    }

    /// Returns the solved board of this many cells.
    pub(super) fn board(self, cells: usize) -> &'static Board {
        match self {
            Self::BlankFirst => &ORDERED,
            Self::BlankLast => &BLANK_LAST[cells],
        }
    }

    /// Returns the cell of the blank on the solved board.
    pub(super) fn home(self, cells: usize) -> usize {
        match self {
            Self::BlankFirst => 0,
            Self::BlankLast => cells - 1,
        }
    }
}

/// Every cell with its own index.
pub(super) const ORDERED: Board = {
    let mut board = [0; MAX_CELLS];
    let mut cell = 0;
    while cell < MAX_CELLS {
        board[cell] = cell as u8;
        cell += 1;
    }
    board
};

/// The boards of [`PuzzleGoal::BlankLast`] by number of cells.
static BLANK_LAST: [Board; MAX_CELLS + 1] = {
    let mut all = [ORDERED; MAX_CELLS + 1];
    let mut cells = 1;
    while cells <= MAX_CELLS {
        let mut cell = 0;
        while cell < cells {
            all[cells][cell] = ((cell + 1) % cells) as u8;
            cell += 1;
        }
        cells += 1;
    }
    all
};
