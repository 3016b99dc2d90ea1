//! Workers in processes of this machine.

mod crew;
mod link;
mod serve;
mod wire;

pub use crew::{Crew, Data};
pub use link::Program;
pub use serve::serve;

use super::scheduler::{Outcome, Scheduler, Workers};
use crate::Result;
use crate::algorithms::spread::Engine;
use crate::system::terminal::message;
use std::sync::Arc;
use std::time::Duration;

/// A crew of one run.
struct Processes {
    crew: Crew,
    workers: usize,
    /// The number of the last data.
    data: u64,
}

/// Returns the engine with `workers` processes of `program`, or one per processor.
///
/// # Errors
/// If no threads can be started.
pub fn engine(program: Program, workers: Option<usize>) -> Result<Arc<dyn Engine>> {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    let workers = workers.unwrap_or_else(processors);
    let crew = Crew::new(program, workers)?;
    Ok(Arc::new(Scheduler::new(Processes { crew, workers, data: 0 })))
}

impl Workers for Processes {
    type Data = Data;

    fn put(&mut self, data: &[u8]) -> Result<Data> {
        self.data += 1;
        Ok(Arc::new((self.data, data.to_vec())))
    }

    fn submit(&mut self, task: u64, config: &Data, question: &Data, part: usize) -> Result<()> {
        self.crew.submit(task, Arc::clone(config), Arc::clone(question), part);
        Ok(())
    }

    fn wait(&mut self, time: Duration) -> Result<Vec<(u64, Outcome)>> {
        Ok(self.crew.wait(time))
    }

    fn width(&mut self) -> Result<usize> {
        Ok(self.workers)
    }

    fn withdraw(&mut self, task: u64) -> Result<bool> {
        Ok(self.crew.withdraw(task))
    }

    fn cancel(&mut self, task: u64) -> Result<()> {
        self.crew.withdraw(task);
        Ok(())
    }

    fn warn(&mut self, text: &str) -> Result<()> {
        message(format_args!("warning: {text}"));
        Ok(())
    }
}
