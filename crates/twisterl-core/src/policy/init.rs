//! Initialisation of weights.

use super::layers::{Initial, Layer};
use super::network::{Network, ParameterSpec};
use crate::math::{cos, log};
use crate::rng::{Purpose, Rng, StreamKey};
use rand::RngExt as _;

/// The initialisation of all weights of a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Init {
    /// The distribution.
    pub scheme: Scheme,
    /// The gain of all weights except those of the output layers.
    pub gain: f32,
    /// The gain of the action head's output layer.
    pub action_gain: f32,
    /// The gain of the value head's output layer.
    pub value_gain: f32,
}

/// A distribution of initial weights. Biases are 0, except with [`Scheme::Uniform`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// Weights and biases uniform in `±gain / sqrt(inputs)`, the default of PyTorch's `nn.Linear`.
    #[default]
    Uniform,
    /// Orthogonal rows (or columns, if there are more rows) of length `gain` (Saxe, McClelland and Ganguli,
    /// "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", 2013).
    Orthogonal,
    /// Normal with standard deviation `gain / sqrt(inputs)` (He et al., "Delving deep into rectifiers", 2015).
    He,
}

impl Scheme {
    /// Returns the scheme with its usual gains: 1 throughout for [`Scheme::Uniform`]; for the others `sqrt(2)`, which
    /// preserves the variance through rectifiers, 0.01 for the action head, so that all actions are about equally
    /// likely at first, and 1 for the value head.
    pub fn with_usual_gains(self) -> Init {
        let (gain, action_gain) = match self {
            Self::Uniform => (1.0, 1.0),
            Self::Orthogonal | Self::He => (std::f32::consts::SQRT_2, 0.01),
        };
        Init { scheme: self, gain, action_gain, value_gain: 1.0 }
    }
}

impl Init {
    /// Returns fresh parameters of `network`. Each tensor is drawn from its own stream.
    pub fn parameters(&self, network: &Network, seed: u64) -> Vec<f32> {
        let mut parameters = Vec::with_capacity(network.parameter_count());
        let last = |layers: &[Layer]| {
            layers.iter().rfind(|l| l.parameter_count() > 0).map(|l| format!("{}.", l.name()))
        };
        let (action, value) = (last(network.action()), last(network.value()));
        let of = |layer: &Option<String>, name: &str| {
            layer.as_ref().is_some_and(|l| name.starts_with(l))
        };
        for (index, spec) in network.parameters().iter().enumerate() {
            let gain = match &spec.name {
                name if of(&action, name) => self.action_gain,
                name if of(&value, name) => self.value_gain,
                _ => self.gain,
            };
            let mut rng = StreamKey::new(seed, Purpose::Init).at(index as u64).stream();
            self.tensor(spec, gain, &mut rng, &mut parameters);
        }
        parameters
    }

    fn tensor(&self, spec: &ParameterSpec, gain: f32, rng: &mut Rng, to: &mut Vec<f32>) {
        let count = spec.range.len();
        let bound = gain / (spec.fan_in.max(1) as f32).sqrt();
        match (spec.initial, self.scheme) {
            (Initial::Weight | Initial::Bias, Scheme::Uniform) => {
                to.extend((0..count).map(|_| (2.0 * rng.random::<f32>() - 1.0) * bound));
            }
            (Initial::Weight, Scheme::He) => {
                to.extend((0..count).map(|_| bound * normal(rng) as f32))
            }
            (Initial::Weight, Scheme::Orthogonal) => {
                let outputs = count / spec.fan_in.max(1);
                let rows = orthogonal(outputs, spec.fan_in, rng);
                // Positions in memory of the matrix `[outputs, inputs]`.
                let place = |i: usize| match spec.transposed_in_file {
                    true => i % outputs * spec.fan_in + i / outputs,
                    false => i,
                };
                to.extend((0..count).map(|i| gain * rows.get(place(i)).map_or(0.0, |&w| w as f32)));
            }
            (Initial::Bias, _) => to.extend((0..count).map(|_| 0.0)),
            (Initial::Constant(value), _) => to.extend((0..count).map(|_| value)),
            (Initial::Normal(deviation), _) => {
                to.extend((0..count).map(|_| deviation * normal(rng) as f32));
            }
        }
    }
}

/// Returns a standard normal variable (Box and Muller 1958).
fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * log(1.0 - rng.random::<f64>())).sqrt();
    radius * cos(std::f64::consts::TAU * rng.random::<f64>())
}

/// Returns a row-major matrix `[rows, columns]` with orthonormal rows, or columns if there are fewer of them: normal
/// vectors orthogonalised by Gram-Schmidt, twice for accuracy.
fn orthogonal(rows: usize, columns: usize, rng: &mut Rng) -> Vec<f64> {
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
    while vectors.len() < count {
        let mut vector: Vec<f64> = (0..length).map(|_| normal(rng)).collect();
        for other in vectors.iter().chain(&vectors) {
            let dot: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
            vector.iter_mut().zip(other).for_each(|(a, b)| *a -= dot * b);
        }
        let norm = vector.iter().map(|a| a * a).sum::<f64>().sqrt();
        if norm > 1e-6 {
            vector.iter_mut().for_each(|a| *a /= norm);
            vectors.push(vector);
        }
    }
    let entry = |i: usize| {
        let (row, column) = (i / columns.max(1), i % columns.max(1));
        let (vector, place) = if rows <= columns { (row, column) } else { (column, row) };
        vectors.get(vector).and_then(|v| v.get(place)).copied().unwrap_or(0.0)
    };
    (0..rows * columns).map(entry).collect()
}
