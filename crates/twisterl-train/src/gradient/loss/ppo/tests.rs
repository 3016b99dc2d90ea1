#![allow(clippy::unwrap_used)]
use super::*;
use crate::gradient::loss::LossOp;
use candle_core::{D, DType, Device, Tensor, Var};
use proptest::prelude::*;
use twisterl_core::space::{ActionComponent, ActionSpace};

const CONFIG: PpoLossConfig = PpoLossConfig { clip_ratio: 0.2, vf_coef: 0.5, ent_coef: 0.03 };

fn loss(choices: &[usize], targets: &Targets, config: PpoLossConfig) -> PpoLoss {
    let components = choices.iter().map(|&n| ActionComponent::Discrete { n }).collect();
    let space = ActionSpace::new(components).unwrap();
    let distribution = Arc::new(ActionDistribution::new(&space, &[]).unwrap());
    PpoLoss { config, distribution, targets: targets.clone() }
}

/// One row of one component with these logits, all choices allowed.
fn row(logits: &[f32], choice: u32, ratio: f32, advantage: f32) -> (LossOutput, f64) {
    let normaliser = logits.iter().map(|z| z.exp()).sum::<f32>().ln();
    let log_prob = logits[choice as usize] - normaliser;
    let targets = Targets {
        masks: vec![true; logits.len()],
        choices: vec![choice],
        numbers: vec![],
        log_probs: vec![log_prob - ratio.ln()],
        advantages: vec![advantage],
        returns: vec![0.0],
    };
    let config = PpoLossConfig { ent_coef: 0.0, vf_coef: 0.0, ..CONFIG };
    let output = loss(&[logits.len()], &targets, config).evaluate(logits, &[0.0], 1.0).unwrap();
    (output, f64::from(log_prob.exp()))
}

#[test]
fn the_gradient_is_cut_off_exactly_where_the_objective_is_clipped() {
    // (ratio, advantage, factor of the ratio's gradient): outside of the interval only what would come back counts.
    for (ratio, advantage, expected) in [
        (1.1, 2.0, 1.0),
        (0.9, -2.0, 1.0),
        (1.5, 2.0, 0.0),
        (1.5, -2.0, 1.0),
        (0.5, 2.0, 1.0),
        (0.5, -2.0, 0.0),
    ] {
        let (output, p) = row(&[0.3, -0.2, 1.0], 2, ratio, advantage);
        let expected = -expected * f64::from(ratio * advantage) * (1.0 - p);
        let found = f64::from(output.logits_gradient[2]);
        assert!((found - expected).abs() < 1e-5, "{ratio} {advantage}: {found} {expected}");
        let objective =
            f64::from(ratio * advantage).min(f64::from(ratio.clamp(0.8, 1.2) * advantage));
        assert!((output.statistics.policy_loss() + objective).abs() < 1e-5);
        assert_eq!(
            output.statistics.clip_fraction(),
            if (ratio - 1.0).abs() > 0.2 { 1.0 } else { 0.0 }
        );
        let kl = f64::from(ratio) - 1.0 - f64::from(ratio).ln();
        assert!((output.statistics.approx_kl() - kl).abs() < 1e-5);
    }
}

#[test]
fn masked_choices_and_forced_moves_have_no_gradient() {
    let targets = Targets {
        masks: vec![true, false, true, false, true, false],
        choices: vec![2, 1],
        numbers: vec![],
        log_probs: vec![-0.5, 0.0],
        advantages: vec![1.0, 1.0],
        returns: vec![0.0, 0.0],
    };
    let logits = [0.5, 90.0, -0.5, 3.0, -2.0, f32::MAX];
    let output = loss(&[3], &targets, CONFIG).evaluate(&logits, &[0.0, 0.0], 0.5).unwrap();
    assert_eq!(output.logits_gradient[1], 0.0);
    assert_eq!(output.logits_gradient[3..], [0.0; 3]);
    // Softmax of (0.5, -0.5) is (s, 1 - s) with s = 1 / (1 + 1/e); the forced row adds no entropy.
    let s = 1.0 / (1.0 + (-1.0f64).exp());
    let entropy = -s * s.ln() - (1.0 - s) * (1.0 - s).ln();
    assert!((output.statistics.entropy() - entropy / 2.0).abs() < 1e-9);
}

#[test]
fn extreme_policies_give_finite_losses_and_gradients() {
    for (logits, choice, ratio, advantage) in [
        ([1e30, 0.0, -1e30], 2, 1.0, -3.0),
        ([1e30, 0.0, -1e30], 0, 1e-38, 3.0),
        ([200.0, 0.0, 0.0], 1, 1.0, 5.0),
    ] {
        let targets = Targets {
            masks: vec![true; 3],
            choices: vec![choice],
            numbers: vec![],
            log_probs: vec![f32::ln(ratio)],
            advantages: vec![advantage],
            returns: vec![1e6],
        };
        let output = loss(&[3], &targets, CONFIG).evaluate(&logits, &[0.0], 1.0).unwrap();
        assert!(
            output.statistics.total_loss().is_finite() && output.statistics.approx_kl().is_finite()
        );
        assert!(output.logits_gradient.iter().all(|g| g.is_finite()));
    }
}

#[test]
fn a_logit_that_is_not_a_number_is_not_hidden() {
    let (output, _) = row(&[0.0, f32::NAN, 0.0], 0, 1.0, 1.0);
    assert!(output.statistics.total_loss().is_nan());
}

/// The same loss from candle's own operations in f64.
fn from_primitives(
    choices: &[usize],
    targets: &Targets,
    logits: &Tensor,
    values: &Tensor,
) -> candle_core::Result<Tensor> {
    let rows = values.elem_count();
    let column =
        |values: &[f32]| Tensor::from_slice(values, rows, &Device::Cpu)?.to_dtype(DType::F64);
    let width: usize = choices.iter().sum();
    let masks: Vec<f64> = targets.masks.iter().map(|&m| if m { 0.0 } else { -1e9 }).collect();
    let masks = Tensor::from_vec(masks, (rows, width), &Device::Cpu)?;
    let chosen = Tensor::from_slice(&targets.choices, (rows, choices.len()), &Device::Cpu)?;
    let mut log_prob = Tensor::zeros(rows, DType::F64, &Device::Cpu)?;
    let mut entropy = log_prob.clone();
    let mut first = 0;
    for (i, &n) in choices.iter().enumerate() {
        let z = (logits.narrow(1, first, n)? + masks.narrow(1, first, n)?)?;
        let logs = z.broadcast_sub(&z.log_sum_exp(D::Minus1)?.unsqueeze(1)?)?;
        let index = chosen.narrow(1, i, 1)?.contiguous()?;
        log_prob = (log_prob + logs.gather(&index, 1)?.squeeze(1)?)?;
        entropy = (entropy - (logs.exp()? * logs)?.sum(1)?)?;
        first += n;
    }
    let advantages = column(&targets.advantages)?;
    let ratio = (log_prob - column(&targets.log_probs)?)?.exp()?;
    let clip = f64::from(CONFIG.clip_ratio);
    let objective =
        (&ratio * &advantages)?.minimum(&(ratio.clamp(1.0 - clip, 1.0 + clip)? * &advantages)?)?;
    let error = (values.flatten_all()? - column(&targets.returns)?)?.sqr()?;
    let total = ((error * f64::from(CONFIG.vf_coef))? - objective)?
        - (entropy * f64::from(CONFIG.ent_coef))?;
    total?.mean(0)
}

proptest! {
    #[test]
    fn value_and_gradient_are_those_of_autograd_on_primitives(
        choices in proptest::collection::vec(1usize..5, 1..4),
        rows in 1usize..6,
        seed in 0usize..1000,
    ) {
        let noise = |i: usize| crate::bench::noise(seed * 1000 + i);
        let width: usize = choices.iter().sum();
        let mut targets = Targets::default();
        for r in 0..rows {
            for (c, &n) in choices.iter().enumerate() {
                let choice = (noise(r * 7 + c).abs() * n as f32) as usize % n;
                targets.choices.push(choice as u32);
                targets.masks.extend((0..n).map(|a| a == choice || noise(r * 31 + c * 5 + a) > -0.4));
            }
            targets.log_probs.push(noise(r + 500) - choices.len() as f32);
            targets.advantages.push(2.0 * noise(r + 600));
            targets.returns.push(noise(r + 700));
        }
        let logits: Vec<f32> = (0..rows * width).map(|i| 2.0 * noise(i + 800)).collect();
        let values: Vec<f32> = (0..rows).map(|i| noise(i + 900)).collect();
        let logits = Var::from_vec(logits, (rows, width), &Device::Cpu).unwrap();
        let values = Var::from_vec(values, (rows, 1), &Device::Cpu).unwrap();

        let weight = 1.0 / rows as f64;
        let op = loss(&choices, &targets, CONFIG);
        let (fused, _) = LossOp::apply(op, weight, &logits, &values).unwrap();
        let wide = |v: &Var| v.to_dtype(DType::F64).unwrap();
        let plain = from_primitives(&choices, &targets, &wide(&logits), &wide(&values)).unwrap();
        let (a, b) = (fused.to_scalar::<f32>().unwrap(), plain.to_scalar::<f64>().unwrap());
        prop_assert!((f64::from(a) - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} {b}");
        let (fused, plain) = (fused.backward().unwrap(), plain.backward().unwrap());
        for var in [&logits, &values] {
            let flat = |g: &Tensor| g.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap();
            let (fused, plain) = (flat(fused.get(var).unwrap()), flat(plain.get(var).unwrap()));
            let size = plain.iter().fold(1e-3, |m: f64, x| m.max(x.abs()));
            for (f, p) in fused.iter().zip(&plain) {
                prop_assert!((f - p).abs() <= 1e-5 * size, "{fused:?} {plain:?}");
            }
        }
    }
}

#[test]
fn merged_statistics_are_those_of_all_rows() {
    let (a, _) = row(&[0.0, 1.0], 0, 1.3, 1.0);
    let (b, _) = row(&[2.0, 1.0], 1, 0.9, -1.0);
    let mut both = a.statistics;
    both.merge(&b.statistics);
    both.count_step(3.0);
    both.count_step(1.0);
    assert_eq!((both.rows, both.steps, both.grad_norm()), (2, 2, 2.0));
    assert_eq!(
        both.policy_loss(),
        f64::midpoint(a.statistics.policy_loss(), b.statistics.policy_loss())
    );
    assert_eq!(both.clip_fraction(), 0.5);
    let objective = Ppo { batch: &Batch::default(), config: CONFIG };
    assert_eq!(objective.metrics(&both)["clip_fraction"], 0.5);
}
