//! The command line.
//!
//! [`run`] is the whole program. A crate with an environment of its own registers it and calls [`run`].
//! Exit codes: 0 success, 1 failure (an error, or an unsolved problem), 2 invalid arguments, 130 interruption.

mod bench;
mod benchmark;
mod convert;
mod envs;
mod evaluate;
mod print_episode;
mod schema;
mod solve;
mod solve_options;
#[cfg(test)]
mod tests;
mod train;

use crate::{Error, Result};
use clap::builder::{StringValueParser, TypedValueParser};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::str::FromStr;
use twisterl_core::envs::registry::Registry;

/// Train policies for problems that need a short sequence of moves, found fast, and solve problems with them.
#[derive(Debug, Parser)]
#[command(
    name = "twisterl-train",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    train: train::TrainArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    Evaluate(evaluate::EvaluateArgs),
    Solve(solve::SolveArgs),
    Convert(convert::ConvertArgs),
    Schema(schema::SchemaArgs),
    Envs(envs::EnvsArgs),
    Benchmark(benchmark::BenchmarkArgs),
    #[command(hide = true)]
    Bench(bench::BenchArgs),
}

/// Accepts whole numbers from 1 to `max`.
fn count(max: u64) -> impl TypedValueParser<Value = usize> {
    whole(1, max).map(|number| number as usize)
}

/// Accepts seeds.
fn seed() -> impl TypedValueParser<Value = u64> {
    whole(0, u64::MAX)
}

/// Accepts whole numbers from `low` to `high`, with an error that says so.
fn whole(low: u64, high: u64) -> impl TypedValueParser<Value = u64> {
    StringValueParser::new().try_map(move |text: String| {
        let number = text.trim().parse().ok().filter(|number| (low..=high).contains(number));
        number.ok_or_else(|| format!("expected a whole number from {low} to {high}"))
    })
}

/// Accepts numbers.
fn number<T: FromStr + Clone + Send + Sync + 'static>() -> impl TypedValueParser<Value = T> {
    StringValueParser::new().try_map(|text: String| {
        text.trim().parse::<T>().map_err(|_| "expected a number".to_owned())
    })
}

/// The exit code of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Interrupted = 130,
}

/// The output of a command.
#[derive(Debug)]
struct Output {
    text: String,
    exit: Exit,
}

impl From<String> for Output {
    fn from(text: String) -> Self {
        Self { text, exit: Exit::Done }
    }
}

/// Runs the command in the arguments of the process, with the environments of `registry`. Prints its output or its error.
pub fn run(registry: Registry) -> ExitCode {
    ExitCode::from(run_from(std::env::args_os(), &registry).0)
}

/// Like [`run`], for the given arguments, of which the first is the name of the program. Returns the exit code and the
/// printed error.
pub fn run_from(
    args: impl IntoIterator<Item = OsString>,
    registry: &Registry,
) -> (u8, Option<Error>) {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            // Output can fail, here and below, if its reader has exited, as `head` does. There is nobody to tell.
            let _ = error.print();
            return (exit as u8, None);
        }
    };
    match execute(cli, registry) {
        Ok(Output { text, exit }) => {
            let mut out = io::stdout().lock();
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            (exit as u8, None)
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            let exit = match &error {
                Error::Usage { .. } | Error::Occupied { .. } => Exit::Usage,
                error if error.is_interrupted() => Exit::Interrupted,
                _ => Exit::Failed,
            };
            (exit as u8, Some(error))
        }
    }
}

fn execute(cli: Cli, registry: &Registry) -> Result<Output> {
    match cli.command {
        None => cli.train.run(registry),
        Some(Command::Evaluate(args)) => args.run(registry),
        Some(Command::Solve(args)) => args.run(registry),
        Some(Command::Convert(args)) => args.run(registry),
        Some(Command::Schema(args)) => Ok(args.run()),
        Some(Command::Envs(args)) => args.run(registry),
        Some(Command::Benchmark(args)) => args.run(),
        Some(Command::Bench(args)) => args.run(registry),
    }
}
