//! Progress of work that consists of a known number of parts.

use super::message;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};
use twisterl_core::error::escape::escape_controls;

/// The time between plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A count of finished parts on standard error: a bar in a terminal, elsewhere a line now and then.
#[derive(Debug)]
pub(crate) struct Count {
    bar: ProgressBar,
    title: String,
    total: usize,
    done: usize,
    last_line: Instant,
}

impl Count {
    /// Begins to count to `total`, under a title that may be empty.
    pub(crate) fn new(title: &str, total: usize) -> Self {
        let bar = ProgressBar::new(total as u64);
        let title = escape_controls(title).into_owned();
        if let Ok(style) = ProgressStyle::with_template("{msg}{bar:30} {pos}/{len} eta {eta}") {
            bar.set_style(style);
        }
        let gap = if title.is_empty() { "" } else { " " };
        bar.set_message(format!("{title}{gap}"));
        Self { bar, title: format!("{title}{gap}"), total, done: 0, last_line: Instant::now() }
    }

    /// Counts one more.
    pub(crate) fn advance(&mut self) {
        self.done += 1;
        self.bar.inc(1);
        if self.bar.is_hidden() && self.last_line.elapsed() >= LINE_EVERY {
            message(format_args!("{}{}/{}", self.title, self.done, self.total));
            self.last_line = Instant::now();
        }
    }

    /// Writes something else to the terminal while the bar is away.
    pub(crate) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
