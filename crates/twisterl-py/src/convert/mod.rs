//! Values between Python and the crates: observations, actions, states, JSON.

pub mod actions;
pub mod arguments;
pub mod json;
pub mod numbers;
pub mod observations;
pub mod states;
