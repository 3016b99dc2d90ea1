//! Gradients of a network: the network on candle, losses, fused operations, the learner, and the optimiser.

pub mod layers;
pub mod learner;
pub mod loss;
pub mod model;
pub mod ops;
pub mod optimizer;
pub mod schedule;
