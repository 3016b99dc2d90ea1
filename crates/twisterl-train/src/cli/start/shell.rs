//! `completions` and `man`: what shells and manuals know about the program.

use crate::cli::{Output, command};
use crate::{Error, Result};
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use twisterl_core::error::names::did_you_mean;

/// Print the completions of a shell for this program.
#[derive(Debug, Args)]
pub(in crate::cli) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Print the manual page of this program, or of one of its commands.
#[derive(Debug, Args)]
pub(in crate::cli) struct ManArgs {
    /// The command.
    command: Option<String>,
}

impl CompletionsArgs {
    /// Prints the completions of the program that is called `name`.
    pub(in crate::cli) fn run(self, name: &str) -> Result<Output> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command(name), name, &mut script);
        text(script)
    }
}

impl ManArgs {
    pub(in crate::cli) fn run(self, name: &str) -> Result<Output> {
        let mut program = command(name);
        program.build();
        let page = match &self.command {
            None => program,
            Some(wanted) => subcommand(&program, wanted)?,
        };
        let mut roff = Vec::new();
        Man::new(page).render(&mut roff).map_err(|e| Error::io("write", "the manual page", e))?;
        text(roff)
    }
}

fn subcommand(program: &Command, wanted: &str) -> Result<Command> {
    let found = program.find_subcommand(wanted).cloned();
    found.ok_or_else(|| {
        let names: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
        let near = did_you_mean(wanted, names.iter().copied());
        let expected = format!("a command ({})", names.join(", "));
        Error::usage("COMMAND", expected, format!("{wanted:?}{near}"))
    })
}

fn text(bytes: Vec<u8>) -> Result<Output> {
    let text = String::from_utf8(bytes);
    Ok(text.map_err(|e| Error::system("write text", &e))?.into())
}
