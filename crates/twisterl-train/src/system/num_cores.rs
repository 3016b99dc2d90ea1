//! The number of threads that a run or a command may use.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

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
