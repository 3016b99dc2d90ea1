//! Environments as Python classes.

pub mod env;
