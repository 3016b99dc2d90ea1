//! The only view that rollout and search have of a policy: a batch of observations in, action parameters and values out.

mod mock;
mod onward;
mod twisted;

pub use mock::Mock;
pub use onward::Onward;
pub use twisted::{Averaged, Twisted};

use crate::Result;
use crate::policy::distribution::ActionDistribution;
use crate::space::Observations;
use crate::symmetry::Twist;

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
    /// ([`Symmetry::Canonical`](crate::symmetry::Symmetry::Canonical)); none: they are evaluated as they are.
    fn twists(&self) -> &[Twist] {
        &[]
    }

    /// Whether play may take its last move back, see [`crate::onward`].
    fn backtracking(&self) -> bool {
        true
    }

    /// Evaluates all rows of `observations`.
    ///
    /// # Errors
    /// If a row does not fit the network.
    fn evaluate(&self, observations: &Observations, out: &mut Evaluation) -> Result<()>;
}
