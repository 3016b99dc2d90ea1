//! `benchmark`: this machine's figures in a table.

use super::{Output, count};
use crate::bench::{Work, limits, works};
use crate::threads::in_pool;
use crate::{Error, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

/// Every work is timed so many times, in turn with the others, and its median shown: so a disturbance of a moment spoils none.
const ROUNDS: usize = 3;

/// Time the hot paths on this machine, and hold them against what its processor and memory can do at best.
#[derive(Debug, Args)]
pub(super) struct BenchmarkArgs {
    /// Seconds in all, about.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = count(3600))]
    seconds: usize,
    /// Upper bound on threads.
    #[arg(long, alias = "num_cores", value_name = "N", value_parser = count(4096))]
    num_cores: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Show no progress.
    #[arg(short, long)]
    quiet: bool,
}

/// The measurements of a work.
struct Row {
    work: Work,
    /// Units a second, a figure a round, sorted.
    rates: Vec<f64>,
}

impl Row {
    /// The median of the rounds.
    fn rate(&self) -> f64 {
        self.rates.get(self.rates.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// Calls a second.
    fn calls(&self) -> f64 {
        self.rate() / self.work.amount
    }
}

impl BenchmarkArgs {
    pub(super) fn run(self) -> Result<Output> {
        in_pool(self.num_cores, || {
            let folder = Scratch::new()?;
            let mut rows = vec![limits::products(), limits::triad()];
            rows.extend(works::all(&folder.0)?);
            let mut rows: Vec<Row> =
                rows.into_iter().map(|work| Row { work, rates: Vec::new() }).collect();
            self.measure(&mut rows)?;
            let text = if self.json { as_json(&rows) } else { table(&rows) };
            Ok(text.into())
        })
    }

    fn measure(&self, rows: &mut [Row]) -> Result<()> {
        let total = (rows.len() * ROUNDS) as u64;
        let bar = if self.quiet { ProgressBar::hidden() } else { ProgressBar::new(total) };
        if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {bar:30} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        let share = self.seconds as f64 / total as f64;
        for _ in 0..ROUNDS {
            for row in &mut *rows {
                bar.set_message(row.work.name.clone());
                row.rates.push(row.work.rate(share)?);
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        for row in rows {
            row.rates.sort_by(f64::total_cmp);
        }
        Ok(())
    }
}

/// A folder that goes away with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let name = format!("twisterl-benchmark-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).map_err(|e| Error::io("create", &folder, e))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left in a folder for temporary files harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The most operations and bytes a second that were seen: the first two rows.
fn best(rows: &[Row]) -> (f64, f64) {
    let of = |i: usize| rows.get(i).map_or(f64::NAN, Row::rate);
    (of(0), of(1))
}

/// The share of the machine's limit that bounds a work, if it is known.
fn share(row: &Row, (flops, bytes): (f64, f64)) -> Option<f64> {
    match &row.work {
        work if work.flops > 0.0 => Some(row.calls() * work.flops / flops),
        work if work.bytes > 0.0 => Some(row.calls() * work.bytes / bytes),
        _ => None,
    }
}

fn machine() -> String {
    format!(
        "twisterl-train {}, {} on {}, {} threads",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        rayon::current_num_threads(),
    )
}

fn table(rows: &[Row]) -> String {
    let best = best(rows);
    let mut text = format!(
        "{}; medians of {ROUNDS} rounds (slowest to fastest)\n\n\
         | what | a second | | one takes | of the limit |\n|---|---:|---|---:|---:|\n",
        machine()
    );
    for row in rows {
        let ends = (row.rates.first(), row.rates.last());
        let (slowest, fastest) = (ends.0.copied().unwrap_or(0.0), ends.1.copied().unwrap_or(0.0));
        let share =
            share(row, best).map_or(String::new(), |share| format!("{:.0} %", 100.0 * share));
        let _ = writeln!(
            text,
            "| {} | {} {} | {} to {} | {} | {share} |",
            row.work.name,
            with_prefix(row.rate()),
            row.work.unit,
            with_prefix(slowest),
            with_prefix(fastest),
            time(row.rate().recip()),
        );
    }
    text.push_str("\nOf the limit: of the products' FLOP/s in the first row, or of the triad's bytes/s in the second.\n");
    text
}

fn as_json(rows: &[Row]) -> String {
    let best = best(rows);
    let works: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "name": row.work.name, "unit": row.work.unit, "per_second": row.rates, "median": row.rate(),
                "of_limit": share(row, best),
            })
        })
        .collect();
    format!("{}\n", json!({"machine": machine(), "works": works}))
}

/// Three digits and k, M or G.
fn with_prefix(value: f64) -> String {
    let (value, prefix) = match value {
        v if v >= 1e9 => (v / 1e9, " G"),
        v if v >= 1e6 => (v / 1e6, " M"),
        v if v >= 1e3 => (v / 1e3, " k"),
        v => (v, ""),
    };
    format!("{}{prefix}", digits(value))
}

/// Seconds in the unit that suits them; nothing for what has no time of its own.
fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-9 => String::new(),
        s if s < 1e-6 => format!("{} ns", digits(s * 1e9)),
        s if s < 1e-3 => format!("{} µs", digits(s * 1e6)),
        s => format!("{} ms", digits(s * 1e3)),
    }
}

fn digits(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        assert_eq!(with_prefix(1_234_567.0), "1.23 M");
        assert_eq!(with_prefix(999.0), "999");
        assert_eq!(
            (time(4.2e-9), time(5e-5), time(0.5)),
            ("4.20 ns".into(), "50.0 µs".into(), "500 ms".into())
        );
    }

    #[test]
    fn shares_are_of_the_limit_that_bounds_the_work() {
        let nothing = |amount: usize| Work::new("nothing", (amount, "times"), || Ok(()));
        let row = |work: Work, rate| Row { work, rates: vec![rate] };
        let limits = (1000.0, 100.0);
        let (mut arithmetic, mut memory) = (nothing(5), nothing(5));
        (arithmetic.flops, memory.bytes) = (50.0, 50.0);
        assert_eq!(share(&row(arithmetic, 10.0), limits), Some(0.1));
        assert_eq!(share(&row(memory, 10.0), limits), Some(1.0));
        assert_eq!(share(&row(nothing(5), 10.0), limits), None);
    }

    #[test]
    fn the_scratch_folder_goes_away() {
        let scratch = Scratch::new().unwrap();
        let path = scratch.0.clone();
        assert!(path.is_dir());
        drop(scratch);
        assert!(!path.exists());
    }
}
