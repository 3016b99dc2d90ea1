//! Policies: the network description, inference on it, action distributions and weight files.

pub mod network;
