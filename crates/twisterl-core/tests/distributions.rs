//! Log-densities and entropies against scipy's (`tests/vectors/make_distributions.py`).

#![allow(clippy::unwrap_used)]

use serde::Deserialize;
use twisterl_core::evaluator::distribution::{ActionDistribution, DistributionSpec, Sample};
use twisterl_core::space::{ActionComponent, ActionSpace};

#[derive(Debug, Deserialize)]
struct Case {
    space: ActionComponent,
    distribution: DistributionSpec,
    head: Vec<f32>,
    shared: Vec<f32>,
    mask: Vec<bool>,
    choices: Vec<u32>,
    values: Vec<f32>,
    log_prob: f64,
    entropy: f64,
}

fn cases() -> Vec<Case> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/distributions.json");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

fn check(cases: &[&Case]) {
    let space = ActionSpace::new(cases.iter().map(|case| case.space.clone()).collect()).unwrap();
    let specs: Vec<_> = cases.iter().map(|case| case.distribution.clone()).collect();
    let distribution = ActionDistribution::new(&space, &specs).unwrap();
    let mut row: Vec<f32> = cases.iter().flat_map(|case| case.head.clone()).collect();
    row.extend(cases.iter().flat_map(|case| case.shared.clone()));
    let mask: Vec<bool> = cases.iter().flat_map(|case| case.mask.clone()).collect();
    let choices: Vec<u32> = cases.iter().flat_map(|case| case.choices.clone()).collect();
    let values: Vec<f32> = cases.iter().flat_map(|case| case.values.clone()).collect();
    let mut scratch = vec![0.0; distribution.scratch_width()];
    let sample = Sample { choices: &choices, values: &values };
    let score = distribution.score(&row, &mask, sample, &mut scratch);
    let log_prob: f64 = cases.iter().map(|case| case.log_prob).sum();
    let entropy: f64 = cases.iter().map(|case| case.entropy).sum();
    let tolerance = 1e-5 * cases.len() as f64;
    assert!((score.log_prob - log_prob).abs() < tolerance, "{score:?} {cases:?}");
    assert!((score.entropy - entropy).abs() < tolerance, "{score:?} {cases:?}");
}

#[test]
fn each_distribution_is_that_of_scipy() {
    let cases = cases();
    assert_eq!(cases.len(), 48);
    for case in &cases {
        check(&[case]);
    }
}

#[test]
fn products_add_up_in_any_order() {
    let cases = cases();
    for first in 0..12 {
        let all: Vec<&Case> = cases.iter().skip(first).step_by(12).collect();
        check(&all);
        check(&all.iter().rev().copied().collect::<Vec<_>>());
    }
}
