#![allow(clippy::unwrap_used, clippy::panic)]
use super::self_play::{divergence, simulations};
use super::*;
use crate::config::{AlgorithmConfig, AlphaZeroCollecting, RunConfig};
use crate::record::load::initial_policy;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::interrupt::Interrupt;

/// 64 games on the 2 x 3 puzzle, played and gathered with these fields under `collecting`.
fn played(collecting: Value) -> (AlphaZero, Vec<Played>) {
    let mut config = json!({
        "env_cls": "Puzzle",
        "env": {"width": 3, "height": 2, "max_depth": 20},
        "policy": {"embedding_size": 16, "common_layers": [16]},
        "algorithm_cls": "AZ",
        "algorithm": {"collecting": {"num_episodes": 64, "num_mcts_searches": 24, "num_fast_searches": 4}}
    });
    let own = config["algorithm"]["collecting"].as_object_mut().unwrap();
    own.extend(collecting.as_object().unwrap().clone());
    let config = RunConfig::from_value(config).unwrap();
    let spec = Registry::default().make(&config.env_cls, &config.env).unwrap();
    let policy = initial_policy(&config, &*spec, &Registry::default()).unwrap();
    let optimizer = &config.shared.optimizer;
    let policy = PolicyInTraining::new(optimizer, policy, &Interrupt::default()).unwrap();
    let AlgorithmConfig::AlphaZero(own) = &config.algorithm else { panic!("AZ") };
    let mut az = AlphaZero::new(own, config.seed, &*spec, &policy).unwrap();
    let iteration = Iteration { number: 0, difficulty: 12, progress: 0.0 };
    let games = az.play(&policy, &iteration, None).unwrap();
    az.gather(&iteration, &games);
    (az, games)
}

#[test]
fn a_share_of_the_moves_is_searched_in_full_and_learned_from() {
    let (all, _) = played(json!({"full_searches": 1.0}));
    let (some, _) = played(json!({"full_searches": 0.25}));
    let moves =
        |az: &AlphaZero| az.self_play.games.iter().map(|game| game.rewards.len()).sum::<usize>();
    let simulations = |az: &AlphaZero| {
        (0..az.self_play.games.len()).map(|game| az.self_play.search.simulations(game)).sum::<u64>()
            as f64
            / moves(az) as f64
    };
    assert_eq!(all.examples.values.len(), moves(&all));
    let learned =
        some.self_play.games.iter().flat_map(|game| &game.learned).filter(|&&l| l).count();
    assert_eq!(some.examples.values.len(), learned);
    let share = learned as f64 / moves(&some) as f64;
    assert!((share - 0.25).abs() < 0.06, "{share} of {}", moves(&some));
    // 24 in full, 4 else: 9 a move in the mean.
    assert!((simulations(&all) - 24.0).abs() < 1e-9);
    assert!((simulations(&some) - 9.0).abs() < 1.5, "{}", simulations(&some));
}

#[test]
fn what_surprises_is_learned_from_more_often() {
    let (az, games) = played(json!({"surprise": 0.5}));
    let surprises = || games.iter().flat_map(|game| &game.surprises);
    let mean = surprises().sum::<f32>() / surprises().count() as f32;
    let key = |examples: &SupervisedBatch, row: usize| {
        let policy = examples.policies[4 * row..4 * row + 4].iter().map(|share| share.to_bits());
        (examples.observations.ones(row).to_vec(), policy.collect::<Vec<u32>>())
    };
    // How often a position should be learned from, how often it was searched, and how often it is learned from.
    let mut positions = BTreeMap::<_, (f32, f32, f32)>::new();
    for game in &games {
        for (row, surprise) in game.surprises.iter().enumerate() {
            let (expected, searched, _) = positions.entry(key(&game.examples, row)).or_default();
            *expected += 0.5 + 0.5 * surprise / mean;
            *searched += 1.0;
        }
    }
    for row in 0..az.examples.values.len() {
        positions.get_mut(&key(&az.examples, row)).unwrap().2 += 1.0;
    }
    // Each time it is one of the two numbers around what it should be.
    for (expected, searched, found) in positions.values() {
        assert!((found - expected).abs() < *searched, "{found} for {expected}, {searched}");
    }
    let kept = az.examples.values.len() as f64 / surprises().count() as f64;
    assert!((kept - 1.0).abs() < 0.1, "{kept}");
    assert!(positions.values().any(|(.., found)| *found == 0.0));
}

#[test]
fn simulations_grow_in_a_straight_line() {
    let collecting = |start| AlphaZeroCollecting {
        num_mcts_searches: 100,
        num_mcts_searches_start: start,
        ..AlphaZeroCollecting::default()
    };
    let along = |start| [0.0, 0.25, 1.0].map(|at| simulations(&collecting(start), at));
    assert_eq!(along(None), [100; 3]);
    assert_eq!(along(Some(20)), [20, 40, 100]);
    assert_eq!(collecting(Some(200)).most_simulations(), 200);
}

#[test]
fn a_policy_surprises_by_its_divergence_from_the_prior() {
    assert_eq!(divergence(&[0.5, 0.5], &[0.5, 0.5]), 0.0);
    // 1 ln(1 / 0.25), and nothing for what is never done.
    assert!((divergence(&[1.0, 0.0], &[0.25, 0.75]) - 4f32.ln()).abs() < 1e-6);
    assert!(divergence(&[1.0, 0.0], &[0.0, 1.0]).is_finite());
}

#[test]
fn examples_are_those_of_all_games_in_order_and_nothing_is_learned_from_them() {
    let config = json!({
        "env_cls": "Puzzle",
        "env": {"width": 3, "height": 2, "max_depth": 20},
        "policy": {"embedding_size": 16, "common_layers": [16]},
        "algorithm_cls": "AZ",
        "algorithm": {"collecting": {"num_episodes": 8, "num_mcts_searches": 6}}
    });
    let config = RunConfig::from_value(config).unwrap();
    let spec = Registry::default().make(&config.env_cls, &config.env).unwrap();
    let policy = initial_policy(&config, &*spec, &Registry::default()).unwrap();
    let policy =
        PolicyInTraining::new(&config.shared.optimizer, policy, &Interrupt::default()).unwrap();
    let AlgorithmConfig::AlphaZero(own) = &config.algorithm else { panic!("AZ") };
    let mut az = AlphaZero::new(own, config.seed, &*spec, &policy).unwrap();
    let iteration = Iteration { number: 0, difficulty: 6, progress: 0.0 };
    let examples = az.examples(&policy, &iteration).unwrap();
    assert_eq!(
        examples.len(),
        az.self_play.games.iter().map(|game| game.rewards.len()).sum::<usize>()
    );
    assert_eq!(examples.values.len(), examples.len());
    let games = az.play(&policy, &iteration, None).unwrap();
    let first = &games[0].examples;
    assert_eq!(examples.values[..first.len()], first.values);
    assert!(az.replay.oldest_first().next().is_none());
    assert_eq!(az.examples(&policy, &iteration).unwrap().policies, examples.policies);
}
