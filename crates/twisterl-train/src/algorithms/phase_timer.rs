//! The duration of the phases of an iteration.

use serde_json::{Map, Value, json};
use std::time::Instant;

/// Measures consecutive phases.
#[derive(Debug)]
pub struct PhaseTimer {
    last: Instant,
    seconds: Map<String, Value>,
}

impl PhaseTimer {
    /// Starts the first phase.
    pub fn start() -> Self {
        Self { last: Instant::now(), seconds: Map::new() }
    }

    /// Ends a phase, which is called `name`, and starts the next one.
    pub fn end(&mut self, name: &str) {
        let now = Instant::now();
        self.seconds.insert(name.to_owned(), json!((now - self.last).as_secs_f64()));
        self.last = now;
    }

    /// The seconds of each phase by name.
    pub fn seconds(self) -> Map<String, Value> {
        self.seconds
    }
}
