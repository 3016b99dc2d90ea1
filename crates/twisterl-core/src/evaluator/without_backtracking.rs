//! A policy that plays without backtracking.

use super::{Evaluation, Evaluator};
use crate::Result;
use crate::evaluator::distribution::ActionDistribution;
use crate::space::Observations;
use crate::space::symmetry::Twist;

/// An evaluator whose play never undoes its last action ([`crate::env::no_backtracking`]), and which otherwise equals the
/// wrapped one.
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
