//! Objectives of solving.

use super::action_path::ActionPath;
use crate::error::OptionError;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Returns whose difference is below this share of the greater magnitude are equal: sums of rewards are rounded, and the same
/// rewards in another order have another sum.
const ROUNDING: f32 = 2e-6;

/// The solution that counts as the best one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// The one with the fewest actions. Searches take the first they find for it, unless the environment knows a bound on the
    /// return ([`best_return`](crate::env::Environment::best_return)) that a longer one may exceed.
    #[default]
    Length,
    /// The one with the greatest undiscounted sum of rewards. Searches go on while a better one may exist: to the bound on the
    /// return if the environment knows one, else until nothing is left to search or the budget is used up.
    Return,
}

impl Objective {
    /// Returns whether a path counts as better than another, in a search that has found both.
    pub(crate) fn prefers(self, path: &ActionPath, to: &ActionPath) -> bool {
        let comparable = self == Self::Return && path.solved && to.solved;
        if !comparable || exceeds(path.total, to.total) || exceeds(to.total, path.total) {
            return path.better_than(to);
        }
        path.actions.len() < to.actions.len()
    }
}

/// Returns whether one sum of rewards is greater than another by more than their rounding.
pub(crate) fn exceeds(sum: f32, other: f32) -> bool {
    sum - other > ROUNDING * sum.abs().max(other.abs())
}

impl FromStr for Objective {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        match text {
            "length" => Ok(Self::Length),
            "return" => Ok(Self::Return),
            _ => Err(OptionError::new("objective", "length or return", format!("{text:?}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_the_same_rewards_in_another_order_are_equal() {
        let (cheap, dear) = (0.0001_f32, 0.0101_f32);
        let sum = |rewards: &[f32]| rewards.iter().fold(0.0, |sum: f32, reward| sum - reward);
        let one = sum(&[cheap, dear, dear, cheap, dear, cheap, cheap, dear, dear]);
        let other = sum(&[dear, dear, dear, dear, dear, cheap, cheap, cheap, cheap]);
        assert!(!exceeds(one, other) && !exceeds(other, one), "{one} and {other}");
        assert!(exceeds(one, one - cheap) && exceeds(0.0, -cheap) && !exceeds(-cheap, 0.0));
    }

    #[test]
    fn the_return_decides_before_the_number_of_actions() {
        let path = |total, length| ActionPath { solved: true, total, actions: vec![0; length] };
        let prefers = |a: &ActionPath, b: &ActionPath| Objective::Return.prefers(a, b);
        assert!(prefers(&path(0.5, 9), &path(0.4, 3)));
        assert!(!prefers(&path(0.4, 3), &path(0.5, 9)));
        assert!(prefers(&path(0.5, 3), &path(0.5 + f32::EPSILON, 9)));
        assert!(prefers(&path(-9.0, 9), &ActionPath::default()), "solved before unsolved");
    }
}
