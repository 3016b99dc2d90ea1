//! What there is to be timed: hot paths on made-up data ([`works`]), and what the machine could do at best ([`limits`]).
//! For `benchmark`, `bench`, and the criterion benches.

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

/// A piece of work that can be done again and again.
pub struct Work {
    /// What it is.
    pub name: String,
    /// What it is counted in, such as `steps`.
    pub unit: &'static str,
    /// How many of these a call makes.
    pub amount: f64,
    /// Floating-point operations of a call that its result needs, those of memory-bound work not counted; 0 where
    /// arithmetic is not what bounds it.
    pub flops: f64,
    /// Bytes that a call reads and writes in memory at least; 0 where memory is not what bounds it.
    pub bytes: f64,
    run: Box<dyn FnMut() -> Result<()> + Send>,
}

impl Work {
    /// Work of which a call makes `amount` of `unit`.
    pub fn new(
        name: impl Into<String>,
        (amount, unit): (usize, &'static str),
        run: impl FnMut() -> Result<()> + Send + 'static,
    ) -> Self {
        let name = name.into();
        Self { name, unit, amount: amount as f64, flops: 0.0, bytes: 0.0, run: Box::new(run) }
    }

    /// Does it once.
    ///
    /// # Errors
    /// Those of the work.
    pub fn call(&mut self) -> Result<()> {
        (self.run)()
    }

    /// How many of its units are made a second: after one call to warm up, at least `seconds` on the current rayon pool.
    ///
    /// # Errors
    /// Those of the work.
    pub fn rate(&mut self, seconds: f64) -> Result<f64> {
        self.call()?;
        let (start, mut calls) = (Instant::now(), 0.0);
        while start.elapsed() < Duration::from_secs_f64(seconds) {
            self.call()?;
            calls += 1.0;
        }
        Ok(calls * self.amount / start.elapsed().as_secs_f64())
    }
}

impl Debug for Work {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {}", self.amount, self.unit, self.name)
    }
}

/// A number in [-1, 1) that looks arbitrary and is the same everywhere.
pub(crate) fn noise(i: usize) -> f32 {
    let mixed = (i as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// Parameters of the usual magnitude, `noise / sqrt(inputs)`.
pub(crate) fn made_up_parameters(network: &Network) -> Vec<f32> {
    let mut parameters = Vec::with_capacity(network.parameter_count());
    for spec in network.parameters() {
        let scale = (spec.fan_in.max(1) as f32).sqrt().recip();
        parameters.extend(spec.range.map(|i| noise(i) * scale));
    }
    parameters
}

/// A batch with one bit in each of `cells` groups of `cells`, and one choice in seven masked. Only tests have actions of
/// more than one choice.
pub(crate) fn made_up(network: &Network, rows: usize, cells: usize) -> Batch {
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
