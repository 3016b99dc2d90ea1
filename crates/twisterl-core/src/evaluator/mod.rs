//! Evaluators: the only view that rollouts and searches have of a policy. A batch of observations goes in, action parameters
//! and values come out.

pub mod batched;
pub mod decision;
pub mod distribution;
mod frames;
mod interruptible;
mod mock;
mod twisted;
mod without_backtracking;

pub use interruptible::Interruptible;
pub use mock::Mock;
pub use twisted::Twisted;
pub use without_backtracking::WithoutBacktracking;

use crate::Result;
use crate::evaluator::distribution::ActionDistribution;
use crate::space::Observations;
use crate::space::symmetry::Twist;

/// The result of one evaluation and its working memory, both reused from call to call.
#[derive(Debug, Clone, Default)]
pub struct Evaluation {
    /// Parameters of the action distributions, `[batch, Evaluator::action_width]`, not masked.
    pub actions: Vec<f32>,
    /// Values, `[batch]`.
    pub values: Vec<f32>,
    /// Working memory for the outputs of layers.
    pub(crate) scratch: Vec<f32>,
    pub(crate) scratch2: Vec<f32>,
    /// Working memory for scaled observations.
    pub(crate) scaled: Observations,
    /// Working memory for an evaluator that calls another one.
    pub(crate) images: Observations,
    pub(crate) inner: Option<Box<Evaluation>>,
}

/// Evaluates observations.
pub trait Evaluator: Sync {
    /// The action distribution that the returned parameters belong to.
    fn distribution(&self) -> &ActionDistribution;

    /// Returns the number of action parameters of a row.
    fn action_width(&self) -> usize {
        self.distribution().width()
    }

    /// The twists under which callers bring observations into canonical form
    /// ([`Symmetry::Canonical`](crate::space::symmetry::Symmetry::Canonical)); empty if observations are evaluated as they
    /// are. Twists are permutations that fit the spaces.
    fn twists(&self) -> &[Twist] {
        &[]
    }

    /// Returns true if play may undo its last action, see [`crate::env::no_backtracking`].
    fn backtracking(&self) -> bool {
        true
    }

    /// Evaluates all rows of `observations`, and writes parameters and values of as many rows to `out`.
    ///
    /// # Errors
    /// If a row does not fit the network.
    fn evaluate(&self, observations: &Observations, out: &mut Evaluation) -> Result<()>;
}
