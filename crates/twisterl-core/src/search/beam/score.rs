//! The ranking of the states of a beam.

use crate::error::OptionError;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::str::FromStr;

/// The ranking of the states of one depth of a beam. As text, `policy`, `value`, `mixed`, or the weight of a blend.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum BeamScore {
    /// The sum of the log-probabilities of the actions so far.
    #[default]
    Policy,
    /// The rewards so far plus the value.
    Value,
    /// One half of the states by the policy's sum, and the other half of the rest by the rewards so far plus the value: a beam
    /// that survives a value that is wrong, and a policy that does not know what actions cost.
    Mixed,
    /// The policy's sum plus `weight` times the rewards so far plus the value.
    Blend {
        /// Weight of one unit of reward, in units of log-probability.
        weight: f32,
    },
}

impl FromStr for BeamScore {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        // As JSON writes numbers, or without the zero before the point.
        let weight =
            || serde_json::from_str(text).or_else(|_| serde_json::from_str(&format!("0{text}")));
        match text {
            "policy" => Ok(Self::Policy),
            "value" => Ok(Self::Value),
            "mixed" => Ok(Self::Mixed),
            _ if let Ok(weight) = weight()
                && f32::is_finite(weight) =>
            {
                Ok(Self::Blend { weight })
            }
            _ => Err(OptionError::new(
                "score",
                "policy, value, mixed, or a finite number",
                format!("{text:?}"),
            )),
        }
    }
}

impl Serialize for BeamScore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Policy => serializer.serialize_str("policy"),
            Self::Value => serializer.serialize_str("value"),
            Self::Mixed => serializer.serialize_str("mixed"),
            Self::Blend { weight } => serializer.serialize_f32(*weight),
        }
    }
}

impl<'de> Deserialize<'de> for BeamScore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        text.parse().map_err(|OptionError { expected, found, .. }| {
            D::Error::custom(format!("expected {expected}, found {found}"))
        })
    }
}
