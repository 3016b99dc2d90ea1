//! Names in configs: of classes, and of engines.

pub(super) mod class;
pub(super) mod engine;
