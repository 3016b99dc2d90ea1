//! Inference for a population: many perturbations of one policy, evaluated in one batch.
//!
//! With low-rank perturbations the rows of all members share the product with the base weights, to which a member adds
//! only its correction (module `shared`). That is for networks whose layers with weights are embedding and linear ones. In
//! all others, and with full perturbations, each member is an executor of its own.

mod correction;
pub mod perturbation;
mod shared;

use self::shared::SharedBase;
use super::Policy;
use super::executor::Executor;
use super::network::Network;
use super::population::perturbation::Layout;
use super::scaling::Scaling;
use crate::error::interrupt::Interrupt;
use crate::evaluator::distribution::ActionDistribution;
use crate::evaluator::{Evaluation, Evaluator};
use crate::rng::{Purpose, StreamKey};
use crate::space::Observations;
use crate::space::symmetry::{Symmetry, Twist};
use crate::{Error, Result};
use std::ops::Range;

/// Rows of a batch of members that share the base product: enough for whole tiles, few enough for the cache.
const SHARED_ROWS: usize = 64;

/// A policy whose weights are perturbed. Members `2 p` and `2 p + 1` are the policy plus and minus perturbation `p`.
#[derive(Debug, Clone)]
pub struct Population {
    network: Network,
    layout: Layout,
    distribution: ActionDistribution,
    scaling: Option<Scaling>,
    parameters: Vec<f32>,
    shared: Option<SharedBase>,
    twists: Vec<Twist>,
    backtracking: bool,
    interrupt: Interrupt,
}

/// What a perturbation is derived from, beside its number, and how far it goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerturbationKey {
    /// Seed and iteration; the index is the number of the pair.
    pub key: StreamKey,
    /// Standard deviation of each weight.
    pub sigma: f32,
}

impl PerturbationKey {
    /// Returns the key of the perturbations of an iteration.
    pub const fn new(seed: u64, iteration: u64, sigma: f32) -> Self {
        Self { key: StreamKey::new(seed, Purpose::Perturb).iteration(iteration), sigma }
    }
}

impl Population {
    /// The population around `policy`, with perturbations of this rank; 0: full. The value head is neither perturbed
    /// nor evaluated: values are 0.
    ///
    /// # Errors
    /// If the parts of the policy do not fit each other.
    pub fn new(policy: &Policy, rank: usize) -> Result<Self> {
        policy.check()?;
        let network = policy.network.clone();
        let canonical = policy.symmetry == Symmetry::Canonical;
        let layout = Layout::of(&network, rank);
        let mut population = Self {
            shared: SharedBase::new(&network, &layout)?,
            twists: if canonical { policy.twists.clone() } else { Vec::new() },
            backtracking: policy.backtracking,
            distribution: network.action_distribution()?,
            scaling: policy.scaling.clone(),
            parameters: Vec::new(),
            layout,
            network,
            interrupt: Interrupt::default(),
        };
        population.load(&policy.parameters)?;
        Ok(population)
    }

    /// From now on, `interrupt` makes evaluations fail.
    pub fn interrupt_by(&mut self, interrupt: &Interrupt) {
        self.interrupt = interrupt.clone();
    }

    /// Replaces the weights in the middle of the population.
    ///
    /// # Errors
    /// If their number is not that of the network.
    pub fn load(&mut self, parameters: &[f32]) -> Result<()> {
        let count = self.network.parameter_count();
        if parameters.len() != count {
            return Err(Error::weights("all", format!("{count} parameters"), parameters.len()));
        }
        self.parameters.clear();
        self.parameters.extend_from_slice(parameters);
        if let Some(shared) = &mut self.shared {
            shared.load(parameters);
        }
        Ok(())
    }

    /// The weights in the middle.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// Whether members may take their last moves back.
    pub fn backtracking(&self) -> bool {
        self.backtracking
    }

    /// Which weights are perturbed, and how.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether members share the base product. If not, each has weights of its own, which works for every network
    /// and rank but takes far longer.
    pub fn shares_base(&self) -> bool {
        self.shared.is_some()
    }

    /// How many members are best evaluated together where each asks for `rows` rows at a time.
    pub fn members_a_batch(&self, rows: usize) -> usize {
        if self.shares_base() { (SHARED_ROWS / rows.max(1)).max(1) } else { 1 }
    }

    /// These members, ready for inference.
    ///
    /// # Errors
    /// If the network refuses the perturbed weights.
    pub fn members(&self, draw: PerturbationKey, members: Range<u64>) -> Result<Members<'_>> {
        let mut noise = Vec::new();
        let scale = |member: u64| if member.is_multiple_of(2) { draw.sigma } else { -draw.sigma };
        let forward = match &self.shared {
            Some(base) => {
                let first = members.start / 2;
                (first..members.end.div_ceil(2))
                    .for_each(|p| self.layout.draw(draw.key.at(p), &mut noise));
                let length = self.layout.noise_len();
                let place = |member| ((member / 2 - first) as usize * length, scale(member));
                Forward::Shared { base, noise, places: members.map(place).collect() }
            }
            None => {
                let own = |member| {
                    noise.clear();
                    self.layout.draw(draw.key.at(member / 2), &mut noise);
                    let mut weights = self.parameters.clone();
                    self.layout.perturb(&noise, scale(member), &mut weights)?;
                    Executor::new(&self.network, &weights)
                };
                Forward::Own(members.map(own).collect::<Result<_>>()?)
            }
        };
        Ok(Members { population: self, forward })
    }
}

/// Some members of a population.
#[derive(Debug)]
pub struct Members<'a> {
    population: &'a Population,
    forward: Forward<'a>,
}

#[derive(Debug)]
enum Forward<'a> {
    /// The base with the numbers of all perturbations, and for each member where its own begin and their scale.
    Shared { base: &'a SharedBase, noise: Vec<f32>, places: Vec<(usize, f32)> },
    /// An executor for each member.
    Own(Vec<Executor>),
}

impl Members<'_> {
    /// The evaluator of batches whose row `i` belongs to the member in place `rows[i]` of these.
    pub fn rows<'a>(&'a self, rows: &'a [u32]) -> Rows<'a> {
        Rows { members: self, rows }
    }
}

/// Members of a population as the evaluator of one batch.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    members: &'a Members<'a>,
    rows: &'a [u32],
}

impl Evaluator for Rows<'_> {
    fn distribution(&self) -> &ActionDistribution {
        &self.members.population.distribution
    }

    fn twists(&self) -> &[Twist] {
        &self.members.population.twists
    }

    fn backtracking(&self) -> bool {
        self.members.population.backtracking()
    }

    fn evaluate(&self, observations: &Observations, out: &mut Evaluation) -> Result<()> {
        self.members.population.interrupt.check()?;
        if observations.len() != self.rows.len() {
            return Err(Error::internal(format!(
                "{} members for {} rows",
                self.rows.len(),
                observations.len()
            )));
        }
        let mut scaled = std::mem::take(&mut out.scaled);
        let seen = match &self.members.population.scaling {
            None => observations,
            Some(scaling) => scaling.scaled(observations, &mut scaled),
        };
        out.values.clear();
        out.values.resize(observations.len(), 0.0);
        let judged = self.judge(seen, out);
        out.scaled = scaled;
        judged
    }
}

impl Rows<'_> {
    /// Evaluates observations at their scale.
    fn judge(&self, observations: &Observations, out: &mut Evaluation) -> Result<()> {
        let wrong = |member: usize| Error::internal(format!("no member {member} in this group"));
        match &self.members.forward {
            Forward::Shared { base, noise, places } => {
                let layout = &self.members.population.layout;
                base.evaluate(observations, out, layout, |row| {
                    let member = self.rows.get(row).copied().unwrap_or_default() as usize;
                    let &(start, scale) = places.get(member).ok_or_else(|| wrong(member))?;
                    let noise = noise.get(start..start + layout.noise_len());
                    Ok((noise.ok_or_else(|| wrong(member))?, scale))
                })
            }
            Forward::Own(executors) => match executors.as_slice() {
                [one] if self.rows.iter().all(|&row| row == 0) => one.evaluate(observations, out),
                _ => {
                    let width = self.action_width();
                    let mut inner = out.inner.take().unwrap_or_default();
                    out.actions.clear();
                    for (row, &member) in self.rows.iter().enumerate() {
                        let member = member as usize;
                        let executor = executors.get(member).ok_or_else(|| wrong(member))?;
                        out.images.clear();
                        out.images.push_row(observations, row);
                        executor.evaluate(&out.images, &mut inner)?;
                        out.actions.extend_from_slice(&inner.actions[..width]);
                    }
                    out.inner = Some(inner);
                    Ok(())
                }
            },
        }
    }
}

#[cfg(test)]
mod tests;
