//! The loss of PPO (Schulman et al. 2017, equations 7 and 9), with its gradient in closed form.
//!
//! Per row, with `r` the ratio of the probabilities of the action under the new and the acting policy, `A` its
//! advantage, `R` the target of the value `V`, and `H` the entropy of the policy:
//!
//! ```text
//! loss = -min(r A, clip(r, 1 - e, 1 + e) A) + vf_coef (V - R)^2 - ent_coef H
//! ```
//!
//! The derivatives of log-probability and entropy by the parameters are those of the action's distribution
//! ([`twisterl_core::evaluator::distribution`]).

use super::{Loss, LossOutput, LossStatistics, Objective};
use crate::Result;
use crate::data::batch::{Batch, RowShape, Targets};
use crate::record::metrics::{names, numbers};
use candle_core::bail;
use serde_json::{Map, Value};
use std::sync::Arc;
use twisterl_core::evaluator::distribution::{ActionDistribution, Sample, Slopes};
use twisterl_core::space::Observations;

/// The lower bound of log-probabilities of choices: those of rarer actions are dominated by rounding. Densities have no
/// such bound.
const MIN_LOG_PROB: f64 = -30.0;
/// The bound of the logarithm of the ratio, which keeps the loss finite however far the policy has moved.
const MAX_LOG_RATIO: f64 = 10.0;

/// The coefficients of the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PpoLossConfig {
    /// The distance from 1 beyond which the ratio has no gradient.
    pub clip_ratio: f32,
    /// Weight of the value's squared error.
    pub vf_coef: f32,
    /// Weight of the entropy bonus.
    pub ent_coef: f32,
}

/// Learning from the samples of the acting policy.
#[derive(Debug, Clone, Copy)]
pub struct Ppo<'a> {
    /// The samples.
    pub batch: &'a Batch,
    /// Coefficients.
    pub config: PpoLossConfig,
}

impl Objective for Ppo<'_> {
    type Loss = PpoLoss;

    fn rows(&self) -> usize {
        self.batch.len()
    }

    fn check(&self, shape: &RowShape) -> Result<()> {
        shape.check(self.batch)
    }

    fn gather(&self, shape: &RowShape, indices: &[u32]) -> Result<(Observations, PpoLoss)> {
        let (observations, targets) = shape.gather(self.batch, indices)?;
        let distribution = Arc::clone(&shape.distribution);
        Ok((observations, PpoLoss { config: self.config, distribution, targets }))
    }

    fn metrics(&self, statistics: &LossStatistics) -> Map<String, Value> {
        numbers([
            (names::POLICY_LOSS, statistics.policy_loss()),
            (names::VALUE_LOSS, statistics.value_loss()),
            (names::ENTROPY, statistics.entropy()),
            (names::TOTAL_LOSS, statistics.total_loss()),
            (names::APPROX_KL, statistics.approx_kl()),
            (names::CLIP_FRACTION, statistics.clip_fraction()),
            (names::GRAD_NORM, statistics.grad_norm()),
        ])
    }
}

/// The loss of PPO on some rows.
#[derive(Debug, Clone)]
pub struct PpoLoss {
    /// Coefficients.
    pub config: PpoLossConfig,
    /// The distribution whose parameters the logits are.
    pub distribution: Arc<ActionDistribution>,
    /// The actions, advantages and returns of the rows.
    pub targets: Targets,
}

impl Loss for PpoLoss {
    fn evaluate(
        &self,
        logits: &[f32],
        values: &[f32],
        weight: f64,
    ) -> candle_core::Result<LossOutput> {
        let (rows, distribution, targets) = (values.len(), &*self.distribution, &self.targets);
        let (width, mask_width) = (distribution.width(), distribution.mask_width());
        let (choices, numbers) = distribution.sample_widths();
        if logits.len() != rows * width
            || targets.masks.len() != rows * mask_width
            || targets.choices.len() != rows * choices
            || targets.numbers.len() != rows * numbers
            || [&targets.log_probs, &targets.advantages, &targets.returns].map(Vec::len)
                != [rows; 3]
        {
            bail!("ppo-loss: {} logits of width {width} do not fit {rows} rows", logits.len())
        }
        let mut statistics = LossStatistics { rows: rows as u64, ..LossStatistics::default() };
        let mut logits_gradient = vec![0.0; logits.len()];
        let mut values_gradient = Vec::with_capacity(rows);
        let [vf_coef, ent_coef] = [self.config.vf_coef, self.config.ent_coef].map(f64::from);
        let mut scratch = vec![0.0; distribution.scratch_width()];
        let mut row_gradient = vec![0.0; width];
        let scalars = targets.log_probs.iter().zip(&targets.advantages).zip(&targets.returns);
        let rows = logits
            .chunks_exact(width)
            .zip(logits_gradient.chunks_exact_mut(width))
            .zip(values.iter().zip(scalars))
            .enumerate();
        for (i, ((logits, gradient), (&value, ((&old, &advantage), &target)))) in rows {
            let place = |width: usize| i * width..(i + 1) * width;
            let mask = &targets.masks[place(mask_width)];
            let sample = Sample {
                choices: &targets.choices[place(choices)],
                values: &targets.numbers[place(numbers)],
            };
            let score = distribution.score(logits, mask, sample, &mut scratch);
            let (log_prob, entropy) = (score.log_prob, score.entropy);
            let surrogate = self.surrogate(log_prob, f64::from(old), f64::from(advantage));
            let slopes = Slopes { log_prob: surrogate.slope, entropy: -ent_coef };
            row_gradient.fill(0.0);
            distribution.gradient(logits, mask, sample, &scratch, slopes, &mut row_gradient);
            for (to, from) in gradient.iter_mut().zip(&row_gradient) {
                *to = (weight * from) as f32;
            }
            let error = f64::from(value) - f64::from(target);
            values_gradient.push((weight * vf_coef * 2.0 * error) as f32);
            statistics.policy += surrogate.loss;
            statistics.value += error * error;
            statistics.entropy += entropy;
            statistics.total += surrogate.loss + vf_coef * error * error - ent_coef * entropy;
            statistics.kl += surrogate.kl;
            statistics.clipped += surrogate.clipped;
        }
        let loss = weight * statistics.total;
        Ok(LossOutput { statistics, loss, logits_gradient, values_gradient })
    }
}

impl PpoLoss {
    /// The negated clipped objective of one row.
    fn surrogate(&self, log_prob: f64, old: f64, advantage: f64) -> Surrogate {
        let clip = f64::from(self.config.clip_ratio);
        let least = match self.distribution.sample_widths() {
            (_, 0) => MIN_LOG_PROB,
            _ => f64::MIN,
        };
        let log_ratio = log_prob.max(least) - old.max(least);
        let free = log_prob > least && log_ratio.abs() < MAX_LOG_RATIO;
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

#[cfg(test)]
mod tests;
