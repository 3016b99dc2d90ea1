//! The ranking of the states of a beam.

use crate::error::OptionError;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::str::FromStr;

/// The ranking of the states of one depth of a beam. As text, `policy`, `value`, or the weight of a blend.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum BeamScore {
    /// The sum of the log-probabilities of the actions so far.
    #[default]
    Policy,
    /// The rewards so far plus the value.
    Value,
    /// The policy's sum plus `weight` times the rewards so far plus the value.
    Blend {
        /// Weight of one unit of reward, in units of log-probability.
        weight: f32,
    },
}

impl FromStr for BeamScore {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        match (text, text.parse::<f32>()) {
            ("policy", _) => Ok(Self::Policy),
            ("value", _) => Ok(Self::Value),
            (_, Ok(weight)) if weight.is_finite() => Ok(Self::Blend { weight }),
            _ => Err(OptionError::new(
                "score",
                "policy, value, or a finite number",
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
            Self::Blend { weight } => serializer.serialize_f32(*weight),
        }
    }
}

impl<'de> Deserialize<'de> for BeamScore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Weight(f32),
            Name(String),
        }

        match Written::deserialize(deserializer)? {
            Written::Weight(weight) => Ok(Self::Blend { weight }),
            Written::Name(name) => {
                name.parse().map_err(|OptionError { expected, found, .. }| {
                    D::Error::custom(format!("expected {expected}, found {found}"))
                })
            }
        }
    }
}
