//! Times the operations of the peer's puzzle as `crates/twisterl-core/examples/bench_puzzle.rs` times ours, and prints
//! nanoseconds an operation as one JSON object.

use std::hint::black_box;
use std::time::Instant;
use twisterl::envs::puzzle::Puzzle;
use twisterl::rl::env::Env;

const DIFFICULTY: usize = 5;
const REPEATS: usize = 9;

fn new() -> Puzzle {
    Puzzle::new(3, 3, black_box(DIFFICULTY), 2, 128)
}

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

fn main() {
    let iterations = match std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse()) {
        Ok(iterations) if iterations > 0 => iterations,
        _ => {
            eprintln!("error: expected a number of iterations of at least 1");
            std::process::exit(2);
        }
    };
    let mut state = 1u32;
    let actions: Vec<usize> = (0..4096)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 30) as usize
        })
        .collect();
    let action = |i: usize| actions[i % 4096];
    let mut env = new();
    env.reset();
    time("create", iterations, |_| {
        black_box(new());
    });
    time("reset", iterations, |_| black_box(&mut env).reset());
    time("step", iterations, |i| black_box(&mut env).step(action(i)));
    time("observe", iterations, |_| {
        black_box(black_box(&env).observe());
    });
    time("masks", iterations, |_| {
        black_box(black_box(&env).masks());
    });
    time("clone", iterations, |_| {
        black_box(black_box(&env).clone());
    });
    env.reset(); // with a budget left, so that it looks at the board
    time("is_final", iterations, |_| {
        black_box(black_box(&env).is_final());
    });
    time("combined_step", iterations, |i| {
        let env = black_box(&mut env);
        env.step(action(i));
        black_box((env.observe(), env.masks(), env.reward(), env.is_final()));
    });
    let mut at = 0;
    time("episode", iterations, |_| {
        let env = black_box(&mut env);
        env.reset();
        while !env.is_final() {
            black_box((env.observe(), env.masks()));
            env.step(action(at));
            black_box(env.reward());
            at += 1;
        }
    });
    println!("}}");
}
