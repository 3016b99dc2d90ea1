//! Runs that are distributed over processes or machines.

mod answerer;
mod crew;
mod engine;
mod es;

pub use answerer::Answerer;
pub use crew::{Crew, CrewData};
pub use engine::{engine_name, engine_of, engines};
pub use es::DistributedEs;
