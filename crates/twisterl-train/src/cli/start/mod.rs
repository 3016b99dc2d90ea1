//! Help for users who begin: other programs and their commands, typing errors, completions and manual pages, the schema of
//! configs, checks of environments, and new crates.

pub(super) mod check;
pub(super) mod commands;
pub(super) mod examples;
pub(super) mod new;
pub(super) mod schema;
pub(super) mod shell;
