//! The section `starts` of algorithms that remember no failures.

use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The starts of training episodes: shares of each kind. The rest starts from scrambles of the current difficulty.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StartsConfig {
    /// Share of uniformly random states, where the environment offers them.
    #[schemars(range(min = 0, max = 1))]
    pub uniform: f64,
    /// Share of scrambles of a difficulty drawn uniformly from 1 to the current one.
    #[schemars(range(min = 0, max = 1))]
    pub mixed: f64,
}

impl StartsConfig {
    pub(super) fn check(&self) -> Result<()> {
        check_shares("uniform + mixed", self.uniform + self.mixed)
    }
}

/// Checks the sum of the shares that `names` name.
pub(super) fn check_shares(names: &str, sum: f64) -> Result<()> {
    if sum > 1.0 + 1e-9 {
        let expected = format!("shares {names} of at most 1");
        return Err(Error::config("algorithm.collecting.starts", expected, sum));
    }
    Ok(())
}
