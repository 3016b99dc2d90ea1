//! The sliding puzzle.
