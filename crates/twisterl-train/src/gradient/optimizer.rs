//! Adam (Kingma and Ba 2015) over one flat buffer, in place and in one pass.
//!
//! Candle's AdamW makes several tensors a step and keeps its moments private; with these a run resumes exactly.

use crate::gradient::ops::kernels::vectorised;
use rayon::prelude::*;

/// Values that one thread updates at a time.
pub(crate) const CHUNK: usize = 1 << 14;

/// Adam's constants; the learning rate comes with each step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamConfig {
    /// Decay of the first and second moment.
    pub betas: (f64, f64),
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Multiple of the parameters that is added to the gradient (L2 regularisation, as in PyTorch's Adam).
    pub weight_decay: f32,
}

impl Default for AdamConfig {
    /// The paper's.
    fn default() -> Self {
        Self { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0 }
    }
}

/// What a step depends on beside the gradient, to be saved and restored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AdamState {
    /// First moment, one value a parameter.
    pub m: Vec<f32>,
    /// Second moment, one value a parameter.
    pub v: Vec<f32>,
    /// Steps made.
    pub t: u64,
}

impl AdamState {
    /// Before the first step of `count` parameters.
    pub fn new(count: usize) -> Self {
        Self { m: vec![0.0; count], v: vec![0.0; count], t: 0 }
    }

    /// One step along `scale * gradient` with learning rate `lr`. All slices are as long as the moments.
    pub fn step(
        &mut self,
        config: &AdamConfig,
        parameters: &mut [f32],
        gradient: &[f32],
        scale: f32,
        lr: f64,
    ) {
        self.t += 1;
        let (beta1, beta2) = config.betas;
        let t = self.t as f64;
        // p -= lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)
        let rate = (lr / (1.0 - beta1.powf(t))) as f32;
        let root = (1.0 - beta2.powf(t)).sqrt().recip() as f32;
        let (keep1, take1) = (beta1 as f32, (1.0 - beta1) as f32);
        let (keep2, take2) = (beta2 as f32, (1.0 - beta2) as f32);
        let AdamConfig { eps, weight_decay, .. } = *config;
        let moments = self.m.par_chunks_mut(CHUNK).zip(self.v.par_chunks_mut(CHUNK));
        let values = parameters.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
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

    /// One step along `scale * gradient` by plain gradient descent with momentum `betas.0`, which the first moment
    /// holds; the second stays as it is.
    pub fn momentum_step(
        &mut self,
        config: &AdamConfig,
        parameters: &mut [f32],
        gradient: &[f32],
        scale: f32,
        lr: f64,
    ) {
        self.t += 1;
        let (lr, keep) = (lr as f32, config.betas.0 as f32);
        for ((p, g), m) in parameters.iter_mut().zip(gradient).zip(&mut self.m) {
            *m = keep * *m + (g * scale + config.weight_decay * *p);
            *p -= lr * *m;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn momentum_adds_up_gradients() {
        let config = AdamConfig { betas: (0.5, 0.0), weight_decay: 0.0, eps: 1.0 };
        let (mut state, mut p) = (AdamState::new(1), [1.0]);
        for gradient in [2.0, 0.0, 4.0] {
            state.momentum_step(&config, &mut p, &[gradient], -1.0, 0.1);
        }
        // Velocities -2, -1 and -4.5.
        assert!((p[0] - 1.75).abs() < 1e-6 && (state.m[0] + 4.5).abs() < 1e-6, "{p:?} {state:?}");
    }

    fn run(config: &AdamConfig, lr: f64, start: f32, gradients: &[f32]) -> (f32, AdamState) {
        let (mut state, mut p) = (AdamState::new(1), [start]);
        for &g in gradients {
            state.step(config, &mut p, &[g], 1.0, lr);
        }
        (p[0], state)
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
        let (mut a, mut b) = ([1.0], [1.0]);
        AdamState::new(1).step(&config, &mut a, &[8.0], 0.25, 0.1);
        AdamState::new(1).step(&config, &mut b, &[2.0], 1.0, 0.1);
        assert_eq!(a, b);
    }
}
