//! Search for good actions with a policy: beams over whole solutions.
//!
//! All of it is for problems of one player with one discrete action, sees the policy only as an
//! [`Evaluator`](crate::evaluator::Evaluator), and evaluates in batches.

mod beam;
mod budget;
mod judge;
#[cfg(test)]
mod tests;

pub(crate) use beam::{Beam, KeyHasher, Path, Spread};
pub use beam::{BeamConfig, Score};
pub use budget::Budget;
pub(crate) use budget::Limit;
