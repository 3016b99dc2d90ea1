#![allow(clippy::unwrap_used)]

mod objective;

use super::*;
use crate::env::Environment;
use crate::envs::puzzle::{Puzzle, PuzzleParams};
use crate::envs::registry::Registry;
use crate::evaluator::Mock;
use crate::policy::Policy;
use crate::policy::executor::Executor;
use crate::policy::test_policy::random_policy;
use crate::rng::Purpose;
use crate::space::symmetry::Symmetry;
use proptest::prelude::*;
use serde_json::json;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn puzzle(height: usize, width: usize) -> Arc<dyn EnvSpec> {
    let params = json!({"height": height, "width": width, "difficulty": 200});
    Registry::default().make("Puzzle", &params).unwrap()
}

/// The length of a shortest solution of every board, by breadth-first search from the goal.
fn distances(height: usize, width: usize) -> HashMap<Vec<u64>, usize> {
    let goal = Puzzle::new(&PuzzleParams { height, width, ..PuzzleParams::default() }).unwrap();
    let board = |puzzle: &Puzzle| {
        let mut state = Vec::new();
        puzzle.state(&mut state);
        state.iter().map(|&tile| tile as u64).collect::<Vec<_>>()
    };
    let mut distances = HashMap::from([(board(&goal), 0)]);
    let mut shell = vec![goal];
    for distance in 1.. {
        let mut next = Vec::new();
        for puzzle in &shell {
            for action in 0..4usize {
                let mut child = puzzle.clone();
                child.step(action.into());
                if let Entry::Vacant(place) = distances.entry(board(&child)) {
                    place.insert(distance);
                    next.push(child);
                }
            }
        }
        if next.is_empty() {
            break;
        }
        shell = next;
    }
    distances
}

fn states(distances: &HashMap<Vec<u64>, usize>) -> Vec<(Vec<f64>, usize)> {
    let mut states: Vec<_> = distances
        .iter()
        .map(|(board, &d)| (board.iter().map(|&tile| tile as f64).collect::<Vec<_>>(), d))
        .collect();
    states.sort_by(|a, b| a.0.partial_cmp(&b.0).unwrap());
    states
}

fn starts(states: &[(Vec<f64>, usize)]) -> Vec<Start<'_>> {
    states.iter().map(|(state, _)| Start::State { state, difficulty: None }).collect()
}

fn solver<'a>(spec: &'a dyn EnvSpec, evaluator: &'a dyn Evaluator, method: &str) -> Solver<'a> {
    Solver::new(spec, evaluator, method.parse().unwrap(), StreamKey::new(1, Purpose::Solve))
}

fn scrambles(count: usize) -> Vec<Start<'static>> {
    vec![Start::Scramble { difficulty: 12 }; count]
}

#[test]
fn a_beam_as_wide_as_the_problem_is_optimal_and_evaluates_no_state_twice() {
    for (height, width, boards) in [(2, 2, 12), (2, 3, 360)] {
        let (spec, uniform) = (puzzle(height, width), Mock::uniform(4));
        let states = states(&distances(height, width));
        assert_eq!(states.len(), boards);
        for method in ["beam=360", "widening=360"] {
            let outcomes = solver(&*spec, &uniform, method).run(&starts(&states)).unwrap();
            for ((state, distance), outcome) in states.iter().zip(outcomes) {
                assert!(outcome.solved, "{state:?}");
                assert_eq!(outcome.length, *distance, "{state:?} by {method}");
                if method == "beam=360" {
                    assert!(outcome.nodes <= boards as u64);
                }
            }
        }
    }
}

#[test]
fn play_without_backtracking_does_not_oscillate() {
    // The boards of 2 x 2 form one cycle of 12, so that play without backtracking solves all of them.
    let spec = puzzle(2, 2);
    let states = states(&distances(2, 2));
    let solved = |policy: &Policy, method: &str| {
        let executor = Executor::of(policy).unwrap();
        let outcomes = solver(&*spec, &executor, method).run(&starts(&states)).unwrap();
        assert!(outcomes.iter().all(|o| policy.backtracking || o.length <= 12));
        outcomes.iter().filter(|o| o.solved).count()
    };
    let mut policy = random_policy(&*spec);
    assert!(solved(&policy, "greedy") < 12);
    let executor = Executor::of(&policy).unwrap();
    let solver = Solver { backtracking: false, ..solver(&*spec, &executor, "greedy") };
    let solutions = solver.run(&starts(&states)).unwrap();
    assert!(solutions.iter().all(|solution| solution.solved), "whatever the policy asks for");
    policy.backtracking = false;
    assert_eq!(solved(&policy, "greedy"), 12);
    assert_eq!(solved(&policy, "sample"), 12);
    assert_eq!(solved(&policy, "best-of=3"), 12);
}

#[test]
fn an_exact_value_leads_the_narrowest_beam_along_a_shortest_path() {
    let (spec, distances) = (puzzle(2, 3), distances(2, 3));
    let states = states(&distances);
    let exact = |ones: &[u32], _: &[f32], _: &mut [f32]| {
        let board: Vec<_> = ones.iter().map(|&one| u64::from(one) % 6).collect();
        -(distances[&board] as f32)
    };
    let mock = Mock::new(4, exact);
    for score in [BeamScore::Value, BeamScore::Blend { weight: 100.0 }] {
        let method = Method::Beam { width: 1, score };
        let solver = Solver { method, ..solver(&*spec, &mock, "greedy") };
        for ((_, distance), outcome) in states.iter().zip(solver.run(&starts(&states)).unwrap()) {
            assert_eq!((outcome.solved, outcome.length), (true, *distance));
        }
    }
}

#[test]
fn trees_find_shortest_paths_if_the_value_is_exact_or_the_problem_fits_into_them() {
    for (height, width) in [(2, 2), (2, 3)] {
        let (spec, distances) = (puzzle(height, width), distances(height, width));
        let states = states(&distances);
        let cells = (height * width) as u64;
        // The return of the best solution: 1, less 0.5 / 128 for each move but the last.
        let exact = Mock::new(4, |ones: &[u32], _: &[f32], _: &mut [f32]| {
            let board: Vec<_> = ones.iter().map(|&one| u64::from(one) % cells).collect();
            1.0 - (distances[&board] as f32 - 1.0) * 0.5 / 128.0
        });
        let uniform = Mock::uniform(4);
        let optimal = |evaluator: &dyn Evaluator, method: &str| {
            let outcomes = solver(&*spec, evaluator, method).run(&starts(&states)).unwrap();
            let pairs = states.iter().zip(outcomes);
            pairs.filter(|((_, distance), o)| o.solved && o.length == *distance).count()
        };
        for tree in ["mcts", "gumbel"] {
            assert_eq!(optimal(&exact, &format!("{tree}=60")), states.len(), "{tree}");
            if states.len() == 12 {
                assert_eq!(optimal(&uniform, &format!("{tree}=60")), states.len(), "{tree}");
            }
        }
    }
}

/// More width or more nodes never cost a widening beam a solution. A plain beam guarantees that only if it is exhaustive:
/// descendants of a state that only the wider beam kept may displace the solution.
#[test]
fn a_widening_beam_is_never_worse_with_more_width_or_nodes() {
    let spec = puzzle(3, 3);
    let executor = Executor::of(&random_policy(&*spec)).unwrap();
    let runs = |methods: &[(String, Option<u64>)]| {
        let mut last: Option<Vec<Solution>> = None;
        let mut better = 0;
        for (method, nodes) in methods {
            let budget = Budget { nodes: *nodes, ..Budget::unlimited() };
            let solver = Solver { budget, ..solver(&*spec, &executor, method) };
            let now = solver.run(&scrambles(40)).unwrap();
            for (last, now) in last.iter().flatten().zip(&now) {
                assert!(!(last.solved && last.better_than(now)), "{method}: {last:?} {now:?}");
                better += usize::from(now.solved && now.better_than(last));
            }
            last = Some(now);
        }
        assert!(better > 10, "{better}");
    };
    runs(&[1, 4, 16, 64, 256].map(|width| (format!("widening={width}"), None)));
    runs(&[10, 100, 300, 1000, 3000].map(|nodes| ("widening=1024".into(), Some(nodes))));
}

#[test]
fn solutions_depend_on_neither_threads_nor_other_starts() {
    let spec = puzzle(3, 3);
    let executor = Executor::of(&random_policy(&*spec)).unwrap();
    let starts = scrambles(5);
    for method in
        ["greedy", "sample", "best-of=20", "mcts=20", "gumbel=20", "beam=100", "widening=200"]
    {
        let solver = solver(&*spec, &executor, method);
        let run = |threads: usize, starts: &[Start<'_>]| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| solver.run(starts).unwrap())
        };
        let all = run(1, &starts);
        assert_eq!(all, run(2, &starts), "{method}");
        assert_eq!(all, run(3, &starts), "{method}");
        if method.contains("beam") || method.contains("widening") {
            assert_eq!(all[..1], run(3, &starts[..1]), "{method}, on all threads");
        }
    }
}

#[test]
fn nodes_are_counted_and_bounded() {
    let spec = puzzle(3, 3);
    let executor = Executor::of(&random_policy(&*spec)).unwrap();
    for method in
        ["greedy", "sample", "best-of=7", "mcts=8", "gumbel=8", "beam=100", "widening=100"]
    {
        let budget = Budget { nodes: Some(50), ..Budget::unlimited() };
        let solver = Solver { budget, ..solver(&*spec, &executor, method) };
        let outcomes = solver.run(&scrambles(10)).unwrap();
        assert!(outcomes.iter().all(|o| o.nodes <= 50), "{method}: {outcomes:?}");
        assert!(outcomes.iter().any(|o| o.nodes > 20), "{method}: {outcomes:?}");
    }
}

#[test]
fn the_best_solution_so_far_counts_when_time_ends() {
    let spec = puzzle(3, 3);
    let executor = Executor::of(&random_policy(&*spec)).unwrap();
    for method in ["greedy", "best-of=7", "mcts=500", "gumbel=500", "beam=1000", "widening=100000"]
    {
        let mut solved = 0;
        for seconds in [1.0, 20.0, 100.0, 400.0] {
            // Every reading of the clock takes one second.
            let readings = AtomicU64::new(0);
            let clock = || readings.fetch_add(1, Ordering::Relaxed) as f64;
            let budget = Budget { seconds: Some(seconds), nodes: None, clock: &clock };
            let solver = Solver { budget, ..solver(&*spec, &executor, method) };
            let outcome = solver.run(&scrambles(1)).unwrap().remove(0);
            assert!(outcome.seconds < seconds + 64.0, "{method}: {}", outcome.seconds);
            assert!(solved <= usize::from(outcome.solved), "{method}: {outcome:?}");
            solved = usize::from(outcome.solved);
        }
    }
}

#[test]
fn attempts_that_cannot_beat_the_best_end() {
    let (spec, uniform) = (puzzle(3, 3), Mock::uniform(4));
    let outcomes = solver(&*spec, &uniform, "best-of=64")
        .run(&[Start::Scramble { difficulty: 2 }; 20])
        .unwrap();
    for outcome in outcomes {
        assert!(outcome.solved);
        assert!(outcome.nodes <= 64 * outcome.length as u64, "{outcome:?}");
    }
}

#[test]
fn every_image_is_solved_and_the_best_solution_counts() {
    let spec = puzzle(3, 3);
    let executor = Executor::of(&random_policy(&*spec)).unwrap();
    let solve = |symmetry_use| {
        let solver = Solver { symmetry_use, ..solver(&*spec, &executor, "beam=20") };
        solver.run(&scrambles(50)).unwrap()
    };
    let (none, each, mean) =
        (solve(SymmetryUse::None), solve(SymmetryUse::Each), solve(SymmetryUse::Average));
    assert!(none.iter().zip(&each).all(|(one, both)| !one.better_than(both)));
    assert!(none.iter().zip(&each).any(|(one, both)| both.better_than(one)));
    assert!(none.iter().zip(&each).all(|(one, both)| both.nodes >= one.nodes));
    assert_ne!(none, mean);
}

#[test]
fn a_symmetric_policy_solves_a_state_and_its_image_alike() {
    let spec = puzzle(3, 3);
    let mut policy = random_policy(&*spec);
    let plain = Executor::of(&policy).unwrap();
    policy.symmetry = Symmetry::Canonical;
    let canonical = Executor::of(&policy).unwrap();
    let mut puzzle = Puzzle::new(&PuzzleParams::default()).unwrap();
    let (mut states, mut images) = (Vec::new(), Vec::new());
    for index in 0..40 {
        puzzle.set_difficulty(12);
        puzzle.reset(&mut crate::rng::stream(0, Purpose::Start, 0, index));
        let mut state = Vec::new();
        puzzle.state(&mut state);
        states.push((state, 0));
        images.push((puzzle.twisted_state(0).unwrap(), 0));
    }
    for (executor, symmetry_use) in
        [(&canonical, SymmetryUse::None), (&plain, SymmetryUse::Average)]
    {
        let solver = Solver { symmetry_use, ..solver(&*spec, executor, "beam=16") };
        let here = solver.run(&starts(&states)).unwrap();
        let there = solver.run(&starts(&images)).unwrap();
        let lengths = |outcomes: &[Solution]| {
            outcomes.iter().map(|o| (o.solved, o.length, o.nodes)).collect::<Vec<_>>()
        };
        assert_eq!(lengths(&here), lengths(&there), "{symmetry_use:?}");
        let twist = &spec.twists()[0];
        let same = here.iter().zip(&there).filter(|(here, there)| {
            let moves = here.actions.discrete.iter().map(|&a| twist.action[a as usize]);
            moves.eq(there.actions.discrete.iter().copied())
        });
        // If a path visits a state that is its own image, its mirrored continuations tie.
        let same = same.count();
        assert!(same >= 30, "{same}");
    }
}

#[test]
fn methods_round_trip_as_text() {
    for text in [
        "greedy",
        "sample",
        "best-of=64",
        "mcts=100",
        "gumbel=16",
        "beam=1",
        "beam=1048576",
        "widening=1024",
    ] {
        assert_eq!(text.parse::<Method>().unwrap().to_string(), text);
    }
    for text in ["", "beam", "beam=", "beam=0", "beam=1048577", "beam=-1", "greedy=1", "astar"] {
        let error = text.parse::<Method>().unwrap_err().to_string();
        assert!(error.starts_with("search: expected greedy, sample") && error.contains(text));
    }
}

proptest! {
    #[test]
    fn methods_never_panic(text in ".{0,12}|(beam|widening|best-of|mcts|gumbel)=[0-9]{0,22}") {
        let _ = text.parse::<Method>();
    }
}
