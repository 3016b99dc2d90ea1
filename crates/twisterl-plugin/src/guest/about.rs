//! The description of an environment of Rust.

use crate::description::Description;
use twisterl_core::Result;
use twisterl_core::env::Start;
use twisterl_core::registry::EnvSpec;
use twisterl_core::rng::{Purpose, StreamKey};

/// Facts about an environment that it does not tell itself.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The licence, an SPDX expression.
    pub licence: String,
}

impl About {
    /// Returns the description of an environment.
    ///
    /// # Errors
    /// If no episode begins.
    pub fn describe(&self, spec: &dyn EnvSpec) -> Result<Description> {
        let starts = spec.starts();
        Ok(Description {
            name: self.name.clone(),
            version: self.version.clone(),
            observation: spec.observation_space(),
            actions: spec.action_space().components().to_vec(),
            difficulty: spec.difficulty(),
            curriculum: starts.curriculum,
            uniform: starts.uniform,
            measures_success: spec.measures_success(),
            state: longest_state(spec)?,
            tells_states: spec.tells_states(),
            deterministic: spec.is_deterministic(),
            twists: spec.twists().into_iter().map(Into::into).collect(),
            inverses: inverses(spec),
            params: spec.params(),
            schema: serde_json::Value::Null,
            licence: self.licence.clone(),
        })
    }
}

/// Returns the action that undoes each action; an empty list if there is none for any of them.
fn inverses(spec: &dyn EnvSpec) -> Vec<Option<u32>> {
    let actions = spec.action_space().single_discrete().unwrap_or(0);
    let inverse = |action| spec.inverse(action).and_then(|inverse| u32::try_from(inverse).ok());
    let inverses: Vec<Option<u32>> = (0..actions).map(inverse).collect();
    if inverses.iter().any(Option::is_some) { inverses } else { Vec::new() }
}

/// Returns a number of numbers that no state exceeds: those of a start, and room for longer ones. States that are not told may
/// have several numbers for each value of an observation.
fn longest_state(spec: &dyn EnvSpec) -> Result<usize> {
    if !spec.tells_states() {
        return Ok(8 * spec.observation_space().size().unwrap_or(0) + 1024);
    }
    let mut env = spec.batch(1);
    let mut state = Vec::new();
    let difficulty = spec.difficulty();
    let mut rng = StreamKey::new(0, Purpose::Start).stream();
    env.begin(0, Start::Scramble { difficulty }, &mut rng)?;
    env.state(0, &mut state)?;
    Ok(if state.is_empty() { 0 } else { 2 * state.len() + 16 })
}
