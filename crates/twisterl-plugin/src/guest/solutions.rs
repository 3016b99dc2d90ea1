//! Solutions: those that environments report, and those of inverse problems.

use super::instance::{Guest, not_made, out_of_range};
use crate::abi::NONE;
use twisterl_core::space::Action;

impl Guest {
    /// Writes the solution that the environment reports for a slot; returns the number of its numbers.
    pub fn solution(&mut self, slot: i32) -> i32 {
        self.attempt(|guest| {
            let playing = guest.playing.as_ref().ok_or_else(not_made)?;
            let reported = playing.env.reported_solution(playing.slot(slot)?)?;
            let Some(numbers) = reported else { return Ok(NONE) };
            let numbers: Vec<f64> = numbers.iter().map(|&number| number as f64).collect();
            guest.buffers.write_state(&numbers)
        })
    }

    /// Writes the state of the inverse problem of a slot; returns the number of its numbers.
    pub fn inverse_state(&mut self, slot: i32) -> i32 {
        self.attempt(|guest| {
            let playing = guest.playing.as_ref().ok_or_else(not_made)?;
            let inverse = playing.env.inverse_state(playing.slot(slot)?)?;
            inverse.map_or(Ok(NONE), |state| guest.buffers.write_state(&state))
        })
    }

    /// Turns `n` actions in scratch, which solve the inverse problem of a slot, into as many that solve its state.
    pub fn invert_solution(&mut self, slot: i32, n: i32) -> i32 {
        self.attempt(|guest| {
            let playing = guest.playing.as_ref().ok_or_else(not_made)?;
            let (words, _) = guest.scratch.as_chunks_mut::<4>();
            let count = usize::try_from(n).ok().and_then(|n| words.get_mut(..n));
            let words = count.ok_or_else(|| out_of_range("n", "the length of scratch", n))?;
            let actions: Vec<u32> = words.iter().map(|&word| u32::from_le_bytes(word)).collect();
            let space = playing.spec.action_space();
            for &action in &actions {
                space.check(Action::Discrete(action as usize))?;
            }
            let inverse = playing.env.invert_solution(playing.slot(slot)?, &actions)?;
            let Some(inverse) = inverse.filter(|inverse| inverse.len() == words.len()) else {
                return Ok(NONE);
            };
            for (word, action) in words.iter_mut().zip(inverse) {
                *word = action.to_le_bytes();
            }
            Ok(n)
        })
    }
}
