//! The arithmetic of matrix products.

use serde::{Deserialize, Serialize};

/// The rounding of the products of layers. All else that a policy, an environment or a search computes rounds alike everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Arithmetic {
    /// Multiply and add with one rounding where the machine has such an instruction: the fastest. Answers are reproducible on
    /// one machine for any number of threads, and logits are within 1e-5 of those of the portable arithmetic.
    #[default]
    #[serde(rename = "fused")]
    Fused,
    /// Multiply, round, add, round, in the order of the inputs: the same bits on every machine.
    #[serde(rename = "portable-1")]
    Portable,
}

impl Arithmetic {
    #[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde calls
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the name that stands in files and answers: `fused` or `portable-1`. The number changes with the results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fused => "fused",
            Self::Portable => "portable-1",
        }
    }
}
