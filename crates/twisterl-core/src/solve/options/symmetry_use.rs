//! Uses of the symmetries of a problem.

use crate::error::OptionError;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// The use of a problem's symmetries. Canonical policies are symmetric already and ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SymmetryUse {
    /// Symmetries are not used.
    #[default]
    None,
    /// Each evaluation is the mean over the state and all its images.
    Average,
    /// The problem and each of its images are solved, each with an equal share of the budget. The best solution counts.
    Each,
}

impl FromStr for SymmetryUse {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        match text {
            "none" => Ok(Self::None),
            "average" => Ok(Self::Average),
            "each" => Ok(Self::Each),
            _ => Err(OptionError::new("twists", "none, average or each", format!("{text:?}"))),
        }
    }
}
