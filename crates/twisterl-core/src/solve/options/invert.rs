//! Uses of inverse problems.

use crate::error::OptionError;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// The use of inverse problems ([`inverse_state`](crate::env::Environment::inverse_state)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Invert {
    /// They are not solved.
    #[default]
    Never,
    /// The problem and its inverse are solved, each with half of the budget. The better solution counts, as actions for the
    /// problem itself.
    Both,
}

impl FromStr for Invert {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        match text {
            "never" => Ok(Self::Never),
            "both" => Ok(Self::Both),
            _ => Err(OptionError::new("invert", "never or both", format!("{text:?}"))),
        }
    }
}
