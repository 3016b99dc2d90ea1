//! Unfinished episodes of an earlier session, played again.

use super::group::{LiveEpisode, SlotGroup};
use crate::env::Step;
use crate::env::batch::VecEnv;
use crate::evaluator::batched::BatchedEvaluation;
use crate::rng::{Purpose, StreamKey};
use crate::space::{ActionSpace, Actions};
use crate::{Error, Result};

impl SlotGroup {
    /// Plays a recorded episode again, up to its last action. Returns false if the environment does not repeat it: the slot
    /// then begins another episode in the next collection.
    ///
    /// # Errors
    /// If the record is damaged or belongs to another environment.
    pub(super) fn restore(
        &mut self,
        slot: usize,
        live: LiveEpisode,
        space: &ActionSpace,
        seed: u64,
    ) -> Result<bool> {
        let LiveEpisode { discrete, continuous, length, .. } = live.clone();
        let actions = Actions::recorded(space, discrete, continuous, length)?;
        let repeated = match replay(&mut *self.env, slot, &live, &actions, space, seed) {
            Ok(repeated) => repeated,
            // In a state that the episode was not in, an environment may refuse its actions.
            Err(Error::Raised { .. } | Error::Contract { .. }) => false,
            Err(error) => return Err(error),
        };
        // A solved start has no episode to go on with.
        if !repeated || live.length == 0 && self.env.solved(slot) {
            self.anew.push(slot);
        }
        self.live.push(live);
        Ok(repeated)
    }
}

/// Begins the episode in `slot` and makes its steps. Returns whether it went as recorded: without an end, to the same sum
/// of rewards and the same observation.
fn replay(
    env: &mut dyn VecEnv,
    slot: usize,
    live: &LiveEpisode,
    actions: &Actions,
    space: &ActionSpace,
    seed: u64,
) -> Result<bool> {
    let (iteration, index) = live.stream;
    let key = StreamKey { seed, purpose: Purpose::Start, iteration, index };
    env.begin(slot, live.start.borrow(), &mut key.stream())?;
    let (mut one, mut steps, mut total) = (Actions::new(space), Vec::new(), 0.0);
    for t in 0..actions.len() {
        one.clear();
        one.push(actions.row(t));
        steps.clear();
        env.step(&[slot], &one, &mut steps)?;
        if steps.iter().any(Step::done) {
            return Ok(false);
        }
        total += steps.iter().map(|step| step.reward).sum::<f32>();
    }
    let Some(observed) = live.observed else { return Ok(same(total, live.total)) };
    let mut evaluation = BatchedEvaluation::new(space);
    evaluation.observe(env, &[slot])?;
    Ok(same(total, live.total) && evaluation.key(0) == observed)
}

/// Returns whether two sums of rewards are equal; a zero may have lost its sign in the file.
fn same(total: f32, recorded: f32) -> bool {
    total == recorded || total.to_bits() == recorded.to_bits()
}
