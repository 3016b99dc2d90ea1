#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::algorithms::spread::Answer;
use crate::config::{AlgorithmConfig, RunConfig};
use crate::record::load::initial_policy;
use crate::record::snapshot::ArrayData;
use std::collections::BTreeMap;
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::policy::executor::Executor;
use twisterl_core::rollout::{Collection, Starts};

const FIRST: Iteration = Iteration { number: 0, difficulty: 3, progress: 0.0 };

/// PPO on the 2 x 2 puzzle with every kind of start and normalized rewards, and its initial policy.
fn begun() -> (Ppo, PpoConfig, Arc<dyn EnvSpec>, PolicyInTraining) {
    let config = RunConfig::from_value(json!({
        "env_cls": "Puzzle",
        "env": {"width": 2, "height": 2, "max_depth": 12},
        "policy": {"embedding_size": 16, "common_layers": [16]},
        "algorithm_cls": "PPO",
        "algorithm": {
            "collecting": {
                "num_envs": 100, "rollout_length": 8, "gamma": 0.9, "lambda": 0.8,
                "reward_scale": 3.0, "normalize_rewards": true,
                "starts": {"uniform": 0.3, "mixed": 0.3, "failures": 0.3, "probe_states": 64},
            },
            "training": {"num_epochs": 1, "normalize_advantage": true},
        },
        "seed": 5,
    }));
    let (config, registry) = (config.unwrap(), Registry::default());
    let spec = registry.make(&config.env_cls, &config.env).unwrap();
    let policy = initial_policy(&config, &*spec, &registry).unwrap();
    let optimizer = &config.shared.optimizer;
    let policy = PolicyInTraining::new(optimizer, policy, &Interrupt::default()).unwrap();
    let AlgorithmConfig::Ppo(ppo) = config.algorithm else { panic!("PPO's config") };
    (Ppo::new(&ppo, 5, Arc::clone(&spec), &policy).unwrap(), *ppo, spec, policy)
}

/// Rewards normalized as Gymnasium's `NormalizeReward` does it: tripled, then divided by the standard deviation of the
/// discounted sums of all slots.
fn normalized(trajectories: &[&Trajectory]) -> Vec<Vec<f64>> {
    let mut seen = Vec::new();
    for trajectory in trajectories {
        let mut sums = BTreeMap::new();
        for (step, slot) in trajectory.steps.iter().zip(&trajectory.slots) {
            let sum = sums.get(slot).unwrap_or(&0.0) * 0.9 + 3.0 * f64::from(step.reward);
            seen.push(sum);
            sums.insert(slot, if step.done() { 0.0 } else { sum });
        }
    }
    let n = seen.len() as f64;
    let mean = seen.iter().sum::<f64>() / n;
    let deviation = (seen.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / n + 1e-8).sqrt();
    let scale = |step: &twisterl_core::env::Step| 3.0 * f64::from(step.reward) / deviation;
    trajectories.iter().map(|t| t.steps.iter().map(scale).collect()).collect()
}

/// Advantages of a trajectory with these rewards, from the end of each slot: Schulman et al. 2016, eq. 16.
fn advantages(trajectory: &Trajectory, rewards: &[f64]) -> Vec<f64> {
    let mut advantages = vec![0.0; rewards.len()];
    for slot in 0..trajectory.last_values.len() {
        let (mut value, mut advantage) = (f64::from(trajectory.last_values[slot]), 0.0);
        for row in (0..rewards.len()).rev().filter(|&row| trajectory.slots[row] as usize == slot) {
            let step = trajectory.steps[row];
            if step.done() {
                let cut = f64::from(trajectory.cut_values[row]);
                (value, advantage) = (if step.terminated { 0.0 } else { cut }, 0.0);
            }
            let own = f64::from(trajectory.values[row]);
            advantage = rewards[row] + 0.9 * (value + 0.8 * advantage) - own;
            (advantages[row], value) = (advantage, own);
        }
    }
    advantages
}

#[test]
fn transitions_have_the_starts_rewards_and_advantages_of_the_config() {
    let (mut ppo, config, spec, policy) = begun();
    let found = ppo.transitions(&policy, &FIRST).unwrap();

    let executor = Executor::of(policy.initial()).unwrap();
    let starts = &config.collecting.starts;
    let mut failures = FailureMemory::new(starts, 5);
    failures.update(&*spec, &executor, &FIRST).unwrap();
    assert!(
        failures.success() > 0.0 && !failures.states().is_empty(),
        "every kind of start occurs"
    );
    let gathered = |shares: [f64; 3]| {
        let [uniform, mixed, remembered] = shares;
        let mut collector = Collector::new(&*spec, 100);
        let memory = failures.states();
        let starts = Starts { difficulty: 3, uniform, mixed, remembered, memory };
        let horizon = Horizon::Steps(8);
        let collection = Collection {
            evaluator: &executor,
            key: FIRST.key(5, Purpose::Act),
            starts,
            horizon,
            max_steps: 1000,
        };
        collector.collect(&collection).unwrap();
        collector
    };
    let share = 0.3 * failures.success();
    let expected = gathered([share, 0.3, share]);
    let trajectories: Vec<&Trajectory> = expected.trajectories().collect();
    let rewards = normalized(&trajectories);

    let mut row = 0;
    for (trajectory, rewards) in trajectories.iter().zip(&rewards) {
        let advantages = advantages(trajectory, rewards);
        for i in 0..trajectory.len() {
            assert_eq!(found.batch.observations.ones(row), trajectory.observations.ones(i));
            assert_eq!(found.values[row], trajectory.values[i]);
            assert!((f64::from(found.rewards[row]) - rewards[i]).abs() < 1e-5);
            assert!((f64::from(found.batch.advantages[row]) - advantages[i]).abs() < 1e-5);
            let ret = advantages[i] + f64::from(trajectory.values[i]);
            assert!((f64::from(found.batch.returns[row]) - ret).abs() < 1e-5);
            row += 1;
        }
    }
    assert_eq!(row, found.batch.len());
    let scrambles = gathered([0.0; 3]);
    let other = |t: &Trajectory, i: usize, ones: &[u32]| t.observations.ones(i) != ones;
    let first = scrambles.trajectories().next().unwrap();
    assert!((0..64).any(|i| other(first, i, found.batch.observations.ones(i))), "shares matter");
}

#[test]
fn transitions_are_those_that_the_run_learns_from() {
    let (mut collecting, _, _, policy) = begun();
    let (mut training, _, _, mut trained) = begun();
    let found = collecting.transitions(&policy, &FIRST).unwrap();
    training.iterate(&mut trained, &FIRST, None).unwrap();
    let learned = &training.batch;
    assert_eq!(found.batch.actions, learned.actions);
    assert_eq!(found.batch.returns, learned.returns);
    assert_eq!(found.batch.log_probs, learned.log_probs);
    // The update has normalized the advantages: shifted and scaled them.
    let (a, b) = (&found.batch.advantages, &learned.advantages);
    let slope = |i: usize, j: usize| (b[i] - b[j]) / (a[i] - a[j]);
    assert!((slope(0, 1) - slope(2, 70)).abs() < 1e-3 && (a[0] - b[0]).abs() > 1e-3);
    // The next iteration continues, with the same weights here and with others there.
    let next = Iteration { number: 1, ..FIRST };
    let again = collecting.transitions(&policy, &next).unwrap();
    assert_ne!(again.batch.actions, found.batch.actions);
    training.iterate(&mut trained, &next, None).unwrap();
    assert_ne!(again.batch.log_probs, training.batch.log_probs);
}

#[test]
fn fragments_come_back_and_damaged_ones_are_refused() {
    let (_, config, spec, policy) = begun();
    let rules = Rules::new(&config, &*spec);
    let starts = (0.5, &[][..]);
    let collection =
        rules.collection(policy.acting(), FIRST.key(5, Purpose::Act), FIRST.difficulty, starts);
    let fragment = Collector::collect_part(&*spec, (100, 1), vec![], &collection).unwrap();
    let (observation, actions) = (spec.observation_space(), spec.action_space());
    type Arrays = Vec<(String, ArrayData)>;
    let answer = |change: &dyn Fn(&mut Arrays)| {
        let mut snapshot = collection::write(fragment.clone());
        change(&mut snapshot.arrays);
        collection::read(&Answer::new("answer", snapshot), (&observation, &actions), 36)
    };
    let found = answer(&|_| {}).unwrap();
    assert_eq!(format!("{found:?}"), format!("{fragment:?}"));

    let names: Vec<String> =
        collection::write(fragment.clone()).arrays.into_iter().map(|(name, _)| name).collect();
    for name in &names {
        let change = |how: &dyn Fn(&mut ArrayData)| {
            answer(&|arrays| {
                arrays.iter_mut().filter(|(n, _)| n == name).for_each(|(_, data)| how(data));
            })
        };
        let none = answer(&|arrays| arrays.retain(|(n, _)| n != name));
        let other = change(&|data| *data = ArrayData::F64(vec![]));
        let longer = change(&|data| match data {
            ArrayData::F32(values) => values.push(0.0),
            ArrayData::U32(values) => values.push(0),
            ArrayData::F64(_) => {}
        });
        for refused in [none, other, longer] {
            let error = refused.err().unwrap_or_else(|| panic!("{name}")).to_string();
            assert!(error.starts_with("answer: expected "), "{name}: {error}");
        }
    }
    // Numbers out of range.
    for name in ["observations.indices", "actions.discrete", "slots", "observations.counts"] {
        let damaged = answer(&|arrays| {
            for (_, data) in arrays.iter_mut().filter(|(n, _)| n == name) {
                if let ArrayData::U32(values) = data {
                    values[3] = u32::MAX;
                }
            }
        });
        assert!(damaged.is_err(), "{name}");
    }
}
