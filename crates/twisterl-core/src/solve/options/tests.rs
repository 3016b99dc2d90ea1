#![allow(clippy::unwrap_used)]
use super::*;
use crate::search::Gumbel;
use proptest::prelude::*;
use serde_json::json;

fn options(value: serde_json::Value) -> SolveOptions {
    serde_json::from_value(value).unwrap()
}

fn refused(value: serde_json::Value) -> String {
    options(value).resolve(64).unwrap_err().to_string()
}

#[test]
fn the_method_follows_from_the_options() {
    let method = |value| options(value).resolve(64).unwrap().method.to_string();
    assert_eq!(method(json!({})), "best-of=64");
    assert_eq!(method(json!({"num_searches": 3})), "best-of=3");
    assert_eq!(method(json!({"greedy": true, "num_searches": 3})), "greedy");
    assert_eq!(method(json!({"num_mcts_searches": 20, "greedy": true})), "mcts=20");
    assert_eq!(method(json!({"num_mcts_searches": 0, "num_searches": 2})), "best-of=2");
    assert_eq!(method(json!({"search": "gumbel=8", "num_mcts_searches": 0})), "gumbel=8");
}

#[test]
fn options_reach_the_parts_of_the_solver() {
    let plan = options(json!({
        "search": "mcts=10", "exploration": 3.0, "max_expand_depth": 2, "gamma": 0.5, "temperature": 0.25,
        "leaves": 4, "twists": "each", "nodes": 100, "seconds": 1.5, "max_steps": 20, "seed": 7,
    }));
    let plan = plan.resolve(64).unwrap();
    let Method::Tree(config) = plan.method else { panic!("{plan:?}") };
    let Selection::Puct(puct) = config.selection else { panic!("{config:?}") };
    assert_eq!((puct.exploration, config.max_expand_depth, config.gamma), (3.0, 2, 0.5));
    assert_eq!((config.temperature, config.leaves), (0.25, 4));
    assert_eq!(
        (plan.symmetry_use, plan.nodes, plan.seconds),
        (SymmetryUse::Each, Some(100), Some(1.5))
    );
    assert_eq!((plan.max_steps, plan.seed, plan.tries), (Some(20), 7, 1));
    let plan = options(json!({"no_backtracking": true})).resolve(1).unwrap();
    assert!(!plan.backtracking);
    for (score, expected) in [
        (json!("value"), BeamScore::Value),
        (json!("mixed"), BeamScore::Mixed),
        (json!(2.5), BeamScore::Blend { weight: 2.5 }),
    ] {
        let plan = options(json!({"search": "beam=8", "score": score})).resolve(1).unwrap();
        assert_eq!(plan.method, Method::Beam { width: 8, score: expected });
    }
}

#[test]
fn tree_searches_are_repeated_only_if_they_sample() {
    let tries = |value| {
        let plan = options(value).resolve(64).unwrap();
        let Method::Tree(config) = plan.method else { panic!("{plan:?}") };
        (plan.tries, config.temperature)
    };
    let mcts = |more: serde_json::Value| {
        let mut value = json!({"num_mcts_searches": 10, "num_searches": 3});
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        tries(value)
    };
    assert_eq!(tries(json!({"num_mcts_searches": 10})), (1, 0.0));
    assert_eq!(tries(json!({"num_mcts_searches": 10, "num_searches": 1})), (1, 0.0));
    assert_eq!(mcts(json!({})), (3, 1.0));
    assert_eq!(mcts(json!({"greedy": true})), (1, 0.0));
    assert_eq!(mcts(json!({"temperature": 0.5})), (3, 0.5));
    assert_eq!(mcts(json!({"temperature": 0.0})), (1, 0.0));
}

#[test]
fn options_that_do_not_go_together_are_refused_by_name() {
    for (value, message) in [
        (
            json!({"search": "beam=16", "greedy": true}),
            "greedy: expected no search with it, found beam=16",
        ),
        (
            json!({"search": "beam=16", "num_searches": 3}),
            "num_searches: expected no search with it",
        ),
        (
            json!({"search": "beam=16", "num_mcts_searches": 3}),
            "num_mcts_searches: expected no search with it",
        ),
        (
            json!({"greedy": true, "score": "value"}),
            "score: expected search beam=W or widening=W with it, found greedy",
        ),
        (
            json!({"search": "beam=4", "no_backtracking": true}),
            "no_backtracking: expected search greedy, sample or best-of=N with it, found beam=4",
        ),
        (
            json!({"leaves": 2}),
            "leaves: expected search mcts=N or gumbel=N with it, found best-of=64",
        ),
        (
            json!({"max_expand_depth": 1}),
            "max_expand_depth: expected search mcts=N or gumbel=N with it",
        ),
        (
            json!({"search": "beam=4", "gamma": 1.0}),
            "gamma: expected search mcts=N or gumbel=N with it",
        ),
        (
            json!({"greedy": true, "temperature": 1.0}),
            "temperature: expected search mcts=N or gumbel=N",
        ),
        (
            json!({"search": "gumbel=4", "exploration": 1.0}),
            "exploration: expected search mcts=N with it",
        ),
    ] {
        let found = refused(value);
        assert!(found.starts_with(message), "{found}");
    }
    // The peer's default of 0 simulations leaves the other arguments of its tree search without use.
    let unused = json!({"num_mcts_searches": 0, "exploration": 1.4, "max_expand_depth": 1});
    assert_eq!(options(unused).resolve(2).unwrap().method, Method::BestOf(2));
}

#[test]
fn values_out_of_range_are_refused_by_name() {
    for (value, message) in [
        (
            json!({"num_searches": 0}),
            "num_searches: expected a whole number from 1 to 65536, found 0",
        ),
        (json!({"max_steps": 0}), "max_steps: expected a whole number from 1 to 1000000, found 0"),
        (json!({"nodes": 0}), "nodes: expected a whole number from 1 on, found 0"),
        (json!({"seconds": 0.0}), "seconds: expected a number above 0, found 0"),
        (
            json!({"num_mcts_searches": 65537}),
            "num_mcts_searches: expected a whole number from 1 to 65536",
        ),
        (
            json!({"search": "mcts=70000"}),
            "search: expected a whole number from 1 to 65536, found 70000",
        ),
        (
            json!({"search": "mcts=4", "leaves": 0}),
            "leaves: expected a whole number from 1 to 1024, found 0",
        ),
        (
            json!({"search": "mcts=4", "gamma": 1.5}),
            "gamma: expected a number above 0, at most 1, found 1.5",
        ),
        (
            json!({"search": "mcts=4", "exploration": -1.0}),
            "exploration: expected a number from 0 to 1000000",
        ),
        (
            json!({"search": "mcts=4", "temperature": -1.0}),
            "temperature: expected a number from 0 to 1000",
        ),
        (
            json!({"search": "mcts=60000", "max_expand_depth": 2}),
            "max_expand_depth: expected a whole number from 1 to 1, found 2",
        ),
    ] {
        let found = refused(value);
        assert!(found.starts_with(message), "{found}");
    }
    let score = Some(BeamScore::Blend { weight: f32::INFINITY });
    let infinite = SolveOptions { score, search: "beam=4".parse().ok(), ..SolveOptions::default() };
    assert_eq!(infinite.resolve(1).unwrap_err().option, "score");
    let seconds = SolveOptions { seconds: Some(f64::NAN), ..SolveOptions::default() };
    assert_eq!(seconds.resolve(1).unwrap_err().option, "seconds");
}

#[test]
fn unknown_options_are_refused() {
    for (value, expected) in [
        (json!({"nonsense": 1}), "unknown field `nonsense`"),
        (json!({"search": "astar"}), "expected greedy, sample, best-of=N"),
        (json!({"score": "both"}), "expected policy, value, mixed, or a finite number"),
        (json!({"twists": "some"}), "unknown variant `some`"),
    ] {
        let error = serde_json::from_value::<SolveOptions>(value).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

proptest! {
    #[test]
    fn options_resolve_or_are_refused(
        search in prop::option::of(prop::sample::select(vec![
            Method::Greedy, Method::Sample, Method::BestOf(3), Method::mcts(5), Method::gumbel(70_000),
            Method::Beam { width: 4, score: BeamScore::Policy },
        ])),
        counts in prop::array::uniform4(prop::option::of(0usize..70_000)),
        numbers in prop::array::uniform3(prop::option::of(any::<f32>())),
        greedy: bool,
        no_backtracking: bool,
    ) {
        let [num_searches, num_mcts_searches, max_expand_depth, leaves] = counts;
        let [exploration, gamma, temperature] = numbers;
        let options = SolveOptions {
            search, greedy, num_searches, num_mcts_searches, no_backtracking, exploration, max_expand_depth, gamma,
            temperature, leaves, ..SolveOptions::default()
        };
        if let Ok(plan) = options.resolve(64) {
            prop_assert!(plan.tries >= 1 && plan.backtracking != no_backtracking);
            if let Method::Tree(config) = plan.method {
                prop_assert!(config.check().is_ok());
                let puct = matches!(config.selection, Selection::Puct(_));
                prop_assert!(puct || config.selection == Selection::Gumbel(Gumbel::default()));
            }
        }
    }
}

#[test]
fn the_objective_chooses_the_ranking_of_beams() {
    let score = |value| match options(value).resolve(64).unwrap().method {
        Method::Beam { score, .. } | Method::Widening { score, .. } => score,
        other => panic!("{other:?}"),
    };
    assert_eq!(score(json!({"search": "beam=8"})), BeamScore::Policy);
    assert_eq!(score(json!({"search": "beam=8", "objective": "length"})), BeamScore::Policy);
    assert_eq!(score(json!({"search": "widening=8", "objective": "return"})), BeamScore::Mixed);
    let policy = json!({"search": "beam=8", "objective": "return", "score": "policy"});
    assert_eq!(score(policy), BeamScore::Policy);
    let plan = options(json!({"objective": "return", "invert": "both"})).resolve(1).unwrap();
    assert_eq!((plan.objective, plan.invert), (Objective::Return, Invert::Both));
}
