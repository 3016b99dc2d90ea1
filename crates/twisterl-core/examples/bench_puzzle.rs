//! Times the operations of the 8-puzzle at difficulty 5 and prints nanoseconds an operation as one JSON object, for
//! `scripts/benchmark.py mojo`, which compares them with those of `mojo/benchmark.mojo` and of the peer's crate.

#![allow(clippy::print_stdout, reason = "a program that prints its result")]

use std::hint::black_box;
use std::time::Instant;
use twisterl_core::env::Environment;
use twisterl_core::envs::puzzle::{Puzzle, PuzzleParams};
use twisterl_core::rng::{Purpose, stream};
use twisterl_core::space::{Action, Observations};

const REPEATS: usize = 9;

/// The median time of an operation over some repeats, in nanoseconds.
fn time(name: &str, iterations: usize, mut operation: impl FnMut(usize)) {
    let mut times: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            for i in 0..iterations {
                operation(i);
            }
            start.elapsed().as_nanos() as f64 / iterations as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let separator = if name == "create" { "{" } else { "," };
    print!("{separator}\"{name}\":{}", times[REPEATS / 2]);
}

// long function: one timing after the other
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let iterations: usize = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse())?;
    let mut state = 1u32;
    let actions: Vec<usize> = (0..4096)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 30) as usize
        })
        .collect();
    let action = |i: usize| Action::Discrete(actions[i % 4096]);
    let params = PuzzleParams { difficulty: 5, ..PuzzleParams::default() };
    let mut env = Puzzle::new(&params)?;
    let mut rng = stream(0, Purpose::Start, 0, 0);
    let mut seen = Observations::new();
    let mut mask = [false; 4];
    env.reset(&mut rng);
    time("create", iterations, |_| {
        let _ = black_box(Puzzle::new(black_box(&params)));
    });
    time("reset", iterations, |_| black_box(&mut env).reset(&mut rng));
    time("step", iterations, |i| {
        black_box(black_box(&mut env).step(action(i)));
    });
    time("observe", iterations, |_| {
        seen.clear();
        seen.push_with(|row| black_box(&env).observe(row));
        black_box(&seen);
    });
    time("masks", iterations, |_| {
        black_box(&env).action_mask(&mut mask);
        black_box(&mask);
    });
    time("clone", iterations, |_| {
        black_box(black_box(&env).clone());
    });
    time("is_final", iterations, |_| {
        black_box(black_box(&env).solved());
    });
    time("combined_step", iterations, |i| {
        let env = black_box(&mut env);
        let step = env.step(action(i));
        seen.clear();
        seen.push_with(|row| env.observe(row));
        env.action_mask(&mut mask);
        black_box((&seen, &mask, step));
    });
    let mut at = 0;
    time("episode", iterations, |_| {
        let env = black_box(&mut env);
        env.reset(&mut rng);
        let mut done = env.solved();
        while !done {
            seen.clear();
            seen.push_with(|row| env.observe(row));
            env.action_mask(&mut mask);
            black_box((&seen, &mask));
            let step = env.step(action(at));
            done = black_box(step).done();
            at += 1;
        }
    });
    println!("}}");
    Ok(())
}
