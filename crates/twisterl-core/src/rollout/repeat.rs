//! Episodes that are played again, to learn whether an environment repeats them.

use crate::env::batch::VecEnv;
use crate::env::check::sample;
use crate::env::{Start, Step};
use crate::envs::registry::EnvSpec;
use crate::rng::{Purpose, StreamKey};
use crate::space::{Action, ActionSpace, Actions, Observations};
use crate::{Error, Result};

/// Episodes are played again until they have this many steps, or are this many.
const STEPS: usize = 100;
const EPISODES: u64 = 20;

/// The visible result of a step, or of the start of an episode.
#[derive(Debug, Clone, PartialEq)]
struct Moment {
    reward: u32,
    terminated: bool,
    truncated: bool,
    solved: bool,
    /// Nothing once the episode is over.
    observed: Option<(Observations, Vec<bool>)>,
}

/// Plays episodes three times each, and returns how one differs from the first time; `None` if none does, or the environment
/// fails, which training will tell. The second time it is played by another environment, and the third time by the first one
/// again.
///
/// # Errors
/// If it is interrupted.
pub fn difference(spec: &dyn EnvSpec) -> Result<Option<String>> {
    match played_again(spec) {
        Err(Error::Interrupted) => Err(Error::Interrupted),
        Err(_) => Ok(None),
        found => found,
    }
}

/// Returns the warning about an environment whose episodes differ as `found` tells.
pub fn warning(name: &str, found: &str) -> String {
    format!(
        "environment {name}: an episode that was played again with the same seed and actions differs: {found}. Runs with it do \
         not repeat, and episodes under way begin afresh when a run is resumed. To avoid that, let all of its randomness come \
         from the seed of reset()"
    )
}

fn played_again(spec: &dyn EnvSpec) -> Result<Option<String>> {
    let mut env = spec.batch(2);
    let space = spec.action_space();
    let mut steps = 0;
    for episode in 0..EPISODES {
        let key = StreamKey::new(0, Purpose::Evaluate).at(episode);
        let (mut actions, mut first) = (Vec::new(), Vec::new());
        begin(spec, &mut *env, 0, key, &mut first)?;
        let mut rng = key.purpose(Purpose::Choice).stream();
        while let Some((_, mask)) = first.last().and_then(|moment| moment.observed.as_ref())
            && actions.len() < STEPS
        {
            let action = sample::draw(&space, Some(mask), &mut rng);
            step(&mut *env, 0, (&space, action.row(0)), &mut first)?;
            actions.push(action);
        }
        for slot in [1, 0] {
            let mut again = Vec::new();
            begin(spec, &mut *env, slot, key, &mut again)?;
            for i in 0..first.len() {
                if let Some(found) = compare(i, first.get(i), again.get(i)) {
                    return Ok(Some(found));
                }
                if let Some(action) = actions.get(i) {
                    step(&mut *env, slot, (&space, action.row(0)), &mut again)?;
                }
            }
        }
        steps += actions.len();
        if steps >= STEPS {
            break;
        }
    }
    Ok(None)
}

fn begin(
    spec: &dyn EnvSpec,
    env: &mut dyn VecEnv,
    slot: usize,
    key: StreamKey,
    moments: &mut Vec<Moment>,
) -> Result<()> {
    env.begin(slot, Start::Scramble { difficulty: spec.difficulty() }, &mut key.stream())?;
    moments.push(moment(env, slot, Step::default())?);
    Ok(())
}

fn step(
    env: &mut dyn VecEnv,
    slot: usize,
    (space, action): (&ActionSpace, Action<'_>),
    moments: &mut Vec<Moment>,
) -> Result<()> {
    let (mut one, mut steps) = (Actions::new(space), Vec::new());
    one.push(action);
    env.step(&[slot], &one, &mut steps)?;
    moments.push(moment(env, slot, steps.first().copied().unwrap_or_default())?);
    Ok(())
}

fn moment(env: &mut dyn VecEnv, slot: usize, step: Step) -> Result<Moment> {
    let (mut observations, mut masks) = (Observations::new(), Vec::new());
    let solved = env.solved(slot);
    let observed = if step.done() || solved {
        None
    } else {
        env.observe(&[slot], &mut observations, &mut masks)?;
        Some((observations, masks))
    };
    let Step { reward, terminated, truncated } = step;
    Ok(Moment { reward: reward.to_bits(), terminated, truncated, solved, observed })
}

/// Returns how the moment after `step` steps differs from the first time.
fn compare(step: usize, first: Option<&Moment>, again: Option<&Moment>) -> Option<String> {
    let (first, again) = first.zip(again)?;
    let place = if step == 0 { "at its start".into() } else { format!("after step {step}") };
    let was =
        |name: &str, was: String, is: String| Some(format!("{name} {place} was {was} and is {is}"));
    if first.reward != again.reward {
        let reward = |moment: &Moment| f32::from_bits(moment.reward).to_string();
        return was("reward", reward(first), reward(again));
    }
    for (name, one, other) in [
        ("terminated", first.terminated, again.terminated),
        ("truncated", first.truncated, again.truncated),
        ("solved", first.solved, again.solved),
    ] {
        if one != other {
            return was(name, one.to_string(), other.to_string());
        }
    }
    let ((seen, mask), (other_seen, other_mask)) =
        first.observed.as_ref().zip(again.observed.as_ref())?;
    if seen != other_seen {
        return Some(format!("the observation {place} is another"));
    }
    (mask != other_mask).then(|| format!("the mask {place} is another"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::envs::registry::Registry;
    use serde_json::json;

    #[test]
    fn built_in_environments_repeat_their_episodes() {
        for name in ["Puzzle", "LightsOut", "CartPole-v1", "Pendulum-v1"] {
            let spec = Registry::default().make(name, &json!({})).unwrap();
            assert_eq!(difference(&*spec).unwrap(), None, "{name}");
        }
    }
}
