//! The trait that environments implement.

use dyn_clone::DynClone;
use std::any::Any;

/// An environment with observations of bits and one choice of actions. Its randomness is its own: it draws from a generator
/// that it holds, or from that of its thread.
pub trait Env: DynClone + Send + Sync {
    /// Returns itself, as what it is.
    fn as_any(&self) -> &dyn Any;

    /// Returns itself, to be changed.
    fn as_any_mut(&mut self) -> &mut dyn Any;

    /// The number of actions.
    fn num_actions(&self) -> usize;

    /// The shape of the bits of an observation.
    fn obs_shape(&self) -> Vec<usize>;

    /// Sets the difficulty of the episodes that [`reset`](Self::reset) begins.
    fn set_difficulty(&mut self, difficulty: usize) {
        let _ = difficulty;
    }

    /// The difficulty.
    fn get_difficulty(&self) -> usize {
        1
    }

    /// Begins an episode at a given state, in numbers of the environment's own choosing.
    fn set_state(&mut self, state: Vec<i64>);

    /// Begins an episode.
    fn reset(&mut self);

    /// Takes an action.
    fn step(&mut self, action: usize);

    /// Returns true for each action that is allowed, `[actions]`. Once the episode is over, none need be.
    fn masks(&self) -> Vec<bool> {
        vec![true; self.num_actions()]
    }

    /// Returns true once the episode is over.
    fn is_final(&self) -> bool;

    /// Returns true if the goal is reached.
    fn success(&self) -> bool;

    /// Returns the reward of the last step.
    fn reward(&self) -> f32;

    /// Returns the indices of the ones among the flattened bits of the observation.
    fn observe(&self) -> Vec<usize>;

    /// Returns the symmetries: a permutation of the bits for each, and as many of the actions.
    fn twists(&self) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
        (Vec::new(), Vec::new())
    }

    /// Returns true if [`solution`](Self::solution) tells the solution that the episode has led to.
    fn track_solution(&self) -> bool {
        false
    }

    /// Returns the solution in numbers of the environment's own choosing, for instance actions in another order than they
    /// were taken in.
    fn solution(&self) -> Vec<usize> {
        Vec::new()
    }
}

dyn_clone::clone_trait_object!(Env);
