//! Measures the environments: nanoseconds of one step with its observation and mask, on one core.
//!
//!     cargo run --release -p twisterl-quantum --example speed
#![allow(clippy::print_stdout)]

use serde_json::{Value, json};
use std::hint::black_box;
use std::time::Instant;
use twisterl_core::Result;
use twisterl_core::env::Start;
use twisterl_core::registry::{EnvSpec, Registry};
use twisterl_core::rng::{Purpose, RngExt as _, stream};
use twisterl_core::space::{Actions, Observations};

/// The number of environments, of rounds, and of repetitions, of which the fastest counts.
const SLOTS: usize = 64;
const ROUNDS: usize = 500;
const REPETITIONS: usize = 100;

fn main() -> Result<()> {
    let mut registry = Registry::empty();
    twisterl_quantum::register(&mut registry);
    for (env_cls, qubits) in [
        ("Permutation", 9),
        ("Permutation", 65),
        ("LinearFunction", 5),
        ("LinearFunction", 9),
        ("Clifford", 3),
        ("Clifford", 6),
        ("Clifford", 11),
        ("PauliNetwork", 6),
        ("Routing", 9),
    ] {
        let params: Value = json!({"num_qubits": qubits, "difficulty": 1000, "max_depth": 1000000});
        let spec = registry.make(env_cls, &params)?;
        let mut best = f64::INFINITY;
        for _ in 0..REPETITIONS {
            best = best.min(nanoseconds(&*spec)?);
        }
        println!("{env_cls} of {qubits} qubits: {best:.1} ns");
    }
    Ok(())
}

/// Returns the time of one step of one environment, in nanoseconds.
fn nanoseconds(spec: &dyn EnvSpec) -> Result<f64> {
    let mut env = spec.batch(SLOTS);
    let mut rng = stream(0, Purpose::Act, 0, 0);
    for slot in 0..SLOTS {
        env.begin(slot, Start::Uniform { difficulty: 1000 }, &mut rng)?;
    }
    let space = spec.action_space();
    let choices = space.single_discrete().unwrap_or(1) as u32;
    let mut rounds = Vec::new();
    for _ in 0..64 {
        let mut actions = Actions::new(&space);
        (0..SLOTS).for_each(|_| actions.push((rng.random_range(0..choices) as usize).into()));
        rounds.push(actions);
    }
    let slots: Vec<usize> = (0..SLOTS).collect();
    let (mut observations, mut masks, mut steps) = (Observations::new(), Vec::new(), Vec::new());
    let begun = Instant::now();
    for actions in rounds.iter().cycle().take(ROUNDS) {
        observations.clear();
        masks.clear();
        steps.clear();
        env.step(&slots, actions, &mut steps)?;
        env.observe(&slots, &mut observations, &mut masks)?;
        black_box((&observations, &masks, &steps));
    }
    Ok(begun.elapsed().as_nanos() as f64 / (ROUNDS * SLOTS) as f64)
}
