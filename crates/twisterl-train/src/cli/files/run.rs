//! `run`: solves problems with the policy of a bundle, as every host of it does.

use crate::cli::solve::options::SolveFlags;
use crate::cli::solve::{StateArg, print_episode};
use crate::cli::{Exit, Output};
use crate::record::disk::read_file;
use crate::record::format::Format;
use crate::system::files::MAX_WEIGHTS_FILE;
use crate::system::files::states::{self, Instance, StateChecker};
use crate::system::terminal::offer;
use crate::trainer::threads::in_pool;
use crate::{Error, Result};
use clap::Args;
use std::path::{Path, PathBuf};
use twisterl_agent::bundle::payload_of;
use twisterl_agent::{Agent, Problem};
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::solve::Record;

/// Solve problems with the policy of a bundle.
#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    /// A bundle: a WebAssembly module or a program that `bundle` wrote. The program in it is not run: this one computes the
    /// same bytes.
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// The problem's state: numbers separated by commas or blanks, such as `8,7,5,3,2,0,4,6,1`; in rows with brackets, too.
    #[arg(
        long,
        value_name = "NUMBERS",
        allow_hyphen_values = true,
        required_unless_present_any = ["states", "request"]
    )]
    state: Option<StateArg>,
    /// States to solve, in any format of `evaluate --states`; `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "state")]
    states: Option<PathBuf>,
    /// A request as JSON, such as `{"call": "evaluate", "state": [...]}`; prints the answer (docs/bundles.md).
    #[arg(long, value_name = "JSON", conflicts_with_all = ["state", "states"])]
    request: Option<String>,
    /// Print each record as a JSON object on a line of its own (JSON Lines).
    #[arg(long)]
    json: bool,
    // Options in place of those that the bundle keeps.
    #[command(flatten)]
    solve: SolveFlags,
}

impl RunArgs {
    pub(in crate::cli) fn run(self, registry: &Registry, interrupt: &Interrupt) -> Result<Output> {
        let mut agent = open(&self.bundle, registry)?;
        agent.interrupt_by(interrupt);
        let options = self.solve.given()?;
        if let Some(request) = &self.request {
            if let Some(option) = options.keys().next() {
                let expected = "options of solving as fields of the request";
                return Err(Error::usage(
                    "--request",
                    expected,
                    format!("--{}", option.replace('_', "-")),
                ));
            }
            let answer = in_pool(self.solve.num_cores(), || Ok(agent.answer(request.as_bytes())))?;
            interrupt.check()?;
            let failed = answer.starts_with(r#"{"error""#);
            let exit = if failed { Exit::Failed } else { Exit::Done };
            return Ok(Output { text: answer + "\n", exit });
        }
        let instances = match (&self.states, self.state) {
            (Some(path), _) => {
                states::read(path, &mut StateChecker::new(agent.env()?, interrupt)?)?
            }
            (None, state) => {
                let state = state.map(|state| state.0).unwrap_or_default();
                vec![Instance { state, optimal: None, place: String::new() }]
            }
        };
        let mut exit = Exit::Done;
        for (index, instance) in instances.into_iter().enumerate() {
            let problem = Problem::State(instance.state);
            let played = in_pool(self.solve.num_cores(), || Ok(agent.solve(&problem, &options)?))?;
            if played.failed {
                exit = Exit::Failed;
            }
            let record = agent.record(&problem, instance.optimal, &played.solution)?;
            let record = Record { index, line: states::line(&instance.place), ..record };
            let text = match (self.json, &self.states) {
                (true, _) => record.json()? + "\n",
                (false, Some(_)) => record.sentence(),
                (false, None) => print_episode::print(agent.env()?, &played.solution)?,
            };
            if !offer(&text)? {
                break;
            }
        }
        Ok(Output { text: String::new(), exit })
    }
}

/// Opens the policy of a bundle.
fn open(path: &Path, registry: &Registry) -> Result<Agent> {
    let kind = Format::of_file(path)?;
    if !matches!(kind, Format::Module | Format::Program) {
        let expected =
            "a bundle, which `bundle` writes (`train` trains a config, `solve` plays a run)";
        return Err(Error::checkpoint(path, expected, kind));
    }
    let file = read_file(path, MAX_WEIGHTS_FILE)?;
    let opened = payload_of(&file).and_then(|payload| Agent::open(payload, registry));
    opened.map_err(|e| Error::checkpoint(path, "a bundle", e))
}
