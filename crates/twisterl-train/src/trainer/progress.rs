//! Progress on the screen: a bar in a terminal, plain lines elsewhere, nothing if quiet.

use crate::system::terminal::{message, numbers};
use crate::trainer::evaluation::Score;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};
use twisterl_core::error::escape::escape_controls;

/// The time between plain lines.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// The bar of a run that has ended.
const ENDED: &str = "{elapsed_precise} {bar:30} {pos}/{len} {msg}";

/// The figures shown.
#[derive(Debug, Clone)]
pub struct Status {
    /// Iterations done.
    pub iteration: u64,
    /// The current difficulty, if the environment has more than one.
    pub difficulty: Option<usize>,
    /// The success that the curriculum uses or the return, if this iteration measured it.
    pub score: Option<Score>,
    /// Environment steps per second of the last iteration.
    pub steps_per_second: f64,
    /// The state of the workers, if there are some.
    pub workers: Option<String>,
}

/// The display of a run.
#[derive(Debug)]
pub struct Progress {
    quiet: bool,
    bar: ProgressBar,
    total: Option<u64>,
    begun: Instant,
    first: u64,
    last_line: Option<Instant>,
    /// The last score that was measured.
    score: Option<Score>,
}

impl Progress {
    /// Creates the display of a run of `total` iterations (`None`: without end) that starts at `first`.
    pub fn new(quiet: bool, total: Option<u64>, first: u64) -> Self {
        let bar = match (quiet, total) {
            (true, _) => ProgressBar::hidden(),
            (false, Some(total)) => ProgressBar::new(total),
            (false, None) => ProgressBar::new_spinner(),
        };
        let template = if total.is_some() {
            "{elapsed_precise} {bar:30} {pos}/{len} {msg} eta {eta}"
        } else {
            "{elapsed_precise} {spinner} {pos} {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_position(first);
        bar.reset_eta();
        let begun = Instant::now();
        Self { quiet, bar, total, begun, first, last_line: None, score: None }
    }

    /// Shows the state of the run.
    pub fn update(&mut self, status: &Status) {
        self.score = status.score.or(self.score);
        let difficulty = status.difficulty.map(|level| format!("difficulty {level:>3}  "));
        let score = self.score.map(|score| format!("{score}  "));
        let figures = format!(
            "{}{}{:>6} steps/s{}",
            difficulty.unwrap_or_default(),
            score.unwrap_or_default(),
            numbers::quantity(status.steps_per_second),
            status.workers.as_ref().map(|workers| format!("  {workers}")).unwrap_or_default()
        );
        if !self.bar.is_hidden() {
            self.bar.set_position(status.iteration);
            self.bar.set_message(figures);
        } else if !self.quiet
            && (self.last_line.is_none_or(|t| t.elapsed() >= LINE_EVERY)
                || Some(status.iteration) == self.total)
        {
            let done = (status.iteration - self.first).max(1) as f64;
            let elapsed = self.begun.elapsed().as_secs_f64();
            let (of, left) = self.total.map_or((String::new(), String::new()), |total| {
                let left = elapsed / done * total.saturating_sub(status.iteration) as f64;
                (format!("/{total}"), format!("  {} left", numbers::duration(left)))
            });
            message(format_args!("iteration {}{of}  {figures}{left}", status.iteration));
            self.last_line = Some(Instant::now());
        }
    }

    /// Prints a line above the bar.
    pub fn line(&self, text: &str) {
        if self.quiet {
        } else if self.bar.is_hidden() {
            message(text);
        } else {
            self.bar.println(escape_controls(text));
        }
    }

    /// Writes a warning to standard error, above the bar, even if quiet.
    pub fn warn(&self, text: &str) {
        self.bar.suspend(|| message(format_args!("warning: {text}")));
    }

    /// Ends the bar and leaves its last state on the screen.
    pub fn finish(&self) {
        if self.total.is_some()
            && let Ok(style) = ProgressStyle::with_template(ENDED)
        {
            // Without the time left.
            self.bar.set_style(style);
        }
        self.bar.abandon();
    }
}
