#![allow(clippy::unwrap_used)]
use super::*;
use crate::config::{EsOptimizer, EvolutionConfig, Shaping};
use crate::gradient::optimizer::{AdamConfig, AdamState, TrainState};
use rand::RngExt as _;
use twisterl_core::policy::population::perturbation::Layout;
use twisterl_core::rng::{Purpose, stream};

fn iteration(number: u64) -> Iteration {
    Iteration { number, difficulty: 1, progress: 0.0 }
}

/// Runs ES on a function and returns the weights at the end.
fn maximise(
    config: EvolutionConfig,
    (lr, iterations): (f64, u64),
    layout: Layout,
    start: Vec<f32>,
    function: impl Fn(&[f32], u64) -> f64,
) -> Vec<f32> {
    let members = config.population as u64;
    let strategy = Strategy::new(&config, layout, 1);
    let mut state = TrainState::new(start, AdamConfig::default());
    for number in 0..iterations {
        let iteration = iteration(number);
        let fitness = |member| {
            let weights = strategy.perturbed(state.weights(), &iteration, member).unwrap();
            function(&weights, number * members + member)
        };
        let fitness: Vec<f64> = (0..members).map(fitness).collect();
        strategy.tell(&mut state, &iteration, &fitness, lr).unwrap();
    }
    state.weights().to_vec()
}

fn config(population: usize, sigma: f64) -> EvolutionConfig {
    EvolutionConfig { population, sigma, shaping: Shaping::None, ..EvolutionConfig::default() }
}

/// A quadratic of 12 weights in a 3 x 4 matrix, `g w - w H w / 2` with a symmetric `H`, and its gradient `g - H w`.
fn quadratic(weights: &[f32]) -> (f64, Vec<f64>) {
    let (mut value, mut gradient) = (0.0, Vec::new());
    for (i, &w) in weights.iter().enumerate() {
        let g = (i as f64 - 3.0) * 0.5;
        let hw = weights.iter().enumerate().map(|(j, &v)| ((i + j) as f64).cos() * f64::from(v));
        let hw: f64 = hw.sum();
        value += f64::from(w) * (g - 0.5 * hw);
        gradient.push(g - hw);
    }
    (value, gradient)
}

#[test]
fn the_mean_of_the_estimate_is_the_gradient_of_a_quadratic_at_every_rank() {
    let start: Vec<f32> = (0..12).map(|i| (i as f32 * 1.3).sin()).collect();
    let (_, gradient) = quadratic(&start);
    let length = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    for rank in [0, 1, 2] {
        // Plain gradient ascent by 1 moves the weights by the estimate.
        let config = EvolutionConfig { rank, optimizer: EsOptimizer::Sgd, ..config(40_000, 0.5) };
        let layout = Layout::new([vec![3, 4]], rank);
        let strategy = Strategy::new(&config, layout, 7);
        let mut state = TrainState::new(start.clone(), AdamConfig::default());
        let at = iteration(0);
        let fitness = |member| quadratic(&strategy.perturbed(&start, &at, member).unwrap()).0;
        let fitness: Vec<f64> = (0..40_000).map(fitness).collect();
        let report = strategy.tell(&mut state, &at, &fitness, 1.0).unwrap();
        // The variance of an entry is at most (1 + 8) |g|^2 over the pairs, 20,000 of them: four standard errors.
        let tolerance = 4.0 * 3.0 * length / 20_000f64.sqrt();
        for ((after, before), g) in state.weights().iter().zip(&start).zip(&gradient) {
            let estimate = f64::from(after - before);
            assert!((estimate - g).abs() < tolerance, "rank {rank}: {estimate} {g}");
        }
        assert!(report["gradient_cosine"].as_f64().unwrap() > 0.98, "{report:?}");
    }
}

#[test]
fn the_estimate_of_a_linear_function_has_the_variance_of_the_closed_form() {
    // With full perturbations, entry i of E (g E) has variance |g|^2 + g_i^2; the sum over all of n entries is
    // (n + 1) |g|^2, and over p pairs that divided by p.
    let (n, pairs) = (30, 8u32);
    let slope: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
    let square: f64 = slope.iter().map(|g| g * g).sum();
    let config = EvolutionConfig { optimizer: EsOptimizer::Sgd, ..config(2 * pairs as usize, 0.1) };
    let strategy = Strategy::new(&config, Layout::new([vec![n]], 0), 3);
    let no_momentum = AdamConfig { betas: (0.0, 0.0), ..AdamConfig::default() };
    let mut state = TrainState::new(vec![0.0; n], no_momentum);
    let mut error = 0.0;
    for number in 0..2000 {
        let at = iteration(number);
        let dot = |w: &[f32]| w.iter().zip(&slope).map(|(w, g)| f64::from(*w) * g).sum::<f64>();
        let before = state.weights().to_vec();
        let fitness = |member| dot(&strategy.perturbed(&before, &at, member).unwrap());
        let fitness: Vec<f64> = (0..2 * u64::from(pairs)).map(fitness).collect();
        strategy.tell(&mut state, &at, &fitness, 1.0).unwrap();
        let moved = state.weights().iter().zip(&before).map(|(a, b)| f64::from(a - b));
        error += moved.zip(&slope).map(|(m, g)| (m - g).powi(2)).sum::<f64>();
    }
    let ratio = error / 2000.0 / ((n as f64 + 1.0) * square / f64::from(pairs));
    assert!((ratio - 1.0).abs() < 0.05, "{ratio}");
}

#[test]
fn the_sphere_is_climbed_to_its_top_at_every_rank_and_shaping() {
    for rank in [0, 1] {
        for (shaping, lr) in [(Shaping::CenteredRanks, 0.05), (Shaping::Standardized, 0.05)] {
            let config = EvolutionConfig { rank, shaping, ..config(64, 0.02) };
            let layout = Layout::new([vec![5, 4], vec![4]], rank);
            let sphere = |w: &[f32], _| -w.iter().map(|w| f64::from(w - 1.0).powi(2)).sum::<f64>();
            let end = maximise(config, (lr, 400), layout, vec![-1.0; 24], sphere);
            let distance = -sphere(&end, 0);
            assert!(distance < 0.01, "rank {rank}, {shaping:?}: {distance} of 96");
        }
    }
}

#[test]
fn rosenbrocks_valley_is_followed_to_its_end() {
    // Its only maximum is 0 at (1, 1); the start is the usual one.
    let rosenbrock = |w: &[f32], _| {
        let (x, y) = (f64::from(w[0]), f64::from(w[1]));
        -(1.0 - x).powi(2) - 100.0 * (y - x * x).powi(2)
    };
    let config = EvolutionConfig { shaping: Shaping::CenteredRanks, ..config(32, 0.02) };
    let layout = Layout::new([vec![2]], 0);
    let end = maximise(config, (0.02, 3000), layout, vec![-1.2, 1.0], rosenbrock);
    assert!((end[0] - 1.0).abs() < 0.1 && (end[1] - 1.0).abs() < 0.2, "{end:?}");
}

#[test]
fn noise_is_averaged_away() {
    // Noise of standard deviation 1, the same for both members of a pair only by chance; the slope at a distance of
    // one is 2.
    let noisy = |w: &[f32], key| {
        let mut rng = stream(5, Purpose::Evaluate, 0, key);
        let noise = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        noise - w.iter().map(|w| f64::from(w - 2.0).powi(2)).sum::<f64>()
    };
    let config = EvolutionConfig { shaping: Shaping::CenteredRanks, ..config(256, 0.2) };
    let layout = Layout::new([vec![10]], 0);
    let end = maximise(config, (0.02, 400), layout, vec![0.0; 10], noisy);
    let distance: f64 = end.iter().map(|w| f64::from(w - 2.0).powi(2)).sum();
    assert!(distance < 0.2, "{distance} of 40");
}

#[test]
fn fitness_that_is_not_finite_changes_nothing() {
    let layout = Layout::new([vec![3]], 0);
    let strategy = Strategy::new(&config(4, 0.1), layout, 1);
    let mut state = TrainState::new(vec![1.0; 3], AdamConfig::default());
    for bad in [f64::NAN, f64::INFINITY] {
        let fitness = [1.0, bad, 0.0, 2.0];
        let error = strategy.tell(&mut state, &iteration(0), &fitness, 0.1).unwrap_err();
        assert!(error.to_string().contains("the fitness of a member"), "{error}");
    }
    // A step without end.
    let error = strategy.tell(&mut state, &iteration(0), &[1.0, 2.0, 0.0, 2.0], f64::INFINITY);
    assert!(error.unwrap_err().to_string().contains("the norm of the update"));
    assert_eq!(state.weights(), [1.0; 3]);
    assert_eq!(state.adam(), &AdamState::new(3));
}
