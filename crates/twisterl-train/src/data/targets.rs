//! Statistics of the targets of a batch.

use crate::data::batch::Batch;

/// Shifts and scales advantages, `[rows]`, to mean 0 and standard deviation 1 (with n - 1, as PyTorch's `std`).
pub fn normalize(advantages: &mut [f32]) {
    let n = advantages.len() as f64;
    let mean = advantages.iter().map(|&a| f64::from(a)).sum::<f64>() / n.max(1.0);
    let squares: f64 = advantages.iter().map(|&a| (f64::from(a) - mean).powi(2)).sum();
    let deviation = (squares / (n - 1.0).max(1.0)).sqrt();
    for a in advantages {
        *a = ((f64::from(*a) - mean) / (deviation + 1e-8)) as f32;
    }
}

/// Returns the share of the variance of the returns that the values of the acting policy explain: 1 for all of it, 0 for
/// none, negative where a constant would explain more. Needs unnormalized advantages: return minus value.
pub fn explained_variance(batch: &Batch) -> f64 {
    let variance = |values: &mut dyn Iterator<Item = f32>| {
        let (mut n, mut mean, mut squares) = (0.0, 0.0, 0.0);
        for value in values {
            // Welford's update.
            n += 1.0;
            let delta = f64::from(value) - mean;
            mean += delta / n;
            squares += delta * (f64::from(value) - mean);
        }
        squares / f64::max(n, 1.0)
    };
    let returns = variance(&mut batch.returns.iter().copied());
    let errors = variance(&mut batch.advantages.iter().copied());
    if returns > 0.0 { 1.0 - errors / returns } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalized_advantages_have_mean_0_and_deviation_1() {
        let mut advantages = vec![1.0, 2.0, 3.0, 6.0];
        normalize(&mut advantages);
        // Mean 3, sample variance 14/3.
        let scale = (14.0f32 / 3.0).sqrt();
        for (a, e) in advantages.iter().zip([-2.0, -1.0, 0.0, 3.0]) {
            assert!((a - e / scale).abs() < 1e-6);
        }
        for mut odd in [vec![], vec![5.0], vec![2.0, 2.0]] {
            normalize(&mut odd);
            assert!(odd.iter().all(|&a| a == 0.0));
        }
    }

    #[test]
    fn explained_variance_is_1_for_perfect_values_and_0_for_constant_ones() {
        let mut batch = Batch { returns: vec![1.0, 2.0, 4.0], ..Batch::default() };
        batch.advantages = vec![0.0; 3];
        assert_eq!(explained_variance(&batch), 1.0);
        batch.advantages = vec![1.0, 2.0, 4.0];
        assert!(explained_variance(&batch).abs() < 1e-12);
    }
}
