//! Bounds on what a config may ask for, so that a hostile one is refused before memory is allocated.

use crate::{Error, Result};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// The most environment steps of an iteration.
pub(crate) const MAX_STEPS: usize = 1 << 24;
/// The most weights between hidden layers: half a gigabyte, four times that with gradients and moments.
pub(super) const MAX_WEIGHTS: usize = 1 << 27;
/// The most nodes that one move may add to a tree.
const MAX_GROWTH: usize = 1 << 16;
/// The most nodes that one move of all games in lock step may add: a gigabyte or two for small environments.
pub(super) const MAX_NODES: usize = 1 << 22;

/// Returns the number of nodes that a move may add to a tree.
///
/// # Errors
/// [`twisterl_core::Error::Config`] at `path` if there are too many.
pub(super) fn tree_growth(path: &str, simulations: usize, depth: usize) -> Result<usize> {
    match simulations.saturating_mul(depth) {
        growth if growth <= MAX_GROWTH => Ok(growth),
        growth => {
            let expected = format!("num_mcts_searches x max_expand_depth of at most {MAX_GROWTH}");
            Err(Error::config(path, expected, growth))
        }
    }
}

/// Checks a product against the most that it may be.
///
/// # Errors
/// [`twisterl_core::Error::Config`] at `path`, which names the factors by `product`, if it is larger.
pub(super) fn at_most(path: &str, product: &str, value: usize, most: usize) -> Result<()> {
    if value > most {
        return Err(Error::config(path, format!("{product} of at most {most}"), value));
    }
    Ok(())
}

/// Returns the error for a number that must not be 0 and is 0 in single precision, in which weights are.
pub(super) fn vanishes(path: &str, number: impl ToString) -> twisterl_core::Error {
    let expected =
        format!("a number that is not 0 in single precision, such as {:e}", f32::MIN_POSITIVE);
    twisterl_core::Error::config(path, expected, number)
}

/// An upper bound on threads: a number, or all processors, for which 0, -1 and `null` stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NumCores(u16);

impl NumCores {
    /// All processors.
    pub const ALL: Self = Self(0);
    /// The accepted numbers.
    pub const EXPECTED: &str = "a whole number from -1 to 4096 (0 and -1: all processors)";
    const MAX: u16 = 4096;

    /// Returns the bound that `number` stands for, if it is from -1 to 4096.
    pub fn new(number: i64) -> Option<Self> {
        match number {
            -1 => Some(Self::ALL),
            _ => u16::try_from(number).ok().filter(|&number| number <= Self::MAX).map(Self),
        }
    }

    /// Returns the number of threads to use: at most one per processor.
    pub fn threads(self) -> usize {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        if self == Self::ALL { processors } else { processors.min(self.0.into()) }
    }
}

/// The peer's.
impl Default for NumCores {
    fn default() -> Self {
        Self(32)
    }
}

impl FromStr for NumCores {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.trim().parse().ok().and_then(Self::new);
        number.ok_or_else(|| format!("expected {}", Self::EXPECTED))
    }
}

impl Serialize for NumCores {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(self.0)
    }
}

impl<'de> Deserialize<'de> for NumCores {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = NumCores;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(NumCores::EXPECTED)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<NumCores, E> {
                NumCores::new(number)
                    .ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<NumCores, E> {
                let cores = i64::try_from(number).ok().and_then(NumCores::new);
                cores.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
            }

            fn visit_unit<E: de::Error>(self) -> Result<NumCores, E> {
                Ok(NumCores::ALL)
            }
        }

        deserializer.deserialize_any(Number)
    }
}

impl JsonSchema for NumCores {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "NumCores".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["integer", "null"], "minimum": -1, "maximum": Self::MAX})
    }
}
