//! Policies: the network description, inference on it, action distributions and weight files.

pub mod distribution;
pub mod forward;
pub mod network;
mod product;
