//! The parameters of the puzzle.

use super::PuzzleGoal;
use serde::{Deserialize, Serialize};

/// The parameters of [`Puzzle`](super::Puzzle).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PuzzleParams {
    /// Columns, 2 to 6.
    pub width: usize,
    /// Rows, 2 to 6.
    pub height: usize,
    /// Random moves of a scramble, at most a million.
    pub difficulty: usize,
    /// Budget of moves a unit of difficulty.
    pub depth_slope: usize,
    /// Moves added to every budget, which is `depth_slope * difficulty + depth_offset`, at least 1 and at
    /// most `max_depth`.
    pub depth_offset: usize,
    /// The greatest budget, which is also that of an episode begun at a given board; 1 to a million.
    pub max_depth: usize,
    /// Reward of the move that solves.
    pub solved_reward: f32,
    /// Reward of the move that exhausts the budget without solving.
    pub failed_reward: f32,
    /// Reward of any other move; `-0.5 / max_depth` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub move_reward: Option<f32>,
    /// The solved board. The default is not written, so that files of policies stay as they were.
    #[serde(skip_serializing_if = "is_default")]
    pub goal: PuzzleGoal,
}

fn is_default(goal: &PuzzleGoal) -> bool {
    *goal == PuzzleGoal::default()
}

impl Default for PuzzleParams {
    fn default() -> Self {
        Self {
            width: 3,
            height: 3,
            difficulty: 1,
            depth_slope: 2,
            depth_offset: 0,
            max_depth: 128,
            solved_reward: 1.0,
            failed_reward: -0.5,
            move_reward: None,
            goal: PuzzleGoal::default(),
        }
    }
}
