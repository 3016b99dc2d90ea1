//! All boards of the 2x3 puzzle.

use twisterl_core::env::Start;
use twisterl_core::envs::registry::Registry;
use twisterl_core::evaluator::distribution::Choice;
use twisterl_core::policy::Policy;
use twisterl_core::policy::executor::Executor;
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::solve::Play;

/// The number of boards: half of the 6! permutations are solvable.
pub const COUNT: usize = 360;

/// Returns the number of boards that the policy solves greedily.
pub fn solved(policy: &Policy) -> usize {
    let spec = Registry::default().make(&policy.env_cls, &policy.env).unwrap();
    let mut env = spec.batch(1);
    let mut rng = StreamKey::new(0, Purpose::Solve).stream();
    let mut boards = permutations(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    // The environment refuses boards that cannot be solved.
    boards.retain(|state| env.begin(0, Start::State { state, difficulty: None }, &mut rng).is_ok());
    assert_eq!(boards.len(), COUNT);
    let starts: Vec<Start<'_>> =
        boards.iter().map(|state| Start::State { state, difficulty: None }).collect();
    let play = Play {
        spec: &*spec,
        evaluator: &Executor::of(policy).unwrap(),
        choice: Choice::Greedy,
        searches: 1,
        max_steps: None,
        key: StreamKey::new(0, Purpose::Solve),
        first: 0,
        record: false,
    };
    play.run(&starts).unwrap().iter().filter(|solution| solution.solved).count()
}

fn permutations(items: &[f64]) -> Vec<Vec<f64>> {
    if items.is_empty() {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for (i, &first) in items.iter().enumerate() {
        let rest = [&items[..i], &items[i + 1..]].concat();
        all.extend(permutations(&rest).into_iter().map(|tail| [vec![first], tail].concat()));
    }
    all
}
