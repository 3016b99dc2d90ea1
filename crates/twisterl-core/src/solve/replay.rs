//! Solutions as text.

use super::play::start_stream;
use crate::Result;
use crate::env::Start;
use crate::envs::registry::EnvSpec;
use crate::rng::{Purpose, StreamKey};
use crate::space::{Action, Actions};

/// Replays `actions` from `state` and returns every state as text, with the names of the actions.
///
/// # Errors
/// If the environment refuses the state.
pub fn replay(spec: &dyn EnvSpec, state: &[f64], actions: &Actions) -> Result<Replay> {
    let mut env = spec.batch(1);
    let mut rng = start_stream(StreamKey::new(0, Purpose::Solve), 0);
    env.begin(0, Start::State { state, difficulty: None }, &mut rng)?;
    let mut replay = Replay { first: env.render(0)?, moves: Vec::new(), solved: env.solved(0) };
    let mut one = Actions::new(&spec.action_space());
    let mut steps = Vec::new();
    for i in 0..actions.len() {
        one.clear();
        one.push(actions.row(i));
        env.step(&[0], &one, &mut steps)?;
        replay.moves.push((env.action_name(actions.row(i)), env.render(0)?));
    }
    replay.solved = env.solved(0);
    Ok(replay)
}

/// A solution as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The state before the first action.
    pub first: String,
    /// Each action's name and the state after it.
    pub moves: Vec<(String, String)>,
    /// True if the last state is solved.
    pub solved: bool,
}

/// Returns the index of each action of a space with one discrete component.
pub fn indices(actions: &Actions) -> Vec<usize> {
    (0..actions.len()).map(|i| Action::index(&actions.row(i))).collect()
}
