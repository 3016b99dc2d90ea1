//! Benchmarks: hot paths on synthetic data ([`works`]), and the limits of the machine ([`limits`]). For `benchmark`,
//! `bench`, and the criterion benches.

pub mod limits;
mod population;
pub mod works;

pub use population::{PopulationRates, bench_population};

use crate::Result;
use crate::data::batch::Batch;
use std::fmt::{self, Debug, Formatter};
use std::time::{Duration, Instant};
use twisterl_core::policy::network::Network;
use twisterl_core::space::ActionComponent;

/// A piece of work that can be timed repeatedly.
pub struct Work {
    /// Its name.
    pub name: String,
    /// The unit in which it is counted, such as `steps`.
    pub unit: &'static str,
    /// The number of units per call.
    pub amount: f64,
    /// Floating-point operations that the result of a call needs; 0 if arithmetic does not bound it.
    pub flops: f64,
    /// Bytes that a call reads and writes in memory at least; 0 if memory does not bound it.
    pub bytes: f64,
    run: Box<dyn FnMut() -> Result<()> + Send>,
}

impl Work {
    /// Wraps `run`, a call of which makes `amount` of `unit`.
    pub fn new(
        name: impl Into<String>,
        (amount, unit): (usize, &'static str),
        run: impl FnMut() -> Result<()> + Send + 'static,
    ) -> Self {
        let name = name.into();
        Self { name, unit, amount: amount as f64, flops: 0.0, bytes: 0.0, run: Box::new(run) }
    }

    /// Does the work once.
    ///
    /// # Errors
    /// Those of the work.
    pub fn call(&mut self) -> Result<()> {
        (self.run)()
    }

    /// Measures the units per second on the current rayon pool: see [`rates`].
    ///
    /// # Errors
    /// Those of the work.
    pub fn rate(&mut self, seconds: f64) -> Result<f64> {
        let [rate] = rates([&mut |_| self.call().map(|()| self.amount)], seconds)?;
        Ok(rate)
    }
}

/// Measures the units per second of several works. Each is called with the number of the round and returns the units that
/// it made. They take turns for at least `seconds` in all; round 0 warms up.
///
/// # Errors
/// Those of the works.
pub fn rates<const N: usize>(
    works: [&mut dyn FnMut(u64) -> Result<f64>; N],
    seconds: f64,
) -> Result<[f64; N]> {
    let mut works = works.map(|work| (work, 0.0, Duration::ZERO));
    for (work, ..) in &mut works {
        work(0)?;
    }
    let start = Instant::now();
    for round in 1.. {
        for (work, units, time) in &mut works {
            let begun = Instant::now();
            *units += work(round)?;
            *time += begun.elapsed();
        }
        if start.elapsed().as_secs_f64() >= seconds {
            break;
        }
    }
    Ok(works.map(|(_, units, time)| units / time.as_secs_f64()))
}

impl Debug for Work {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {}", self.amount, self.unit, self.name)
    }
}

/// Returns a pseudo-random number in [-1, 1), the same on every machine.
pub(crate) fn noise(i: usize) -> f32 {
    let mixed = (i as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// Returns synthetic parameters of the usual magnitude, `noise / sqrt(inputs)`.
pub(crate) fn synthetic_parameters(network: &Network) -> Vec<f32> {
    let mut parameters = Vec::with_capacity(network.parameter_count());
    for spec in network.parameters() {
        let scale = (spec.fan_in.max(1) as f32).sqrt().recip();
        parameters.extend(spec.range.map(|i| noise(i) * scale));
    }
    parameters
}

/// Returns a synthetic batch with one bit in each of `cells` groups of `cells`, and one choice in seven masked. Only tests
/// have actions of more than one choice.
pub(crate) fn synthetic_batch(network: &Network, rows: usize, cells: usize) -> Batch {
    let mut batch = Batch::new(&network.actions);
    let pick = |i: usize, n: usize| ((noise(i) + 1.0) * 0.5 * n as f32) as usize % n;
    for row in 0..rows {
        batch.observations.push_with(|to| {
            to.ones((0..cells).map(|cell| cell * cells + pick(row * cells + cell, cells)));
        });
        for (i, component) in network.actions.components().iter().enumerate() {
            let (n, choices) = match component {
                ActionComponent::Discrete { n } => (*n, 1),
                ActionComponent::Binary { n } => (2, *n),
                ActionComponent::Continuous { .. } => (1, 0),
            };
            for bit in 0..choices {
                let choice = pick(3 * row + i + 7 + 31 * bit, n);
                batch.actions.discrete.push(choice as u32);
                batch.masks.extend((0..n).map(|a| a == choice || (row + a) % 7 != 0));
            }
            let numbers = component.widths().1;
            batch.actions.continuous.extend((0..numbers).map(|j| noise(5 * row + i + j)));
        }
        batch.log_probs.push(-1.0 + 0.3 * noise(row + 11));
        batch.advantages.push(noise(row + 13));
        batch.returns.push(noise(row + 17));
    }
    batch
}
