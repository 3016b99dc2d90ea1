//! The loss of PPO (Schulman et al. 2017, equations 7 and 9), with its gradient in closed form.
//!
//! Per row, with `r` the ratio of the probabilities of the action under the new and the acting policy, `A` its
//! advantage, `R` the target of the value `V`, `p` the policy's probabilities and `H` their entropy:
//!
//! ```text
//! loss = -min(r A, clip(r, 1 - e, 1 + e) A) + vf_coef (V - R)^2 - ent_coef H
//! d ln p(a) / d z_j = [j = a] - p_j          d H / d z_j = -p_j (ln p_j + H)
//! ```
//!
//! An action of several components has the sum of their log-probabilities and of their entropies. Masked choices have
//! probability 0, and no part in entropy and gradient.

use super::{Loss, Objective, Outcome, Stats, log_normaliser, means};
use crate::Result;
use crate::batch::{Batch, RowShape, Targets};
use candle_core::bail;
use serde_json::{Map, Value};
use twisterl_core::space::Observations;

/// Log-probabilities are never taken to be below this: so rare an action is a matter of rounding.
const MIN_LOG_PROB: f64 = -30.0;
/// Bound of the log of the ratio: with it the loss stays finite however far the policy has moved.
const MAX_LOG_RATIO: f64 = 10.0;

/// The coefficients of the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PpoLossConfig {
    /// How far the ratio may move before its gradient is cut off.
    pub clip_ratio: f32,
    /// Weight of the value's squared error.
    pub vf_coef: f32,
    /// Weight of the entropy bonus.
    pub ent_coef: f32,
}

/// Sums over rows, from which the means that are reported come. Adding them up in a fixed order makes them
/// independent of the number of threads.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PpoStats {
    /// Rows.
    pub count: u64,
    /// Optimiser steps.
    pub steps: u64,
    policy: f64,
    value: f64,
    entropy: f64,
    total: f64,
    kl: f64,
    clipped: f64,
    grad_norm: f64,
}

impl Stats for PpoStats {
    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.steps += other.steps;
        for (sum, x) in [
            (&mut self.policy, other.policy),
            (&mut self.value, other.value),
            (&mut self.entropy, other.entropy),
            (&mut self.total, other.total),
            (&mut self.kl, other.kl),
            (&mut self.clipped, other.clipped),
            (&mut self.grad_norm, other.grad_norm),
        ] {
            *sum += x;
        }
    }

    fn total_loss(&self) -> f64 {
        self.mean(self.total)
    }

    fn count_step(&mut self, grad_norm: f64) {
        self.steps += 1;
        self.grad_norm += grad_norm;
    }
}

impl PpoStats {
    fn mean(&self, sum: f64) -> f64 {
        sum / self.count.max(1) as f64
    }

    /// Mean of the negated clipped objective.
    pub fn policy_loss(&self) -> f64 {
        self.mean(self.policy)
    }

    /// Mean squared error of the value.
    pub fn value_loss(&self) -> f64 {
        self.mean(self.value)
    }

    /// Mean entropy in nats.
    pub fn entropy(&self) -> f64 {
        self.mean(self.entropy)
    }

    /// Mean of `(r - 1) - ln r`, an estimate of the Kullback-Leibler divergence from the acting to the new policy
    /// that is never negative (Schulman 2020, "Approximating KL divergence").
    pub fn approx_kl(&self) -> f64 {
        self.mean(self.kl)
    }

    /// The share of rows whose ratio was further than `clip_ratio` from 1.
    pub fn clip_fraction(&self) -> f64 {
        self.mean(self.clipped)
    }

    /// Mean norm of the gradient of a step, before clipping.
    pub fn grad_norm(&self) -> f64 {
        self.grad_norm / self.steps.max(1) as f64
    }

    /// All means by name, as metrics report them.
    pub fn to_map(&self) -> Map<String, Value> {
        means([
            ("policy_loss", self.policy_loss()),
            ("value_loss", self.value_loss()),
            ("entropy", self.entropy()),
            ("total_loss", self.total_loss()),
            ("approx_kl", self.approx_kl()),
            ("clip_fraction", self.clip_fraction()),
            ("grad_norm", self.grad_norm()),
        ])
    }
}

/// Learning from what the acting policy did.
#[derive(Debug, Clone, Copy)]
pub struct Ppo<'a> {
    /// The samples.
    pub batch: &'a Batch,
    /// Coefficients.
    pub config: PpoLossConfig,
}

impl Objective for Ppo<'_> {
    type Loss = PpoLoss;

    fn check(&self, shape: &RowShape) -> Result<()> {
        shape.check(self.batch)
    }

    fn gather(&self, shape: &RowShape, indices: &[u32]) -> Result<(Observations, PpoLoss)> {
        let (observations, targets) = shape.gather(self.batch, indices)?;
        let choices = shape.choices.clone();
        Ok((observations, PpoLoss { config: self.config, choices, targets }))
    }
}

/// The loss of some rows.
#[derive(Debug, Clone)]
pub struct PpoLoss {
    /// Coefficients.
    pub config: PpoLossConfig,
    /// The choices of each action component.
    pub choices: Vec<usize>,
    /// What the rows aim at.
    pub targets: Targets,
}

impl Loss for PpoLoss {
    type Stats = PpoStats;

    fn evaluate(
        &self,
        logits: &[f32],
        values: &[f32],
        weight: f64,
    ) -> candle_core::Result<Outcome<PpoStats>> {
        let (rows, width) = (values.len(), self.choices.iter().sum::<usize>());
        let targets = &self.targets;
        if logits.len() != rows * width
            || targets.masks.len() != rows * width
            || targets.choices.len() != rows * self.choices.len()
            || [&targets.log_probs, &targets.advantages, &targets.returns].map(Vec::len)
                != [rows; 3]
        {
            bail!("ppo-loss: {} logits of width {width} do not fit {rows} rows", logits.len())
        }
        let mut stats = PpoStats { count: rows as u64, ..PpoStats::default() };
        let mut logits_gradient = vec![0.0; logits.len()];
        let mut values_gradient = Vec::with_capacity(rows);
        let [vf_coef, ent_coef] = [self.config.vf_coef, self.config.ent_coef].map(f64::from);
        let mut probabilities = vec![Choice::default(); width];
        let numbers = targets.log_probs.iter().zip(&targets.advantages).zip(&targets.returns);
        let rows = logits
            .chunks_exact(width)
            .zip(targets.masks.chunks_exact(width))
            .zip(targets.choices.chunks_exact(self.choices.len()))
            .zip(logits_gradient.chunks_exact_mut(width))
            .zip(values.iter().zip(numbers));
        for ((((logits, mask), chosen), gradient), (&value, ((&old, &advantage), &target))) in rows
        {
            let (log_prob, entropy) =
                distributions(&self.choices, logits, mask, chosen, &mut probabilities);
            let surrogate = self.surrogate(log_prob, f64::from(old), f64::from(advantage));
            for (d, p) in gradient.iter_mut().zip(&probabilities) {
                let chosen = if p.chosen { 1.0 } else { 0.0 };
                let policy = surrogate.slope * (chosen - p.probability);
                let bonus = ent_coef * p.probability * (p.log + p.entropy);
                *d = (weight * (policy + bonus)) as f32;
            }
            let error = f64::from(value) - f64::from(target);
            values_gradient.push((weight * vf_coef * 2.0 * error) as f32);
            stats.policy += surrogate.loss;
            stats.value += error * error;
            stats.entropy += entropy;
            stats.total += surrogate.loss + vf_coef * error * error - ent_coef * entropy;
            stats.kl += surrogate.kl;
            stats.clipped += surrogate.clipped;
        }
        Ok(Outcome { loss: weight * stats.total, stats, logits_gradient, values_gradient })
    }
}

impl PpoLoss {
    /// The negated clipped objective of one row.
    fn surrogate(&self, log_prob: f64, old: f64, advantage: f64) -> Surrogate {
        let clip = f64::from(self.config.clip_ratio);
        let log_ratio = log_prob.max(MIN_LOG_PROB) - old.max(MIN_LOG_PROB);
        let free = log_prob > MIN_LOG_PROB && log_ratio.abs() < MAX_LOG_RATIO;
        let log_ratio = log_ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO);
        let ratio = log_ratio.exp();
        let (plain, clipped) = (ratio * advantage, ratio.clamp(1.0 - clip, 1.0 + clip) * advantage);
        // Where both agree, the ratio is inside of the interval, or the advantage is 0.
        let slope = if free && plain <= clipped { -ratio * advantage } else { 0.0 };
        Surrogate {
            loss: -plain.min(clipped),
            slope,
            kl: ratio - 1.0 - log_ratio,
            clipped: if (ratio - 1.0).abs() > clip { 1.0 } else { 0.0 },
        }
    }
}

struct Surrogate {
    loss: f64,
    /// Derivative of the loss by the log-probability.
    slope: f64,
    kl: f64,
    clipped: f64,
}

/// One choice of one component.
#[derive(Debug, Clone, Copy, Default)]
struct Choice {
    probability: f64,
    /// Its logarithm; 0 where the choice is masked.
    log: f64,
    chosen: bool,
    /// Of the component that it belongs to.
    entropy: f64,
}

/// Fills in the masked softmax of each component. Returns the log-probability of what was chosen, and the entropy.
fn distributions(
    components: &[usize],
    logits: &[f32],
    mask: &[bool],
    chosen: &[u32],
    out: &mut [Choice],
) -> (f64, f64) {
    let (mut log_prob, mut entropy) = (0.0, 0.0);
    let (mut logits, mut mask, mut out) = (logits, mask, out);
    for (&n, &chosen) in components.iter().zip(chosen) {
        let (these, this_mask, this_out);
        (these, logits) = logits.split_at(n.min(logits.len()));
        (this_mask, mask) = mask.split_at(n.min(mask.len()));
        (this_out, out) = out.split_at_mut(n.min(out.len()));
        let normaliser = log_normaliser(these, this_mask);
        let mut this_entropy = 0.0;
        for (i, ((choice, &z), &m)) in this_out.iter_mut().zip(these).zip(this_mask).enumerate() {
            *choice = Choice::default();
            if m {
                choice.log = f64::from(z) - normaliser;
                choice.probability = choice.log.exp();
                this_entropy -= choice.probability * choice.log;
            }
            if i == chosen as usize {
                choice.chosen = true;
                log_prob += choice.log;
            }
        }
        for choice in this_out {
            choice.entropy = this_entropy;
        }
        entropy += this_entropy;
    }
    (log_prob, entropy)
}

#[cfg(test)]
mod tests;
