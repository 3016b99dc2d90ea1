//! Solving a problem and its inverse.

use super::play::start_stream;
use super::{Invert, Objective, Solution, Solver};
use crate::env::batch::VecEnv;
use crate::env::{Start, Step};
use crate::evaluator::batched::action_count;
use crate::search::{ActionPath, exceeds};
use crate::space::Actions;
use crate::{Error, Result};

impl Solver<'_> {
    /// Solves every start and its inverse problem, each with half of the budget, and returns the better solution of each.
    ///
    /// # Errors
    /// As for [`run`](Self::run), and if a start has no inverse problem.
    pub(super) fn run_both(&self, starts: &[Start<'_>]) -> Result<Vec<Solution>> {
        action_count(&self.spec.action_space())?;
        let mut env = self.spec.batch(1);
        let states = self.inverse_states(&mut *env, starts)?;
        let (half, other_half) = self.budget.halves();
        let solver = Solver { invert: Invert::Never, record: true, ..*self };
        let mut best = Solver { budget: half, ..solver }.run(starts)?;
        // One node is one evaluation, which the problem itself has had.
        let Some(budget) = other_half else { return Ok(best) };
        let inverse = |(start, state): (&Start<'_>, _)| {
            let difficulty = match *start {
                Start::Scramble { difficulty } | Start::Uniform { difficulty } => Some(difficulty),
                Start::State { difficulty, .. } => difficulty,
            };
            Start::State { state, difficulty }
        };
        let inverses: Vec<Start<'_>> =
            starts.iter().zip(states.iter().map(Vec::as_slice)).map(inverse).collect();
        // Both have the same solutions, from two ends: what is better than one is better than the other.
        let incumbent = |solution: &Solution| match solution {
            Solution { solved: false, .. } => ActionPath::default(),
            &Solution { solved, length, total, .. } => {
                ActionPath { solved, total, actions: vec![0; length] }
            }
        };
        let incumbents: Vec<ActionPath> = best.iter().map(incumbent).collect();
        let others = Solver { budget, ..solver }.run_each(&inverses, &incumbents)?;
        for (index, (start, other)) in starts.iter().zip(others).enumerate() {
            let best = &mut best[index];
            best.nodes += other.nodes;
            best.simulations += other.simulations;
            best.seconds += other.seconds;
            if !other.solved {
                continue;
            }
            let turned = self.turned(&mut *env, (index, *start), &other)?;
            if self.objective.better(&turned, best) {
                let Solution { nodes, simulations, seconds, .. } = *best;
                let start = std::mem::take(&mut best.start);
                *best = Solution { start, nodes, simulations, seconds, ..turned };
            }
        }
        Ok(best)
    }

    /// Returns the state of the inverse problem of each start.
    fn inverse_states(&self, env: &mut dyn VecEnv, starts: &[Start<'_>]) -> Result<Vec<Vec<f64>>> {
        let inverse = |(index, start): (usize, &Start<'_>)| {
            env.begin(0, *start, &mut start_stream(self.key, self.first + index))?;
            env.inverse_state(0)?.ok_or_else(|| {
                let expected = format!("never, since {} tells no inverse problem", env.name());
                let state = match starts.len() {
                    1 => "the state".to_owned(),
                    _ => format!("state {index}"),
                };
                Error::config("invert", format!("{expected} of {state}"), "both")
            })
        };
        starts.iter().enumerate().map(inverse).collect()
    }

    /// Returns the solution of a start, given that of its inverse problem.
    fn turned(
        &self,
        env: &mut dyn VecEnv,
        (index, start): (usize, Start<'_>),
        other: &Solution,
    ) -> Result<Solution> {
        env.begin(0, start, &mut start_stream(self.key, self.first + index))?;
        let broken = |found: String| {
            let rule = "a solution of the inverse problem gives one of the problem";
            Error::contract(self.spec.name(), rule, found)
        };
        let actions = env.invert_solution(0, &other.actions.discrete)?;
        let actions = actions.ok_or_else(|| broken("none".into()))?;
        let space = self.spec.action_space();
        let (mut all, mut one, mut steps) =
            (Actions::new(&space), Actions::new(&space), Vec::new());
        for &action in &actions {
            one.clear();
            one.push((action as usize).into());
            env.step(&[0], &one, &mut steps)?;
            all.push((action as usize).into());
            if steps.last().is_some_and(Step::done) {
                break;
            }
        }
        if !env.solved(0) {
            return Err(broken(format!("{actions:?}, which do not solve it")));
        }
        let reported = env.reported_solution(0)?;
        let total = steps.iter().fold(0.0, |total: f32, step| total + step.reward);
        let length = steps.len();
        let solution =
            Solution { solved: true, length, total, actions: all, ..Solution::default() };
        Ok(Solution { reported, inverted: true, ..solution })
    }
}

impl Objective {
    /// Returns whether one solution of a problem is better than another.
    fn better(self, one: &Solution, other: &Solution) -> bool {
        if one.solved != other.solved {
            return one.solved;
        }
        let fewer = one.length < other.length;
        let equal = !exceeds(one.total, other.total) && !exceeds(other.total, one.total);
        match self {
            Self::Length if one.length != other.length => fewer,
            Self::Return if equal => fewer,
            _ => exceeds(one.total, other.total),
        }
    }
}
