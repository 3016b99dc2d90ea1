//! Options of solving as keyword arguments.

use crate::convert::arguments::{Cores, SEEDS, flag, refused};
use crate::error::refuse;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use std::str::FromStr;
use twisterl_core::error::OptionError;
use twisterl_core::error::names::split_question;
use twisterl_core::solve::{BeamScore, SolveOptions, SolvePlan};
use twisterl_train::config::NumCores;

/// The keyword arguments of `Policy.solve_batch`.
const KEYWORDS: &str = "search, deterministic, backtracking, num_searches, num_mcts_searches, C, max_expand_depth, \
                        temperature, gamma, leaves, score, twists, objective, invert, nodes, seconds, max_steps, \
                        seed, num_cores";

/// Converts keyword arguments and resolves them. Without a method, it is the best of `default_searches` samples. Returns
/// the plan, and the maximum number of threads.
///
/// # Errors
/// `UsageError` if a keyword is unknown, a value is of a wrong type or out of range, or two do not go together.
pub fn solve_plan(
    keywords: &Bound<'_, PyDict>,
    default_searches: usize,
) -> PyResult<(SolvePlan, Option<NumCores>)> {
    let (options, num_cores) = solve_options(keywords)?;
    let plan = options.resolve(default_searches).map_err(|error| {
        let OptionError { option, expected, found } = error;
        refuse(keywords.py(), "UsageError", keyword(option), &expected, &found)
    })?;
    Ok((plan, num_cores))
}

/// Converts keyword arguments. Returns the options, and the maximum number of threads.
///
/// # Errors
/// `UsageError` if a keyword is unknown or a value is of a wrong type.
pub fn solve_options(keywords: &Bound<'_, PyDict>) -> PyResult<(SolveOptions, Option<NumCores>)> {
    let (mut options, mut num_cores) = (SolveOptions::default(), None);
    for (name, value) in keywords {
        let name: String = name.extract()?;
        let argument = Argument { name: &name, value: &value };
        match name.as_str() {
            "search" => options.search = argument.parsed()?,
            "deterministic" => options.greedy = argument.flag()?.unwrap_or(false),
            "backtracking" => options.no_backtracking = !argument.flag()?.unwrap_or(true),
            "num_searches" => options.num_searches = argument.whole()?,
            "num_mcts_searches" => options.num_mcts_searches = argument.whole()?,
            "C" => options.exploration = argument.number()?,
            "max_expand_depth" => options.max_expand_depth = argument.whole()?,
            "temperature" => options.temperature = argument.number()?,
            "gamma" => options.gamma = argument.number()?,
            "leaves" => options.leaves = argument.whole()?,
            "score" if value.is_instance_of::<PyString>() => options.score = argument.parsed()?,
            "score" => {
                let weight = argument.extract("a number, policy, value or mixed")?;
                options.score = weight.map(|weight| BeamScore::Blend { weight });
            }
            "twists" => options.twists = argument.parsed()?.unwrap_or_default(),
            "objective" => options.objective = argument.parsed()?.unwrap_or_default(),
            "invert" => options.invert = argument.parsed()?.unwrap_or_default(),
            "nodes" => options.nodes = argument.extract("a whole number from 1 on")?,
            "seconds" => options.seconds = argument.number()?,
            "max_steps" => options.max_steps = argument.whole()?,
            "seed" => options.seed = argument.extract(SEEDS)?.unwrap_or(0),
            "num_cores" => num_cores = value.extract::<Option<Cores>>()?.map(|cores| cores.0),
            _ => return Err(argument.refused(&format!("one of the arguments {KEYWORDS}"))),
        }
    }
    Ok((options, num_cores))
}

/// Returns the keyword argument of an option.
fn keyword(option: &'static str) -> &'static str {
    match option {
        "greedy" => "deterministic",
        "no_backtracking" => "backtracking",
        "exploration" => "C",
        other => other,
    }
}

/// A keyword argument. `None` counts as not given.
struct Argument<'a, 'py> {
    name: &'a str,
    value: &'a Bound<'py, PyAny>,
}

impl<'py> Argument<'_, 'py> {
    fn refused(&self, expected: &str) -> PyErr {
        refused(self.name, self.value, expected)
    }

    fn extract<T>(&self, expected: &str) -> PyResult<Option<T>>
    where
        T: for<'a> FromPyObject<'a, 'py>,
    {
        match self.value.is_none() {
            true => Ok(None),
            false => self.value.extract().map(Some).map_err(|_| self.refused(expected)),
        }
    }

    fn whole(&self) -> PyResult<Option<usize>> {
        self.extract("a whole number, 0 or more")
    }

    fn number<T>(&self) -> PyResult<Option<T>>
    where
        T: for<'a> FromPyObject<'a, 'py>,
    {
        self.extract("a number")
    }

    fn flag(&self) -> PyResult<Option<bool>> {
        (!self.value.is_none()).then(|| flag(self.name, self.value)).transpose()
    }

    /// Parses text.
    fn parsed<T: FromStr<Err = OptionError>>(&self) -> PyResult<Option<T>> {
        let Some(text) = self.extract::<String>("text")? else { return Ok(None) };
        let parsed = text.parse();
        parsed.map(Some).map_err(|OptionError { expected, found, .. }| {
            let (_, question) = split_question(&found);
            if question.is_empty() {
                return self.refused(&expected);
            }
            // The value as Python writes it.
            let shown = self.value.repr().map_or(found.clone(), |repr| repr.to_string());
            let found = format!("{shown}{question}");
            refuse(self.value.py(), "UsageError", self.name, &expected, &found)
        })
    }
}
