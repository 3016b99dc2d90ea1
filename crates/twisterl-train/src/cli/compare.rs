//! `compare`: several policies and methods on the same problems, with their quality and cost.

use super::envs::{ArithmeticFlags, EnvFlags};
use super::figures::FIGURES;
use super::problems::ProblemFlags;
use super::solve::options::{EffortFlags, SolveFlags};
use super::{Exit, Output};
use crate::record::disk::write_file;
use crate::record::load::{LoadedPolicy, open_policy};
use crate::system::files::states::{self, Instance};
use crate::system::terminal::count::Count;
use crate::system::terminal::message;
use crate::trainer::solving::{self, solve_in_order};
use crate::{Error, Result};
use clap::{Arg, Args};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;
use twisterl_core::env::Start;
use twisterl_core::envs::registry::{EnvSpec, Registry};
use twisterl_core::error::counts::counted;
use twisterl_core::error::escape::{escape_controls, visible_length};
use twisterl_core::error::interrupt::Interrupt;
use twisterl_core::evaluator::Evaluator;
use twisterl_core::rng::Purpose;
use twisterl_core::solve::{BeamScore, Method, SolvePlan};

/// Compare policies and methods of solving on the same problems, by quality and cost.
#[derive(Debug, Args)]
#[command(mut_args(with_own_help))]
pub(super) struct CompareArgs {
    /// Runs, checkpoints or files of weights, each with a name of its own if one is put before it (`name=RUN`).
    #[arg(value_name = "[NAME=]RUN|CHECKPOINT", required = true)]
    policies: Vec<String>,
    /// Methods to compare, separated by commas, such as `greedy,beam=64,mcts=100`; see `solve --help`.
    #[arg(long, value_name = "METHODS", value_delimiter = ',', default_value = "greedy")]
    search: Vec<Method>,
    #[command(flatten)]
    problems: ProblemFlags,
    /// Ranking of the states of beams: policy (the default), value, mixed (one half by each; the default if returns count), or a
    /// number W for policy + W * value.
    #[arg(long, value_name = "SCORE", allow_hyphen_values = true)]
    score: Option<BeamScore>,
    #[command(flatten)]
    effort: EffortFlags,
    /// Config for files of bare weights.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    env: EnvFlags,
    #[command(flatten)]
    arithmetic: ArithmeticFlags,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// File for the results: JSON if it ends in .json. The Python package's `twisterl compare` draws it if it ends in .png,
    /// .svg or .pdf.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Replaces the help of [`ProblemFlags`] by that of this command.
fn with_own_help(arg: Arg) -> Arg {
    match arg.get_id().as_str() {
        "states" => arg
            .help("States to solve, in any format of `evaluate --states`; `-` for standard input"),
        "num_episodes" => arg.help("Number of scrambles to solve, if no states are given"),
        _ => arg,
    }
}

/// A policy to compare.
struct Candidate {
    name: String,
    loaded: LoadedPolicy,
}

impl CompareArgs {
    pub(super) fn run(self, registry: &Registry, interrupt: &Interrupt) -> Result<Output> {
        if let Some(path) = &self.out
            && path.extension().is_none_or(|suffix| suffix != "json")
        {
            let expected = "a path that ends in .json (figures are drawn by `twisterl compare` of the Python package)";
            return Err(Error::usage("--out", expected, path.display()));
        }
        let methods: Vec<(Method, SolvePlan)> = self
            .search
            .iter()
            .map(|&method| Ok((method, SolveFlags::plan_of(method, self.score, &self.effort)?)))
            .collect::<Result<_>>()?;
        let registry = self.env.registry(registry);
        let candidates = self.candidates(&registry)?;
        let first = candidates[0].loaded.env()?;
        let instances = self.problems.instances(&*first, interrupt)?;
        let mut results = Vec::new();
        let mut interrupted = None;
        'all: for candidate in &candidates {
            for (method, plan) in &methods {
                match self.result(candidate, (method, plan), &instances, interrupt) {
                    Ok(result) => results.push(result),
                    Err(error) if error.is_interrupted() && !results.is_empty() => {
                        interrupted = Some(candidates.len() * methods.len());
                        break 'all;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        let exit = match interrupted {
            Some(all) => {
                let done = counted(results.len(), "result");
                message(format_args!("interrupted after {done} of {all}"));
                Exit::Interrupted
            }
            None => Exit::Done,
        };
        let problems = match &self.problems.states {
            Some(file) => {
                json!({"states": states::name(file).display().to_string(), "count": instances.len()})
            }
            None => self.problems.to_json(&*first),
        };
        let text = match self.json {
            true => String::new(),
            false => table(&results, &self.problems.describe(&*first, &instances)),
        };
        let document =
            json!({"problems": problems, "seed": self.effort.seed(), "results": results});
        if let Some(path) = &self.out {
            write_file(path, format!("{document:#}\n").as_bytes())?;
        }
        Ok(Output { text: if self.json { format!("{document}\n") } else { text }, exit })
    }

    /// Loads the policies, which have to be for environments of one name.
    fn candidates(&self, registry: &Registry) -> Result<Vec<Candidate>> {
        let candidates: Vec<Candidate> = self
            .policies
            .iter()
            .zip(names(&self.policies)?)
            .map(|(argument, name)| {
                let path = Path::new(named(argument).1);
                let mut loaded = open_policy(path, self.config.as_deref(), registry)?;
                self.arithmetic.apply(&mut loaded.policy);
                Ok(Candidate { name, loaded })
            })
            .collect::<Result<_>>()?;
        let first = candidates[0].loaded.env()?;
        for (argument, candidate) in self.policies.iter().zip(&candidates) {
            let env = candidate.loaded.env()?;
            if env.name() != first.name() {
                let expected = format!("policies for one environment, {}", first.name());
                return Err(Error::usage(argument.as_str(), expected, env.name()));
            }
            if env.params() != first.params() {
                message(format_args!(
                    "warning: {argument} has other parameters of the environment than {}: {} and {}",
                    self.policies[0],
                    env.params(),
                    first.params()
                ));
            }
        }
        Ok(candidates)
    }

    /// Solves all problems with a policy by a method, and returns the figures.
    fn result(
        &self,
        candidate: &Candidate,
        (method, plan): (&Method, &SolvePlan),
        instances: &[Instance],
        interrupt: &Interrupt,
    ) -> Result<Map<String, Value>> {
        let (spec, executor) = (candidate.loaded.env()?, candidate.loaded.executor(interrupt)?);
        let starts = self.problems.starts(&*spec, instances)?;
        self.warm_up((&*spec, &executor), starts.first())?;
        let mut bar = Count::new(&format!("{} {method}", candidate.name), starts.len());
        let mut solutions = Vec::with_capacity(starts.len());
        let begun = Instant::now();
        let (problem, cores) =
            ((&*spec as &dyn EnvSpec, &executor as &dyn Evaluator), self.effort.num_cores());
        solve_in_order(plan, cores, problem, Purpose::Evaluate, &starts, |number, solution| {
            let place =
                instances.get(number).map_or_else(String::new, |i| format!(" ({})", i.place));
            solutions.push(solution.map_err(|error| located(error, &place))?);
            bar.advance();
            Ok(true)
        })?;
        let seconds = begun.elapsed().as_secs_f64();
        drop(bar);
        SolveFlags::warn_of_limit(plan.reached_default_limit(&*spec, &solutions));
        let optimal: Vec<_> = instances.iter().map(|i| i.optimal).collect();
        let mut result = Map::new();
        result.insert("policy".into(), json!(candidate.name));
        result.insert("search".into(), json!(method.to_string()));
        result.extend(solving::figures(&solutions, &optimal, seconds, spec.measures_success()));
        result.extend(solving::gaps(&solutions, &optimal));
        Ok(result)
    }

    /// Solves one problem, so that the first method does not pay for what is done once, as the start of threads.
    fn warm_up(
        &self,
        (spec, evaluator): (&dyn EnvSpec, &dyn Evaluator),
        start: Option<&Start<'_>>,
    ) -> Result<()> {
        let Some(start) = start else { return Ok(()) };
        let plan = SolveFlags::plan_of(Method::Greedy, None, &self.effort)?;
        let starts = std::slice::from_ref(start);
        let (problem, cores) = ((spec, evaluator), self.effort.num_cores());
        solving::solve(&plan, cores, problem, Purpose::Evaluate, starts).map(|_| ())
    }
}

/// Returns the name of each policy: the given one, or the last part of its path where that is its own.
fn names(policies: &[String]) -> Result<Vec<String>> {
    let last = |argument: &str| match named(argument) {
        (Some(name), _) => name.to_owned(),
        (None, path) => Path::new(path)
            .file_name()
            .map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned()),
    };
    let tails: Vec<String> = policies.iter().map(|argument| last(argument)).collect();
    let mut names: Vec<String> = Vec::new();
    for (argument, tail) in policies.iter().zip(&tails) {
        let own = tails.iter().filter(|other| *other == tail).count() == 1;
        let (given, path) = named(argument);
        let name = if own { tail.as_str() } else { given.unwrap_or(path) };
        if names.iter().any(|other| other == name) {
            let expected = "another name than those before it, as in name=RUN";
            return Err(Error::usage(argument.as_str(), expected, name));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

/// Splits `name=path`. A path with the character `=` in it that exists has no name.
fn named(argument: &str) -> (Option<&str>, &str) {
    match argument.split_once('=') {
        Some((name, path))
            if !name.is_empty() && !path.is_empty() && !Path::new(argument).exists() =>
        {
            (Some(name), path)
        }
        _ => (None, argument),
    }
}

/// Adds the place of a problem to the error of its episode.
fn located(error: twisterl_core::Error, place: &str) -> Error {
    use twisterl_core::Error::State;
    match error {
        State { expected, found } => State { expected, found: format!("{found}{place}") }.into(),
        other => other.into(),
    }
}

/// Returns the results as a table. Columns without any value are left out.
fn table(results: &[Map<String, Value>], problems: &str) -> String {
    let name = |result: &Map<String, Value>, key: &str| {
        let name = result.get(key).and_then(Value::as_str).unwrap_or_default();
        escape_controls(name).into_owned()
    };
    let share = |result: &Map<String, Value>| result.get("success").and_then(Value::as_f64);
    let solves = results.iter().any(|result| share(result).is_some_and(|share| share > 0.0));
    let several = results.iter().any(|r| r.get("policy") != results[0].get("policy"));
    let names =
        ["policy", "search"].into_iter().filter(|key| several || *key == "search").map(|key| {
            let names = results.iter().map(|result| name(result, key));
            std::iter::once(key.to_owned()).chain(names).collect::<Vec<_>>()
        });
    let figures = FIGURES.iter().filter(|figure| match figure.key {
        "mean_reward" => !solves,
        "success" | "mean_length" => solves,
        // The same for all methods that solve all problems, and told by the gap.
        "mean_optimal" | "simulations_per_state" => false,
        _ => results.iter().any(|result| figure.text(result).is_some()),
    });
    let figures = figures.map(|figure| {
        let cells = results.iter().map(|r| figure.text(r).unwrap_or_else(|| "-".into()));
        std::iter::once(figure.words[0].to_owned()).chain(cells).collect()
    });
    let columns: Vec<Vec<String>> = names.chain(figures).collect();
    let widths: Vec<usize> = columns
        .iter()
        .map(|c| c.iter().map(|text| visible_length(text)).max().unwrap_or(0))
        .collect();
    let left = usize::from(several) + 1;
    let mut text = String::new();
    for row in 0..=results.len() {
        let mut line = String::new();
        for (i, (column, width)) in columns.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - visible_length(&column[row]));
            let (before, after) = if i < left { ("", pad.as_str()) } else { (pad.as_str(), "") };
            line = line + if i == 0 { "" } else { "  " } + before + &column[row] + after;
        }
        text = text + line.trim_end() + "\n";
    }
    let gap = columns.iter().any(|column| column[0] == "gap");
    let means = match (solves, gap) {
        (true, true) => "moves, gap (moves above optimal): means of the solved; ",
        (true, false) => "moves: mean of the solved; ",
        (false, _) => "",
    };
    text + &format!("{problems}\n{means}nodes, time: per problem\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn results(value: Value) -> Vec<Map<String, Value>> {
        value.as_array().unwrap().iter().map(|r| r.as_object().unwrap().clone()).collect()
    }

    #[test]
    fn the_table_has_the_columns_that_have_values() {
        let rows = results(json!([
            {"policy": "a", "search": "greedy", "success": 0.5, "mean_length": 12.0, "mean_reward": 0.1,
             "optimal_fraction": 0.25, "mean_gap": 1.5, "nodes_per_state": 20.0, "seconds_per_state": 0.00012},
            {"policy": "a", "search": "beam=64", "success": 1.0, "mean_length": 11.25, "mean_reward": 0.2,
             "optimal_fraction": 1.0, "mean_gap": 0.0, "nodes_per_state": 1234.6, "seconds_per_state": 0.25},
        ]));
        let text = table(&rows, "8 scrambles of difficulty 2");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[..3],
            [
                "search   success  optimal  moves   gap  nodes    time",
                "greedy    50.0 %   25.0 %  12.00  1.50     20  120 µs",
                "beam=64  100.0 %  100.0 %  11.25  0.00  1,235  250 ms",
            ]
        );
        assert_eq!(lines[3], "8 scrambles of difficulty 2");
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn problems_that_have_no_solution_are_compared_by_their_return() {
        let rows = results(json!([
            {"policy": "a", "search": "greedy", "success": 0.0, "mean_length": null, "mean_reward": 475.0,
             "nodes_per_state": 475.0, "seconds_per_state": 2.0},
            {"policy": "long name", "search": "sample", "success": 0.0, "mean_length": null, "mean_reward": -3.5,
             "nodes_per_state": 20.0, "seconds_per_state": 0.02},
        ]));
        let text = table(&rows, "1 episode");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[..3],
            [
                "policy     search  return  nodes   time",
                "a          greedy   475.0    475  2.0 s",
                "long name  sample   -3.50     20  20 ms",
            ]
        );
    }

    #[test]
    fn names_stand_before_paths() {
        assert_eq!(named("PPO=runs/ppo"), (Some("PPO"), "runs/ppo"));
        assert_eq!(named("runs/ppo"), (None, "runs/ppo"));
        assert_eq!(named("=runs"), (None, "=runs"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lr=0.1");
        std::fs::create_dir(&path).unwrap();
        let path = path.to_str().unwrap();
        assert_eq!(named(path), (None, path));
    }

    #[test]
    fn policies_are_named_by_the_part_of_their_path_that_tells_them_apart() {
        let names = |policies: &[&str]| {
            names(&policies.iter().map(|&policy| policy.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(names(&["runs/a", "x=runs/b"]).unwrap(), ["a", "x"]);
        assert_eq!(names(&["1/best", "2/best", "3/last"]).unwrap(), ["1/best", "2/best", "last"]);
        let error = names(&["runs/a", "runs/a"]).unwrap_err().to_string();
        assert!(error.contains("expected another name than those before it"), "{error}");
    }
}
