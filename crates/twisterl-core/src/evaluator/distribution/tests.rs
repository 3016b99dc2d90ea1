#![allow(clippy::unwrap_used)]
use super::*;
use crate::rng::{Purpose, stream};
use crate::space::{ActionComponent, ActionSpace, Actions};
use proptest::prelude::*;

fn spec(log_std: LogStd) -> GaussianSpec {
    GaussianSpec { log_std, log_std_init: -0.3, ..GaussianSpec::default() }
}

fn numbers(bounds: &[(f32, f32)]) -> ActionComponent {
    let (low, high) = bounds.iter().copied().unzip();
    ActionComponent::Continuous { low, high, shape: vec![bounds.len()] }
}

/// Five choices, three bits, two numbers, one number, two squashed numbers.
fn mixed() -> (ActionSpace, ActionDistribution) {
    let space = ActionSpace::new(vec![
        ActionComponent::Discrete { n: 5 },
        ActionComponent::Binary { n: 3 },
        numbers(&[(-1.0, 3.0), (f32::NEG_INFINITY, 0.5)]),
        numbers(&[(0.0, 1.0)]),
        numbers(&[(-2.0, 2.0), (0.0, 10.0)]),
    ])
    .unwrap();
    let specs = [
        DistributionSpec::Categorical,
        DistributionSpec::Bernoulli,
        DistributionSpec::Gaussian(spec(LogStd::Shared)),
        DistributionSpec::Gaussian(spec(LogStd::State)),
        DistributionSpec::SquashedGaussian(spec(LogStd::Shared)),
    ];
    let distribution = ActionDistribution::new(&space, &specs).unwrap();
    assert_eq!(DistributionSpec::widths(&space, &specs).unwrap(), (14, 4));
    (space, distribution)
}

fn all_allowed() -> Vec<bool> {
    vec![true; 11]
}

/// Returns the score of a sample, and the gradient of a loss with these slopes.
fn examine(
    distribution: &ActionDistribution,
    row: &[f32],
    mask: &[bool],
    sample: Sample<'_>,
    slopes: Slopes,
) -> (SampleScore, Vec<f64>) {
    let mut scratch = vec![f64::NAN; distribution.scratch_width()];
    let score = distribution.score(row, mask, sample, &mut scratch);
    let mut gradient = vec![0.0; distribution.width()];
    distribution.gradient(row, mask, sample, &scratch, slopes, &mut gradient);
    (score, gradient)
}

proptest! {
    #[test]
    fn gradients_match_finite_differences(
        row in proptest::collection::vec(-1.5f32..1.5, 18),
        mask in proptest::collection::vec(any::<bool>(), 11),
        seed in 0u64..1000,
        by_log_prob in -2.0f64..2.0,
        by_entropy in -2.0f64..2.0,
    ) {
        let (space, distribution) = mixed();
        let mut mask = mask;
        (mask[0], mask[5], mask[8], mask[9]) = (true, true, true, true);
        mask[6] = true;
        let mut samples = Actions::new(&space);
        let mut rng = stream(seed, Purpose::Act, 0, 0);
        let log_prob = distribution.choose(&mut row.clone(), &mask, Choice::Sample, &mut rng, &mut samples);
        let sample = Sample { choices: &samples.discrete, values: &samples.continuous };
        let slopes = Slopes { log_prob: by_log_prob, entropy: by_entropy };
        let (score, gradient) = examine(&distribution, &row, &mask, sample, slopes);
        prop_assert!((f64::from(log_prob) - score.log_prob).abs() < 1e-4, "{log_prob} {score:?}");
        let loss = |row: &[f32]| {
            let (score, _) = examine(&distribution, row, &mask, sample, slopes);
            slopes.log_prob * score.log_prob + slopes.entropy * score.entropy
        };
        for i in 0..row.len() {
            let moved = |by: f32| {
                let mut row = row.clone();
                row[i] += by;
                (f64::from(row[i]), loss(&row))
            };
            let ((x0, below), (x1, above)) = (moved(-1e-3), moved(1e-3));
            let slope = (above - below) / (x1 - x0);
            // The error of central differences of step h is h^2 / 6 times the third derivative.
            let tolerance = 1e-4 * (1.0 + slope.abs());
            prop_assert!((slope - gradient[i]).abs() < tolerance, "{i}: {slope} {}", gradient[i]);
        }
    }

    #[test]
    fn actions_stay_within_bounds_and_masks(
        row in proptest::collection::vec(-30.0f32..30.0, 18),
        mask in proptest::collection::vec(any::<bool>(), 11),
        seed in 0u64..1000,
    ) {
        let (space, distribution) = mixed();
        let mut mask = mask;
        mask[2] = true;
        for bit in mask[5..].as_chunks_mut::<2>().0 {
            bit[0] |= !bit[1];
        }
        let mut rng = stream(seed, Purpose::Act, 0, 0);
        for choice in [Choice::Greedy, Choice::Sample] {
            let (mut samples, mut actions) = (Actions::new(&space), Actions::new(&space));
            distribution.choose(&mut row.clone(), &mask, choice, &mut rng, &mut samples);
            distribution.act(&samples, &mut actions);
            space.check(actions.row(0)).unwrap();
            let mut first = 0;
            for (n, &chosen) in space.choices().zip(&actions.discrete) {
                prop_assert!(mask[first + chosen as usize]);
                first += n;
            }
        }
    }
}

#[test]
fn the_entropy_is_the_mean_negative_log_density_of_samples() {
    let (space, distribution) = mixed();
    let row: Vec<f32> = (0..18).map(wave).collect();
    let mask = all_allowed();
    let mut rng = stream(1, Purpose::Act, 0, 0);
    let draws = 40_000;
    let (mut sum, mut squares, mut entropy) = (0.0, 0.0, 0.0);
    let mut samples = Actions::new(&space);
    for _ in 0..draws {
        samples.clear();
        distribution.choose(&mut row.clone(), &mask, Choice::Sample, &mut rng, &mut samples);
        let sample = Sample { choices: &samples.discrete, values: &samples.continuous };
        let (score, _) = examine(&distribution, &row, &mask, sample, Slopes::default());
        sum -= score.log_prob;
        squares += score.log_prob * score.log_prob;
        entropy = score.entropy;
    }
    // Four standard errors.
    let n = f64::from(draws);
    let error = ((squares / n - (sum / n).powi(2)) / n).sqrt();
    assert!((sum / n - entropy).abs() < 4.0 * error, "{} {entropy} {error}", sum / n);
}

/// Returns arbitrary numbers.
fn wave(i: usize) -> f32 {
    (i as f32 * 1.7).sin()
}

#[test]
fn greedy_choices_are_modes_and_means() {
    let (space, distribution) = mixed();
    let mut row = vec![0.0; 18];
    (row[3], row[5], row[6]) = (1.0, -1.0, 2.0);
    (row[8], row[9], row[10], row[12], row[13]) = (0.5, -4.0, -1.0, 0.3, 9.0);
    let (mut samples, mut actions) = (Actions::new(&space), Actions::new(&space));
    let mut rng = stream(1, Purpose::Act, 0, 0);
    distribution.choose(&mut row, &all_allowed(), Choice::Greedy, &mut rng, &mut samples);
    distribution.act(&samples, &mut actions);
    assert_eq!(actions.discrete, [3, 0, 1, 0]);
    // Scaled: 1 + 2 * 0.5; in the environment's units; clipped; squashed: 2 tanh 0.3 and 5 + 5 tanh 9.
    let expected = [2.0, -4.0, 0.0, 2.0 * 0.3f32.tanh(), 10.0];
    for (found, expected) in actions.continuous.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{:?}", actions.continuous);
    }
}

#[test]
fn a_deviation_at_its_bound_has_no_outward_gradient() {
    let component = numbers(&[(-1.0, 1.0)]);
    let space = ActionSpace::new(vec![component]).unwrap();
    let gaussian = DistributionSpec::Gaussian(GaussianSpec::default());
    let distribution = ActionDistribution::new(&space, &[gaussian]).unwrap();
    for (raw, by_entropy, kept) in
        [(9.0, -1.0, false), (9.0, 1.0, true), (-9.0, 1.0, false), (-9.0, -1.0, true)]
    {
        let sample = Sample { choices: &[], values: &[0.0] };
        let slopes = Slopes { log_prob: 0.0, entropy: by_entropy };
        let (score, gradient) = examine(&distribution, &[0.0, raw], &[], sample, slopes);
        assert_eq!(gradient[1], if kept { by_entropy } else { 0.0 }, "{raw} {by_entropy}");
        let log_std = if raw > 0.0 { 2.0 } else { -5.0 };
        let entropy = 0.5 * (std::f64::consts::TAU * std::f64::consts::E).ln() + log_std;
        assert!((score.entropy - entropy).abs() < 1e-9);
    }
}

#[test]
fn descriptions_that_do_not_fit_are_refused_with_their_path() {
    let error = |space: &ActionSpace, spec: DistributionSpec| {
        ActionDistribution::new(space, &[spec]).unwrap_err().to_string()
    };
    let discrete = ActionSpace::discrete(3);
    let free = ActionSpace::continuous(&[(0.0, f32::INFINITY)]);
    let gaussian = GaussianSpec::default();
    let found = error(&discrete, DistributionSpec::Gaussian(gaussian));
    assert!(found.starts_with("distribution[0].type: expected a distribution for Disc"), "{found}");
    let found = error(&free, DistributionSpec::SquashedGaussian(gaussian));
    assert!(found.contains("finite bounds") && found.ends_with("found 0 to inf"), "{found}");
    let wild = GaussianSpec { log_std_min: 3.0, ..gaussian };
    let found = error(&free, DistributionSpec::Gaussian(wild));
    assert!(found.starts_with("distribution[0].log_std_min: expected at most"), "{found}");
    let custom = Custom {
        name: "laplace".into(),
        params: serde_json::Value::Null,
        parameters: 1,
        shared: 0,
        distribution: None,
    };
    let found = error(&free, DistributionSpec::Custom(custom));
    assert!(found.ends_with("expected a registered distribution, found laplace"), "{found}");
    let two = [DistributionSpec::Categorical, DistributionSpec::Categorical];
    assert!(ActionDistribution::new(&discrete, &two).is_err());
}
