//! Commands that are mistyped, or belong to the other program.

use crate::{Error, Result};
use clap::{Args, Command};
use std::ffi::OsString;
use std::path::Path;
use twisterl_core::envs::registry::Registry;
use twisterl_core::error::names::{nearest, question};

/// Words for which people look among the commands.
const SYNONYMS: [(&str, &str); 19] = [
    ("eval", "evaluate"),
    ("test", "evaluate"),
    ("score", "evaluate"),
    ("play", "solve"),
    ("view", "solve"),
    ("show", "solve"),
    ("render", "solve"),
    ("pack", "bundle"),
    ("package", "bundle"),
    ("fit", "train"),
    ("learn", "train"),
    ("list", "envs"),
    ("environments", "envs"),
    ("init", "new"),
    ("create", "new"),
    ("export", "convert"),
    ("validate", "check"),
    ("completion", "completions"),
    ("bench", "benchmark"),
];

/// The arguments of a command that is a part of the Python package.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(in crate::cli) struct PythonArgs {
    /// The arguments of the command, of which `--help` is one.
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

impl PythonArgs {
    /// Says how to get the program that has `command`.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub(in crate::cli) fn run<T>(self, command: &str) -> Result<T> {
        let args = self.args.iter().map(|arg| format!(" {}", arg.to_string_lossy()));
        let args: String = args.collect();
        let (can, extra) = match command {
            "quantum" => ("works with Qiskit", "qiskit"),
            _ => ("draws", "plot"),
        };
        let expected = format!(
            "the program of the Python package, which {can} (`pip install .[{extra}]` in a checkout): \
             `twisterl {command}{args}`"
        );
        Err(Error::usage(command, expected, "the Rust program"))
    }
}

/// Returns the error for a first argument that looks like a mistyped command: no option, no file, no environment.
pub(in crate::cli) fn mistaken(
    args: &[OsString],
    command: &Command,
    registry: &Registry,
) -> Option<Error> {
    let word = args.get(1)?.to_str()?;
    let names: Vec<&str> =
        command.get_subcommands().filter(|c| !c.is_hide_set()).map(Command::get_name).collect();
    let is_word = word.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '-' | '_'));
    if !is_word
        || word.starts_with('-')
        || command.find_subcommand(word).is_some()
        || Path::new(word).exists()
        || word == "help"
    {
        return None;
    }
    let lower = word.to_lowercase();
    let synonym = SYNONYMS.iter().find(|(name, _)| *name == lower).map(|(_, name)| *name);
    // `maze` is nearer to `Maze` than to any command.
    let is_env = nearest(word, registry.names().chain(names.iter().copied()))
        .is_some_and(|near| !names.contains(&near));
    let meant = synonym.or_else(|| nearest(word, names.iter().copied())).filter(|_| !is_env);
    // Without a meaning, a word alone may be a file that is missing; before others it can only be a command.
    if meant.is_none()
        && (is_env || args.get(2).is_none_or(|next| next.to_string_lossy().starts_with('-')))
    {
        return None;
    }
    let expected = format!("a command ({}) or a config file", names.join(", "));
    let found = format!("{word:?}{}", meant.map_or_else(String::new, question));
    Some(Error::usage("command", expected, found))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message(args: &[&str]) -> Option<String> {
        let args: Vec<OsString> =
            ["twisterl-train"].iter().chain(args).map(OsString::from).collect();
        let command = crate::cli::command("twisterl-train");
        mistaken(&args, &command, &Registry::default()).map(|error| error.to_string())
    }

    #[test]
    fn mistyped_commands_are_answered_with_the_nearest_or_the_one_of_that_meaning() {
        for (args, meant) in [
            (&["evalute", "runs/a"][..], "evaluate"),
            (&["slove"], "solve"),
            (&["eval", "runs/a"], "evaluate"),
            (&["play"], "solve"),
            (&["TRAIN", "a.json"], "train"),
            (&["list"], "envs"),
            (&["init", "x"], "new"),
        ] {
            let message = message(args).unwrap();
            assert!(message.ends_with(&format!("(did you mean `{meant}`?)")), "{message}");
        }
        assert!(message(&["frobnicate", "runs/a"]).unwrap().ends_with("found \"frobnicate\""));
    }

    #[test]
    fn commands_options_files_and_environments_are_no_mistakes() {
        for args in [
            &[][..],
            &["solve", "x"],
            &["help"],
            &["--hlep"],
            &["conf.json"],
            &["runs/a"],
            &["maze"],
            &["Puzzle"],
            &["Cargo.toml"],
            &["anything"],
            &["anything", "--quiet"],
        ] {
            assert_eq!(message(args), None, "{args:?}");
        }
    }
}
