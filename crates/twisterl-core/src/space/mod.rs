//! Observation and action spaces, and the batches that hold their elements.

mod action;
mod observation;

pub use action::{Action, ActionComponent, ActionSpace, Actions};
pub use observation::{ObservationRow, ObservationSpace, Observations};
