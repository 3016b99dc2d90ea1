//! Gradients of networks: networks on candle, losses, fused operations, the learner, and the optimizer.

pub mod layers;
pub mod learner;
pub mod loss;
pub mod model;
pub mod ops;
pub mod optimizer;
pub mod schedule;
