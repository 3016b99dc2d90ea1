//! `solve --states`: a record for each state of a file, as soon as it is solved.

use super::options::SolveFlags;
use super::record::{self, Format};
use crate::Result;
use crate::cli::{Exit, Output};
use crate::system::files::states::{self, Instance, Refusal, StateChecker};
use crate::system::terminal::count::Count;
use crate::system::terminal::{message, offer};
use crate::trainer::solving::solve_in_order;
use std::path::Path;
use twisterl_core::env::Start;
use twisterl_core::env::batch::VecEnv;
use twisterl_core::envs::registry::EnvSpec;
use twisterl_core::error::counts::counted;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::rng::Purpose;
use twisterl_core::solve::{Record, SOLVE_SEARCHES, Solution};

/// The most errors that are repeated on standard error.
const MOST_ERRORS: usize = 5;

/// Solves the states of the file `path` and prints their records in the order of the file. A state that cannot be read or
/// played has a record with its error, and makes the command fail at its end.
pub(super) fn solve_each(
    path: &Path,
    flags: &SolveFlags,
    (spec, evaluator): (&dyn EnvSpec, &dyn Evaluator),
    format: Format,
    interrupt: &Interrupt,
) -> Result<Output> {
    let plan = flags.plan(SOLVE_SEARCHES)?;
    let entries = states::read_each(path, &mut StateChecker::new(spec, interrupt)?)?;
    let starts: Vec<Start<'_>> = entries.iter().flatten().map(Instance::start).collect();
    let mut printer = Printer {
        entries: &entries,
        format,
        env: (spec.batch(1), spec.measures_success()),
        bar: Count::new("", entries.len()),
        next: 0,
        failures: Vec::new(),
    };
    let (mut unsolved, mut limited) = (false, None);
    let (problem, cores) = ((spec, evaluator), flags.num_cores());
    if printer.print_refused()? {
        solve_in_order(&plan, cores, problem, Purpose::Solve, &starts, |_, result| {
            if let Ok(solution) = &result {
                unsolved |= !solution.solved && spec.measures_success();
                let reached = plan.reached_default_limit(spec, std::slice::from_ref(solution));
                limited = limited.or(reached);
            }
            Ok(printer.print_played(result)? && printer.print_refused()?)
        })?;
    }
    let failures = std::mem::take(&mut printer.failures);
    drop(printer);
    SolveFlags::warn_of_limit(limited);
    let file = states::name(path).display();
    for (place, reason) in failures.iter().take(MOST_ERRORS) {
        message(format_args!("error: {file}, {place}: {reason}"));
    }
    let more = failures.get(MOST_ERRORS..).unwrap_or_default();
    if !more.is_empty() {
        let count = counted(more.len(), "more state");
        let places = states::listed(more.iter().map(|(place, _)| place.as_str()));
        message(format_args!(
            "error: {file}: {count} could not be played ({places}), see their records"
        ));
    }
    let exit = if unsolved || !failures.is_empty() { Exit::Failed } else { Exit::Done };
    Ok(Output { text: String::new(), exit })
}

/// The records of the states of a file, in their order.
struct Printer<'a> {
    entries: &'a [Result<Instance, Refusal>],
    format: Format,
    /// Knows the names of the actions, and whether there is a measure of success.
    env: (Box<dyn VecEnv>, bool),
    bar: Count,
    /// The state whose record is the next.
    next: usize,
    /// The place and the reason of each record with an error.
    failures: Vec<(String, String)>,
}

impl Printer<'_> {
    /// Prints the records of the refused states that come next. Returns false if nobody reads them.
    fn print_refused(&mut self) -> Result<bool> {
        while let Some(Err(refusal)) = self.entries.get(self.next) {
            if !self.print(&record::refused(self.next, refusal), &refusal.place)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Prints the record of the next state, which was played. Returns false if nobody reads it.
    fn print_played(&mut self, result: Result<Solution, twisterl_core::Error>) -> Result<bool> {
        let Some(Ok(instance)) = self.entries.get(self.next) else { return Ok(false) };
        let record = match result {
            Ok(solution) => {
                record::played(self.next, instance, &solution, (&*self.env.0, self.env.1))
            }
            Err(error) => record::failed(self.next, instance, error.to_string()),
        };
        self.print(&record, &instance.place)
    }

    fn print(&mut self, record: &Record, place: &str) -> Result<bool> {
        if let Some(error) = &record.error {
            self.failures.push((place.to_owned(), error.clone()));
        }
        self.next += 1;
        let text = record::text(record, self.format)?;
        let read = self.bar.suspend(|| offer(&text))?;
        self.bar.advance();
        Ok(read)
    }
}
