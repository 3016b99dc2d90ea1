//! Tests of episodes: each is played by two batches, and probed on its way in other slots of its batch.

use super::stage::{Stage, View};
use super::subject::{Rules, States};
use super::{Check, EPISODES, rule};
use crate::env::{Start, Step};
use crate::rng::{Purpose, Rng};
use crate::space::Actions;
use crate::{Error, Result};
use rand::RngExt;

/// The maximum length of an episode.
const MAX_STEPS: usize = 100_000;
/// The length of episodes that need not end by themselves.
const MAX_PLAYED: usize = 1_000;
/// The first steps of an episode, which are all probed; of later ones every so many.
const PROBED_STEPS: usize = 32;
/// The same for environments whose copies may take long; later steps are not probed.
const PROBED_PLAYED: usize = 6;
/// The number of episodes that are played twice before any is probed.
const REPEATED: u64 = 16;
/// The number of steps after a state was set.
const REPLAYED_STEPS: usize = 8;

/// The slots of a batch: the episode, a copy of it, two that are set to its state, and another copy.
pub(super) const ENV: usize = 0;
pub(super) const COPY: usize = 1;
pub(super) const FRESH: usize = 2;
pub(super) const USED: usize = 3;
pub(super) const OTHER: usize = 4;
pub(super) const SLOTS: usize = 5;

/// An episode under way in the slot [`ENV`].
pub(super) struct Played {
    episode: u64,
    /// The actions so far.
    pub(super) actions: Vec<Actions>,
}

impl Check<'_> {
    /// Plays all episodes, in a batch of their own each and in one that plays all of them.
    pub(super) fn episodes(&mut self) -> Result<()> {
        let mut veteran = Stage::new(self.subject, 1);
        self.renew();
        self.begin(ENV, 0)?;
        self.try_copy()?;
        for episode in 0..REPEATED {
            self.renew();
            self.repeat(episode, &mut veteran)?;
        }
        for episode in 0..EPISODES {
            self.renew();
            self.episode(episode, &mut veteran)?;
        }
        veteran.count(&mut self.report);
        Ok(())
    }

    /// Plays the first steps of an episode in two batches, before it is probed: randomness that does not come from the start
    /// breaks other rules, too.
    fn repeat(&mut self, episode: u64, veteran: &mut Stage<'_>) -> Result<()> {
        let (mut played, mut view) = self.begin_twice(episode, veteran)?;
        if view.solved && self.subject.rules == Rules::Training {
            return Ok(());
        }
        let mut rng = self.stream(Purpose::Act, episode);
        self.share_nothing(&played, &view, &mut rng)?;
        for _ in 0..PROBED_STEPS {
            let action = self.draw(Some(&view.mask), &mut rng);
            let (step, twin) = (self.stage.step(ENV, &action)?, veteran.step(0, &action)?);
            self.subject.require(step == twin, rule::SAME, || format!("{step:?} and {twin:?}"))?;
            played.actions.push(action);
            if step.done() {
                break;
            }
            view = self.stage.view(ENV)?;
            self.stage.same(rule::SAME, &view, &veteran.view(0)?)?;
        }
        Ok(())
    }

    /// Begins an episode twice in the slot [`ENV`], and in `veteran`. Returns it with its view.
    fn begin_twice(&mut self, episode: u64, veteran: &mut Stage<'_>) -> Result<(Played, View)> {
        let played = self.begin(ENV, episode)?;
        let view = self.stage.view(ENV)?;
        self.begin(ENV, episode)?;
        let again = self.stage.view(ENV)?;
        self.stage.same(rule::SAME, &view, &again)?;
        veteran.begin(0, self.start(episode), self.stream(Purpose::Start, episode))?;
        self.stage.same(rule::SAME, &view, &veteran.view(0)?)?;
        Ok((played, view))
    }

    /// Begins episode number `episode` in a slot.
    pub(super) fn begin(&mut self, slot: usize, episode: u64) -> Result<Played> {
        self.stage.begin(slot, self.start(episode), self.stream(Purpose::Start, episode))?;
        Ok(Played { episode, actions: Vec::new() })
    }

    /// Copies the episode to another slot: plays it again there, if it cannot be copied.
    pub(super) fn branch(&mut self, played: &Played, slot: usize) -> Result<()> {
        if self.copies {
            return self.stage.env.copy(&[(ENV, slot)]);
        }
        self.replay(played, played.actions.len(), slot)
    }

    /// Plays the first `count` actions of the episode in another slot.
    fn replay(&mut self, played: &Played, count: usize, slot: usize) -> Result<()> {
        self.begin(slot, played.episode)?;
        for action in &played.actions[..count] {
            self.stage.step(slot, action)?;
        }
        Ok(())
    }

    /// Finds out whether the environment can be copied.
    fn try_copy(&mut self) -> Result<()> {
        match self.stage.env.copy(&[(ENV, COPY)]) {
            Ok(()) => Ok(()),
            Err(error @ (Error::Interrupted | Error::Contract { .. })) => Err(error),
            Err(error) => {
                self.copies = false;
                self.note(format!("copies, since it cannot be copied ({error})"));
                Ok(())
            }
        }
    }

    fn episode(&mut self, episode: u64, veteran: &mut Stage<'_>) -> Result<()> {
        let (mut played, mut view) = self.begin_twice(episode, veteran)?;
        self.report.episodes += 1;
        let contract = self.subject.rules == Rules::Contract;
        if view.solved && !contract {
            return Ok(());
        }
        let mut rng = self.stream(Purpose::Act, episode);
        for made in 0..if contract { MAX_STEPS } else { MAX_PLAYED } {
            let again = contract && self.copies && self.subject.states == States::Positions;
            let first = made < if contract { PROBED_STEPS } else { PROBED_PLAYED };
            if first || again && made % PROBED_STEPS == 0 {
                self.probe(&played, &view, &mut rng)?;
            }
            // The second half of the episodes ignores masks.
            let mask = (episode < EPISODES / 2 || !self.masked).then_some(&view.mask[..]);
            let action = self.draw(mask, &mut rng);
            let Some(step) = self.main_step(&action, &view)? else { return Ok(()) };
            let twin = veteran.step(0, &action)?;
            self.subject.require(step == twin, rule::SAME, || format!("{step:?} and {twin:?}"))?;
            played.actions.push(action);
            if step.done() && !contract {
                return Ok(());
            }
            let before = std::mem::replace(&mut view, self.stage.view(ENV)?);
            self.stage.same(rule::SAME, &view, &veteran.view(0)?)?;
            if step.done() {
                return self.end(&played, &before, &view);
            }
        }
        if contract {
            let found = format!("an episode of {MAX_STEPS} steps");
            return Err(self.subject.broken(rule::BOUND, found));
        }
        let limit = self.subject.limits.rollout;
        self.note(format!(
            "that episodes end, since some take more than {MAX_PLAYED} steps; training cuts them after {limit}"
        ));
        Ok(())
    }

    /// Takes the next step of the episode; `None` if a masked action is refused that may be.
    fn main_step(&mut self, action: &Actions, view: &View) -> Result<Option<Step>> {
        let legal = {
            let mut first = 0;
            let mut choices = self.subject.actions.choices().zip(&action.discrete);
            choices.all(|(n, &choice)| {
                first += n;
                view.mask[first - n + choice as usize]
            })
        };
        match self.stage.step(ENV, action) {
            Err(error @ (Error::Raised { .. } | Error::Action { .. }))
                if !legal && self.subject.rules == Rules::Training =>
            {
                self.masked = false;
                self.note(format!("masked actions, since they are refused ({error})"));
                Ok(None)
            }
            stepped => stepped.map(Some),
        }
    }

    /// Sets the state of a finished episode again, and that of before its last step, which is taken once more.
    fn end(&mut self, played: &Played, before: &View, view: &View) -> Result<()> {
        if self.subject.states == States::Untold {
            return Ok(());
        }
        let difficulty = self.start_difficulty(played);
        self.branch(played, USED)?;
        self.set_again(ENV, view, difficulty)?;
        let Some((last, others)) = played.actions.split_last() else { return Ok(()) };
        self.replay(played, others.len(), COPY)?;
        self.replay(played, others.len(), USED)?;
        self.set_again(COPY, before, difficulty)?;
        self.step_alike(last)?;
        Ok(())
    }

    /// The difficulty of the episode.
    fn start_difficulty(&self, played: &Played) -> usize {
        match self.start(played.episode) {
            Start::Scramble { difficulty } | Start::Uniform { difficulty } => difficulty,
            Start::State { .. } => self.subject.difficulty,
        }
    }

    /// Makes all calls that must not disturb the episode.
    fn probe(&mut self, played: &Played, view: &View, rng: &mut Rng) -> Result<()> {
        let difficulty = self.start_difficulty(played);
        self.share_nothing(played, view, rng)?;
        if self.subject.states == States::Untold {
            self.note("states, since it does not tell them");
            return Ok(());
        }
        self.set_again(ENV, view, difficulty)?;
        let seen = self.stage.view(ENV)?;
        self.stage.same(rule::SLOTS, view, &seen)?;
        self.branch(played, COPY)?;
        let mask = self.free(view).map(<[bool]>::to_vec);
        self.play_alike(mask, rng)?;
        if self.subject.states == States::Histories {
            self.note("that wrong states are refused, since its states are histories of episodes");
        } else {
            let start = Start::State { state: &view.state, difficulty: Some(difficulty) };
            self.stage.env.begin(FRESH, start, rng)?;
            let limited = self.stage.view(FRESH)?;
            self.stage.same(rule::LIMIT, view, &limited)?;
            self.wrong_states(played, view, rng)?;
        }
        let seen = self.stage.view(ENV)?;
        self.stage.same(rule::SLOTS, view, &seen)
    }

    /// Steps a copy of the episode and begins another one there, in the slot [`USED`].
    fn share_nothing(&mut self, played: &Played, view: &View, rng: &mut Rng) -> Result<()> {
        let difficulty = self.start_difficulty(played);
        self.branch(played, USED)?;
        let action = self.draw(self.free(view), rng);
        self.stage.step(USED, &action)?;
        self.stage.env.begin(USED, Start::Scramble { difficulty }, rng)?;
        let seen = self.stage.view(ENV)?;
        let shared = if self.copies { rule::CLONES } else { rule::SLOTS };
        self.stage.same(shared, view, &seen)
    }

    /// Returns the mask to obey in a state, `None` if every action can be taken.
    fn free<'v>(&self, view: &'v View) -> Option<&'v [bool]> {
        (self.subject.rules == Rules::Training).then_some(&view.mask)
    }

    /// Sets the state of a slot in the slots [`FRESH`], after a scramble that sets the difficulty, and [`USED`].
    fn set_again(&mut self, slot: usize, view: &View, difficulty: usize) -> Result<()> {
        let state = self.stage.state(slot)?;
        self.scramble(FRESH, difficulty, 0)?; // the full budget may depend on the difficulty
        for slot in [FRESH, USED] {
            let start = Start::State { state: &state, difficulty: None };
            let set = self.stage.begin(slot, start, self.stream(Purpose::Start, 0));
            set.map_err(|e| self.subject.refused(rule::STATES, e))?;
            let set = self.stage.view(slot)?;
            self.stage.same(rule::STATES, view, &set)?;
        }
        Ok(())
    }

    /// Takes the same random actions in a copy of the episode and in the two slots that were set to its state.
    fn play_alike(&mut self, mut mask: Option<Vec<bool>>, rng: &mut Rng) -> Result<()> {
        for _ in 0..REPLAYED_STEPS {
            let action = self.draw(mask.as_deref(), rng);
            let Some(view) = self.step_alike(&action)? else { break };
            mask = mask.and(Some(view.mask));
        }
        Ok(())
    }

    /// Takes one action in the copy of the episode and in the two slots that were set to its state, and returns the view of
    /// those, `None` if an episode is over. The latter two must agree; the budget of the copy differs, and with it perhaps
    /// reward and truncation.
    fn step_alike(&mut self, action: &Actions) -> Result<Option<View>> {
        let [old, new, again] = [COPY, FRESH, USED].map(|slot| self.stage.step(slot, action));
        let (old, new, again) = (old?, new?, again?);
        self.subject.require(new == again, rule::SAME, || format!("{new:?} and {again:?}"))?;
        let done = old.done() || new.done();
        let contract = self.subject.rules == Rules::Contract;
        if done && !contract {
            return Ok(None);
        }
        let (fresh, used) = (self.stage.view(FRESH)?, self.stage.view(USED)?);
        self.stage.same(rule::SAME, &fresh, &used)?;
        let copy = self.stage.view(COPY)?;
        self.stage.same(rule::STATES, &copy, &fresh)?;
        let cut = old.truncated || new.truncated;
        self.subject.require(cut || old.terminated == new.terminated, rule::BUDGET, || {
            format!("{old:?} in an episode, {new:?} with the full budget")
        })?;
        Ok((!done).then_some(fresh))
    }

    fn wrong_states(&mut self, played: &Played, view: &View, rng: &mut Rng) -> Result<()> {
        let state = &view.state;
        let mut wrong = vec![("one entry too many", [&state[..], &[0.0]].concat())];
        if let Some((last, others)) = state.split_last() {
            wrong.push(("one entry too few", others.to_vec()));
            let at = rng.random_range(0..state.len() as u32) as usize;
            let with = |value| {
                let mut state = state.clone();
                state[at] = value;
                state
            };
            wrong.push(("an entry that is not a number", with(f64::NAN)));
            wrong.push(("an infinite entry", with(f64::INFINITY)));
            let odd = [-1.0, 0.5, 1e300, -1e300, 9_007_199_254_740_992.0, state[at] + 1.0, *last];
            let odd = odd[rng.random_range(0..odd.len() as u32) as usize];
            self.odd_state(played, view, &with(odd), rng)?;
        }
        for (what, state) in wrong {
            self.branch(played, COPY)?;
            let taken = self.try_state(&state, rng)?;
            self.subject.require(!taken, rule::WRONG, || format!("that {what} is taken"))?;
            self.unchanged(played, view, rng)?;
        }
        Ok(())
    }

    /// Sets a state in the slot [`COPY`], and returns true if the environment takes it.
    fn try_state(&mut self, state: &[f64], rng: &mut Rng) -> Result<bool> {
        let start = Start::State { state, difficulty: None };
        match self.stage.env.begin(COPY, start, rng) {
            Ok(()) => Ok(true),
            Err(error @ (Error::Interrupted | Error::Contract { .. })) => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Sets a state that only the environment can judge: it must be refused, or playable.
    fn odd_state(
        &mut self,
        played: &Played,
        view: &View,
        state: &[f64],
        rng: &mut Rng,
    ) -> Result<()> {
        self.branch(played, COPY)?;
        if !self.try_state(state, rng)? {
            return self.unchanged(played, view, rng);
        }
        let contract = self.subject.rules == Rules::Contract;
        for _ in 0..=REPLAYED_STEPS {
            if self.stage.env.solved(COPY) && !contract {
                break;
            }
            let seen = self.stage.view(COPY)?;
            let action = self.draw(self.free(&seen), rng);
            if self.stage.step(COPY, &action)?.done() {
                break;
            }
        }
        if contract { self.stage.view(COPY).map(drop) } else { Ok(()) }
    }

    /// Requires that the slot [`COPY`], which refused a state, still equals the episode, now and after a step.
    fn unchanged(&mut self, played: &Played, view: &View, rng: &mut Rng) -> Result<()> {
        let seen = self.stage.view(COPY)?;
        self.stage.same(rule::UNCHANGED, view, &seen)?;
        let action = self.draw(self.free(view), rng);
        self.branch(played, OTHER)?;
        let [before, after] = [OTHER, COPY].map(|slot| self.stage.step(slot, &action));
        let (before, after) = (before?, after?);
        self.subject
            .require(before == after, rule::UNCHANGED, || format!("{before:?} and {after:?}"))
    }
}
