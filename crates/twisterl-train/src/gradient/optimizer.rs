//! Adam (Kingma and Ba 2015) over one flat buffer, in place and in one pass.
//!
//! Candle's AdamW allocates several tensors a step and keeps its moments private, so that no run could be resumed exactly.

use crate::gradient::ops::kernels::vectorised;
use crate::{Error, Result};
use rayon::prelude::*;

/// Weights that one thread updates at a time.
pub(crate) const CHUNK: usize = 1 << 14;

/// The hyperparameters of Adam, except the learning rate, which comes with each step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamConfig {
    /// Decay rates of the first and second moment.
    pub betas: (f64, f64),
    /// Added to the root of the second moment, against division by 0.
    pub eps: f32,
    /// L2 penalty: this multiple of the weights is added to the gradient, as in PyTorch's Adam.
    pub weight_decay: f32,
}

impl Default for AdamConfig {
    /// Returns the values of the paper.
    fn default() -> Self {
        Self { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0 }
    }
}

/// The moments of Adam, which are needed to resume.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AdamState {
    /// First moment, `[weights]`.
    pub m: Vec<f32>,
    /// Second moment, `[weights]`.
    pub v: Vec<f32>,
    /// Steps made.
    pub t: u64,
}

impl AdamState {
    /// Returns the state before the first step of `count` weights.
    pub fn new(count: usize) -> Self {
        Self { m: vec![0.0; count], v: vec![0.0; count], t: 0 }
    }
}

/// Weights with the state of their optimizer, for all algorithms. Flax calls this a train state.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainState {
    weights: Vec<f32>,
    config: AdamConfig,
    /// Has moments for the first weights, which are trained. The others stay constant.
    adam: AdamState,
}

impl TrainState {
    /// Starts from `weights`, all of which are trained.
    pub fn new(weights: Vec<f32>, config: AdamConfig) -> Self {
        Self { adam: AdamState::new(weights.len()), weights, config }
    }

    /// Trains only the first `count` weights, with new moments.
    pub fn train_first(&mut self, count: usize) {
        self.adam = AdamState::new(count.min(self.weights.len()));
    }

    /// All weights, `[weights]`.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The weights that are trained.
    pub fn trained(&self) -> &[f32] {
        &self.weights[..self.adam.m.len()]
    }

    /// The state of the optimizer.
    pub fn adam(&self) -> &AdamState {
        &self.adam
    }

    /// Continues from a saved state.
    ///
    /// # Errors
    /// If there are not as many weights or moments as before.
    pub fn restore(&mut self, weights: Vec<f32>, adam: AdamState) -> Result<()> {
        let (count, trained) = (self.weights.len(), self.adam.m.len());
        for (name, found, expected) in [
            ("weights", weights.len(), count),
            ("adam.m", adam.m.len(), trained),
            ("adam.v", adam.v.len(), trained),
        ] {
            if found != expected {
                let expected = format!("{expected} values of {name}");
                return Err(Error::checkpoint("train.safetensors", expected, found));
            }
        }
        (self.weights, self.adam) = (weights, adam);
        Ok(())
    }

    /// Makes one step along `scale * gradient` with learning rate `lr`. `gradient` has a value for each trained weight.
    pub fn adam_step(&mut self, gradient: &[f32], scale: f32, lr: f64) {
        let AdamState { m, v, t } = &mut self.adam;
        *t = t.saturating_add(1);
        let AdamConfig { betas: (beta1, beta2), eps, weight_decay } = self.config;
        let t = *t as f64;
        // p -= lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)
        let rate = (lr / (1.0 - beta1.powf(t))) as f32;
        let root = (1.0 - beta2.powf(t)).sqrt().recip() as f32;
        let (keep1, take1) = (beta1 as f32, (1.0 - beta1) as f32);
        let (keep2, take2) = (beta2 as f32, (1.0 - beta2) as f32);
        let moments = m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK));
        let values = self.weights.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        moments.zip(values).for_each(|((m, v), (p, g))| {
            vectorised(|| {
                for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
                    let g = g * scale + weight_decay * *p;
                    *m = keep1 * *m + take1 * g;
                    *v = keep2 * *v + take2 * g * g;
                    *p -= rate * *m / (v.sqrt() * root + eps);
                }
            });
        });
    }

    /// Makes one step along `scale * gradient` by gradient descent with momentum `betas.0`, which the first moment
    /// holds; the second stays as it is.
    pub fn momentum_step(&mut self, gradient: &[f32], scale: f32, lr: f64) {
        let AdamConfig { betas, weight_decay, .. } = self.config;
        let (lr, keep) = (lr as f32, betas.0 as f32);
        self.adam.t = self.adam.t.saturating_add(1);
        for ((p, g), m) in self.weights.iter_mut().zip(gradient).zip(&mut self.adam.m) {
            *m = keep * *m + (g * scale + weight_decay * *p);
            *p -= lr * *m;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn momentum_adds_up_gradients() {
        let config = AdamConfig { betas: (0.5, 0.0), weight_decay: 0.0, eps: 1.0 };
        let mut state = TrainState::new(vec![1.0], config);
        for gradient in [2.0, 0.0, 4.0] {
            state.momentum_step(&[gradient], -1.0, 0.1);
        }
        // Velocities -2, -1 and -4.5.
        assert!((state.weights[0] - 1.75).abs() < 1e-6, "{state:?}");
        assert!((state.adam.m[0] + 4.5).abs() < 1e-6, "{state:?}");
    }

    fn run(config: &AdamConfig, lr: f64, start: f32, gradients: &[f32]) -> (f32, AdamState) {
        let mut state = TrainState::new(vec![start], *config);
        for &g in gradients {
            state.adam_step(&[g], 1.0, lr);
        }
        (state.weights[0], state.adam)
    }

    #[test]
    fn the_first_step_is_the_learning_rate_whatever_the_gradient() {
        // m / (1 - beta1) = g and sqrt(v / (1 - beta2)) = |g| at t = 1.
        for g in [1e-3, -4.0, 250.0] {
            let (p, state) = run(&AdamConfig::default(), 0.1, 1.0, &[g]);
            assert!((p - (1.0 - 0.1 * g.signum())).abs() < 2e-6, "{p}");
            assert!((state.m[0] - 0.1 * g).abs() < 1e-5 * g.abs());
            assert!((state.v[0] - 0.001 * g * g).abs() < 1e-5 * g * g);
        }
    }

    #[test]
    fn two_steps_agree_with_the_closed_form() {
        // g = 1, -2: m2 = 0.9 * 0.1 - 0.1 * 2 = -0.11, v2 = 0.999 * 0.001 + 0.001 * 4 = 0.004999; with the corrections
        // 0.19 and 0.001999 the second step is -0.1 * (-0.11 / 0.19) / (sqrt(0.004999 / 0.001999) + 1e-8).
        let (p, _) = run(&AdamConfig::default(), 0.1, 0.0, &[1.0, -2.0]);
        let second = 0.1 * (0.11 / 0.19) / (0.004_999f64 / 0.001_999).sqrt();
        assert!((f64::from(p) - (-0.1 + second)).abs() < 1e-6, "{p}");
    }

    #[test]
    fn weight_decay_is_part_of_the_gradient() {
        let decayed = AdamConfig { weight_decay: 0.5, ..AdamConfig::default() };
        let (with, a) = run(&decayed, 0.01, 3.0, &[0.25]);
        let (without, b) = run(&AdamConfig::default(), 0.01, 3.0, &[0.25 + 0.5 * 3.0]);
        assert_eq!((with, a), (without, b));
    }

    #[test]
    fn a_scaled_gradient_is_as_good_as_a_small_one() {
        let config = AdamConfig { eps: 1e-3, ..AdamConfig::default() };
        let mut two = [8.0, 2.0].map(|_| TrainState::new(vec![1.0], config));
        two[0].adam_step(&[8.0], 0.25, 0.1);
        two[1].adam_step(&[2.0], 1.0, 0.1);
        assert_eq!(two[0], two[1]);
    }

    #[test]
    fn only_the_first_weights_are_trained_where_that_is_asked_for() {
        for momentum in [false, true] {
            let mut state = TrainState::new(vec![1.0; 5], AdamConfig::default());
            state.train_first(2);
            match momentum {
                true => state.momentum_step(&[1.0; 2], 1.0, 0.1),
                false => state.adam_step(&[1.0; 2], 1.0, 0.1),
            }
            assert!(state.trained().iter().all(|w| (0.8..0.95).contains(w)), "{state:?}");
            assert_eq!((state.trained().len(), &state.weights()[2..]), (2, &[1.0; 3][..]));
            let whole = state.clone();
            state.restore(whole.weights.clone(), whole.adam.clone()).unwrap();
            assert_eq!(state, whole);
            let error = state.restore(vec![0.0; 4], whole.adam).unwrap_err().to_string();
            assert!(error.contains("expected 5 values of weights, found 4"), "{error}");
            let error = state.restore(vec![0.0; 5], AdamState::new(5)).unwrap_err().to_string();
            assert!(error.contains("expected 2 values of adam.m, found 5"), "{error}");
        }
    }
}
