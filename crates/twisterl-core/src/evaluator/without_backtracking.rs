//! A policy that plays without taking its last move back.

use super::{Evaluation, Evaluator};
use crate::Result;
use crate::evaluator::distribution::ActionDistribution;
use crate::space::Observations;
use crate::space::symmetry::Twist;

/// The same as another evaluator in all but that play with it does not take its last move back ([`crate::env::no_backtracking`]).
pub struct WithoutBacktracking<'a>(pub &'a dyn Evaluator);

impl Evaluator for WithoutBacktracking<'_> {
    fn distribution(&self) -> &ActionDistribution {
        self.0.distribution()
    }

    fn twists(&self) -> &[Twist] {
        self.0.twists()
    }

    fn backtracking(&self) -> bool {
        false
    }

    fn evaluate(&self, observations: &Observations, out: &mut Evaluation) -> Result<()> {
        self.0.evaluate(observations, out)
    }
}
