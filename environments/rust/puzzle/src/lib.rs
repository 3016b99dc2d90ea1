//! The sliding puzzle as a plugin.

use twisterl_core::envs::puzzle::Puzzle;

twisterl_plugin::export_environment!(Puzzle);
