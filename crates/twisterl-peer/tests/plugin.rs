//! Environments of the trait, played by the host of plugins.
#![allow(clippy::unwrap_used)]

use serde_json::json;
use std::any::Any;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use twisterl::plugin::{Here, Prototype, TABLE};
use twisterl::rl::env::Env;
use twisterl_core::env::Start;
use twisterl_core::evaluator::Mock;
use twisterl_core::registry::EnvSpec;
use twisterl_core::rng::{Purpose, StreamKey};
use twisterl_core::solve::{Method, Solution, Solver};
use twisterl_core::space::{Actions, Observations};
use twisterl_core::{Error, Result};
use twisterl_plugin::host::PluginSpec;
use twisterl_plugin::host::library::TableModule;

/// A counter that stands in for a generator that nobody can seed.
static DRAWN: AtomicUsize = AtomicUsize::new(0);

fn draw(below: usize) -> usize {
    // The multiplier of a linear congruential generator, whose upper bits are mixed well.
    let drawn = DRAWN.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (drawn >> 40) % below
}

/// The habits of the environment under test.
#[derive(Clone, Copy, Default)]
struct Habits {
    /// A reset draws the state.
    scrambles: bool,
    /// A step may turn the row round; the solution is then another than the actions.
    turns: bool,
    /// An observation that cannot be.
    observed: Option<usize>,
    /// Symmetries that map both actions to one, as those of equal gates.
    merges: bool,
    /// A mask of one entry.
    short_mask: bool,
    /// Nothing is ever allowed.
    dead_end: bool,
}

/// A row of three numbers, sorted by swaps of neighbours.
#[derive(Clone)]
struct Row {
    habits: Habits,
    row: Vec<usize>,
    difficulty: usize,
    left: usize,
    turned: bool,
    /// Swaps of the row as it was at the start.
    solution: Vec<usize>,
}

impl Row {
    fn new(habits: Habits) -> Self {
        let row = vec![0, 1, 2];
        Self { habits, row, difficulty: 2, left: 0, turned: false, solution: Vec::new() }
    }
}

impl Env for Row {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn num_actions(&self) -> usize {
        2
    }

    fn obs_shape(&self) -> Vec<usize> {
        vec![3, 3]
    }

    fn set_difficulty(&mut self, difficulty: usize) {
        self.difficulty = difficulty.min(8);
    }

    fn get_difficulty(&self) -> usize {
        self.difficulty
    }

    fn set_state(&mut self, state: Vec<i64>) {
        self.row = state.iter().map(|&number| usize::try_from(number).unwrap()).collect();
        (self.left, self.turned, self.solution) = (20, false, Vec::new());
    }

    fn reset(&mut self) {
        self.row = match self.habits.scrambles.then(|| draw(2)) {
            None => vec![1, 2, 0],
            Some(0) => vec![1, 0, 2],
            Some(_) => vec![2, 1, 0],
        };
        (self.left, self.turned, self.solution) = (20, false, Vec::new());
    }

    fn step(&mut self, action: usize) {
        self.row.swap(action, action + 1);
        self.left -= 1;
        self.solution.push(if self.turned { 1 - action } else { action });
        if self.habits.turns && draw(2) == 0 {
            // Read from the other end, with the numbers reversed.
            self.row = self.row.iter().rev().map(|number| 2 - number).collect();
            self.turned = !self.turned;
        }
    }

    fn masks(&self) -> Vec<bool> {
        match self.habits {
            Habits { short_mask: true, .. } => vec![true],
            Habits { dead_end: true, .. } => vec![false; 2],
            _ => vec![!self.success(); 2],
        }
    }

    fn is_final(&self) -> bool {
        self.left == 0 || self.success()
    }

    fn success(&self) -> bool {
        self.row.is_sorted()
    }

    fn reward(&self) -> f32 {
        if self.success() { 1.0 } else { -0.25 }
    }

    fn observe(&self) -> Vec<usize> {
        let bits = self.row.iter().enumerate().map(|(place, number)| {
            assert!(*number < 3, "no number {number}");
            3 * place + number
        });
        bits.chain(self.habits.observed).collect()
    }

    fn twists(&self) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        let (bits, actions): (Vec<usize>, Vec<usize>) = ((0..9).collect(), vec![0, 1]);
        let reversed = |map: &[usize]| map.iter().rev().copied().collect();
        if self.habits.merges {
            return (vec![bits.clone(), reversed(&bits)], vec![vec![1, 1]; 2]);
        }
        (vec![bits.clone(), reversed(&bits)], vec![actions.clone(), reversed(&actions)])
    }

    fn track_solution(&self) -> bool {
        self.habits.turns
    }

    fn solution(&self) -> Vec<usize> {
        self.solution.clone()
    }
}

/// Returns an environment as an extension hands it over.
fn spec_of(env: impl Env + 'static) -> PluginSpec {
    let prototype = Arc::new(*Prototype::new(Box::new(env)));
    let context = Arc::as_ptr(&prototype).cast::<c_void>();
    // SAFETY: The context is a prototype, which the module keeps.
    #[allow(unsafe_code)]
    let module = unsafe { TableModule::new("rows.Row", &raw const TABLE, context, prototype) };
    PluginSpec::new("rows.Row", Arc::new(module.unwrap()), &json!({"size": 3})).unwrap()
}

fn spec(habits: Habits) -> PluginSpec {
    spec_of(Row::new(habits))
}

const TURNING: Habits = Habits {
    scrambles: true,
    turns: true,
    observed: None,
    merges: false,
    short_mask: false,
    dead_end: false,
};

/// Begins an episode at a state, takes actions, and returns the last observation and mask, and whether the episode is over.
fn play(
    spec: &dyn EnvSpec,
    state: &[f64],
    actions: &[usize],
) -> Result<(Vec<u32>, Vec<bool>, bool)> {
    let mut env = spec.batch(1);
    let start = Start::State { state, difficulty: None };
    env.begin(0, start, &mut StreamKey::new(0, Purpose::Start).stream())?;
    let (mut one, mut steps) = (Actions::new(&spec.action_space()), Vec::new());
    for &action in actions {
        one.clear();
        one.push(action.into());
        env.step(&[0], &one, &mut steps)?;
    }
    let (mut observed, mut masks) = (Observations::new(), Vec::new());
    env.observe(&[0], &mut observed, &mut masks)?;
    Ok((observed.ones(0).to_vec(), masks, steps.last().is_some_and(|step| step.terminated)))
}

fn solve(spec: &PluginSpec, method: Method, start: Start<'_>) -> Result<Solution> {
    let (mock, key) = (Mock::uniform(2), StreamKey::new(0, Purpose::Solve));
    Ok(Solver::new(spec, &mock, method, key).run(&[start])?.remove(0))
}

#[test]
fn an_environment_is_described() {
    let spec = spec(Habits::default());
    assert_eq!(spec.params(), json!({"size": 3}));
    assert_eq!(spec.observation_space().shape(), [3, 3]);
    assert_eq!((spec.action_space().single_discrete(), spec.difficulty()), (Some(2), 2));
    assert!(spec.starts().curriculum && spec.measures_success());
    assert!(!spec.tells_states() && !spec.is_deterministic());
    let twists = spec.twists(); // without the identity
    assert_eq!(twists.len(), 1);
    assert_eq!(twists[0].action, [1, 0]);
    let twists = spec_of(Row::new(Habits { merges: true, ..Habits::default() })).twists();
    assert_eq!(twists.len(), 1);
    assert_eq!(twists[0].action, [0, 1]);
}

#[test]
fn final_states_have_masks_that_allow_everything() {
    let (observed, mask, over) = play(&spec(Habits::default()), &[1., 0., 2.], &[0]).unwrap();
    assert_eq!((&observed[..], over), (&[0, 4, 8][..], true));
    assert_eq!(mask, [true, true]);
}

#[test]
fn what_breaks_the_rules_of_the_trait_is_an_error() {
    let default = Habits::default();
    for (habits, expected) in [
        (Habits { observed: Some(9), ..default }, "different indices below 9"),
        (Habits { observed: Some(1), ..default }, "different indices below 9"),
        (Habits { short_mask: true, ..default }, "masks() has 2 entries"),
        (
            Habits { dead_end: true, ..default },
            "masks() allows an action until the episode is over",
        ),
    ] {
        let error = play(&spec(habits), &[1., 0., 2.], &[]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn states_that_cannot_be_are_refused_and_the_batch_plays_on() {
    let spec = spec(Habits::default());
    let mut env = spec.batch(1);
    let mut rng = StreamKey::new(0, Purpose::Start).stream();
    for (state, expected) in [
        (&[0.5, 1., 2.][..], "whole numbers, found 0.5 at position 0"),
        (&[0., 1., 7.][..], "no number 7"),
        (&[0., -1., 2.][..], "3 numbers that set_state cannot take"),
    ] {
        let error = env.begin(0, Start::State { state, difficulty: None }, &mut rng).unwrap_err();
        assert!(matches!(error, Error::State { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    env.begin(0, Start::Scramble { difficulty: 1 }, &mut rng).unwrap();
    let error = env.state(0, &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("expected an environment that tells its states"), "{error}");
}

#[test]
fn runs_are_warned_of_what_does_not_repeat() {
    assert_eq!(spec(Habits::default()).check_replay().unwrap(), None);
    let scrambling = Habits { scrambles: true, ..Habits::default() };
    for habits in [scrambling, Habits { scrambles: false, ..TURNING }] {
        let warning = spec(habits).check_replay().unwrap().unwrap();
        assert!(warning.contains("rows.Row: an episode that was played again"), "{warning}");
    }
}

#[test]
fn solutions_are_those_that_the_environment_reports() {
    let spec = spec(TURNING);
    let state = [2., 0., 1.];
    for method in [Method::BestOf(16), Method::mcts(4), Method::gumbel(4)] {
        for _ in 0..8 {
            let start = Start::State { state: &state, difficulty: None };
            let solution = solve(&spec, method, start).unwrap();
            assert_eq!(solution.start, state);
            let reported = solution.reported.unwrap();
            assert_eq!(reported.len(), solution.length);
            // Played without turns, they sort the row.
            let mut row = [2, 0, 1];
            reported.iter().for_each(|&action| row.swap(action as usize, action as usize + 1));
            assert_eq!(row.is_sorted(), solution.solved, "{method} {reported:?}");
        }
    }
}

#[test]
fn actions_are_the_solution_without_one_of_the_environment_s_own() {
    let start = Start::State { state: &[2., 0., 1.], difficulty: None };
    for method in [Method::BestOf(16), Method::mcts(16), "beam=8".parse().unwrap()] {
        let solution = solve(&spec(Habits::default()), method, start).unwrap();
        assert_eq!((solution.solved, solution.reported), (true, None), "{method}");
    }
}

#[test]
fn attempts_share_a_start_that_cannot_be_repeated() {
    // If each attempt drew its own start, one of them would always be a swap away from the goal.
    let spec = spec(Habits { scrambles: true, ..Habits::default() });
    let shortest = |_| {
        let solution = solve(&spec, Method::BestOf(64), Start::Scramble { difficulty: 1 }).unwrap();
        solution.length
    };
    let lengths: Vec<usize> = (0..32).map(shortest).collect();
    assert!([1, 3].iter().all(|length| lengths.contains(length)), "{lengths:?}");
    let tries =
        Solver::new(&spec, &Mock::uniform(2), Method::mcts(2), StreamKey::new(0, Purpose::Solve))
            .run_tries(&[Start::Scramble { difficulty: 1 }], 2, |n| {
                StreamKey::new(n, Purpose::Solve)
            });
    let error = tries.unwrap_err().to_string();
    assert!(error.contains("num_searches: expected 1"), "{error}");
}

#[test]
fn episodes_begin_where_an_environment_is() {
    let mut row = Row::new(Habits { scrambles: true, ..Habits::default() });
    row.set_state(vec![0, 2, 1]);
    let spec = spec_of(Here::new(Box::new(row)));
    let here = Start::State { state: &[], difficulty: None };
    for start in [Start::Scramble { difficulty: 5 }, here] {
        assert_eq!(solve(&spec, Method::BestOf(8), start).unwrap().actions.discrete, [1]);
    }
    let elsewhere = Start::State { state: &[1., 0., 2.], difficulty: None };
    assert_eq!(solve(&spec, Method::BestOf(8), elsewhere).unwrap().actions.discrete, [0]);
}

#[test]
fn the_contract_test_finds_what_does_not_repeat() {
    let report = spec(Habits::default()).check(1).unwrap();
    assert!(report.episodes > 0, "{report}");
    let error = spec(TURNING).check(1).unwrap_err().to_string();
    assert!(error.contains("the same episode"), "{error}");
}
