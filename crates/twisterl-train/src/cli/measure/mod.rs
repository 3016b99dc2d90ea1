//! Measurements of the hot paths: `benchmark` for people, `bench` for records.

pub(super) mod bench;
pub(super) mod benchmark;
