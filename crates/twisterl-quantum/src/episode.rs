//! An episode of any environment of this crate: the constants that all episodes share, the difficulty and the budget.

use std::ops::Deref;
use std::sync::Arc;
use twisterl_core::env::Step;

/// A value that many states share.
///
/// Searches copy states to each other all the time, and counting the references would be most of the work: `clone_from` leaves
/// them alone where both are the same value already.
#[derive(Debug, Default)]
pub(crate) struct Shared<T>(Arc<T>);

impl<T> Shared<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    fn clone_from(&mut self, source: &Self) {
        if !Arc::ptr_eq(&self.0, &source.0) {
            *self = source.clone();
        }
    }
}

/// The limits of all episodes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Budget of actions a unit of difficulty.
    pub(crate) depth_slope: usize,
    /// The greatest budget, which is also that of an episode begun at a given state; at most a million.
    pub(crate) max_depth: usize,
    /// The greatest difficulty, as which greater ones count.
    pub(crate) max_difficulty: usize,
}

/// The difficulty and the budget of an episode, and the problem that it is one of.
#[derive(Debug)]
pub(crate) struct Episode<P> {
    shared: Shared<(Limits, P)>,
    /// Actions left.
    budget: u32,
    difficulty: usize,
}

impl<P> Clone for Episode<P> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), budget: self.budget, difficulty: self.difficulty }
    }

    fn clone_from(&mut self, source: &Self) {
        self.shared.clone_from(&source.shared);
        self.budget = source.budget;
        self.difficulty = source.difficulty;
    }
}

impl<P> Episode<P> {
    /// Begins an episode of a problem.
    pub(crate) fn new(problem: P, limits: Limits, difficulty: usize) -> Self {
        let mut episode = Self { shared: Shared::new((limits, problem)), budget: 0, difficulty };
        episode.begin();
        episode
    }

    /// The constants of all episodes.
    #[inline]
    pub(crate) fn problem(&self) -> &P {
        &self.shared.1
    }

    /// Returns true if two episodes are of the same problem.
    pub(crate) fn shares_problem(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared.0, &other.shared.0)
    }

    pub(crate) fn difficulty(&self) -> usize {
        self.difficulty
    }

    pub(crate) fn set_difficulty(&mut self, difficulty: usize) {
        self.difficulty = difficulty.min(self.shared.0.0.max_difficulty);
    }

    /// Returns the budget of the difficulty.
    fn budget_of_difficulty(&self) -> u32 {
        let Limits { depth_slope, max_depth, .. } = self.shared.0.0;
        depth_slope.saturating_mul(self.difficulty).clamp(1, max_depth) as u32 // at most a million
    }

    /// Begins with the budget of the difficulty.
    pub(crate) fn begin(&mut self) {
        self.budget = self.budget_of_difficulty();
    }

    /// Begins with the greatest budget.
    pub(crate) fn begin_at_state(&mut self) {
        self.budget = self.shared.0.0.max_depth as u32; // at most a million
    }

    /// Lowers the budget to that of the difficulty.
    pub(crate) fn limit_budget(&mut self) {
        self.budget = self.budget.min(self.budget_of_difficulty());
    }

    /// Ends an action, which is worth 1 if it solves, less what it costs, and what it gains.
    #[inline]
    pub(crate) fn step(&mut self, solved: bool, cost: f32, gain: f32) -> Step {
        self.budget = self.budget.saturating_sub(1);
        let reward = f32::from(u8::from(solved)) - cost + gain;
        Step { reward, terminated: solved, truncated: !solved && self.budget == 0 }
    }
}

/// Returns a bound on the return of an episode that ends solved, whose actions cost at least `least` and gain `gain` in all.
pub(crate) fn best_return(gain: f32, least: f32) -> f32 {
    // Sums of rewards are rounded.
    let slack = 1e-5 * (1.0 + gain.abs());
    1.0 + gain + slack - least * (1.0 - 1e-5)
}

/// Implements `Clone` for an environment with a field `episode` and others. `clone_from` copies between states of one problem
/// field by field, without allocating.
macro_rules! clone_field_by_field {
    ($Env:ident $(<$T:ident: $Bound:path>)? { $($field:ident),* }) => {
        impl $(<$T: $Bound>)? Clone for $Env $(<$T>)? {
            fn clone(&self) -> Self {
                Self { $($field: self.$field.clone(),)* episode: self.episode.clone() }
            }

            fn clone_from(&mut self, source: &Self) {
                if !self.episode.shares_problem(&source.episode) {
                    *self = source.clone();
                    return;
                }
                $(self.$field.clone_from(&source.$field);)*
                self.episode.clone_from(&source.episode);
            }
        }
    };
}
pub(crate) use clone_field_by_field;
