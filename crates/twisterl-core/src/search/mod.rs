//! Search with a policy: trees that deepen one decision ([`Search`]), and beams over whole solutions.
//!
//! Searches are for problems of one player with one discrete action. They see the policy only as an
//! [`Evaluator`](crate::evaluator::Evaluator), and evaluate in batches.

mod action_path;
mod beam;
mod budget;
mod mcts;
mod objective;
#[cfg(test)]
mod tests;
mod tree;

pub(crate) use action_path::ActionPath;
pub use beam::BeamScore;
pub(crate) use beam::{Beam, BeamConfig, BeamRun, Threads};
pub use budget::Budget;
pub(crate) use budget::Limit;
pub use mcts::{
    Cycles, Plan, Reuse, RootStatistics, SEARCH_GROUP, Search, SearchConfig, Selection,
};
pub use objective::Objective;
pub(crate) use objective::exceeds;
pub use tree::gumbel::Gumbel;
pub use tree::puct::{Dirichlet, Puct};
