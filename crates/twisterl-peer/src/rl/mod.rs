//! Reinforcement learning: the environments.

pub mod env;
