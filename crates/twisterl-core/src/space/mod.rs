//! Observation and action spaces, and the batches that hold their elements.

mod action;
pub mod declared;
mod observation;
pub mod symmetry;

pub use action::{Action, ActionComponent, ActionSpace, Actions};
pub use observation::{ObservationRow, ObservationSpace, Observations};
