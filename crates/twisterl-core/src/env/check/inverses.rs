//! Tests of inverses: each action is taken and undone.

use super::{Check, EPISODES, require, rule};
use crate::Result;
use crate::env::Environment;
use crate::rng::Purpose;

/// The maximum number of steps of an episode.
const STEPS: usize = 64;

impl<E: Environment> Check<'_, E> {
    /// Tests the inverses, if there are any.
    pub(super) fn inverses(&mut self) -> Result<()> {
        let choices = self.actions.single_discrete().unwrap_or(0);
        let inverses: Vec<Option<usize>> =
            (0..choices).map(|action| self.prototype.inverse(action)).collect();
        for (action, inverse) in inverses.iter().enumerate() {
            let Some(inverse) = *inverse else { continue };
            let back = inverses.get(inverse).copied().flatten(); // `inverse` may be no action at all
            require::<E, _>(back == Some(action), rule::INVERSES, || {
                format!("{inverse} for action {action}, and {back:?} for that")
            })?;
        }
        if inverses.iter().flatten().count() == 0 {
            return Ok(());
        }
        if inverses.iter().all(Option::is_some) {
            let mut env = self.prototype.clone();
            env.set_difficulty(0);
            env.reset(&mut self.stream(Purpose::Start, 0));
            require::<E, _>(env.solved(), rule::DIFFICULTY_0, || "a state that is not solved")?;
        }
        for episode in 0..EPISODES {
            self.undone_episode(&inverses, episode)?;
        }
        Ok(())
    }

    /// Plays an episode, and in each state takes and undoes each allowed action in a copy.
    fn undone_episode(&mut self, inverses: &[Option<usize>], episode: u64) -> Result<()> {
        let mut env = self.prototype.clone();
        self.begin(&mut env, episode)?;
        let mut rng = self.stream(Purpose::Act, 2 * EPISODES + episode);
        for _ in 0..STEPS {
            let view = self.view(&env)?;
            for (action, inverse) in inverses.iter().enumerate() {
                let Some(inverse) = inverse.filter(|_| view.mask[action]) else { continue };
                let mut copy = env.clone();
                self.step(&mut copy, action.into())?;
                if self.view(&copy)?.state == view.state {
                    continue; // there is nothing to undo
                }
                self.step(&mut copy, inverse.into())?;
                let found = self.view(&copy)?.state;
                require::<E, _>(found == view.state, rule::INVERSES, || {
                    format!("{found:?} after {action} and {inverse} in {:?}", view.state)
                })?;
            }
            let action = self.draw(Some(&view.mask), &mut rng);
            if self.step(&mut env, action.row(0))?.done() {
                break;
            }
        }
        Ok(())
    }
}
