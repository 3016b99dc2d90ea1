//! Records of solved problems, as they are written for other programs.

use super::play::Solution;
use crate::env::batch::VecEnv;
use crate::error::counts::counted;
use crate::error::escape::escape_controls;
use crate::space::Action;
use crate::{Error, Result};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The result of one problem. All records have the same fields, in this order.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// The number of the problem, from 0.
    pub index: usize,
    /// The line of the file on which it begins, from 1.
    pub line: Option<usize>,
    /// The numbers of the state; empty if they cannot be read.
    pub state: Vec<Value>,
    /// True if the problem was solved; nothing if the environment has no measure of success.
    pub solved: Option<bool>,
    /// The number of moves of the solution, if it was solved; of the episode without a measure of success.
    pub length: Option<usize>,
    /// The number of moves of a shortest solution, if the file tells it.
    pub optimal: Option<u32>,
    /// `length` minus `optimal`.
    pub gap: Option<i64>,
    /// The sum of the rewards of the best attempt.
    pub reward: Option<f64>,
    /// The names of the actions of the best attempt.
    pub moves: Vec<String>,
    /// The actions of the best attempt: each its number, or a list if it has several components.
    pub actions: Vec<Value>,
    /// The number of states evaluated.
    pub nodes: u64,
    /// The number of simulations of tree search.
    pub simulations: u64,
    /// The time until the solution was found; nothing where there is no clock.
    pub seconds: Option<f64>,
    /// The reason why this problem could not be played.
    pub error: Option<String>,
}

impl Record {
    /// Returns the record of a problem that was not played.
    pub fn new(index: usize, line: Option<usize>, state: &[f64]) -> Self {
        Self {
            index,
            line,
            state: state.iter().copied().map(number).collect(),
            solved: Some(false),
            length: None,
            optimal: None,
            gap: None,
            reward: None,
            moves: Vec::new(),
            actions: Vec::new(),
            nodes: 0,
            simulations: 0,
            seconds: None,
            error: None,
        }
    }

    /// Returns this record with a solution, but for its time. `env` knows the names of the actions.
    #[must_use]
    pub fn played(self, solution: &Solution, (env, measures_success): (&dyn VecEnv, bool)) -> Self {
        let measured = measures_success || solution.solved;
        let length = (solution.solved || !measured).then_some(solution.length);
        let rows = || (0..solution.actions.len()).map(|i| solution.actions.row(i));
        let optimal = self.optimal;
        Self {
            length,
            gap: length.zip(optimal).map(|(length, optimal)| length as i64 - i64::from(optimal)),
            solved: measured.then_some(solution.solved),
            reward: Some(shortest(solution.total)),
            moves: rows().map(|action| env.action_name(action)).collect(),
            actions: rows().map(action).collect(),
            nodes: solution.nodes,
            simulations: solution.simulations,
            ..self
        }
    }

    /// Returns the record as JSON, without a newline.
    pub fn json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::internal(format!("a record: {e}")))
    }

    /// Returns the record in a sentence for people, with a newline.
    pub fn sentence(&self) -> String {
        let mut text = match self.line {
            Some(line) => format!("line {line}: "),
            None => String::new(),
        };
        if let Some(error) = &self.error {
            let _ = writeln!(text, "error: {}", escape_controls(error));
            return text;
        }
        let (count, moves) = (counted(self.moves.len(), "move"), self.moves.join(", "));
        let _ = match (self.solved, self.reward) {
            (None, Some(reward)) => write!(text, "return {reward} after {count}"),
            (Some(true), _) => write!(text, "solved after {count}"),
            _ => write!(text, "not solved after {count}"),
        };
        if let Some(optimal) = self.optimal {
            let _ = write!(text, " (optimal {optimal})");
        }
        let gap = if moves.is_empty() { "" } else { ": " };
        let _ = writeln!(text, "{gap}{}", escape_controls(&moves));
        text
    }
}

/// Returns a number of single precision without the digits that double precision adds. Reads them as JSON: the reader of the
/// standard library brings tables that nothing else in a template of bundles needs.
pub fn shortest(number: f32) -> f64 {
    serde_json::from_str(&number.to_string()).unwrap_or(f64::from(number))
}

/// Returns a number, without a fraction if it is whole.
pub fn number(number: f64) -> Value {
    // Up to here every whole number is exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        json!(number as i64)
    } else {
        json!(number)
    }
}

/// Returns an action as JSON: its number, or a list if it has several components.
pub fn action(action: Action<'_>) -> Value {
    match action {
        Action::Discrete(index) => json!(index),
        Action::Parts { discrete, continuous } => {
            let discrete = discrete.iter().map(|value| json!(value));
            discrete.chain(continuous.iter().map(|value| json!(value))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_of_several_components_are_lists() {
        let parts = Action::Parts { discrete: &[3, 1], continuous: &[0.5] };
        assert_eq!(action(parts), json!([3, 1, 0.5]));
    }
}
