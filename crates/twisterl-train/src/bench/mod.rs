//! Benchmarks: the hot paths on synthetic data ([`workloads`], [`population`]) and the limits of the machine ([`limits`]).
//! The commands `benchmark` and `bench` and the criterion benches measure them.

pub mod limits;
pub mod population;
pub mod workloads;

use crate::Result;
use crate::data::batch::Batch;
use std::fmt::{self, Debug, Formatter};
use std::time::{Duration, Instant};
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::policy::network::Network;
use twisterl_core::space::ActionComponent;

/// A unit of work to measure, which can be repeated.
pub struct Workload {
    /// The description, such as `8-puzzle: step`.
    pub name: String,
    /// The unit of the amount, such as `steps`.
    pub unit: &'static str,
    /// The amount of work of one call, in units.
    pub amount: f64,
    /// The floating-point operations that one call needs; 0 if arithmetic is not the bottleneck.
    pub flops: f64,
    /// The bytes that one call reads and writes in memory, at least; 0 if memory is not the bottleneck.
    pub bytes: f64,
    run: Box<dyn FnMut() -> Result<()> + Send>,
}

impl Workload {
    /// Creates a workload whose calls each do `amount` of `unit`.
    pub fn new(
        name: impl Into<String>,
        (amount, unit): (usize, &'static str),
        run: impl FnMut() -> Result<()> + Send + 'static,
    ) -> Self {
        let name = name.into();
        Self { name, unit, amount: amount as f64, flops: 0.0, bytes: 0.0, run: Box::new(run) }
    }

    /// Sets the floating-point operations that one call needs.
    #[must_use]
    pub fn with_flops(self, flops: f64) -> Self {
        Self { flops, ..self }
    }

    /// Sets the bytes that one call reads and writes in memory.
    #[must_use]
    pub fn with_bytes(self, bytes: f64) -> Self {
        Self { bytes, ..self }
    }

    /// Runs it once.
    ///
    /// # Errors
    /// Those of the workload.
    pub fn call(&mut self) -> Result<()> {
        (self.run)()
    }

    /// Measures its units per second, for at least `seconds` on the current rayon pool.
    ///
    /// # Errors
    /// Those of the workload, or if interruption was requested.
    pub fn rate(&mut self, seconds: f64, interrupt: &Interrupt) -> Result<f64> {
        let mut call = |_| {
            interrupt.check()?;
            self.call().map(|()| self.amount)
        };
        let [rate] = rates([&mut call], seconds)?;
        Ok(rate)
    }
}

impl Debug for Workload {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {}", self.amount, self.unit, self.name)
    }
}

/// A function to measure, which takes the number of the round and returns the units of work that it did.
pub(crate) type Measured<'a> = &'a mut dyn FnMut(u64) -> Result<f64>;

/// Measures the units per second of several functions, which take turns: one round to warm up, then rounds for at least
/// `seconds` in total.
///
/// # Errors
/// Those of the functions.
pub(crate) fn rates<const N: usize>(
    mut functions: [Measured<'_>; N],
    seconds: f64,
) -> Result<[f64; N]> {
    for function in &mut functions {
        function(0)?;
    }
    let mut totals = [(0.0, Duration::ZERO); N];
    let start = Instant::now();
    for round in 1.. {
        for (function, (units, time)) in functions.iter_mut().zip(&mut totals) {
            let begun = Instant::now();
            *units += function(round)?;
            *time += begun.elapsed();
        }
        if start.elapsed().as_secs_f64() >= seconds {
            break;
        }
    }
    Ok(totals.map(|(units, time)| units / time.as_secs_f64()))
}

/// Returns a number in [-1, 1) that looks random and is the same on every machine.
pub(crate) fn noise(i: usize) -> f32 {
    let mixed = (i as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// Returns weights of the usual magnitude, `noise / sqrt(inputs)`.
pub(crate) fn synthetic_parameters(network: &Network) -> Vec<f32> {
    let mut parameters = Vec::with_capacity(network.parameter_count());
    for spec in network.parameters() {
        let scale = (spec.fan_in.max(1) as f32).sqrt().recip();
        parameters.extend(spec.range.map(|i| noise(i) * scale));
    }
    parameters
}

/// Returns a batch of observations that have one bit in each of `cells` groups of `cells`, with one action in seven
/// masked.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::thread::sleep;

    #[test]
    fn functions_take_turns_and_rates_are_units_per_second() {
        let calls = std::cell::RefCell::new(Vec::new());
        let function = |name, units, milliseconds| {
            let calls = &calls;
            move |round: u64| {
                calls.borrow_mut().push((round, name));
                sleep(Duration::from_millis(milliseconds));
                Ok(units)
            }
        };
        let [slow, fast] =
            rates([&mut function("slow", 1.0, 20), &mut function("fast", 8.0, 2)], 0.05).unwrap();
        // Sleeping takes at least the given time.
        assert!(slow <= 50.0 && slow > 1.0, "{slow}");
        assert!(fast <= 4000.0 && fast > slow, "{fast}");
        let calls = calls.into_inner();
        assert_eq!(calls[..4], [(0, "slow"), (0, "fast"), (1, "slow"), (1, "fast")]);
        assert!(calls.len().is_multiple_of(2));
    }
}
