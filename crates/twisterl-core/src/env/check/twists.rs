//! Tests of twists: a state and its image are stepped side by side.

use super::episode::{ENV, OTHER};
use super::stage::{View, shown};
use super::subject::{Rules, States};
use super::{Check, EPISODES, rule};
use crate::env::Start;
use crate::rng::{Purpose, Rng};
use crate::space::symmetry::Twist;
use crate::{Error, Result};

/// The maximum number of steps of an episode.
const STEPS: usize = 256;

impl Check<'_> {
    /// Tests twist `index`.
    pub(super) fn twist(&mut self, index: usize, twist: &Twist) -> Result<()> {
        let subject = self.subject;
        let Some(actions) = subject.actions.single_discrete() else {
            return Err(subject.broken(rule::TWISTS, "an action that is not one discrete choice"));
        };
        let bits = subject.observations.size().unwrap_or(0);
        twist.check(bits, actions).map_err(|e| subject.broken(rule::TWISTS, e))?;
        let still = |map: &[u32]| map.iter().zip(0..).all(|(&to, from)| to == from);
        let identity = still(&twist.observation) && still(&twist.action);
        subject.require(!identity, rule::TWISTS, || format!("twist {index} is the identity"))?;

        self.renew();
        let mut played = 0;
        for episode in 0..EPISODES {
            played += usize::from(self.twisted_episode(index, twist, episode)?);
        }
        if played > 0 {
            self.report.twists += 1;
        } else {
            self.note(format!(
                "twist {index}, since its twisted states are not known and no episode begins at a state that is its own \
                 image"
            ));
        }
        Ok(())
    }

    /// Plays an episode and its image side by side. Returns false if there is no image.
    fn twisted_episode(&mut self, index: usize, twist: &Twist, episode: u64) -> Result<bool> {
        self.begin(ENV, episode)?;
        if self.subject.states == States::Untold {
            return self.own_image_episode(index, twist, episode);
        }
        let image = match self.stage.env.twisted_state(ENV, index) {
            Err(Error::Config { .. }) => return self.own_image_episode(index, twist, episode),
            image => image?,
        };
        let found = || self.subject.broken(rule::TWISTED, format!("none for twist {index}"));
        let image = image.ok_or_else(found)?;
        // Both are set, so that both have the full budget.
        let state = self.stage.state(ENV)?;
        for (slot, state, rule) in [(ENV, &state, rule::STATES), (OTHER, &image, rule::SYMMETRY)] {
            let start = Start::State { state, difficulty: None };
            let set = self.stage.begin(slot, start, self.stream(Purpose::Start, episode));
            set.map_err(|e| self.subject.refused(rule, e))?;
        }
        self.side_by_side(index, twist, episode)?;
        Ok(true)
    }

    /// Plays an episode and its image from a state that is its own image: solved states often are. Returns false if the
    /// episode does not begin at one.
    fn own_image_episode(&mut self, index: usize, twist: &Twist, episode: u64) -> Result<bool> {
        let difficulty = if self.subject.starts.curriculum { 0 } else { self.subject.difficulty };
        self.scramble(ENV, difficulty, episode)?;
        self.scramble(OTHER, difficulty, episode)?;
        let (here, there) = (self.stage.view(ENV)?, self.stage.view(OTHER)?);
        if self.maps(index, twist, &here, &there).is_err() {
            return Ok(false);
        }
        self.side_by_side(index, twist, episode)?;
        Ok(true)
    }

    /// Plays the episodes in two slots, of which one is the image of the other.
    fn side_by_side(&mut self, index: usize, twist: &Twist, episode: u64) -> Result<()> {
        let mut rng = self.stream(Purpose::Act, EPISODES + episode);
        self.report.episodes += 1;
        let mut view = self.compare(index, twist)?;
        for _ in 0..STEPS {
            let action = self.twist_action(episode, &view, &mut rng);
            let image = twist.action[action] as usize;
            let step = self.stage.step(ENV, &self.action(action))?;
            let twisted = self.stage.step(OTHER, &self.action(image))?;
            let agree = close(step.reward, twisted.reward)
                && (step.terminated, step.truncated) == (twisted.terminated, twisted.truncated);
            self.subject.require(agree, rule::SYMMETRY, || {
                format!("twist {index}: {step:?} for action {action}, {twisted:?} for its image")
            })?;
            if step.done() && self.subject.rules == Rules::Training {
                break;
            }
            view = self.compare(index, twist)?;
            if step.done() {
                break;
            }
        }
        Ok(())
    }

    /// Draws an action. The second half of the episodes ignores masks, where masked actions can be taken.
    fn twist_action(&self, episode: u64, view: &View, rng: &mut Rng) -> usize {
        let obeys = episode < EPISODES / 2 || self.subject.rules == Rules::Training;
        self.draw(obeys.then_some(&view.mask[..]), rng).row(0).index()
    }

    /// Requires that `twist` maps one slot to the other, and returns the view of the former.
    fn compare(&mut self, index: usize, twist: &Twist) -> Result<View> {
        let (here, there) = (self.stage.view(ENV)?, self.stage.view(OTHER)?);
        self.maps(index, twist, &here, &there)?;
        Ok(here)
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
        self.subject.require(maps, rule::SYMMETRY, || {
            format!("twist {index}: observation {} becomes {}", shown(a), shown(b))
        })?;
        let mut masks = here.mask.iter().zip(&twist.action);
        let maps = masks.all(|(&legal, &to)| legal == there.mask[to as usize]);
        self.subject.require(maps, rule::SYMMETRY, || {
            format!("twist {index}: mask {:?} becomes {:?}", here.mask, there.mask)
        })?;
        self.subject.require(here.solved == there.solved, rule::SYMMETRY, || {
            format!("twist {index}: solved {} becomes {}", here.solved, there.solved)
        })
    }
}

/// Returns true if two numbers are equal up to rounding.
fn close(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-5 * (1.0 + a.abs())
}
