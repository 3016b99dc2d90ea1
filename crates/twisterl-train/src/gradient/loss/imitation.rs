//! The loss of AlphaZero (Silver et al. 2017) and of supervised learning: cross-entropy to a target policy, and the
//! squared error of the value.
//!
//! Per row, with `t` the target distribution, `p` the policy's, `V` the value and `R` its target:
//!
//! ```text
//! loss = -sum_a t_a ln p_a + vf_coef (V - R)^2        d loss / d z_j = p_j - t_j
//! ```
//!
//! If any action of a set `A` is right, the policy term is `-ln sum_{a in A} p_a`. Its gradient is that of the target
//! `t_a = p_a / sum_{b in A} p_b` for `a` in `A`, and 0 elsewhere (learning from partial labels: Jin & Ghahramani 2002). For
//! a set of one action, both are the same.

use super::{Loss, LossOutput, LossStatistics, Objective};
use crate::data::batch::{RowShape, check_lengths};
use crate::data::supervised_batch::SupervisedBatch;
use crate::record::metrics::{names, numbers};
use crate::{Error, Result};
use candle_core::bail;
use serde_json::{Map, Value};
use twisterl_core::evaluator::distribution::log_normaliser;
use twisterl_core::space::Observations;

/// Learning from examples.
#[derive(Debug, Clone, Copy)]
pub struct Imitation<'a> {
    /// The examples.
    pub examples: &'a SupervisedBatch,
    /// The meaning of the target policies.
    pub targets: PolicyTargets,
    /// Weight of the value's squared error.
    pub vf_coef: f32,
}

/// The meaning of target policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyTargets {
    /// The probability of each action.
    Distribution,
    /// The actions above 0 are right, and it does not matter which of them the policy takes.
    AnyOf,
}

impl Objective for Imitation<'_> {
    type Loss = ImitationLoss;

    fn rows(&self) -> usize {
        self.examples.len()
    }

    fn check(&self, shape: &RowShape) -> Result<()> {
        let examples = self.examples;
        let [width] = shape.choices[..] else {
            let found = format!("{} components", shape.choices.len());
            return Err(Error::config("action_space", "one discrete action", found));
        };
        let arrays = [
            ("examples.masks", examples.masks.len(), width),
            ("examples.policies", examples.policies.len(), width),
            ("examples.values", examples.values.len(), 1),
        ];
        check_lengths(examples.len(), &arrays)
    }

    fn gather(&self, shape: &RowShape, indices: &[u32]) -> Result<(Observations, ImitationLoss)> {
        let examples = self.examples;
        let width: usize = shape.choices.iter().sum();
        let mut observations = Observations::new();
        let mut loss = ImitationLoss {
            targets: self.targets,
            vf_coef: self.vf_coef,
            masks: Vec::with_capacity(indices.len() * width),
            policies: Vec::with_capacity(indices.len() * width),
            values: Vec::with_capacity(indices.len()),
        };
        for &index in indices {
            let row = index as usize;
            if row >= examples.len() {
                let expected = format!("rows below {}", examples.len());
                return Err(Error::config("examples", expected, row));
            }
            let (place, value) = (row * width..(row + 1) * width, examples.values[row]);
            if !value.is_finite() {
                let path = format!("examples.values[{row}]");
                return Err(Error::config(path, "a finite number", value));
            }
            loss.masks.extend_from_slice(&examples.masks[place.clone()]);
            loss.policies.extend_from_slice(&examples.policies[place]);
            loss.values.push(value);
            observations.push_row(&examples.observations, row);
        }
        Ok((observations, loss))
    }

    fn metrics(&self, statistics: &LossStatistics) -> Map<String, Value> {
        numbers([
            (names::POLICY_LOSS, statistics.policy_loss()),
            (names::VALUE_LOSS, statistics.value_loss()),
            (names::ENTROPY, statistics.entropy()),
            (names::AGREEMENT, statistics.agreement()),
            (names::TOTAL_LOSS, statistics.total_loss()),
            (names::GRAD_NORM, statistics.grad_norm()),
        ])
    }
}

/// The supervised loss on some rows.
#[derive(Debug, Clone)]
pub struct ImitationLoss {
    targets: PolicyTargets,
    vf_coef: f32,
    /// The allowed actions, `[rows, actions]`.
    masks: Vec<bool>,
    /// Target policies, `[rows, actions]`.
    policies: Vec<f32>,
    /// Targets of the value, `[rows]`.
    values: Vec<f32>,
}

impl ImitationLoss {
    /// Adds the policy term of a row, and appends its gradient, `[actions]`, times `weight`.
    fn policy_term(
        &self,
        (logits, policy, mask): (&[f32], &[f32], &[bool]),
        weight: f64,
        gradient: &mut Vec<f32>,
        statistics: &mut LossStatistics,
    ) {
        let normaliser = log_normaliser(logits, mask);
        // The logarithm of the sum over the actions that are right.
        let right = (self.targets == PolicyTargets::AnyOf).then(|| {
            let set: Vec<bool> = policy.iter().zip(mask).map(|(&t, &m)| m && t > 0.0).collect();
            log_normaliser(logits, &set)
        });
        let mut first = (f64::NEG_INFINITY, 0.0);
        for ((&logit, &label), &allowed) in logits.iter().zip(policy).zip(mask) {
            if !allowed {
                gradient.push(0.0);
                continue;
            }
            let (logit, label) = (f64::from(logit), f64::from(label));
            let log = logit - normaliser;
            let probability = log.exp();
            let target = match right {
                None => label,
                Some(right) if label > 0.0 => (logit - right).exp(),
                Some(_) => 0.0,
            };
            gradient.push((weight * (probability - target)) as f32);
            statistics.policy -= if right.is_none() { target * log } else { 0.0 };
            statistics.entropy -= probability * log;
            if log > first.0 {
                first = (log, label);
            }
        }
        statistics.policy += right.map_or(0.0, |right| normaliser - right);
        statistics.agreement += first.1;
    }
}

impl Loss for ImitationLoss {
    fn evaluate(
        &self,
        logits: &[f32],
        values: &[f32],
        weight: f64,
    ) -> candle_core::Result<LossOutput> {
        let rows = values.len();
        if rows != self.values.len()
            || logits.len() != self.policies.len()
            || logits.len() != self.masks.len()
            || !logits.len().is_multiple_of(rows.max(1))
        {
            bail!("imitation-loss: {} logits do not fit {rows} rows", logits.len())
        }
        let width = logits.len() / rows.max(1);
        let vf_coef = f64::from(self.vf_coef);
        let mut statistics = LossStatistics { rows: rows as u64, ..LossStatistics::default() };
        let mut logits_gradient = Vec::with_capacity(logits.len());
        let mut values_gradient = Vec::with_capacity(rows);
        let targets = self.policies.chunks(width.max(1)).zip(self.masks.chunks(width.max(1)));
        let targets = targets.zip(&self.values);
        for ((logits, &value), ((policy, mask), &target)) in
            logits.chunks(width.max(1)).zip(values).zip(targets)
        {
            self.policy_term((logits, policy, mask), weight, &mut logits_gradient, &mut statistics);
            let error = f64::from(value) - f64::from(target);
            values_gradient.push((weight * vf_coef * 2.0 * error) as f32);
            statistics.value += error * error;
        }
        statistics.total = statistics.policy + vf_coef * statistics.value;
        let loss = weight * statistics.total;
        Ok(LossOutput { statistics, loss, logits_gradient, values_gradient })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::gradient::loss::LossOp;
    use candle_core::{D, DType, Device, Tensor, Var};

    fn loss(targets: PolicyTargets) -> ImitationLoss {
        ImitationLoss {
            targets,
            vf_coef: 0.7,
            masks: vec![true, true, true, true, false, true],
            policies: vec![0.5, 0.0, 0.5, 1.0, 0.0, 0.0],
            values: vec![-1.0, 2.0],
        }
    }

    #[test]
    fn value_and_gradient_are_those_of_autograd_on_primitives() {
        autograd_agrees(loss(PolicyTargets::Distribution), |target, logs| {
            (target * logs).unwrap().sum_all().unwrap().neg().unwrap()
        });
        // The first and the last action of the first row are right, and the first of the second.
        autograd_agrees(loss(PolicyTargets::AnyOf), |target, logs| {
            let right = target.gt(0.0).unwrap().to_dtype(DType::F32).unwrap();
            let sums = (right * logs.exp().unwrap()).unwrap().sum(D::Minus1).unwrap();
            sums.log().unwrap().sum_all().unwrap().neg().unwrap()
        });
    }

    /// Compares the loss with one on primitives, whose policy term `cross` makes of targets and log-probabilities.
    fn autograd_agrees(loss: ImitationLoss, cross: fn(Tensor, Tensor) -> Tensor) {
        let logits =
            Var::from_vec(vec![0.1f32, -0.4, 2.0, 1.0, 7.0, -0.5], (2, 3), &Device::Cpu).unwrap();
        let values = Var::from_vec(vec![0.5f32, 0.25], (2, 1), &Device::Cpu).unwrap();
        let (fused, output) = LossOp::apply(loss.clone(), 0.5, &logits, &values).unwrap();

        let mask: Vec<f32> = loss.masks.iter().map(|&m| if m { 0.0 } else { -1e9 }).collect();
        let mask = Tensor::from_vec(mask, (2, 3), &Device::Cpu).unwrap();
        let target = Tensor::from_vec(loss.policies.clone(), (2, 3), &Device::Cpu).unwrap();
        let z = (logits.as_tensor() + mask).unwrap();
        let logs = z.broadcast_sub(&z.log_sum_exp(D::Minus1).unwrap().unsqueeze(1).unwrap());
        let cross = cross(target, logs.unwrap());
        let aim = Tensor::from_vec(loss.values.clone(), (2, 1), &Device::Cpu).unwrap();
        let error = (values.as_tensor() - aim).unwrap().sqr().unwrap().sum_all().unwrap();
        let plain = ((cross + (error * 0.7).unwrap()).unwrap() * 0.5).unwrap();

        let number = |t: &Tensor| t.to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap();
        assert!((number(&fused) - number(&plain)).abs() < 1e-6);
        assert!((output.statistics().unwrap().total_loss() - number(&plain)).abs() < 1e-6);
        let (fused, plain) = (fused.backward().unwrap(), plain.backward().unwrap());
        for var in [&logits, &values] {
            let flat = |g: &Tensor| g.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let (fused, plain) = (flat(fused.get(var).unwrap()), flat(plain.get(var).unwrap()));
            for (f, p) in fused.iter().zip(&plain) {
                assert!((f - p).abs() < 1e-6, "{fused:?} {plain:?}");
            }
        }
    }

    #[test]
    fn statistics_have_closed_forms() {
        let even = ImitationLoss {
            targets: PolicyTargets::Distribution,
            vf_coef: 1.0,
            masks: vec![true; 2],
            policies: vec![1.0, 0.0],
            values: vec![3.0],
        };
        let statistics = even.evaluate(&[0.0, 0.0], &[1.0], 1.0).unwrap().statistics;
        let ln2 = std::f64::consts::LN_2;
        let examples = SupervisedBatch::default();
        let metrics = objective(&examples).metrics(&statistics);
        assert_eq!(metrics["policy_loss"], ln2);
        assert_eq!(metrics["entropy"], ln2);
        assert_eq!(metrics["value_loss"], 4.0);
        assert_eq!(metrics["agreement"], 1.0);
        assert_eq!(metrics["total_loss"], ln2 + 4.0);
    }

    fn objective(examples: &SupervisedBatch) -> Imitation<'_> {
        Imitation { examples, targets: PolicyTargets::Distribution, vf_coef: 1.0 }
    }

    #[test]
    fn any_action_of_a_set_is_right() {
        let set = |policies: Vec<f32>| ImitationLoss {
            targets: PolicyTargets::AnyOf,
            vf_coef: 0.0,
            masks: vec![true; 4],
            policies,
            values: vec![0.0],
        };
        // The likeliest action is in the set, which has seven eighths of the probability.
        let logits = [0.0, 3.0f32.ln(), 0.0, 3.0f32.ln()];
        let output = set(vec![1.0, 1.0, 0.0, 1.0]).evaluate(&logits, &[0.0], 1.0).unwrap();
        assert!((output.statistics.policy + (7.0f64 / 8.0).ln()).abs() < 1e-6);
        assert_eq!(output.statistics.agreement, 1.0);
        // p - t: 1/8 - 1/7 and 3/8 - 3/7.
        for (gradient, wanted) in output.logits_gradient.iter().zip([-1.0, -3.0, 7.0, -3.0]) {
            assert!((gradient - wanted / 56.0).abs() < 1e-6, "{:?}", output.logits_gradient);
        }
        let all = set(vec![1.0; 4]).evaluate(&logits, &[0.0], 1.0).unwrap();
        assert!(all.statistics.policy.abs() < 1e-12);
        assert!(all.logits_gradient.iter().all(|g| g.abs() < 1e-7));
    }

    #[test]
    fn examples_that_do_not_fit_are_errors() {
        let mut examples = SupervisedBatch::default();
        examples.observations.push_ones(&[1]);
        examples.masks = vec![true, true];
        examples.policies = vec![0.5, 0.5];
        let shape = RowShape::discrete(2);
        let check = |examples: &SupervisedBatch| objective(examples).check(&shape);
        let message = check(&examples).unwrap_err().to_string();
        assert!(message.starts_with("examples.values: expected 1 rows of 1, found 0"), "{message}");
        examples.values = vec![f32::NAN];
        check(&examples).unwrap();
        let gather = objective(&examples).gather(&shape, &[0]);
        assert!(gather.unwrap_err().to_string().starts_with("examples.values[0]: expected a fin"));
    }
}
