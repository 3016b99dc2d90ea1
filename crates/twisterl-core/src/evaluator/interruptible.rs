//! A policy whose evaluations can be stopped from outside.

use super::{Evaluation, Evaluator};
use crate::Result;
use crate::error::interrupt::Interrupt;
use crate::evaluator::distribution::ActionDistribution;
use crate::space::Observations;
use crate::space::symmetry::Twist;

/// Another evaluator whose evaluations fail once `interrupt` is set, so that one call can be stopped without stopping
/// others that share the evaluator.
pub struct Interruptible<'a> {
    /// The evaluator.
    pub evaluator: &'a dyn Evaluator,
    /// Stops it.
    pub interrupt: &'a Interrupt,
}

impl Evaluator for Interruptible<'_> {
    fn distribution(&self) -> &ActionDistribution {
        self.evaluator.distribution()
    }

    fn action_width(&self) -> usize {
        self.evaluator.action_width()
    }

    fn twists(&self) -> &[Twist] {
        self.evaluator.twists()
    }

    fn backtracking(&self) -> bool {
        self.evaluator.backtracking()
    }

    fn evaluate(&self, observations: &Observations, out: &mut Evaluation) -> Result<()> {
        self.interrupt.check()?;
        self.evaluator.evaluate(observations, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::evaluator::Mock;

    #[test]
    fn evaluations_fail_while_interrupted() {
        let (mock, interrupt) = (Mock::uniform(3), Interrupt::default());
        let stoppable = Interruptible { evaluator: &mock, interrupt: &interrupt };
        let mut observations = Observations::new();
        observations.push_ones(&[0]);
        let evaluate = || stoppable.evaluate(&observations, &mut Evaluation::default());
        assert_eq!(evaluate(), Ok(()));
        interrupt.set();
        assert_eq!(evaluate(), Err(Error::Interrupted));
        interrupt.clear();
        assert_eq!(evaluate(), Ok(()));
    }
}
