//! Solutions, replayed from their starts.

use super::play::{start_state, start_stream};
use super::{Solution, Solver};
use crate::env::{Start, Step};
use crate::space::Actions;
use crate::{Error, Result};

/// The treatment of solutions that their replay does not confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// They are errors.
    Strict,
    /// They are errors for environments written in Rust. Elsewhere, the solution of a search is what its replay makes of it:
    /// for figures of environments with randomness of their own.
    Lenient,
}

impl Solver<'_> {
    /// Replays every solution from its start, and fills in the start state. An episode that was played in an environment that
    /// does not repeat itself counts as it is; what a beam has found there counts as it is played.
    pub(super) fn verify(&self, starts: &[Start<'_>], solutions: &mut [Solution]) -> Result<()> {
        let mut env = self.spec.batch(1);
        let mut one = Actions::new(&self.spec.action_space());
        let mut steps = Vec::new();
        for (index, (start, solution)) in starts.iter().zip(solutions).enumerate() {
            env.begin(0, *start, &mut start_stream(self.key, self.first + index))?;
            start_state(self.spec, &*env, (0, *start), &mut solution.start)?;
            if !self.spec.is_deterministic() && self.method.plays() {
                continue;
            }
            steps.clear();
            for i in 0..solution.actions.len() {
                one.clear();
                one.push(solution.actions.row(i));
                env.step(&[0], &one, &mut steps)?;
                if steps.last().is_some_and(Step::done) {
                    break;
                }
            }
            let total = steps.iter().fold(0.0, |total: f32, step| total + step.reward);
            let (solved, length) = (env.solved(0), steps.len());
            let same = (solved, length) == (solution.solved, solution.length)
                && total.to_bits() == solution.total.to_bits();
            if same || !self.spec.is_deterministic() {
                solution.reported = env.reported_solution(0)?;
                (solution.solved, solution.length, solution.total) = (solved, length, total);
                continue;
            }
            let lenient = self.verification == Verification::Lenient;
            if !lenient || self.spec.foreign_spec().is_none() {
                return Err(Error::Contract {
                    name: self.spec.name().into(),
                    rule: "the same start and actions give the same episode".into(),
                    found: format!(
                        "solved {} with a return of {}, and replayed solved {solved} with {total}",
                        solution.solved, solution.total
                    ),
                });
            }
            if self.method.searches() {
                (solution.solved, solution.length, solution.total) = (solved, length, total);
            }
        }
        Ok(())
    }
}
