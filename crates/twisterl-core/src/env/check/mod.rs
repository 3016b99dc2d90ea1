//! The public test of an environment against its contract.
//!
//! Every rule is tested on random episodes from scrambles and from uniform starts, with allowed actions and with all, over
//! [`VecEnv`](crate::env::batch::VecEnv): environments of all languages take the same test. What an environment cannot do is
//! left out, and named in the [`Report`]. Panics of the environment are not caught.

use crate::Result;
use crate::env::{Environment, Start};
use crate::error::counts::counted;
use crate::rng::{Purpose, Rng, StreamKey};
use crate::space::Actions;
use stage::Stage;
use std::fmt::{self, Display, Formatter};

mod episode;
mod inverses;
mod outside;
mod rule;
pub(crate) mod sample;
mod stage;
mod subject;
#[cfg(test)]
mod tests;
mod twists;

pub use subject::{Rules, States, Subject};

/// The number of episodes, and again for each twist.
const EPISODES: u64 = 32;

/// The amount of work of a check, and what could not be checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The number of episodes.
    pub episodes: usize,
    /// The number of steps.
    pub steps: usize,
    /// The number of twists that are symmetries.
    pub twists: usize,
    /// The rules that could not be checked, each with the reason.
    pub not_checked: Vec<String>,
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [episodes, steps, twists] = [
            counted(self.episodes, "episode"),
            counted(self.steps, "step"),
            counted(self.twists, "symmetry"),
        ];
        write!(f, "{episodes}, {steps}, {twists}")?;
        self.not_checked.iter().try_for_each(|what| write!(f, "; not checked: {what}"))
    }
}

/// Checks an environment written in Rust, see [`check`].
///
/// # Errors
/// [`Error::Contract`](crate::Error::Contract) with the first broken rule.
pub fn check_env<E: Environment>(prototype: &E, seed: u64) -> Result<Report> {
    check(&Subject::of(prototype, &subject::batches(prototype)), seed)
}

/// Plays batches of an environment and tests each rule of the contract:
///
/// - spaces have a size, observations are elements of theirs (sparse ones without duplicates, dense ones finite),
///   and a mask leaves a choice of each discrete component;
/// - the same start, randomness and actions give the same episode, whatever was played before and in whatever batch;
///   clones and other slots share nothing;
/// - rewards are finite, no step both terminates and truncates, a step that solves terminates, and episodes end
///   within 100,000 steps;
/// - a state can be set again, has the same key, and continues as before with the full budget; states of another length
///   or with entries that are not finite are refused, and a refused state changes nothing;
/// - masked actions can be taken, and actions outside of the space do no harm;
/// - a difficulty that was set is kept, or clamped to bounds of the environment;
/// - each twist is a pair of permutations other than the identity, and the twisted state has the twisted observations and
///   masks and gives the same rewards and ends, step by step;
/// - an inverse undoes its action, and is undone by it; if all actions have inverses, difficulty 0 begins solved;
/// - a step back leads to a state from which its action leads to the one before;
/// - an inverse state can be set, and its solutions turned around solve the state, at the same return.
///
/// # Errors
/// [`Error::Contract`](crate::Error::Contract) with the first broken rule; what the environment raises; or if it is
/// interrupted.
pub fn check(subject: &Subject<'_>, seed: u64) -> Result<Report> {
    let mut check = Check {
        subject,
        seed,
        report: Report::default(),
        stage: Stage::new(subject, episode::SLOTS),
        copies: true,
        masked: true,
    };
    check.spaces()?;
    check.difficulties()?;
    check.uniform()?;
    check.episodes()?;
    check.inverses()?;
    check.steps_back()?;
    for (index, twist) in subject.twists.iter().enumerate() {
        check.twist(index, twist)?;
    }
    check.inverse_problems()?;
    check.outside()?;
    check.stage.count(&mut check.report);
    Ok(check.report)
}

struct Check<'a> {
    subject: &'a Subject<'a>,
    seed: u64,
    report: Report,
    /// The batch of the episode under way.
    stage: Stage<'a>,
    /// False if environments cannot be copied, and episodes are played again instead.
    copies: bool,
    /// False if masked actions are refused, which [`Rules::Training`] allows.
    masked: bool,
}

impl Check<'_> {
    /// Notes what could not be checked, once.
    fn note(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.report.not_checked.contains(&what) {
            self.report.not_checked.push(what);
        }
    }

    /// Begins with a new batch.
    fn renew(&mut self) {
        self.stage.count(&mut self.report);
        self.stage = Stage::new(self.subject, episode::SLOTS);
    }

    fn spaces(&self) -> Result<()> {
        let observations = &self.subject.observations;
        let size = observations.size();
        self.subject.require(size.is_some_and(|n| n > 0), rule::SPACES, || {
            format!("an observation of shape {:?}", observations.shape())
        })
    }

    fn difficulties(&mut self) -> Result<()> {
        let first = self.subject.difficulty;
        let mut is_set = false;
        for asked in [first, first.saturating_add(1), first.saturating_add(2), first] {
            self.scramble(0, asked, 0)?;
            let Some(kept) = self.stage.env.difficulty(0) else {
                if self.subject.starts.curriculum {
                    self.note("that difficulties are kept, since batches do not tell them");
                }
                return Ok(());
            };
            is_set |= kept != first;
            // An environment may have an upper bound, or a single difficulty.
            self.subject.require((first..=asked).contains(&kept), rule::DIFFICULTY, || {
                format!("{kept} in an episode of difficulty {asked}")
            })?;
        }
        let lower = first.saturating_sub(1);
        self.scramble(0, lower, 0)?;
        is_set |= self.stage.env.difficulty(0) == Some(lower) && lower != first;
        let curriculum = self.subject.starts.curriculum;
        self.subject.require(is_set || !curriculum, rule::DIFFICULTY, || {
            format!("{first} in episodes of all difficulties")
        })
    }

    fn uniform(&mut self) -> Result<()> {
        if self.subject.starts.uniform {
            return Ok(());
        }
        for episode in 0..EPISODES / 4 {
            let difficulty = self.difficulty(3);
            self.scramble(0, difficulty, episode)?;
            self.scramble(1, difficulty, episode)?;
            let (scramble, again) = (self.stage.view(0)?, self.stage.view(1)?);
            self.stage.same(rule::SAME, &scramble, &again)?;
            let start = Start::Uniform { difficulty };
            self.stage.begin(1, start, self.stream(Purpose::Start, episode))?;
            let uniform = self.stage.view(1)?;
            if uniform != scramble {
                // Of an environment that draws by itself, scrambles may have been equal by chance.
                for _ in 0..EPISODES {
                    self.scramble(0, difficulty, episode)?;
                    let again = self.stage.view(0)?;
                    self.stage.same(rule::SAME, &scramble, &again)?;
                }
            }
            self.stage.same(rule::UNIFORM, &scramble, &uniform)?;
        }
        Ok(())
    }

    /// Returns the difficulty of the parameters, raised where it can be set.
    fn difficulty(&self, raised: usize) -> usize {
        let raised = if self.subject.starts.curriculum { raised } else { 0 };
        self.subject.difficulty.saturating_add(raised)
    }

    /// Begins a scramble in a slot.
    fn scramble(&mut self, slot: usize, difficulty: usize, episode: u64) -> Result<()> {
        let rng = self.stream(Purpose::Start, episode);
        self.stage.begin(slot, Start::Scramble { difficulty }, rng)
    }

    /// Returns the start of episode number `episode`: one of four difficulties, every second one uniform.
    fn start(&self, episode: u64) -> Start<'static> {
        let difficulty = self.difficulty((episode / 2 % 4) as usize);
        match episode % 2 {
            0 => Start::Scramble { difficulty },
            _ => Start::Uniform { difficulty },
        }
    }

    fn draw(&self, mask: Option<&[bool]>, rng: &mut Rng) -> Actions {
        sample::draw(&self.subject.actions, mask, rng)
    }

    fn stream(&self, purpose: Purpose, episode: u64) -> Rng {
        StreamKey::new(self.seed, purpose).iteration(episode).stream()
    }
}
