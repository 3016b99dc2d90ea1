#![allow(clippy::unwrap_used)]

mod batches;

use super::*;
use crate::Error;
use crate::env::{Step, whole_numbers};
use crate::space::symmetry::Twist;
use crate::space::{Action, ActionComponent, ActionSpace, ObservationRow, ObservationSpace};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One way to break the contract.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Fault {
    None,
    EmptySpace,
    BitOutOfRange,
    BitTwice,
    EmptyMask,
    NanReward,
    MergedFlags,
    BudgetTerminates,
    SolvedGoesOn,
    NeverEnds,
    SharedByClones,
    SurvivesReset,
    HiddenState,
    HiddenBudget,
    SetStateIgnoresBudget,
    TakesAnyLength,
    TakesNan,
    TakesAnyNumber,
    HalfSet,
    RefusalSpendsBudget,
    ForgetsDifficulty,
    UniformMoves,
    LimitMoves,
    IdentityTwist,
    TwistTooShort,
    TwistWithoutState,
    TwistOfObservationOnly,
    TwistToAnotherState,
    UnequalRewards,
    InverseIsItself,
    InverseOneWay,
    StepsBackElsewhere,
    StartsUnsolved,
    InverseStateOutside,
    InverseStateIsItself,
}

const CELLS: usize = 9;
const GOAL: usize = 4;
const BUDGET: usize = 20;

/// A walk on a line of nine cells to the one in the middle: 0 goes left, 1 right. Correct except for its fault.
#[derive(Debug, Clone)]
struct Line {
    fault: Fault,
    cell: usize,
    budget: usize,
    difficulty: usize,
    moves: usize,
    shared: Arc<AtomicUsize>,
}

impl Line {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn start(&mut self, cell: usize) {
        self.cell = cell;
        self.budget = BUDGET;
        if !self.has(Fault::SurvivesReset) {
            self.moves = 0;
        }
    }
}

impl Environment for Line {
    const NAME: &'static str = "Line";
    type Params = Fault;

    fn new(&fault: &Fault) -> Result<Self> {
        let shared = Arc::default();
        Ok(Self { fault, cell: GOAL, budget: BUDGET, difficulty: 1, moves: 0, shared })
    }

    fn observation_space(&self) -> ObservationSpace {
        let width = if self.has(Fault::EmptySpace) { 0 } else { CELLS };
        ObservationSpace::SparseBinary { shape: vec![width] }
    }

    fn action_space(&self) -> ActionSpace {
        ActionSpace::discrete(2)
    }

    fn reset(&mut self, rng: &mut Rng) {
        let reach = self.difficulty.min(GOAL) as u32;
        self.start(GOAL + reach as usize - rng.random_range(0..=2 * reach) as usize);
        if self.has(Fault::StartsUnsolved) && self.difficulty == 0 {
            self.start(0);
        }
        if self.has(Fault::ForgetsDifficulty) {
            self.difficulty = 1;
        }
    }

    fn step(&mut self, action: Action<'_>) -> Step {
        let stuck = self.has(Fault::NeverEnds) && self.cell.abs_diff(GOAL) == 1;
        let pace = 1 + usize::from(self.has(Fault::HiddenState) && self.moves % 2 == 1);
        if action.index() == 0 {
            self.cell = self.cell.saturating_sub(pace);
        } else {
            self.cell = (self.cell + pace).min(CELLS - 1);
        }
        if stuck {
            self.cell = 0;
        }
        self.moves += 1;
        self.shared.fetch_add(1, Ordering::Relaxed);
        if !self.has(Fault::NeverEnds) {
            self.budget = self.budget.saturating_sub(1);
        }
        let solved = self.solved();
        let reward = match self.fault {
            Fault::NanReward if solved => f32::NAN,
            Fault::UnequalRewards if action.index() == 1 => 0.5,
            Fault::SurvivesReset => self.moves as f32,
            _ => f32::from(solved),
        };
        let truncated = self.budget == 0;
        match self.fault {
            Fault::MergedFlags => Step { reward, terminated: solved || truncated, truncated },
            Fault::BudgetTerminates => {
                Step { reward, terminated: solved || truncated, truncated: false }
            }
            Fault::SolvedGoesOn => Step { reward, terminated: false, truncated },
            _ => Step { reward, terminated: solved, truncated: truncated && !solved },
        }
    }

    fn observe(&self, row: &mut ObservationRow<'_>) {
        match self.fault {
            Fault::BitOutOfRange if self.cell == 0 => row.one(CELLS),
            Fault::BitTwice => row.ones([self.cell, self.cell]),
            Fault::SharedByClones => row.one(self.shared.load(Ordering::Relaxed) % CELLS),
            Fault::HiddenBudget => row.one(self.budget % CELLS),
            _ => row.one(self.cell),
        }
    }

    fn action_mask(&self, mask: &mut [bool]) {
        mask[0] = self.cell > 0;
        mask[1] = self.cell + 1 < CELLS && !(self.has(Fault::EmptyMask) && self.cell == 0);
    }

    fn solved(&self) -> bool {
        self.cell == GOAL
    }

    fn state(&self, out: &mut Vec<f64>) {
        out.push(self.cell as f64);
    }

    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        let first = state.first().copied().unwrap_or(0.0);
        match self.fault {
            Fault::TakesAnyLength => {
                self.start((first as usize).min(CELLS - 1));
                return Ok(());
            }
            Fault::TakesNan if first.is_nan() => {
                self.start(0);
                return Ok(());
            }
            Fault::TakesAnyNumber if state.len() == 1 && first.is_finite() => {
                self.start(first as usize % (2 * CELLS));
                return Ok(());
            }
            Fault::HalfSet => self.cell = 0,
            Fault::RefusalSpendsBudget if state.len() != 1 => self.budget = 1,
            _ => {}
        }
        if state.len() != 1 {
            return Err(Error::state("one cell", state.len()));
        }
        let budget = self.budget;
        for cell in whole_numbers(state, CELLS) {
            self.start(cell?);
        }
        if self.has(Fault::SetStateIgnoresBudget) {
            self.budget = budget.min(5);
        }
        Ok(())
    }

    fn difficulty(&self) -> usize {
        self.difficulty
    }

    fn set_difficulty(&mut self, difficulty: usize) {
        self.difficulty = difficulty;
    }

    fn reset_uniform(&mut self, rng: &mut Rng) -> bool {
        self.start(rng.random_range(0..CELLS as u32) as usize);
        !self.has(Fault::UniformMoves)
    }

    fn inverse(&self, action: usize) -> Option<usize> {
        match self.fault {
            Fault::InverseIsItself => Some(action),
            Fault::InverseOneWay => Some(1),
            _ => Some(1 - action),
        }
    }

    fn step_back(&mut self, rng: &mut Rng) -> Option<usize> {
        let action = rng.random_range(0..2) as usize;
        let cell = self.cell.checked_add_signed([1, -1][action]).filter(|&cell| cell < CELLS)?;
        self.start(cell);
        Some(if self.has(Fault::StepsBackElsewhere) { 1 - action } else { action })
    }

    fn inverse_state(&self) -> Option<Vec<f64>> {
        Some(vec![match self.fault {
            Fault::InverseStateOutside => CELLS as f64,
            Fault::InverseStateIsItself => self.cell as f64,
            _ => (CELLS - 1 - self.cell) as f64,
        }])
    }

    fn limit_budget(&mut self) {
        if self.has(Fault::LimitMoves) {
            self.cell = 0;
        }
    }

    fn twists(&self) -> Vec<Twist> {
        let mut twist =
            Twist { observation: (0..CELLS as u32).rev().collect(), action: vec![1, 0] };
        match self.fault {
            Fault::IdentityTwist => {
                twist = Twist { observation: (0..CELLS as u32).collect(), action: vec![0, 1] };
            }
            Fault::TwistTooShort => twist.observation.truncate(3),
            Fault::TwistOfObservationOnly => twist.action = vec![0, 1],
            _ => {}
        }
        vec![twist]
    }

    fn twisted_state(&self, _: usize) -> Option<Vec<f64>> {
        match self.fault {
            Fault::TwistWithoutState => None,
            Fault::TwistToAnotherState => Some(vec![self.cell as f64]),
            _ => Some(vec![(CELLS - 1 - self.cell) as f64]),
        }
    }
}

#[test]
fn a_correct_environment_passes() {
    let report = check_env(&Line::new(&Fault::None).unwrap(), 0).unwrap();
    assert_eq!((report.episodes, report.twists), (2 * EPISODES as usize, 1));
    assert!(report.steps > 1000, "{report:?}");
}

#[test]
fn each_fault_is_caught_by_its_rule() {
    for (fault, expected) in [
        (Fault::EmptySpace, rule::SPACES),
        (Fault::BitOutOfRange, rule::OBSERVATIONS),
        (Fault::BitTwice, rule::OBSERVATIONS),
        (Fault::EmptyMask, rule::MASKS),
        (Fault::NanReward, rule::REWARDS),
        (Fault::MergedFlags, rule::ENDS),
        (Fault::BudgetTerminates, rule::BUDGET),
        (Fault::SolvedGoesOn, rule::SOLVED),
        (Fault::NeverEnds, rule::BOUND),
        (Fault::SharedByClones, rule::CLONES),
        (Fault::SurvivesReset, rule::SAME),
        (Fault::HiddenState, rule::STATES),
        (Fault::HiddenBudget, rule::STATES),
        (Fault::SetStateIgnoresBudget, rule::SAME),
        (Fault::TakesAnyLength, rule::WRONG),
        (Fault::TakesNan, rule::WRONG),
        (Fault::TakesAnyNumber, rule::OBSERVATIONS),
        (Fault::HalfSet, rule::UNCHANGED),
        (Fault::RefusalSpendsBudget, rule::UNCHANGED),
        (Fault::ForgetsDifficulty, rule::DIFFICULTY),
        (Fault::UniformMoves, rule::UNIFORM),
        (Fault::LimitMoves, rule::LIMIT),
        (Fault::IdentityTwist, rule::TWISTS),
        (Fault::TwistTooShort, rule::TWISTS),
        (Fault::TwistWithoutState, rule::TWISTED),
        (Fault::TwistOfObservationOnly, rule::SYMMETRY),
        (Fault::TwistToAnotherState, rule::SYMMETRY),
        (Fault::UnequalRewards, rule::SYMMETRY),
        (Fault::StepsBackElsewhere, rule::STEPS_BACK),
        (Fault::InverseIsItself, rule::INVERSES),
        (Fault::InverseOneWay, rule::INVERSES),
        (Fault::StartsUnsolved, rule::DIFFICULTY_0),
        (Fault::InverseStateOutside, rule::INVERSE_STATES),
        (Fault::InverseStateIsItself, rule::INVERSE_SOLUTIONS),
    ] {
        for seed in 0..5 {
            match check_env(&Line::new(&fault).unwrap(), seed) {
                Err(Error::Contract { name, rule, found }) => {
                    assert_eq!((name.as_str(), rule.as_str()), ("Line", expected), "{found}");
                }
                other => unreachable!("{fault:?}, seed {seed}: {other:?}"),
            }
        }
    }
}

/// A point in the plane to push to the origin: a gear and two forces in one action, a dense observation.
#[derive(Debug, Clone)]
struct Push {
    at: [f32; 2],
    left: u32,
}

impl Environment for Push {
    const NAME: &'static str = "Push";
    type Params = ();

    fn new((): &()) -> Result<Self> {
        Ok(Self { at: [1.0, 0.0], left: 30 })
    }

    fn observation_space(&self) -> ObservationSpace {
        ObservationSpace::Dense { shape: vec![2] }
    }

    fn action_space(&self) -> ActionSpace {
        let force = ActionComponent::Continuous {
            low: vec![-1.0, f32::NEG_INFINITY],
            high: vec![1.0, f32::INFINITY],
            shape: vec![2],
        };
        ActionSpace::new(vec![ActionComponent::Discrete { n: 2 }, force]).unwrap()
    }

    fn reset(&mut self, rng: &mut Rng) {
        self.at = [rng.random(), rng.random()];
        self.left = 30;
    }

    fn step(&mut self, action: Action<'_>) -> Step {
        self.action_space().check(action).unwrap();
        if let Action::Parts { discrete: [gear], continuous } = action {
            for (at, force) in self.at.iter_mut().zip(continuous) {
                *at = (*at + force * (1 + gear) as f32).clamp(-10.0, 10.0);
            }
        }
        self.left -= 1;
        Step { reward: -self.at[0].abs(), terminated: false, truncated: self.left == 0 }
    }

    fn observe(&self, row: &mut ObservationRow<'_>) {
        row.values(&self.at);
    }

    fn state(&self, out: &mut Vec<f64>) {
        out.extend(self.at.map(f64::from));
    }

    fn set_state(&mut self, state: &[f64]) -> Result<()> {
        let &[x, y] = state else { return Err(Error::state("two numbers", state.len())) };
        if !(x.abs() <= 10.0 && y.abs() <= 10.0) {
            return Err(Error::state("numbers from -10 to 10", format!("{x}, {y}")));
        }
        (self.at, self.left) = ([x as f32, y as f32], 30);
        Ok(())
    }
}

#[test]
fn mixed_actions_and_dense_observations_pass() {
    let report = check_env(&Push::new(&()).unwrap(), 0).unwrap();
    assert_eq!((report.episodes, report.twists), (EPISODES as usize, 0));
}
