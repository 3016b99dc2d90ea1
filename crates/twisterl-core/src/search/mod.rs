//! Search for good actions with a policy: trees that deepen one decision ([`Search`]), and beams over whole solutions.
//!
//! All of it is for problems of one player with one discrete action, sees the policy only as an
//! [`Evaluator`](crate::evaluator::Evaluator), and evaluates in batches.

mod action_path;
mod beam;
mod budget;
mod mcts;
#[cfg(test)]
mod tests;
mod tree;

pub(crate) use action_path::ActionPath;
pub use beam::BeamScore;
pub(crate) use beam::{Beam, BeamConfig, Threads};
pub use budget::Budget;
pub(crate) use budget::Limit;
pub use mcts::{Cycles, Plan, Reuse, Root, SEARCH_GROUP, Search, SearchConfig, Selection};
pub use tree::gumbel::Gumbel;
pub use tree::puct::{Dirichlet, Puct};
