//! The command line.
//!
//! [`run`] is the whole program. A crate with an environment of its own registers it and calls [`run`].
//! Exit codes: 0 success, 1 failure (an error, an unsolved problem, or a result that cannot be written), 2 invalid
//! arguments, 128 plus the number of the signal after an interruption (130 after Ctrl-C). A closed pipe is no failure.

mod compare;
mod envs;
mod evaluate;
mod figures;
mod files;
mod measure;
mod problems;
mod solve;
mod start;
#[cfg(test)]
mod tests;
mod train;

pub use crate::system::terminal::signals::{interrupt, is_interrupted};

use crate::algorithms::spread::Engine;
use crate::config::EngineName;
use crate::system::plugins;
use crate::system::terminal::signals::{Listening, Stop};
use crate::system::terminal::{self, message};
use crate::trainer::Engines;
use crate::trainer::distributed::processes::{self, Program};
use crate::{Error, Result};
use clap::builder::{StringValueParser, TypedValueParser};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::escape::{escape_controls, escape_lines};

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
    /// Train a policy: the default command, so that its name can be left out.
    Train(Box<train::TrainArgs>),
    Evaluate(evaluate::EvaluateArgs),
    Solve(solve::SolveArgs),
    Compare(compare::CompareArgs),
    /// Draw the figures and the table of runs. A part of the Python package: `twisterl plot`.
    Plot(start::commands::PythonArgs),
    /// Write an episode of a policy as a moving picture. A part of the Python package: `twisterl record`.
    Record(start::commands::PythonArgs),
    /// Train, list and check models of quantum circuits. A part of the Python package: `twisterl quantum`.
    Quantum(start::commands::PythonArgs),
    Convert(files::convert::ConvertArgs),
    Bundle(Box<files::bundle::BundleArgs>),
    Run(Box<files::run::RunArgs>),
    Envs(envs::EnvsArgs),
    Env(envs::EnvArgs),
    Check(start::check::CheckArgs),
    New(start::new::NewArgs),
    Schema(start::schema::SchemaArgs),
    Benchmark(measure::benchmark::BenchmarkArgs),
    Completions(start::shell::CompletionsArgs),
    Man(start::shell::ManArgs),
    #[command(hide = true)]
    Bench(measure::bench::BenchArgs),
    /// Answer parts of a run: the program of its worker processes.
    #[command(hide = true)]
    Answer,
}

/// The name of the program, if it was called by none.
const NAME: &str = "twisterl-train";

/// Returns the command line of the program that is called `name`, with examples.
fn command(name: &str) -> clap::Command {
    start::examples::add(Cli::command().display_name(name).bin_name(name), name)
}

/// Returns the name by which the program was called, such as `python -m twisterl`.
fn called(args: &[OsString]) -> String {
    let path = args.first().map(Path::new).and_then(Path::file_name);
    let name = path.map_or_else(|| NAME.to_owned(), |name| name.to_string_lossy().into_owned());
    escape_controls(name.strip_suffix(std::env::consts::EXE_SUFFIX).unwrap_or(&name)).into_owned()
}

/// Reads the arguments of the program `name`.
fn parse(args: &[OsString], name: &str) -> Result<Cli, clap::Error> {
    let mut command = command(name);
    let mut matches = command.try_get_matches_from_mut(args)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
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
    /// Stands for 128 plus the number of the signal.
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

/// Runs the command in the arguments of the process, with the environments of `registry` and those of
/// [plugins]. Prints its output or its error.
pub fn run(mut registry: Registry) -> ExitCode {
    plugins::install(&mut registry);
    ExitCode::from(run_from(std::env::args_os(), &registry, None).0)
}

/// Like [`run`], for the given arguments, of which the first is the name of the program, and with `engines` in place of
/// the processes of this program. Returns the exit code and the printed error.
pub fn run_from(
    args: impl IntoIterator<Item = OsString>,
    registry: &Registry,
    engines: Option<Engines>,
) -> (u8, Option<Error>) {
    let args: Vec<OsString> = args.into_iter().collect();
    let name = called(&args);
    if let Some(error) = start::commands::mistaken(&args, &command(&name), registry) {
        return ended(Err(error), None);
    }
    let cli = match parse(&args, &name) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            show_refusal(&args, &name, &error);
            return (Exit::Usage as u8, None);
        }
        Err(help) => return ended(show_help(&help), None),
    };
    let listening = match Listening::begin() {
        Ok(listening) => listening,
        Err(error) => return ended(Err(error), None),
    };
    let stop = listening.stop();
    let engines = engines.unwrap_or_else(|| Engines::new(own_engine));
    let exit = execute(cli, &name, (registry, &engines), stop)
        .and_then(|Output { text, exit }| terminal::result(&text).map(|()| exit));
    ended(exit, Some(stop))
}

/// Shows the error of a command, if there is one. Returns the exit code and the error.
fn ended(result: Result<Exit>, stop: Option<&Stop>) -> (u8, Option<Error>) {
    let code = |exit: Exit| match (exit, stop) {
        (Exit::Interrupted, Some(stop)) => stop.code(),
        (exit, _) => exit as u8,
    };
    let error = match result {
        Ok(exit) => return (code(exit), None),
        Err(error) => error,
    };
    let exit = match &error {
        Error::Usage { .. } | Error::NoFixedSteps { .. } | Error::Occupied { .. } => Exit::Usage,
        error if error.is_interrupted() => Exit::Interrupted,
        _ => Exit::Failed,
    };
    match stop {
        Some(stop) if exit == Exit::Interrupted => {
            message(format_args!("error: {}", stop.message()));
        }
        _ => terminal::error(&error),
    }
    (code(exit), Some(error))
}

/// Prints the help or the version.
fn show_help(help: &clap::Error) -> Result<Exit> {
    match help.print().and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::io("write", "standard output", error))
        }
        _ => Ok(Exit::Done),
    }
}

/// Prints the error about invalid arguments, with their control characters escaped.
fn show_refusal(args: &[OsString], name: &str, error: &clap::Error) {
    let shown: Vec<OsString> = args
        .iter()
        .map(|arg| escape_controls(&arg.to_string_lossy()).into_owned().into())
        .collect();
    // If it cannot be printed, there is nobody to tell.
    let _ = if shown == args {
        error.print()
    } else {
        match parse(&shown, name) {
            Err(error) => error.print(),
            Ok(_) => writeln!(io::stderr(), "{}", escape_lines(&error.render().to_string())),
        }
    };
}

fn execute(
    cli: Cli,
    name: &str,
    (registry, engines): (&Registry, &Engines),
    stop: &Stop,
) -> Result<Output> {
    match cli.command {
        None => cli.train.run(registry, engines, stop),
        Some(Command::Train(args)) => args.run(registry, engines, stop),
        Some(Command::Evaluate(args)) => args.run(registry, stop.interrupt()),
        Some(Command::Solve(args)) => args.run(registry, stop.interrupt()),
        Some(Command::Compare(args)) => args.run(registry, stop.interrupt()),
        Some(Command::Plot(args)) => args.run("plot"),
        Some(Command::Record(args)) => args.run("record"),
        Some(Command::Quantum(args)) => args.run("quantum"),
        Some(Command::Convert(args)) => args.run(registry),
        Some(Command::Bundle(args)) => args.run(registry),
        Some(Command::Run(args)) => args.run(registry, stop.interrupt()),
        Some(Command::Envs(args)) => args.run(registry, stop.interrupt()),
        Some(Command::Env(args)) => args.run(),
        Some(Command::Check(args)) => args.run(registry),
        Some(Command::New(args)) => args.run(),
        Some(Command::Schema(args)) => Ok(args.run()),
        Some(Command::Benchmark(args)) => args.run(stop.interrupt()),
        Some(Command::Completions(args)) => args.run(name),
        Some(Command::Man(args)) => args.run(name),
        Some(Command::Bench(args)) => args.run(registry, stop.interrupt()),
        Some(Command::Answer) => processes::serve(registry).map(|()| String::new().into()),
    }
}

/// Returns the engine of a name in a program without Python: processes of this program.
fn own_engine(name: &EngineName) -> Result<Arc<dyn Engine>> {
    let EngineName::Processes(workers) = *name else {
        let expected = "processes or processes:N, or the program of the Python package: `twisterl CONFIG --engine ray`";
        return Err(Error::usage("engine", expected, name));
    };
    // What runs now, also if its file was replaced meanwhile.
    let running = Path::new("/proc/self/exe");
    let path = match running.exists() {
        true => running.to_owned(),
        false => {
            std::env::current_exe().map_err(|error| Error::io("find", "this program", error))?
        }
    };
    processes::engine(Program { path: path.into(), args: vec!["answer".into()] }, workers)
}
