//! `benchmark`: measures the hot paths on this machine and prints a table.

use crate::bench::{Workload, limits, workloads};
use crate::cli::{Output, count};
use crate::config::NumCores;
use crate::system::temporary::Temporary;
use crate::system::terminal::numbers::{duration, quantity};
use crate::trainer::threads::in_pool;
use crate::{Error, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use twisterl_core::error::counts::counted;
use twisterl_core::error::interrupt::Interrupt;

/// The number of measurements of each workload, which take turns with those of the others. The median is shown, so that a
/// short disturbance does not matter.
const ROUNDS: usize = 3;

/// Measure the hot paths on this machine, and compare them with the peak rates of its processor and memory.
#[derive(Debug, Args)]
pub(in crate::cli) struct BenchmarkArgs {
    /// Approximate duration, in seconds.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = count(3600))]
    seconds: usize,
    /// Maximum number of threads.
    #[arg(long, alias = "num_cores", value_name = "N", allow_negative_numbers = true)]
    num_cores: Option<NumCores>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Show no progress.
    #[arg(short, long)]
    quiet: bool,
}

/// The measurements of a workload.
struct Row {
    workload: Workload,
    /// Units per second, sorted, `[round]`.
    rates: [f64; ROUNDS],
}

impl Row {
    /// Returns the median rate.
    fn median(&self) -> f64 {
        self.rates[ROUNDS / 2]
    }

    /// Returns the share of the peak rate of the resource that limits the workload, if it is known.
    fn share(&self, peaks: &Peaks) -> Option<f64> {
        let Workload { flops, bytes, amount, .. } = self.workload;
        let calls_per_second = self.median() / amount;
        if flops > 0.0 {
            Some(calls_per_second * flops / peaks.flops)
        } else if bytes > 0.0 {
            Some(calls_per_second * bytes / peaks.bytes)
        } else {
            None
        }
    }
}

/// The peak rates of the machine.
struct Peaks {
    /// Floating-point operations per second.
    flops: f64,
    /// Bytes read and written in memory per second.
    bytes: f64,
}

/// All measurements.
struct Report {
    peaks: Peaks,
    /// The rows of the peaks, then those of the hot paths.
    rows: Vec<Row>,
}

impl BenchmarkArgs {
    pub(in crate::cli) fn run(self, interrupt: &Interrupt) -> Result<Output> {
        in_pool(self.num_cores, || {
            let folder = TemporaryFolder::new()?;
            let mut workloads = vec![limits::products(), limits::triad()];
            workloads.extend(workloads::all(&folder.path)?);
            let rows = self.measure(workloads, interrupt)?;
            // The first two workloads are the products and the triad.
            let peaks = Peaks { flops: rows[0].median(), bytes: rows[1].median() };
            let report = Report { peaks, rows };
            let text = if self.json { report.to_json() } else { report.to_table() };
            Ok(text.into())
        })
    }

    /// Measures the workloads in turn.
    fn measure(&self, workloads: Vec<Workload>, interrupt: &Interrupt) -> Result<Vec<Row>> {
        let rows = workloads.into_iter().map(|workload| Row { workload, rates: [0.0; ROUNDS] });
        let mut rows: Vec<Row> = rows.collect();
        let total = (rows.len() * ROUNDS) as u64;
        let bar = if self.quiet { ProgressBar::hidden() } else { ProgressBar::new(total) };
        // The default style is fine, too.
        if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {bar:30} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        let share = self.seconds as f64 / total as f64;
        for round in 0..ROUNDS {
            for row in &mut rows {
                bar.set_message(row.workload.name.clone());
                row.rates[round] = row.workload.rate(share, interrupt)?;
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        for row in &mut rows {
            row.rates.sort_by(f64::total_cmp);
        }
        Ok(rows)
    }
}

/// A temporary folder, which is removed when it is dropped.
struct TemporaryFolder {
    path: PathBuf,
    _temporary: Temporary,
}

impl TemporaryFolder {
    fn new() -> Result<Self> {
        let name = format!("twisterl-benchmark-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _temporary = Temporary::at(&folder);
        std::fs::create_dir_all(&folder).map_err(|e| Error::io("create", &folder, e))?;
        Ok(Self { path: folder, _temporary })
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // If this fails, files remain in the system's folder of temporary files, which does no harm.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

impl Report {
    /// Returns a table in Markdown.
    fn to_table(&self) -> String {
        let mut text = format!(
            "{}; medians of {ROUNDS} rounds (slowest to fastest)\n\n\
             | workload | rate per second | range | time per unit | of peak |\n|---|---:|---|---:|---:|\n",
            machine()
        );
        for row in &self.rows {
            let share = row
                .share(&self.peaks)
                .map_or(String::new(), |share| format!("{:.0} %", 100.0 * share));
            let _ = writeln!(
                text,
                "| {} | {} {} | {} to {} | {} | {share} |",
                row.workload.name,
                quantity(row.median()),
                row.workload.unit,
                quantity(row.rates[0]),
                quantity(row.rates[ROUNDS - 1]),
                unit_time(row.median().recip()),
            );
        }
        text.push_str("\nOf peak: relative to the FLOP/s of the products in the first row, or to the bytes/s of the triad in the second.\n");
        text
    }

    /// Returns one JSON object.
    fn to_json(&self) -> String {
        let works: Vec<_> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "name": row.workload.name, "unit": row.workload.unit, "per_second": row.rates,
                    "median": row.median(), "of_limit": row.share(&self.peaks),
                })
            })
            .collect();
        format!("{}\n", json!({"machine": machine(), "works": works}))
    }
}

/// Describes this program and its machine.
fn machine() -> String {
    format!(
        "twisterl-train {}, {} on {}, {}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        counted(rayon::current_num_threads(), "thread"),
    )
}

/// Formats the time of a unit of work. Times below 1 ns are left out: the unit is not an operation of its own.
fn unit_time(seconds: f64) -> String {
    if seconds < 1e-9 { String::new() } else { duration(seconds) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_below_a_nanosecond_are_left_out() {
        assert_eq!([4.2e-9, 1e-10].map(unit_time), ["4.20 ns", ""].map(str::to_owned));
    }

    #[test]
    fn shares_are_relative_to_the_limiting_resource() {
        let idle = || Workload::new("idle", (5, "calls"), || Ok(()));
        let peaks = Peaks { flops: 1000.0, bytes: 100.0 };
        // Two calls per second.
        let share = |workload| Row { workload, rates: [1.0, 10.0, 11.0] }.share(&peaks);
        assert_eq!(share(idle().with_flops(50.0)), Some(0.1));
        assert_eq!(share(idle().with_bytes(50.0)), Some(1.0));
        assert_eq!(share(idle()), None);
    }

    #[test]
    fn the_temporary_folder_is_removed() {
        let folder = TemporaryFolder::new().unwrap();
        let path = folder.path.clone();
        assert!(path.is_dir());
        drop(folder);
        assert!(!path.exists());
    }
}
