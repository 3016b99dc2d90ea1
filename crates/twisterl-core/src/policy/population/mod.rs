//! Inference for a population: many perturbed copies of one policy, evaluated in one batch.
//!
//! With low-rank perturbations the rows of all members share the product with the base weights, to which each member
//! adds its low-rank correction (module `shared`). This requires that all layers with weights are embedding or linear
//! layers. For other networks, and for full-rank perturbations, each member has its own executor.

mod correction;
pub mod perturbation;
mod shared;

use self::shared::SharedBase;
use super::Policy;
use super::arithmetic::Arithmetic;
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

/// Rows of a batch of members that share the base product: whole tiles that fit the cache.
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
    arithmetic: Arithmetic,
    interrupt: Interrupt,
}

/// The key from which the perturbations of an iteration are derived, and their scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerturbationKey {
    /// Seed and iteration; the index is the number of the pair.
    pub key: StreamKey,
    /// The standard deviation of each weight.
    pub sigma: f32,
}

impl PerturbationKey {
    /// Returns the key of the perturbations of an iteration.
    pub const fn new(seed: u64, iteration: u64, sigma: f32) -> Self {
        Self { key: StreamKey::new(seed, Purpose::Perturb).iteration(iteration), sigma }
    }
}

impl Population {
    /// Returns the population around `policy` with perturbations of rank `rank`; 0: full rank. The value head is
    /// neither perturbed nor evaluated: values are 0.
    ///
    /// # Errors
    /// If the parts of the policy do not fit each other.
    pub fn new(policy: &Policy, rank: usize) -> Result<Self> {
        policy.check()?;
        let network = policy.network.clone();
        let canonical = policy.symmetry == Symmetry::Canonical;
        let layout = Layout::of(&network, rank);
        let mut population = Self {
            shared: SharedBase::new(&network, &layout, policy.arithmetic)?,
            twists: if canonical { policy.twists.clone() } else { Vec::new() },
            backtracking: policy.backtracking,
            arithmetic: policy.arithmetic,
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

    /// Makes evaluations fail once `interrupt` is set.
    pub fn interrupt_by(&mut self, interrupt: &Interrupt) {
        self.interrupt = interrupt.clone();
    }

    /// Replaces the mean parameters.
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

    /// Returns the mean parameters.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// Returns false if members must not undo their last move.
    pub fn backtracking(&self) -> bool {
        self.backtracking
    }

    /// Returns the layout of the perturbations.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns true if members share the base product. Otherwise each has its own weights, which works for every
    /// network and rank but is much slower.
    pub fn shares_base(&self) -> bool {
        self.shared.is_some()
    }

    /// Returns the number of members to evaluate together if each evaluates `rows` rows at a time.
    pub fn members_a_batch(&self, rows: usize) -> usize {
        if self.shares_base() { (SHARED_ROWS / rows.max(1)).max(1) } else { 1 }
    }

    /// Returns the given members, ready for inference.
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
                    Executor::of_network(&self.network, &weights, self.arithmetic)
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
    /// The shared base with the noise of all perturbations; for each member, the offset of its noise and its scale.
    Shared { base: &'a SharedBase, noise: Vec<f32>, places: Vec<(usize, f32)> },
    /// One executor per member.
    Own(Vec<Executor>),
}

impl Members<'_> {
    /// Returns the evaluator of batches in which row `i` belongs to member `rows[i]`, counted from the first of these.
    pub fn rows<'a>(&'a self, rows: &'a [u32]) -> Rows<'a> {
        Rows { members: self, rows }
    }
}

/// The evaluator of one batch of members.
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
        let judged = self.evaluate_scaled(seen, out);
        out.scaled = scaled;
        judged
    }
}

impl Rows<'_> {
    /// Evaluates observations that are scaled already.
    fn evaluate_scaled(&self, observations: &Observations, out: &mut Evaluation) -> Result<()> {
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
