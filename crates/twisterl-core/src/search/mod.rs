//! Search for good actions with a policy: trees that deepen one decision ([`Search`]), and beams over whole solutions.
//!
//! All of it is for problems of one player with one discrete action, sees the policy only as an
//! [`Evaluator`](crate::evaluator::Evaluator), and evaluates in batches.

mod beam;
mod budget;
mod cache;
mod game;
mod group;
mod gumbel;
mod mcts;
mod noise;
mod path;
mod puct;
mod rank;
#[cfg(test)]
mod tests;
mod tree;

pub use beam::Score;
pub(crate) use beam::{Beam, BeamConfig, Spread};
pub use budget::Budget;
pub(crate) use budget::Limit;
pub use gumbel::Gumbel;
pub use mcts::{Cycles, Plan, Reuse, Root, SEARCH_GROUP, Search, SearchConfig, Selection};
pub(crate) use path::{KeyHasher, Path};
pub use puct::{Dirichlet, Puct};
