//! Tests of twists: a state and its image are stepped side by side.

use super::{Check, EPISODES, View, broken, require, rule, shown};
use crate::Result;
use crate::env::Environment;
use crate::rng::Purpose;
use crate::space::symmetry::Twist;

/// The maximum number of steps of an episode.
const STEPS: usize = 256;

impl<E: Environment> Check<'_, E> {
    /// Tests twist `index`.
    pub(super) fn twist(&mut self, index: usize, twist: &Twist) -> Result<()> {
        let Some(actions) = self.actions.single_discrete() else {
            return Err(broken::<E>(rule::TWISTS, "an action that is not one discrete choice"));
        };
        let bits = self.observations.size().unwrap_or(0);
        twist.check(bits, actions).map_err(|e| broken::<E>(rule::TWISTS, e))?;
        let still = |map: &[u32]| map.iter().zip(0..).all(|(&to, from)| to == from);
        let identity = still(&twist.observation) && still(&twist.action);
        require::<E, _>(!identity, rule::TWISTS, || format!("twist {index} is the identity"))?;

        for episode in 0..EPISODES {
            self.twisted_episode(index, twist, episode)?;
        }
        self.report.twists += 1;
        Ok(())
    }

    /// Plays an episode and its image side by side.
    fn twisted_episode(&mut self, index: usize, twist: &Twist, episode: u64) -> Result<()> {
        let mut here = self.prototype.clone();
        self.begin(&mut here, episode)?;
        let mut there = here.clone();
        let mut view = self.view(&here)?;
        let image = here
            .twisted_state(index)
            .ok_or_else(|| broken::<E>(rule::TWISTED, format!("none for twist {index}")))?;
        // Both are set, so that both have the full budget.
        here.set_state(&view.state).map_err(|e| broken::<E>(rule::STATES, e))?;
        there.set_state(&image).map_err(|e| broken::<E>(rule::SYMMETRY, e))?;
        let mut rng = self.stream(Purpose::Act, EPISODES + episode);
        self.report.episodes += 1;
        for _ in 0..STEPS {
            self.maps(index, twist, &view, &self.view(&there)?)?;
            let action = self.draw(self.mask(episode, &view), &mut rng);
            let action = action.row(0).index();
            let step = self.step(&mut here, action.into())?;
            let twisted = self.step(&mut there, (twist.action[action] as usize).into())?;
            let agree = close(step.reward, twisted.reward)
                && (step.terminated, step.truncated) == (twisted.terminated, twisted.truncated);
            require::<E, _>(agree, rule::SYMMETRY, || {
                format!("twist {index}: {step:?} for action {action}, {twisted:?} for its image")
            })?;
            view = self.view(&here)?;
            if step.done() {
                break;
            }
        }
        self.maps(index, twist, &view, &self.view(&there)?)
    }

    /// Requires that `twist` maps one view to the other.
    fn maps(&self, index: usize, twist: &Twist, here: &View, there: &View) -> Result<()> {
        let (a, b) = (&here.observation, &there.observation);
        let mut image: Vec<u32> =
            a.indices().iter().map(|&bit| twist.observation[bit as usize]).collect();
        image.sort_unstable();
        let mut ones = b.indices().to_vec();
        ones.sort_unstable();
        let maps = image == ones
            && a.dense().iter().enumerate().all(|(i, &value)| {
                let image = twist.value_image(i, a.dense().len()).and_then(|to| b.dense().get(to));
                image.is_some_and(|&image| close(value, image))
            });
        require::<E, _>(maps, rule::SYMMETRY, || {
            format!("twist {index}: observation {} becomes {}", shown(a), shown(b))
        })?;
        let mut masks = here.mask.iter().zip(&twist.action);
        let maps = masks.all(|(&legal, &to)| legal == there.mask[to as usize]);
        require::<E, _>(maps, rule::SYMMETRY, || {
            format!("twist {index}: mask {:?} becomes {:?}", here.mask, there.mask)
        })?;
        require::<E, _>(here.solved == there.solved, rule::SYMMETRY, || {
            format!("twist {index}: solved {} becomes {}", here.solved, there.solved)
        })
    }
}

/// Returns true if two numbers are equal up to rounding.
fn close(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-5 * (1.0 + a.abs())
}
