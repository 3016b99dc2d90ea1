//! Proof of claimed inverses: each action is made and undone.

use super::{Check, EPISODES, require, rule};
use crate::Result;
use crate::env::Environment;
use crate::rng::Purpose;

/// Steps that each episode is followed.
const STEPS: usize = 64;

impl<E: Environment> Check<'_, E> {
    /// Proves the inverses by episodes, where there are any.
    pub(super) fn inverses(&mut self) -> Result<()> {
        let choices = self.actions.single_discrete().unwrap_or(0);
        let inverses: Vec<Option<usize>> =
            (0..choices).map(|action| self.prototype.inverse(action)).collect();
        for (action, inverse) in inverses.iter().enumerate() {
            let Some(inverse) = *inverse else { continue };
            let back = inverses.get(inverse).copied().flatten();
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

    /// Plays an episode in which each legal action is undone in a copy.
    fn undone_episode(&mut self, inverses: &[Option<usize>], episode: u64) -> Result<()> {
        let mut env = self.prototype.clone();
        self.begin(&mut env, episode)?;
        let mut rng = self.stream(Purpose::Act, 2 * EPISODES + episode);
        for _ in 0..STEPS {
            let view = self.view(&env)?;
            for (action, inverse) in inverses.iter().enumerate() {
                let (Some(inverse), Some(&true)) = (*inverse, view.mask.get(action)) else {
                    continue;
                };
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
