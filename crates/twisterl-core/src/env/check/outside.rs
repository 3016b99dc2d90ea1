//! The test of an action outside of the space: it may be refused, or be harmless.

use super::{Check, rule};
use crate::rng::Purpose;
use crate::{Error, Result};

/// The slot that takes the action, and another one.
const TAKES: usize = 0;
const BESIDE: usize = 1;

impl Check<'_> {
    /// Takes a choice that there is not, and requires that another slot does not change, and that the next episode is as ever.
    pub(super) fn outside(&mut self) -> Result<()> {
        let Some(choices) = self.subject.actions.choices().next() else { return Ok(()) };
        self.renew();
        let start = self.start(0);
        for slot in [TAKES, BESIDE] {
            self.stage.begin(slot, start, self.stream(Purpose::Start, 0))?;
        }
        let (before, beside) = (self.stage.view(TAKES)?, self.stage.view(BESIDE)?);
        let mut action = self.draw(None, &mut self.stream(Purpose::Act, 0));
        action.discrete[0] = choices as u32; // there is one
        let taken = self.stage.env.step(&[TAKES], &action, &mut Vec::new());
        if let Err(error @ (Error::Interrupted | Error::Contract { .. })) = taken {
            return Err(error);
        }
        let view = self.stage.view(BESIDE)?;
        self.stage.same(rule::OUTSIDE, &beside, &view)?;
        self.stage.begin(TAKES, start, self.stream(Purpose::Start, 0))?;
        let view = self.stage.view(TAKES)?;
        self.stage.same(rule::OUTSIDE, &before, &view)
    }
}
