//! The program of a bundle that is an executable.
//!
//! Exit codes are those of the command line of training: 0 success, 1 failure (an error, or a problem that was not solved),
//! 2 invalid arguments. A closed pipe is no failure.

use crate::agent::{Agent, MAX_REQUEST, METHODS, Problem, SETTINGS};
use crate::bundle::program;
use serde_json::{Map, Value};
use std::io::{self, BufRead, Read as _, Write as _};
use std::process::ExitCode;
use twisterl_core::Error;
use twisterl_core::env::written;
use twisterl_core::error::escape::escape_controls;
use twisterl_core::error::names::{nearest, question};
use twisterl_core::registry::Registry;
use twisterl_core::solve::replay;

type Result<T, E = Error> = std::result::Result<T, E>;

/// Options that go with every method.
const EFFORT: [&str; 7] =
    ["twists", "objective", "invert", "nodes", "seconds", "max_steps", "seed"];
/// Options without a value.
const SWITCHES: [&str; 2] = ["greedy", "no_backtracking"];

const HELP: &str = "\
Solves problems with the policy in this file.

Usage: agent [OPTIONS] [STATE]...

A STATE is a list of numbers, such as 8,7,5,3,2,0,4,6,1. Without one, standard input is read: a state on each line, or a
request as JSON, such as {\"call\": \"evaluate\", \"state\": [...]}; each is answered by a line of JSON.

Options:
  --json               Print a JSON object for each STATE, in place of its boards
  --describe           Print what the policy is, as JSON
  --self-test          Check that this machine computes what the one that wrote the file did
  --search METHOD      greedy, sample, best-of=N, mcts=N, gumbel=N, beam=W or widening=W
  --score SCORE        Ranking of a beam: policy, value, mixed, or a number
  --nodes N            Maximum number of states evaluated per problem
  --max-steps N        Maximum length of a solution
  --seed S             Seed of all randomness
  -h, --help           Print this help; the other options are those of `twisterl-train solve`
";

/// Arguments that cannot be used, or anything else that ends the program.
#[derive(Debug)]
enum Failure {
    Usage(Error),
    Error(Error),
    Io(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The arguments.
#[derive(Debug, Default, PartialEq)]
struct Arguments {
    help: bool,
    json: bool,
    describe: bool,
    self_test: bool,
    options: Map<String, Value>,
    states: Vec<Vec<f64>>,
}

/// Runs the program of a bundle that is this executable, with the environments of `registry`.
pub fn run(registry: &Registry) -> ExitCode {
    let arguments = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    let outcome = Arguments::parse(arguments)
        .map_err(Failure::Usage)
        .and_then(|arguments| arguments.run(registry, &mut io::stdout().lock()));
    let (code, text) = match outcome {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => return ExitCode::FAILURE,
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        Err(Failure::Io(error)) => (1, error.to_string()),
        Err(Failure::Error(error)) => (1, error.to_string()),
        Err(Failure::Usage(error)) => (2, format!("{error}; --help lists the arguments")),
    };
    // If it cannot be written, there is nobody to tell.
    let _ = writeln!(io::stderr(), "error: {}", escape_controls(&text));
    ExitCode::from(code)
}

impl Arguments {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut parsed = Self::default();
        let mut rest = arguments;
        let mut only_states = false;
        while let Some(argument) = rest.next() {
            match (argument.as_str(), only_states) {
                ("--", false) => only_states = true,
                ("-h" | "--help", false) => parsed.help = true,
                ("--json", false) => parsed.json = true,
                ("--describe", false) => parsed.describe = true,
                ("--self-test", false) => parsed.self_test = true,
                (option, false) if option.starts_with("--") => parsed.option(option, &mut rest)?,
                (state, _) => {
                    let refused = |found| Error::config("STATE", written::EXPECTED, found);
                    parsed.states.push(written::list(state).map_err(refused)?);
                }
            }
        }
        Ok(parsed)
    }

    /// Reads an option of solving: `--name value` or `--name=value`.
    fn option(&mut self, argument: &str, rest: &mut impl Iterator<Item = String>) -> Result<()> {
        // Methods have `=` in them, as in `--search beam=64`.
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument, None),
        };
        let plain = name.trim_start_matches('-').replace('-', "_");
        let known = || METHODS.into_iter().chain(SETTINGS).chain(EFFORT);
        if !known().any(|option| option == plain) {
            let written: Vec<String> =
                known().map(|option| format!("--{}", option.replace('_', "-"))).collect();
            let near = nearest(name, written.iter().map(String::as_str));
            let found = format!("{name}{}", near.map(question).unwrap_or_default());
            return Err(Error::config("arguments", "a known option", found));
        }
        let value = if SWITCHES.contains(&plain.as_str()) {
            if let Some(value) = value {
                return Err(Error::config(name, "no value", value));
            }
            Value::Bool(true)
        } else {
            let missing = || Error::config(name, "a value behind it", "none");
            let text = value.or_else(|| rest.next()).ok_or_else(missing)?;
            text.parse::<serde_json::Number>().map_or(Value::String(text), Value::Number)
        };
        self.options.insert(plain, value);
        Ok(())
    }

    /// Returns false if something was not solved, or could not be answered.
    fn run(self, registry: &Registry, out: &mut impl io::Write) -> Result<bool, Failure> {
        if self.help {
            out.write_all(HELP.as_bytes())?;
            return Ok(true);
        }
        let file = std::fs::read(std::env::current_exe()?)?;
        let agent = Agent::open(program::payload(&file)?, registry)?;
        drop(file);
        if self.describe {
            writeln!(out, "{}", agent.answer(br#"{"call": "describe"}"#))?;
            return Ok(true);
        }
        if self.self_test {
            // Opening it was the test.
            writeln!(out, "passed: the results have the same bits")?;
            return Ok(true);
        }
        if self.states.is_empty() {
            return self.answer_lines(&agent, &mut io::stdin().lock(), out);
        }
        let mut fine = true;
        for state in &self.states {
            let problem = Problem::State(state.clone());
            let played = agent.solve(&problem, &self.options)?;
            fine &= !played.failed;
            let record = agent.record(&problem, None, &played.solution)?;
            if self.json {
                let text = serde_json::to_string(&record).map_err(io::Error::other)?;
                writeln!(out, "{text}")?;
            } else {
                let replay =
                    replay(agent.env()?, &played.solution.start, &played.solution.actions)?;
                write!(out, "{}{}", replay.boards(), record.sentence())?;
            }
        }
        Ok(fine)
    }

    /// Answers each line of `input` by a line.
    fn answer_lines(
        &self,
        agent: &Agent,
        input: &mut impl BufRead,
        out: &mut impl io::Write,
    ) -> Result<bool, Failure> {
        let (mut fine, mut line) = (true, Vec::new());
        loop {
            line.clear();
            let limit = MAX_REQUEST as u64 + 1;
            if input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
                return Ok(fine);
            }
            let text = line.trim_ascii();
            if text.is_empty() || text.starts_with(b"#") {
                continue;
            }
            let answer = match self.request(text) {
                Some(request) => agent.answer(request.to_string().as_bytes()),
                None => agent.answer(text),
            };
            fine &= !answer.starts_with(r#"{"error""#) && !answer.contains(r#""solved":false"#);
            writeln!(out, "{answer}")?;
            out.flush()?;
        }
    }

    /// Returns the request of a line with the options of the command line, which those in the line replace; `None` for what is
    /// no request, for the agent to say so.
    fn request(&self, text: &[u8]) -> Option<Value> {
        let value = match serde_json::from_slice(text) {
            Ok(value) => value,
            Err(_) => {
                let numbers = written::list(std::str::from_utf8(text).ok()?).ok()?;
                Value::from(numbers)
            }
        };
        match value {
            Value::Object(fields) => {
                let solves = fields.get("call").is_none_or(|call| call == "solve");
                let options = if solves { self.options.clone() } else { Map::new() };
                let options = options.into_iter().filter(|(name, _)| !fields.contains_key(name));
                let mut request: Map<String, Value> = options.collect();
                request.extend(fields.clone());
                Some(request.into())
            }
            state @ (Value::Array(_) | Value::Number(_)) => {
                let mut request = self.options.clone();
                request.insert("state".to_owned(), state);
                Some(request.into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn parse(arguments: &[&str]) -> Result<Arguments> {
        Arguments::parse(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn options_are_fields_of_requests() {
        let parsed = parse(&[
            "--search",
            "beam=64",
            "--score=32",
            "--max-steps",
            "9",
            "--greedy",
            "1,0",
            "--",
            "-1 2",
        ]);
        let parsed = parsed.unwrap();
        let options = json!({"search": "beam=64", "score": 32, "max_steps": 9, "greedy": true});
        assert_eq!(Value::Object(parsed.options), options);
        assert_eq!(parsed.states, [[1.0, 0.0], [-1.0, 2.0]]);
    }

    #[test]
    fn arguments_that_cannot_be_used_are_named() {
        for (arguments, message) in [
            (
                vec!["--se-arch", "greedy"],
                "arguments: expected a known option, found --se-arch (did you mean `--search`?)",
            ),
            (vec!["--search"], "--search: expected a value behind it, found none"),
            (vec!["--greedy=1"], "--greedy: expected no value, found 1"),
            (vec!["1,x"], "STATE: expected numbers separated by blanks or commas, found \"x\""),
        ] {
            assert_eq!(parse(&arguments).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn lines_are_states_or_requests_and_win_over_the_command_line() {
        let arguments = parse(&["--seed", "7"]).unwrap();
        for (line, request) in [
            ("1 0 2 3", json!({"seed": 7, "state": [1.0, 0.0, 2.0, 3.0]})),
            ("[[1, 0], [2, 3]]", json!({"seed": 7, "state": [[1, 0], [2, 3]]})),
            (r#"{"state": [1], "seed": 8}"#, json!({"state": [1], "seed": 8})),
            (r#"{"call": "describe"}"#, json!({"call": "describe"})),
        ] {
            assert_eq!(arguments.request(line.as_bytes()), Some(request), "{line}");
        }
        assert_eq!(arguments.request(b"hello"), None);
    }
}
