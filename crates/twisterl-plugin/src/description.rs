//! The description of an environment, which it gives its host as JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use twisterl_core::Error;
use twisterl_core::registry::StartKinds;
use twisterl_core::space::symmetry::Twist;
use twisterl_core::space::{ActionComponent, ObservationSpace};

/// An environment with its parameters, in its own words. Fields that have their defaults are left out, so that hosts that do
/// not know newer ones still take it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The name.
    pub name: String,
    /// The version of the environment: another one may play otherwise.
    #[serde(default)]
    pub version: String,
    /// The observation space.
    pub observation: ObservationSpace,
    /// The components of actions.
    pub actions: Vec<ActionComponent>,
    /// The difficulty of the parameters.
    #[serde(default = "one")]
    pub difficulty: usize,
    /// The difficulty can be set.
    #[serde(default)]
    pub curriculum: bool,
    /// Episodes can start at states drawn uniformly from all.
    #[serde(default)]
    pub uniform: bool,
    /// Episodes are known to be solved or not.
    #[serde(default)]
    pub measures_success: bool,
    /// The largest number of numbers of a state that may be set; 0 if states cannot be told or set.
    #[serde(default)]
    pub state: usize,
    /// States can be told, not only set.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub tells_states: bool,
    /// The key of an episode and its actions are all that it depends on. Otherwise the environment draws at random by itself:
    /// its episodes cannot be repeated.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub deterministic: bool,
    /// The symmetries, without the identity.
    #[serde(default)]
    pub twists: Vec<TwistText>,
    /// The action that undoes each action, null where there is none, `[actions]`; empty if there are none at all.
    #[serde(default)]
    pub inverses: Vec<Option<u32>>,
    /// The parameters, with defaults filled in.
    #[serde(default = "no_params")]
    pub params: Value,
    /// The JSON Schema of the parameters; null if there is none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub schema: Value,
    /// The licence, an SPDX expression.
    #[serde(default, alias = "license", skip_serializing_if = "String::is_empty")]
    pub licence: String,
}

/// A symmetry, as [`Twist`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwistText {
    /// The image of each bit or value.
    pub observation: Vec<u32>,
    /// The image of each action.
    pub action: Vec<u32>,
}

impl From<Twist> for TwistText {
    fn from(Twist { observation, action }: Twist) -> Self {
        Self { observation, action }
    }
}

impl From<TwistText> for Twist {
    fn from(TwistText { observation, action }: TwistText) -> Self {
        Self { observation, action }
    }
}

impl Description {
    /// The ways in which episodes may start.
    pub fn starts(&self) -> StartKinds {
        StartKinds { curriculum: self.curriculum, uniform: self.uniform }
    }
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_true(flag: &bool) -> bool {
    *flag
}

fn no_params() -> Value {
    json!({})
}

/// The text of an error about a parameter or a state: JSON, from which the host makes an error of its own with the same parts.
/// Any other text is taken as it is.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorText {
    /// The path of a parameter, such as `width`; empty for a state.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The accepted values.
    pub expected: String,
    /// The given value.
    pub found: String,
}

impl ErrorText {
    /// Returns the text of an error.
    pub fn of(error: &Error) -> String {
        let parts = match error {
            Error::Config { path, expected, found } => {
                let path = path.strip_prefix("env.").unwrap_or(path).to_owned();
                Self { path, expected: expected.clone(), found: found.clone() }
            }
            Error::State { expected, found } => {
                Self { path: String::new(), expected: expected.clone(), found: found.clone() }
            }
            other => return other.to_string(),
        };
        serde_json::to_string(&parts).unwrap_or_else(|_| error.to_string())
    }

    /// Returns the error about a parameter that `text` tells.
    ///
    /// # Errors
    /// `text` itself, if it does not consist of these parts.
    pub fn parameter(text: &str) -> Result<Error, &str> {
        let Self { path, expected, found } = serde_json::from_str(text).map_err(|_| text)?;
        let path = if path.is_empty() { "env".into() } else { format!("env.{path}") };
        Ok(Error::config(path, expected, found))
    }

    /// Returns the error about a state that `text` tells.
    pub fn state(text: &str) -> Error {
        match serde_json::from_str(text) {
            Ok(Self { expected, found, .. }) => Error::state(expected, found),
            Err(_) => Error::state("a state of the environment", text),
        }
    }
}
