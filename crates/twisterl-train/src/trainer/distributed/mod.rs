//! Runs that are distributed over processes or machines.

pub mod answerer;
pub mod es;
pub mod processes;
pub mod scheduler;
#[cfg(test)]
mod tests;
