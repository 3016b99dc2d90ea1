//! Observation and action spaces, and the batches that hold their elements.

mod action;
pub mod declared;
mod equal_actions;
mod observation;
pub mod symmetry;

pub use action::{Action, ActionComponent, ActionSpace, Actions};
pub use equal_actions::permute_equal_actions;
pub use observation::{ObservationRow, ObservationSpace, Observations};
