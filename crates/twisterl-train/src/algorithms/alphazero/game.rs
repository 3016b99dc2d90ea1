//! A game of self-play and its examples.

use crate::data::supervised_batch::SupervisedBatch;
use twisterl_core::rollout::Episode;
use twisterl_core::space::symmetry::{Canonical, Twist};

/// A game that was played.
pub(super) struct Played {
    /// The states that were searched in full.
    pub(super) examples: SupervisedBatch,
    /// The Kullback-Leibler divergence of each target policy from the policy's prior, `[examples]`.
    pub(super) surprises: Vec<f32>,
    pub(super) episode: Episode,
}

/// A game under way.
#[derive(Default)]
pub(super) struct Game {
    /// The states that were searched in full. Their values are missing until [`finish`](Self::finish).
    pub(super) examples: SupervisedBatch,
    /// The Kullback-Leibler divergence of each target policy from the policy's prior, `[examples]`.
    pub(super) surprises: Vec<f32>,
    /// The reward of each move, `[moves]`.
    pub(super) rewards: Vec<f32>,
    /// True for each move that was searched in full, `[moves]`.
    pub(super) learned: Vec<bool>,
    /// True if the current move is searched in full, and learned from.
    pub(super) full: bool,
    /// The difficulty of the scramble that it began with, if it did.
    pub(super) difficulty: Option<usize>,
    pub(super) over: bool,
    /// The expected return after the end of a truncated game; 0 for a game that terminated.
    pub(super) bootstrap_value: f32,
    pub(super) solved: bool,
}

impl Game {
    /// Completes the example whose observation and mask were just added: brings it into the frame in which the policy
    /// sees the state, and adds the target policy, `[actions]`.
    pub(super) fn learn(&mut self, target: Vec<f32>, twists: &[Twist], canonical: &mut Canonical) {
        let examples = &mut self.examples;
        let row = examples.observations.len() - 1;
        let width = target.len();
        let mask = &mut examples.masks[row * width..];
        match canonical.apply_row(twists, &mut examples.observations, row, mask) {
            None => examples.policies.extend(target),
            Some(twist) => {
                let first = examples.policies.len();
                examples.policies.resize(first + width, 0.0);
                // A twist permutes the actions.
                for (&share, &to) in target.iter().zip(&twist.action) {
                    examples.policies[first + to as usize] = share;
                }
            }
        }
    }

    /// Ends the game: adds the values of all examples, the discounted returns from there.
    pub(super) fn finish(&mut self, gamma: f32) -> Played {
        let mut value = self.bootstrap_value;
        for (&reward, &learned) in self.rewards.iter().zip(&self.learned).rev() {
            value = reward + gamma * value;
            self.examples.values.extend(learned.then_some(value));
        }
        self.examples.values.reverse();
        let episode = Episode {
            difficulty: self.difficulty,
            length: self.rewards.len(),
            total: self.rewards.iter().sum(),
            solved: self.solved,
        };
        let (examples, surprises) = (&mut self.examples, &mut self.surprises);
        Played { examples: std::mem::take(examples), surprises: std::mem::take(surprises), episode }
    }
}
