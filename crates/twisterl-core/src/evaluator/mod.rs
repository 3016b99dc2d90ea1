//! The only view that rollout and search have of a policy: a batch of observations in, action parameters and values out.

pub mod batched;
pub mod decision;
pub mod distribution;
mod interruptible;
mod mock;
mod twisted;
mod without_backtracking;

pub use interruptible::Interruptible;
pub use mock::Mock;
pub use twisted::{Averaged, Twisted};
pub use without_backtracking::WithoutBacktracking;

use crate::Result;
use crate::evaluator::distribution::ActionDistribution;
use crate::space::Observations;
use crate::space::symmetry::Twist;

/// The outcome of one evaluation, with its working memory, both reused between calls.
#[derive(Debug, Clone, Default)]
pub struct Evaluation {
    /// Parameters of the action distribution, rows x [`Evaluator::action_width`], row-major, unmasked.
    pub actions: Vec<f32>,
    /// Values, one a row.
    pub values: Vec<f32>,
    /// Memory for the layers in between.
    pub(crate) scratch: Vec<f32>,
    pub(crate) scratch2: Vec<f32>,
    /// Memory for observations brought to scale.
    pub(crate) scaled: Observations,
    /// Memory for an evaluator that asks another one.
    pub(crate) images: Observations,
    pub(crate) inner: Option<Box<Evaluation>>,
}

/// Judges observations.
pub trait Evaluator: Sync {
    /// The distribution of actions whose parameters it gives.
    fn distribution(&self) -> &ActionDistribution;

    /// The number of action parameters a row.
    fn action_width(&self) -> usize {
        self.distribution().width()
    }

    /// The twists under which observations are brought into canonical form before they are evaluated
    /// ([`Symmetry::Canonical`](crate::space::symmetry::Symmetry::Canonical)); none: they are evaluated as they are.
    fn twists(&self) -> &[Twist] {
        &[]
    }

    /// Whether play may take its last move back, see [`crate::env::no_backtracking`].
    fn backtracking(&self) -> bool {
        true
    }

    /// Evaluates all rows of `observations`.
    ///
    /// # Errors
    /// If a row does not fit the network.
    fn evaluate(&self, observations: &Observations, out: &mut Evaluation) -> Result<()>;
}
