//! A batch that is checked at every call.

use super::subject::{Rules, States, Subject};
use super::{Report, rule};
use crate::Result;
use crate::env::batch::VecEnv;
use crate::env::{Start, Step};
use crate::rng::Rng;
use crate::space::{Actions, Observations};

/// Everything observable of an environment between two steps. States that are histories are left out, since they differ
/// where positions do not.
#[derive(Debug, PartialEq)]
pub(super) struct View {
    pub(super) observation: Observations,
    pub(super) mask: Vec<bool>,
    pub(super) solved: bool,
    pub(super) state: Vec<f64>,
    pub(super) key: u64,
}

/// A batch of the environment.
pub(super) struct Stage<'a> {
    subject: &'a Subject<'a>,
    pub(super) env: Box<dyn VecEnv>,
    steps: usize,
}

impl<'a> Stage<'a> {
    pub(super) fn new(subject: &'a Subject<'a>, slots: usize) -> Self {
        Self { subject, env: (subject.batch)(slots), steps: 0 }
    }

    /// Adds the steps since the last call to `report`.
    pub(super) fn count(&mut self, report: &mut Report) {
        report.steps += std::mem::take(&mut self.steps);
    }

    pub(super) fn begin(&mut self, slot: usize, start: Start<'_>, mut rng: Rng) -> Result<()> {
        self.env.begin(slot, start, &mut rng)
    }

    /// Returns the state of a slot.
    pub(super) fn state(&self, slot: usize) -> Result<Vec<f64>> {
        let mut state = Vec::new();
        self.env.state(slot, &mut state)?;
        self.subject
            .require(state.iter().all(|v| v.is_finite()), rule::FINITE, || format!("{state:?}"))?;
        Ok(state)
    }

    /// Returns the view of a slot, and requires that it is valid.
    pub(super) fn view(&mut self, slot: usize) -> Result<View> {
        let subject = self.subject;
        let (mut observation, mut mask) = (Observations::new(), Vec::new());
        self.env.observe(&[slot], &mut observation, &mut mask)?;
        let checked = observation.check(&subject.observations);
        checked.map_err(|e| subject.broken(rule::OBSERVATIONS, e))?;
        let mut ones = observation.indices().to_vec();
        ones.sort_unstable();
        let twice = ones.windows(2).find(|pair| pair[0] == pair[1]);
        subject.require(twice.is_none(), rule::OBSERVATIONS, || format!("bits {twice:?} twice"))?;
        let values = observation.dense();
        subject.require(values.iter().all(|v| v.is_finite()), rule::OBSERVATIONS, || {
            format!("{values:?}")
        })?;

        let width = subject.actions.mask_width();
        subject.require(mask.len() == width, rule::MASKS, || {
            format!("{} entries for {width} choices", mask.len())
        })?;
        let mut alone = Vec::new();
        self.env.masks(&[slot], &mut alone)?;
        subject.require(mask == alone, rule::MASKS, || {
            format!("{mask:?} with the observation, {alone:?} without")
        })?;
        let solved = self.env.solved(slot);
        let over = solved && subject.rules == Rules::Training;
        subject.require(over || subject.actions.leaves_a_choice(&mask), rule::MASKS, || {
            format!("{mask:?}")
        })?;
        if subject.states != States::Positions {
            return Ok(View { observation, mask, solved, state: Vec::new(), key: 0 });
        }
        let state = self.state(slot)?;
        let mut keys = Vec::new();
        self.env.keys(&[slot], &mut keys)?;
        let key = keys.first().copied().unwrap_or(0); // one a slot
        Ok(View { observation, mask, solved, state, key })
    }

    /// Takes a step in a slot, and requires that its result is valid.
    pub(super) fn step(&mut self, slot: usize, action: &Actions) -> Result<Step> {
        let subject = self.subject;
        let mut steps = Vec::new();
        self.env.step(&[slot], action, &mut steps).map_err(|error| match subject.rules {
            Rules::Contract => subject.refused(rule::ACTIONS, error),
            Rules::Training => error,
        })?;
        self.steps += 1;
        let step = steps.first().copied().unwrap_or_default(); // one a slot
        subject.require(step.reward.is_finite(), rule::REWARDS, || step.reward)?;
        subject
            .require(!(step.terminated && step.truncated), rule::ENDS, || format!("{step:?}"))?;
        let ends = subject.rules == Rules::Training || step.terminated;
        subject.require(ends || !self.env.solved(slot), rule::SOLVED, || format!("{step:?}"))?;
        Ok(step)
    }

    /// Requires that two views are equal; the error names the first difference.
    pub(super) fn same(&self, rule: &str, a: &View, b: &View) -> Result<()> {
        self.subject.require(a == b, rule, || {
            if a.observation != b.observation {
                format!("observations {} and {}", shown(&a.observation), shown(&b.observation))
            } else if a.mask != b.mask {
                format!("masks {:?} and {:?}", a.mask, b.mask)
            } else if a.state != b.state {
                format!("states {:?} and {:?}", a.state, b.state)
            } else if a.key != b.key {
                format!("keys {} and {}", a.key, b.key)
            } else {
                format!("solved {} and {}", a.solved, b.solved)
            }
        })
    }
}

/// Returns an observation as text.
pub(super) fn shown(row: &Observations) -> String {
    if row.dense().is_empty() {
        format!("{:?}", row.indices())
    } else {
        format!("{:?}", row.dense())
    }
}
