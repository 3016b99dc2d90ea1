#![allow(clippy::unwrap_used)]

mod formulas;

use super::*;
use crate::env::{Environment, Start};
use crate::envs::puzzle::{Puzzle, PuzzleParams};
use crate::envs::registry::{EnvSpec, Registry};
use crate::evaluator::{Evaluator, Mock};
use crate::policy::executor::Executor;
use crate::policy::test_policy::random_policy;
use crate::rng::{Purpose, stream};
use crate::space::symmetry::Symmetry;
use crate::space::{ActionComponent, ActionSpace};
use serde_json::{Value, json};
use std::sync::Arc;

fn puzzle(params: Value) -> Arc<dyn EnvSpec> {
    Registry::default().make("Puzzle", &params).unwrap()
}

fn policy(spec: &dyn EnvSpec, symmetry: Symmetry) -> Executor {
    let mut policy = random_policy(spec);
    policy.symmetry = symmetry;
    Executor::of(&policy).unwrap()
}

fn selections() -> [Selection; 2] {
    [Selection::Puct(Puct::default()), Selection::Gumbel(Gumbel::default())]
}

/// The results of a search at a root.
#[derive(Debug, PartialEq, Clone)]
struct Results {
    visits: Vec<u32>,
    q: Vec<f32>,
    policy: Vec<f32>,
    value: f32,
    action: usize,
    nodes: u64,
}

fn results(search: &Search, game: usize) -> Results {
    let root = search.root(game);
    Results {
        visits: root.visits.to_vec(),
        q: root.q.to_vec(),
        policy: root.policy.to_vec(),
        value: root.value,
        action: root.action,
        nodes: search.nodes(game),
    }
}

/// Plays `moves` moves of `games` games from numbered scrambles, the first of number `first`.
fn play(
    spec: &dyn EnvSpec,
    evaluator: &dyn Evaluator,
    config: SearchConfig,
    (first, games, moves): (usize, usize, usize),
) -> Vec<Vec<Results>> {
    let mut search = Search::new(spec, games, config).unwrap();
    for game in 0..games {
        let mut rng = stream(3, Purpose::Start, 0, (first + game) as u64);
        search.begin(game, Start::Scramble { difficulty: 30 }, &mut rng).unwrap();
    }
    let mut all = vec![Vec::new(); games];
    for step in 0..moves {
        let plan = |game: usize| Plan {
            simulations: 20 + (first + game) % 3 * 10, // games need not do the same
            noise: Some(stream(3, Purpose::Search, step as u64, (first + game) as u64)),
        };
        search.run(evaluator, &(0..games).map(plan).collect::<Vec<_>>()).unwrap();
        for (game, so_far) in all.iter_mut().enumerate() {
            so_far.push(results(&search, game));
            let action = search.root(game).action;
            search.advance(game, action).unwrap();
        }
    }
    all
}

#[test]
fn only_one_discrete_component_can_be_searched() {
    let pair = [2, 3].map(|n| ActionComponent::Discrete { n }).to_vec();
    let error = crate::evaluator::batched::action_count(&ActionSpace::new(pair).unwrap())
        .unwrap_err()
        .to_string();
    assert!(error.contains("one discrete component, which mcts, gumbel and beam"), "{error}");
    assert_eq!(crate::evaluator::batched::action_count(&ActionSpace::discrete(7)), Ok(7));
}

#[test]
fn settings_out_of_range_are_refused() {
    let spec = puzzle(json!({}));
    let usual = SearchConfig::new(selections()[0], 8);
    let bad = |config: SearchConfig| Search::new(&*spec, 1, config).err().unwrap().to_string();
    for (config, found) in [
        (
            SearchConfig { simulations: 0, ..usual },
            "search.simulations: expected a whole number from 1 to 65536, found 0",
        ),
        (SearchConfig { leaves: 0, ..usual }, "search.leaves"),
        (SearchConfig { gamma: f32::NAN, ..usual }, "search.gamma"),
        (SearchConfig { max_expand_depth: 70_000, ..usual }, "search.max_expand_depth"),
        (SearchConfig { cache: usize::MAX, ..usual }, "search.cache"),
        (
            SearchConfig {
                selection: Selection::Puct(Puct { exploration: -1.0, ..Puct::default() }),
                ..usual
            },
            "search.exploration",
        ),
    ] {
        assert!(bad(config).starts_with(found), "{}", bad(config));
    }
    let mut search = Search::new(&*spec, 2, usual).unwrap();
    assert!(search.advance(2, 0).is_err());
}

#[test]
fn a_tree_depends_on_neither_other_games_nor_threads_nor_the_cache() {
    let spec = puzzle(json!({}));
    let executor = policy(&*spec, Symmetry::None);
    for selection in selections() {
        for leaves in [1, 4] {
            let config =
                SearchConfig { leaves, cycles: Cycles::Prune, ..SearchConfig::new(selection, 40) };
            let run = |threads: usize, config| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| play(&*spec, &executor, config, (0, 40, 6)))
            };
            let all = run(1, config);
            assert_eq!(all, run(2, config));
            assert_eq!(all, run(3, config));
            assert_eq!(all, run(1, SearchConfig { cache: 0, ..config }));
            assert_eq!(all, run(1, SearchConfig { cache: 64, ..config }));
            for game in [0, 17, 39] {
                let alone = play(&*spec, &executor, config, (game, 1, 6)).remove(0);
                assert_eq!(all[game], alone, "{selection:?}, game {game}");
            }
        }
    }
}

#[test]
fn all_simulations_are_made_and_subtrees_are_kept() {
    let spec = puzzle(json!({}));
    let executor = policy(&*spec, Symmetry::None);
    for selection in selections() {
        for (leaves, max_expand_depth) in [(1, 1), (8, 1), (4, 3)] {
            let config =
                SearchConfig { leaves, max_expand_depth, ..SearchConfig::new(selection, 40) };
            let mut search = Search::new(&*spec, 1, config).unwrap();
            let mut rng = stream(3, Purpose::Start, 0, 1);
            search.begin(0, Start::Scramble { difficulty: 30 }, &mut rng).unwrap();
            let mut kept = 0;
            for step in 0..8 {
                search.run(&executor, &[Plan { simulations: 40, noise: None }]).unwrap();
                let root = results(&search, 0);
                let visits = root.visits.iter().sum::<u32>();
                // A subtree with more nodes than a move adds leaves no room for the next move, and is dropped.
                let dropped = kept > 40 && visits == 40;
                assert!(
                    dropped || visits == kept + 40,
                    "{visits}, {kept}: {config:?}, move {step}"
                );
                assert!((root.policy.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                // The child counts its own evaluation, its edges do not; inner nodes of a deep expansion count none.
                kept = root.visits[root.action] - u32::from(max_expand_depth == 1);
                let nodes = search.nodes(0);
                let over = search.advance(0, root.action).unwrap().done();
                assert!(nodes <= (40 * (step + 1) * max_expand_depth + 1) as u64);
                // How many of the child's visits began above it depends on the depths.
                if over || max_expand_depth > 1 {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_terminated_node_is_worth_0_and_a_truncated_one_its_value() {
    // The blank is one move right of its goal: left (0) solves, right (2) and down (3) use up the budget.
    let spec = puzzle(json!({"max_depth": 1}));
    let mock = Mock::new(4, |_: &[u32], _: &[f32], _: &mut [f32]| 0.8);
    for selection in selections() {
        let config = SearchConfig { gamma: 0.5, ..SearchConfig::new(selection, 60) };
        let mut search = Search::new(&*spec, 1, config).unwrap();
        let state = [1., 0., 2., 3., 4., 5., 6., 7., 8.];
        let start = Start::State { state: &state, difficulty: None };
        search.begin(0, start, &mut stream(0, Purpose::Start, 0, 0)).unwrap();
        search.run(&mock, &[Plan { simulations: 60, noise: None }]).unwrap();
        let root = search.root(0);
        for (action, q) in [(0, 1.0), (2, -0.5 + 0.5 * 0.8), (3, -0.5 + 0.5 * 0.8)] {
            assert!((root.q[action] - q).abs() < 1e-5, "{:?}", root.q);
        }
        assert_eq!((root.visits[1], root.action), (0, 0));
        assert_eq!(search.nodes(0), 4, "ends are visited again, not made again");
        assert_eq!(search.solution(0), Some((&[0u32][..], 1.0)));
        let step = search.advance(0, 2).unwrap();
        assert!(step.truncated && step.reward == -0.5);
        search.run(&mock, &[Plan { simulations: 60, noise: None }]).unwrap();
        assert!(search.advance(0, 0).unwrap().truncated, "what is over stays over");
    }
}

#[test]
fn a_move_that_was_never_tried_can_be_made() {
    let spec = puzzle(json!({}));
    let executor = policy(&*spec, Symmetry::None);
    let mut search = Search::new(&*spec, 1, SearchConfig::new(selections()[0], 8)).unwrap();
    let state = [1., 4., 2., 3., 0., 5., 6., 7., 8.];
    let start = Start::State { state: &state, difficulty: None };
    search.begin(0, start, &mut stream(0, Purpose::Start, 0, 0)).unwrap();
    assert!(!search.advance(0, 1).unwrap().done());
    search.run(&executor, &[Plan { simulations: 8, noise: None }]).unwrap();
    assert!(search.advance(0, 0).unwrap().terminated, "up and left solve it");
    assert_eq!(search.solution(0).unwrap().0, [1, 0]);
}

#[test]
fn noise_depends_only_on_its_stream() {
    let spec = puzzle(json!({}));
    let executor = policy(&*spec, Symmetry::None);
    for selection in selections() {
        let run = |noise: Option<u64>| {
            let config = SearchConfig::new(selection, 12);
            let mut search = Search::new(&*spec, 1, config).unwrap();
            let mut rng = stream(3, Purpose::Start, 0, 1);
            search.begin(0, Start::Scramble { difficulty: 30 }, &mut rng).unwrap();
            let noise = noise.map(|index| stream(0, Purpose::Search, 0, index));
            search.run(&executor, &[Plan { simulations: 12, noise }]).unwrap();
            results(&search, 0)
        };
        assert_eq!(run(None), run(None));
        assert_eq!(run(Some(1)), run(Some(1)));
        let different = (0..20).filter(|&index| run(Some(index)) != run(None)).count();
        assert!(different >= 3, "{different}");
    }
}

#[test]
fn a_canonical_policy_searches_a_state_and_its_image_alike() {
    let spec = puzzle(json!({}));
    let executor = policy(&*spec, Symmetry::Canonical);
    let twist = &spec.twists()[0];
    for selection in selections() {
        for index in 0..20 {
            let mut puzzle = Puzzle::new(&PuzzleParams::default()).unwrap();
            puzzle.reset_uniform(&mut stream(0, Purpose::Start, 0, index));
            let mut state = Vec::new();
            puzzle.state(&mut state);
            let image = puzzle.twisted_state(0).unwrap();
            let mut search = Search::new(&*spec, 2, SearchConfig::new(selection, 30)).unwrap();
            for (game, state) in [&state, &image].into_iter().enumerate() {
                let start = Start::State { state, difficulty: None };
                search.begin(game, start, &mut stream(0, Purpose::Start, 0, 0)).unwrap();
            }
            search
                .run(&executor, &[(); 2].map(|()| Plan { simulations: 30, noise: None }))
                .unwrap();
            let (here, there) = (results(&search, 0), results(&search, 1));
            for action in 0..4 {
                let image = twist.action[action] as usize;
                assert_eq!(here.visits[action], there.visits[image], "board {index}");
                assert!((here.policy[action] - there.policy[image]).abs() < 1e-5);
            }
        }
    }
}

#[test]
fn the_cache_is_cleared_on_request() {
    let spec = puzzle(json!({}));
    let value = |v: f32| Mock::new(4, move |_: &[u32], _: &[f32], _: &mut [f32]| v);
    let config = SearchConfig::new(selections()[0], 8);
    let mut search = Search::new(&*spec, 1, config).unwrap();
    let mut run = |mock: &dyn Evaluator, forget: bool| {
        if forget {
            search.forget_evaluations();
        }
        let mut rng = stream(3, Purpose::Start, 0, 1);
        search.begin(0, Start::Scramble { difficulty: 30 }, &mut rng).unwrap();
        search.run(mock, &[Plan { simulations: 8, noise: None }]).unwrap();
        search.root(0).raw_value
    };
    assert_eq!(run(&value(0.25), true), 0.25);
    assert_eq!(run(&value(0.5), false), 0.25, "remembered");
    assert_eq!(run(&value(0.5), true), 0.5);
}

#[test]
fn actions_are_drawn_in_proportion_to_visits() {
    let visits = [10, 30, 0, 60];
    let floats = [0.0; 4];
    let root = RootStatistics {
        visits: &visits,
        q: &floats,
        prior: &floats,
        policy: &floats,
        raw_value: 0.0,
        value: 0.0,
        action: 3,
    };
    let mut rng = stream(0, Purpose::Act, 0, 0);
    let mut share = |temperature: f32, action: usize| {
        let draws = (0..20_000).filter(|_| root.draw(temperature, &mut rng) == action).count();
        draws as f32 / 20_000.0
    };
    assert!((share(1.0, 1) - 0.3).abs() < 0.02);
    assert!((share(0.5, 1) - 9.0 / 46.0).abs() < 0.02, "squares: 1, 9, 0, 36");
    assert_eq!((share(0.0, 3), share(1.0, 2)), (1.0, 0.0));
}
