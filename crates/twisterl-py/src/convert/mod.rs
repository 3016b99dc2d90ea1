//! Values between Python and the crates: observations, actions, states, JSON.

pub mod actions;
pub mod arguments;
mod bounded;
pub mod codec;
pub mod json;
mod kind;
pub mod numbers;
pub mod observations;
pub mod states;
